// The compiler, and the text of kernels.
#pragma once
#include <string>
#include <vector>

extern std::string include_dir;  // CuPy's, with cupy/_cpu in it
std::string environment(const char* name, const std::string& otherwise);
std::string read_file(const std::string& path);
void write_file(const std::string& path, const std::string& text);
std::string quoted(const std::string& s);  // for the shell
bool shell(const std::string& command);    // whether it succeeded
std::string compiler();                    // with the flags for every kernel
std::string include_flags();
// The header to include before a kernel; it is precompiled once for each compiler and installation.
std::string precompiled_header(bool with_cupy);

// ---- kernel_source.cpp ----
std::string without_comments(const std::string& source);
// CUDA words that no macro can turn into C++.
std::string as_cpp(const std::string& source);
// Names of the extern "C" kernels of a source without comments.
std::vector<std::string> kernel_names(const std::string& source);
