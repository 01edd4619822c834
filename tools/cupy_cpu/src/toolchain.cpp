// Calling g++, and its precompiled headers.
#include "toolchain.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>
#include <stdexcept>
using std::string;

string include_dir;
extern "C" void cpucuda_set_include_dir(const char* path) { include_dir = path; }

string environment(const char* name, const string& otherwise) {
  const char* s = getenv(name);
  return s && *s ? s : otherwise;
}
string read_file(const string& path) {
  std::ifstream f(path, std::ios::binary);
  std::stringstream s;
  s << f.rdbuf();
  return s.str();
}
void write_file(const string& path, const string& text) {
  std::ofstream f(path, std::ios::binary);
  f << text;
}
string quoted(const string& s) { return "'" + std::regex_replace(s, std::regex("'"), "'\\''") + "'"; }
bool shell(const string& command) { return system(command.c_str()) == 0; }

string compiler() {
  return environment("CUPY_CPU_CXX", "g++") +
         " -std=c++17 -fPIC -fvisibility=hidden -fno-semantic-interposition -w -fpermissive " +
         environment("CUPY_CPU_CXXFLAGS", "-O1") + " ";
}
string include_flags() { return "-I" + quoted(include_dir) + " -I" + quoted(include_dir + "/cupy/_cpu") + " "; }

string precompiled_header(bool with_cupy) {
  string dir = environment("CUPY_CACHE_DIR", environment("HOME", "/tmp") + "/.cupy/kernel_cache");
  size_t key = std::hash<string>()(compiler() + include_dir + CPUCUDA_RECIPE);
  string header = dir + "/cpucuda-" + std::to_string(key) + (with_cupy ? "-cupy.h" : "-raw.h");
  struct stat st;
  if (!stat((header + ".gch").c_str(), &st)) return header;
  shell("mkdir -p " + quoted(dir));
  string text = "#include \"cupy/_cpu/cpucuda.h\"\n";
  if (with_cupy) {
    for (auto name : {"complex.cuh", "carray.cuh", "atomics.cuh", "float16.cuh", "bfloat16.cuh", "math_constants.h"})
      text += string("#include <cupy/") + name + ">\n";
  }
  // Two processes may do this at once: each works on files of its own, and renames them.
  string own = header + "." + std::to_string(getpid()), made = own + ".gch", log = own + ".log";
  write_file(own, text);
  bool good = shell(compiler() + include_flags() + " -x c++-header " + quoted(own) + " -o " + quoted(made) + " 2>" +
                    quoted(log)) &&
              !rename(own.c_str(), header.c_str()) && !rename(made.c_str(), (header + ".gch").c_str());
  if (!good)
    throw std::runtime_error("CuPy-on-CPU: precompiling " + header + " failed; is g++ installed?\n" + read_file(log));
  unlink(log.c_str());
  return header;
}
