// The driver API: contexts, modules, functions, launches. Its callers don't let C++ exceptions through.
#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

#include "fibers.h"
#include "image.h"
#include "internal.h"
using std::string;

struct Module {
  void* library;
  bool has_barriers;
  int device;
};
struct Function {
  const cpucuda_kernel* kernel;
  bool has_barriers;
  int device;
  string name;
  int max_shared_bytes = 49152;
};
enum { ATTRIBUTE_MAX_DYNAMIC_SHARED = 8, ATTRIBUTE_PREFERRED_CARVEOUT = 9 };

// A context is its device's number and one: a device has only its primary context.
static void* context_of(int device) { return (void*)(uintptr_t)(device + 1); }

extern "C" {
int cuCtxGetCurrent(void** c) {
  *c = context_of(current_device());
  return SUCCESS;
}
int cuCtxSetCurrent(void* c) {
  if (c) set_current_device((int)(uintptr_t)c - 1);
  return SUCCESS;
}
int cuCtxGetDevice(int* d) {
  *d = current_device();
  return SUCCESS;
}
int cuStreamGetCtx(void* s, void** c) {
  *c = context_of(stream_of(s)->device);
  return SUCCESS;
}
int cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }
int cuCtxCreate_v2(void**, unsigned, int) { return NOT_SUPPORTED; }
int cuCtxDestroy_v2(void*) { return NOT_SUPPORTED; }
int cuLinkCreate_v2(unsigned, void*, void*, void*) { return NOT_SUPPORTED; }
int cuLinkAddData_v2(void*, int, void*, size_t, const char*, unsigned, void*, void*) { return NOT_SUPPORTED; }
int cuLinkAddFile_v2(void*, int, const char*, unsigned, void*, void*) { return NOT_SUPPORTED; }
int cuLinkComplete(void*, void**, size_t*) { return NOT_SUPPORTED; }
int cuLinkDestroy(void*) { return SUCCESS; }

int cuModuleLoadData(void** module, const char* image) {
  ImageHeader header;
  memcpy(&header, image, sizeof header);
  if (memcmp(header.magic, IMAGE_MAGIC, sizeof header.magic)) return INVALID_IMAGE;
  int file = memfd_create("kernel", 0);
  for (size_t done = 0; done < header.bytes;) {
    ssize_t written = write(file, image + sizeof header + done, header.bytes - done);
    if (written <= 0) return INVALID_IMAGE;
    done += written;
  }
  // The file stays open, for dlopen tells libraries apart by name and inode.
  void* library = dlopen(("/proc/self/fd/" + std::to_string(file)).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    fprintf(stderr, "CuPy-on-CPU: %s\n", dlerror());
    return INVALID_IMAGE;
  }
  *module = new Module{library, header.has_barriers != 0, current_device()};
  return SUCCESS;
}
int cuModuleLoad(void** module, const char* path) {
  std::ifstream f(path, std::ios::binary);
  std::stringstream s;
  s << f.rdbuf();
  string image = s.str();
  return image.size() < sizeof(ImageHeader) ? (int)INVALID_IMAGE : cuModuleLoadData(module, image.data());
}
int cuModuleUnload(void*) { return SUCCESS; }  // a captured graph may still run its kernels
int cuModuleGetFunction(void** function, void* module, const char* name) {
  auto m = (Module*)module;
  auto k = (const cpucuda_kernel*)dlsym(m->library, (string("cpucuda_k_") + name).c_str());
  if (!k) return SYMBOL_NOT_FOUND;
  *function = new Function{k, m->has_barriers, m->device, name};
  return SUCCESS;
}
int cuModuleGetGlobal_v2(void** p, size_t* bytes, void* module, const char* name) {
  auto m = (Module*)module;
  *p = dlsym(m->library, name);
  if (!*p) return SYMBOL_NOT_FOUND;
  Dl_info info;
  void* symbol = nullptr;
  dladdr1(*p, &info, &symbol, RTLD_DL_SYMENT);
  *bytes = ((const ElfW(Sym)*)symbol)->st_size;
  register_global(*p, *bytes, m->device);
  return SUCCESS;
}

int cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared_bytes, void* stream, void** arguments, void** extra) {
  auto f = (Function*)function;
  bool empty = !gx || !gy || !gz || !bx || !by || !bz;
  bool too_large = (uint64_t)bx * by * bz > 1024 || bz > 64 || gx > 0x7fffffff || gy > 65535 || gz > 65535;
  if (empty || too_large || (int)shared_bytes > f->max_shared_bytes || extra) return INVALID_VALUE;
  auto s = stream_of(stream);
  if (f->device != current_device() || s->device != current_device()) return INVALID_HANDLE;
  Grid grid = {f->kernel, f->has_barriers, dim3(gx, gy, gz), dim3(bx, by, bz), shared_bytes};
  auto announce = [f] { count(kernel_launches, f->name.c_str()); };
  if (!s->capture) return submit(stream, "", announce, [=] { return run_grid(grid, arguments); });
  // A graph keeps the arguments' values, as they are now, and runs on this device.
  std::vector<std::vector<char>> values;
  for (int i = 0; i < f->kernel->n; i++) {
    auto value = (const char*)arguments[i];
    values.emplace_back(value, value + f->kernel->size[i]);
  }
  return submit(stream, f->name.c_str(), announce, [grid, values, device = current_device()] {
    std::vector<void*> pointers;
    for (auto& v : values) pointers.push_back((void*)v.data());
    int before = current_device();
    set_current_device(device);
    int e = run_grid(grid, pointers.data());
    set_current_device(before);
    return e;
  });
}
int cuLaunchCooperativeKernel(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*,
                              void**) {
  return NOT_SUPPORTED;
}
int cuFuncGetAttribute(int* v, int attribute, void* function) {
  // threads of a block, static shared, constant, local memory, registers, PTX and binary version, cache mode, ...
  static const int values[] = {1024, 0, 0, 0, 32, 90, 90, 0, 0, -1};
  if (attribute < 0 || attribute > 9) return INVALID_VALUE;
  *v = attribute == ATTRIBUTE_MAX_DYNAMIC_SHARED ? ((Function*)function)->max_shared_bytes : values[attribute];
  return SUCCESS;
}
int cuFuncSetAttribute(void* function, int attribute, int v) {
  if (attribute == ATTRIBUTE_PREFERRED_CARVEOUT) return SUCCESS;
  if (attribute != ATTRIBUTE_MAX_DYNAMIC_SHARED || v < 0 || v > 232448) return INVALID_VALUE;
  ((Function*)function)->max_shared_bytes = v;
  return SUCCESS;
}
int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* n, void*, int threads, size_t) {
  *n = std::max(1, 2048 / std::max(1, threads));
  return SUCCESS;
}
int cuOccupancyMaxPotentialBlockSize(int* blocks, int* threads, void*, void*, size_t, int limit) {
  *threads = limit ? std::min(limit, 1024) : 1024;
  *blocks = 4;
  return SUCCESS;
}
}
