// What the files of libcpucuda.so share. Functions of CUDA keep CUDA's names, signatures and error codes; they return
// int for cudaError_t, CUresult and the like, and take void* for handles, as callers know them only as such.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

// ---- errors.cpp ----
enum Error {
  SUCCESS = 0,
  INVALID_VALUE = 1,
  OUT_OF_MEMORY = 2,
  INVALID_DEVICE = 101,
  INVALID_IMAGE = 200,
  INVALID_HANDLE = 400,
  ILLEGAL_STATE = 401,
  SYMBOL_NOT_FOUND = 500,
  NOT_READY = 600,
  ILLEGAL_ADDRESS = 700,
  DEVICE_ASSERT = 710,
  LAUNCH_FAILURE = 719,
  NOT_SUPPORTED = 801,
  CAPTURE_UNSUPPORTED = 900,
  CAPTURE_INVALIDATED = 901,
  CAPTURE_UNMATCHED = 903,
  CAPTURE_UNJOINED = 904,
  CAPTURE_ISOLATION = 905,
  CAPTURE_IMPLICIT = 906,
  CAPTURED_EVENT = 907,
  CAPTURE_WRONG_THREAD = 908,
};
// Why the last kernel of this thread failed: what cudaGetErrorString says for errors of kernels.
void explain_failure(const std::string& why);
extern "C" [[noreturn]] void cpucuda_missing(const char* function);

// ---- counters.cpp ----
// What a program made the device and the host do. Bytes follow their count.
#define CPUCUDA_COUNTERS(X)                                                                                           \
  X(host_to_device)                                                                                                   \
  X(host_to_device_bytes)                                                                                             \
  X(host_to_device_async) X(host_to_device_async_bytes) X(device_to_host) X(device_to_host_bytes)                     \
      X(device_to_host_async) X(device_to_host_async_bytes) X(device_to_device) X(device_to_device_bytes)             \
          X(peer_to_peer) X(peer_to_peer_bytes) X(memsets) X(memset_bytes) X(device_synchronizations)                 \
              X(stream_synchronizations) X(event_synchronizations) X(implicit_synchronizations) X(kernel_launches)    \
                  X(graph_launches) X(graph_nodes) X(captured_nodes) X(host_functions) X(device_mallocs)              \
                      X(device_malloc_bytes) X(device_frees) X(pinned_mallocs) X(pinned_malloc_bytes) X(pinned_frees) \
                          X(blas_calls) X(solver_calls) X(fft_calls) X(rand_calls) X(sort_calls)
enum Counter {
#define X(name) name,
  CPUCUDA_COUNTERS(X)
#undef X
      COUNTERS
};
// Adds to a counter, and tells the hook that Python may have set.
void count(Counter what, const char* function);
// The same, with bytes added to the counter that follows.
void count_bytes(Counter what, const char* function, size_t bytes);
// Asks the hook before something happens; throws when the hook forbids it. Only where the caller lets C++ exceptions
// through: the runtime API and the libraries, not the driver API, nor what destructors call.
void ask(Counter what, const char* function);

// ---- device.cpp ----
constexpr int MAX_DEVICES = 16;
int device_count();
int current_device();
void set_current_device(int device);

// ---- memory.cpp: every allocation is known, so a host pointer is not taken for one of the device ----
enum MemoryType { UNREGISTERED = 0, PINNED = 1, DEVICE = 2, MANAGED = 3 };
struct Allocation {
  size_t size;
  MemoryType type;
  int device;
};
// The allocation that holds these bytes; of type UNREGISTERED when there is none.
Allocation allocation_of(const void* p, size_t bytes = 1);
void register_global(void* p, size_t bytes, int device);  // a variable of a module

// ---- streams.cpp, capture.cpp ----
struct Stream;
struct Node {
  std::string name;
  std::function<int()> run;
};
using Graph = std::shared_ptr<std::vector<Node>>;
enum CaptureMode { CAPTURE_GLOBAL = 0, CAPTURE_THREAD_LOCAL = 1, CAPTURE_RELAXED = 2 };
struct Capture {
  Graph graph = std::make_shared<std::vector<Node>>();
  Stream* origin;
  CaptureMode mode;
  std::thread::id thread;
  std::set<Stream*> unjoined;  // streams whose work the origin does not wait for yet
  bool invalid = false;
};
struct Stream {
  unsigned flags = 0;
  int priority = 0, device = 0;
  std::shared_ptr<Capture> capture;
  bool blocking() const { return !(flags & 1); }
};
Stream* stream_of(void* handle);
// Guards streams, captures and the one "processor". Nothing may call into Python while it is held.
extern std::recursive_mutex& api_lock;
using Lock = std::lock_guard<std::recursive_mutex>;
extern std::set<Stream*>& capturing;  // streams in capture
// The error of a synchronization with a stream (null: with everything) that is capturing; it invalidates the capture.
int forbid_in_capture(Stream* stream);
// The error of a call that is not ordered by a stream (cudaMalloc, cudaFree, cudaMemcpy) during a capture.
int forbid_unsafe_call();
// Puts an operation into the graph that its stream is capturing, or calls `announce` and runs it.
int submit(void* stream, const char* name, const std::function<void()>& announce, std::function<int()> operation);
// The same for a library's call, which runs alone.
int submit_library(void* stream, Counter counter, const char* name, std::function<void()> operation);
