// Allocations and copies.
#include <cstdlib>
#include <cstring>
#include <map>

#include "internal.h"

static const int FRESH = 0xCB, FREED = 0xDD;  // fill memory that must not be read, so that a read of it shows
static auto& allocations = *new std::map<uintptr_t, Allocation>;  // never destroyed: frees come after main's end
static auto& allocations_lock = *new std::mutex;
using AllocationsLock = std::lock_guard<std::mutex>;
static size_t used[MAX_DEVICES];

static size_t total() {
  const char* s = getenv("CUPY_CPU_MEMORY");
  return s && *s ? strtoull(s, nullptr, 0) : size_t(8) << 30;
}
Allocation allocation_of(const void* p, size_t bytes) {
  AllocationsLock lock(allocations_lock);
  auto i = allocations.upper_bound((uintptr_t)p);
  if (i == allocations.begin()) return {0, UNREGISTERED, 0};
  --i;
  return (uintptr_t)p + bytes <= i->first + i->second.size ? i->second : Allocation{0, UNREGISTERED, 0};
}
void register_global(void* p, size_t bytes, int device) {
  AllocationsLock lock(allocations_lock);
  allocations[(uintptr_t)p] = {bytes, DEVICE, device};
}
static bool on_device(const void* p, size_t bytes) { return allocation_of(p, bytes).type >= DEVICE; }
static bool only_on_device(const void* p) { return allocation_of(p).type == DEVICE; }

static int allocate(void** p, size_t bytes, MemoryType type, const char* function) {
  Counter counter = type == PINNED ? pinned_mallocs : device_mallocs;
  *p = nullptr;
  if (int e = forbid_unsafe_call()) return e;
  ask(counter, function);
  {
    AllocationsLock lock(allocations_lock);
    size_t& in_use = used[current_device()];
    if (type != PINNED && in_use + bytes > total()) return OUT_OF_MEMORY;
    if (posix_memalign(p, 512, bytes ? bytes : 1)) return OUT_OF_MEMORY;
    memset(*p, FRESH, bytes);
    allocations[(uintptr_t)*p] = {bytes ? bytes : 1, type, current_device()};
    if (type != PINNED) in_use += bytes ? bytes : 1;
  }
  count_bytes(counter, function, bytes);
  return SUCCESS;
}
// A real cudaFree waits for the device, so it counts as a synchronization. It is never refused: destructors call it.
static int release(void* p, const char* function) {
  if (!p) return SUCCESS;
  if (int e = forbid_unsafe_call()) return e;
  MemoryType type;
  {
    AllocationsLock lock(allocations_lock);
    auto i = allocations.find((uintptr_t)p);
    if (i == allocations.end()) return INVALID_VALUE;
    type = i->second.type;
    if (type != PINNED) used[i->second.device] -= i->second.size;
    memset(p, FREED, i->second.size);
    allocations.erase(i);
    free(p);
  }
  count(type == PINNED ? pinned_frees : device_frees, function);
  count(implicit_synchronizations, function);
  return SUCCESS;
}

// ---- copies ----
enum CopyKind { HOST_TO_HOST = 0, HOST_TO_DEVICE = 1, DEVICE_TO_HOST = 2, DEVICE_TO_DEVICE = 3, BY_ADDRESS = 4 };

