// Devices and their properties. CUPY_CPU_DEVICES of them (1), alike, with nothing shared: no peer access.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "cpucuda_props.h"
#include "internal.h"

static const int CUDA_VERSION_HERE = 13020;
static const int MEMORY_OF_BLOCK = 49152, MEMORY_OF_BLOCK_OPTIN = 232448, MEMORY_OF_MULTIPROCESSOR = 233472;
static thread_local int current = 0;

int device_count() {
  static const int n = [] {
    const char* s = getenv("CUPY_CPU_DEVICES");
    return s && *s ? std::clamp(atoi(s), 1, MAX_DEVICES) : 1;
  }();
  return n;
}
int current_device() { return current; }
void set_current_device(int device) { current = device; }
static bool exists(int device) { return 0 <= device && device < device_count(); }

extern "C" {
int cudaDriverGetVersion(int* v) {
  *v = CUDA_VERSION_HERE;
  return SUCCESS;
}
int cudaRuntimeGetVersion(int* v) { return cudaDriverGetVersion(v); }
int cudaGetDevice(int* d) {
  *d = current;
  return SUCCESS;
}
int cudaGetDeviceCount(int* n) {
  *n = device_count();
  return SUCCESS;
}
int cudaSetDevice(int d) {
  if (!exists(d)) return INVALID_DEVICE;
  current = d;
  return SUCCESS;
}
int cudaDeviceCanAccessPeer(int* r, int device, int peer) {
  if (!exists(device) || !exists(peer)) return INVALID_DEVICE;
  *r = 0;
  return SUCCESS;
}
int cudaDeviceGetPCIBusId(char* s, int n, int device) {
  if (!exists(device)) return INVALID_DEVICE;
  snprintf(s, n, "0000:%02x:00.0", device);
  return SUCCESS;
}
int cudaDeviceGetAttribute(int* v, int attribute, int device) {
  static const std::map<int, int> values = {
      {1, 1024},  // threads of a block
      {2, 1024},
      {3, 1024},
      {4, 64},  // its x, y, z
      {5, 0x7fffffff},
      {6, 65535},
      {7, 65535},  // blocks of a grid: x, y, z
      {8, MEMORY_OF_BLOCK},
      {9, 65536},
      {10, 32},  // shared memory, constant memory, warp size
      {11, 0x7fffffff},
      {12, 65536},
      {13, 1000000},  // pitch, registers of a block, clock in kHz
      {14, 512},
      {15, 0},
      {16, 2},
      {17, 0},  // texture alignment, overlap, multiprocessors, timeout
      {18, 0},
      {19, 1},
      {20, 0},
      {21, 131072},
      {27, 65536},  // integrated, can map host memory, compute mode, textures
      {31, 0},
      {32, 0},
      {33, 0},
      {34, 0},
      {35, 0},  // concurrent kernels, ECC, PCI bus and device, TCC
      {36, 1000000},
      {37, 64},
      {38, 1 << 20},
      {39, 2048},  // memory clock and bus, L2, threads of a multiprocessor
      {40, 0},
      {41, 1},
      {45, 131072},
      {69, 131072},  // copy engines, unified addresses, textures
      {75, 9},
      {76, 0},
      {78, 1},  // compute capability, stream priorities
      {81, MEMORY_OF_MULTIPROCESSOR},
      {82, 65536},  // shared memory, registers of a multiprocessor
      {83, 1},
      {84, 0},
      {86, 0},
      {87, 2},
      {88, 0},
      {89, 0},  // managed memory, several GPUs on a board, atomics
      {95, 0},
      {96, 0},
      {97, MEMORY_OF_BLOCK_OPTIN},  // cooperative launches, shared memory that can be had
      {115, 0},                     // memory pools of the driver
  };
  auto i = values.find(attribute);
  if (!exists(device)) return INVALID_DEVICE;
  if (i == values.end()) return INVALID_VALUE;
  *v = i->second;
  return SUCCESS;
}
int cudaMemGetInfo(size_t*, size_t*);
int cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  if (!exists(device)) return INVALID_DEVICE;
  memset(p, 0, sizeof *p);
  strcpy(p->name, "CuPy-on-CPU (no GPU)");
  size_t free_bytes;
  cudaMemGetInfo(&free_bytes, &p->totalGlobalMem);
  p->sharedMemPerBlock = MEMORY_OF_BLOCK;
  p->sharedMemPerBlockOptin = MEMORY_OF_BLOCK_OPTIN;
  p->sharedMemPerMultiprocessor = MEMORY_OF_MULTIPROCESSOR;
  p->regsPerBlock = p->regsPerMultiprocessor = 65536;
  p->warpSize = 32;
  p->maxThreadsPerBlock = 1024;
  p->totalConstMem = 65536;
  p->major = 9;
  p->minor = 0;
  p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
  p->maxThreadsDim[2] = 64;
  p->maxGridSize[0] = 0x7fffffff;
  p->maxGridSize[1] = p->maxGridSize[2] = 65535;
  p->multiProcessorCount = 2;
  p->maxThreadsPerMultiProcessor = 2048;
  p->maxBlocksPerMultiProcessor = 32;
  p->unifiedAddressing = p->canMapHostMemory = p->managedMemory = 1;
  p->memPitch = 0x7fffffff;
  p->textureAlignment = 512;
  p->l2CacheSize = 1 << 20;
  return SUCCESS;
}
int cudaProfilerStart() { return SUCCESS; }
int cudaProfilerStop() { return SUCCESS; }
}
