// NVRTC: g++ makes a shared object of a kernel's source.
#include <cstdlib>
#include <cstring>
#include <map>
#include <regex>
#include <stdexcept>

#include "image.h"
#include "toolchain.h"
using std::string;

enum Result { NVRTC_SUCCESS = 0, NVRTC_COMPILATION = 6, NVRTC_NAME_EXPRESSION_NOT_VALID = 10 };
struct Program {
  string source, name, log, image;
  std::vector<std::pair<string, string>> headers;
  std::vector<string> expressions;         // such as fill<float, 3>
  std::map<string, string> lowered_names;  // the symbol of each
};

// NVRTC's options that g++ has too; the others only concern code for a GPU.
static string translated(int n, const char** options) {
  string flags;
  for (int i = 0; i < n; i++) {
    string o = options[i];
    auto starts = [&o](const char* with) { return o.rfind(with, 0) == 0; };
    if (starts("--std=")) o = o.substr(1);
    bool newer = starts("-std=") && o != "-std=c++11" && o != "-std=c++14" && o != "-std=c++17";
    bool cccl = o.find("/_cccl/") != string::npos;  // NVIDIA's own C++ library needs nvcc
    if (newer || (starts("-D") && o != "-D") || starts("-U") || (starts("-I") && o != "-I" && !cccl))
      flags += quoted(o) + " ";
    if ((o == "-I" || o == "-D") && i + 1 < n) flags += o + quoted(options[++i]) + " ";
  }
  return flags;
}
// The source to search for kernels: preprocessed where the preprocessor makes them or leaves them out.
static string searchable(const string& source, const string& flags, const string& dir) {
  if (!std::regex_search(source, std::regex("#\\s*(if|define)"))) return source;
  write_file(dir + "/k.cpp", std::regex_replace(source, std::regex("#\\s*include[^\n]*"), ""));
  shell(environment("CUPY_CPU_CXX", "g++") + " -E -P -D__CUDA_ARCH__=900 -D__CUDACC__ " + flags + dir + "/k.cpp -o " +
        dir + "/k.ii 2>/dev/null");
  return read_file(dir + "/k.ii");
}
static int compile(Program* p, const string& dir, int n, const char** options) {
  string flags = translated(n, options) + "-I" + quoted(dir) + " " + include_flags();
  for (auto& [name, text] : p->headers) {
    shell("mkdir -p $(dirname " + quoted(dir + "/" + name) + ")");
    write_file(dir + "/" + name, text);
  }
  string source = as_cpp(without_comments(p->source));
  string code = "#line 1 \"" + p->name + "\"\n" + source + "\n";
  if (p->expressions.empty())
    for (auto& k : kernel_names(searchable(source, flags, dir))) code += "CPUCUDA_KERNEL(" + k + ", " + k + ")\n";
  for (auto& e : p->expressions) {
    string symbol = "e" + std::to_string(p->lowered_names.size());
    p->lowered_names[e] = symbol;
    code += "CPUCUDA_KERNEL(" + symbol + ", " + e + ")\n";
  }
  bool with_cupy = source.find("<cupy/") != string::npos || source.find("\"cupy/") != string::npos;
  write_file(dir + "/k.cpp", code);
  bool good = shell(compiler() + flags + "-include " + quoted(precompiled_header(with_cupy)) +
                    " -shared -Wl,-Bsymbolic " + dir + "/k.cpp -o " + dir + "/k.so > " + dir + "/log 2>&1");
  p->log = read_file(dir + "/log");
  if (!good) return NVRTC_COMPILATION;
  string library = read_file(dir + "/k.so");
  ImageHeader header;
  memcpy(header.magic, IMAGE_MAGIC, sizeof header.magic);
  header.has_barriers = library.find("cpucuda_barrier") != string::npos;
  header.bytes = library.size();
  p->image = string((const char*)&header, sizeof header) + library;
  return NVRTC_SUCCESS;
}

extern "C" {
const char* nvrtcGetErrorString(int r) { return r == NVRTC_SUCCESS ? "NVRTC_SUCCESS" : "NVRTC_ERROR_COMPILATION"; }
int nvrtcVersion(int* major, int* minor) {
  *major = 13;
  *minor = 2;
  return NVRTC_SUCCESS;
}
int nvrtcGetNumSupportedArchs(int* n) {
  *n = 1;
  return NVRTC_SUCCESS;
}
int nvrtcGetSupportedArchs(int* archs) {
  *archs = 90;
  return NVRTC_SUCCESS;
}
int nvrtcCreateProgram(void** program, const char* source, const char* name, int n, const char** headers,
                       const char** names) {
  auto p = new Program;
  p->source = source;
  p->name = name ? name : "";
  for (int i = 0; i < n; i++) p->headers.push_back({names[i], headers[i]});
  *program = p;
  return NVRTC_SUCCESS;
}
int nvrtcDestroyProgram(void** program) {
  delete (Program*)*program;
  *program = nullptr;
  return NVRTC_SUCCESS;
}
int nvrtcAddNameExpression(void* program, const char* expression) {
  ((Program*)program)->expressions.push_back(expression);
  return NVRTC_SUCCESS;
}
int nvrtcGetLoweredName(void* program, const char* expression, const char** name) {
  auto& names = ((Program*)program)->lowered_names;
  auto i = names.find(expression);
  if (i == names.end()) return NVRTC_NAME_EXPRESSION_NOT_VALID;
  *name = i->second.c_str();
  return NVRTC_SUCCESS;
}
int nvrtcCompileProgram(void* program, int n, const char** options) {
  auto p = (Program*)program;
  try {
    if (p->source.empty()) {  // CuPy asks for this once and makes it part of the key of its kernel cache
      p->image = string("// CuPy-on-CPU ") + CPUCUDA_RECIPE + " " + compiler() + "\n";
      return NVRTC_SUCCESS;
    }
    string dir = environment("TMPDIR", "/tmp") + "/cupycpuXXXXXX";
    if (!mkdtemp(&dir[0])) throw std::runtime_error("CuPy-on-CPU: can't make a folder " + dir);
    struct Cleanup {
      string dir;
      ~Cleanup() {
        if (environment("CUPY_CPU_KEEP", "") != "1") shell("rm -rf " + quoted(dir));
      }
    } cleanup{dir};
    return compile(p, dir, n, options);
  } catch (const std::exception& e) {
    p->log = e.what();
    return NVRTC_COMPILATION;
  }
}
int nvrtcGetCUBINSize(void* program, size_t* n) {
  *n = ((Program*)program)->image.size();
  return NVRTC_SUCCESS;
}
int nvrtcGetCUBIN(void* program, char* to) {
  auto& image = ((Program*)program)->image;
  memcpy(to, image.data(), image.size());
  return NVRTC_SUCCESS;
}
int nvrtcGetPTXSize(void* program, size_t* n) { return nvrtcGetCUBINSize(program, n); }
int nvrtcGetPTX(void* program, char* to) { return nvrtcGetCUBIN(program, to); }
int nvrtcGetLTOIRSize(void*, size_t*) { return NVRTC_COMPILATION; }
int nvrtcGetLTOIR(void*, char*) { return NVRTC_COMPILATION; }
int nvrtcGetProgramLogSize(void* program, size_t* n) {
  *n = ((Program*)program)->log.size() + 1;
  return NVRTC_SUCCESS;
}
int nvrtcGetProgramLog(void* program, char* to) {
  strcpy(to, ((Program*)program)->log.c_str());
  return NVRTC_SUCCESS;
}
}