// Whether the pointers are what the kind says. Host memory that the allocator does not know is the host's; a pointer to
// device memory that runs past its allocation is neither.
static bool kind_fits(void* to, const void* from, size_t n, int kind) {
  bool to_device = kind == HOST_TO_DEVICE || kind == DEVICE_TO_DEVICE;
  bool from_device = kind == DEVICE_TO_HOST || kind == DEVICE_TO_DEVICE;
  if (kind == BY_ADDRESS) to_device = on_device(to, 1), from_device = on_device(from, 1);
  if (to_device ? !on_device(to, n) : only_on_device(to)) return false;
  return from_device ? on_device(from, n) : !only_on_device(from);
}
static void count_copy(void* to, const void* from, size_t n, int kind, bool async, const char* function) {
  auto target = allocation_of(to), source = allocation_of(from);
  bool to_device = kind == BY_ADDRESS ? target.type >= DEVICE : kind == HOST_TO_DEVICE || kind == DEVICE_TO_DEVICE;
  bool from_device = kind == BY_ADDRESS ? source.type >= DEVICE : kind == DEVICE_TO_HOST || kind == DEVICE_TO_DEVICE;
  if (!to_device && !from_device) return;
  Counter counter = to_device && from_device ? (target.device == source.device ? device_to_device : peer_to_peer)
                    : to_device              ? (async ? host_to_device_async : host_to_device)
                                             : (async ? device_to_host_async : device_to_host);
  // The host waits for a synchronous copy from or to it, and for any copy to memory that is not pinned; what it copies
  // to the device asynchronously is staged.
  bool waits = to_device != from_device && (!async || (from_device && target.type == UNREGISTERED));
  ask(counter, function);
  if (waits) ask(implicit_synchronizations, function);
  count_bytes(counter, function, n);
  if (waits) count(implicit_synchronizations, function);
}
static int copy(void* to, const void* from, size_t n, int kind, void* stream, bool async, const char* function) {
  if (n == 0) return SUCCESS;
  if (!kind_fits(to, from, n, kind)) return INVALID_VALUE;
  if (!async)
    if (int e = forbid_unsafe_call()) return e;
  return submit(
      stream, "memcpy", [=] { count_copy(to, from, n, kind, async, function); },
      [=] {
        memmove(to, from, n);
        return SUCCESS;
      });
}
static int set(void* p, int value, size_t n, void* stream, const char* function) {
  if (n && !on_device(p, n)) return INVALID_VALUE;
  return submit(
      stream, "memset", [=] { count_bytes(memsets, function, n); },
      [=] {
        memset(p, value, n);
        return SUCCESS;
      });
}

extern "C" {
int cudaMalloc(void** p, size_t n) { return allocate(p, n, DEVICE, "cudaMalloc"); }
int cudaMallocManaged(void** p, size_t n, unsigned) { return allocate(p, n, MANAGED, "cudaMallocManaged"); }
int cudaHostAlloc(void** p, size_t n, unsigned) { return allocate(p, n, PINNED, "cudaHostAlloc"); }
int cudaFree(void* p) { return release(p, "cudaFree"); }
int cudaFreeHost(void* p) { return release(p, "cudaFreeHost"); }
int cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
  AllocationsLock lock(allocations_lock);
  *total_bytes = total();
  *free_bytes = *total_bytes - std::min(*total_bytes, used[current_device()]);
  return SUCCESS;
}
struct cudaPointerAttributes {
  int type, device;
  void *devicePointer, *hostPointer;
};
int cudaPointerGetAttributes(cudaPointerAttributes* a, const void* p) {
  auto found = allocation_of(p);
  auto pointer = const_cast<void*>(p);
  *a = {found.type, found.device, found.type == UNREGISTERED ? nullptr : pointer,
        found.type == DEVICE ? nullptr : pointer};
  return SUCCESS;
}
int cudaMemcpyAsync(void* to, const void* from, size_t n, int kind, void* stream) {
  return copy(to, from, n, kind, stream, true, "cudaMemcpyAsync");
}
int cudaMemcpy(void* to, const void* from, size_t n, int kind) {
  return copy(to, from, n, kind, nullptr, false, "cudaMemcpy");
}
int cudaMemcpyPeerAsync(void* to, int to_device, const void* from, int from_device, size_t n, void* stream) {
  if (n && (allocation_of(to).device != to_device || allocation_of(from).device != from_device)) return INVALID_VALUE;
  return copy(to, from, n, DEVICE_TO_DEVICE, stream, true, "cudaMemcpyPeerAsync");
}
int cudaMemcpyPeer(void* to, int to_device, const void* from, int from_device, size_t n) {
  return cudaMemcpyPeerAsync(to, to_device, from, from_device, n, nullptr);
}
int cudaMemsetAsync(void* p, int value, size_t n, void* stream) { return set(p, value, n, stream, "cudaMemsetAsync"); }
int cudaMemset(void* p, int value, size_t n) { return set(p, value, n, nullptr, "cudaMemset"); }
}
