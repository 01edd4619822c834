// Streams and events. An operation runs when it is submitted, so a stream only orders what is captured.
#include <chrono>

#include "internal.h"
using Clock = std::chrono::steady_clock;

struct Event {
  std::shared_ptr<Capture> capture;  // of the stream that it was last recorded in
  Stream* stream = nullptr;
  int device = current_device();
  bool recorded = false;
  Clock::time_point time;
};
static Stream legacy_streams[MAX_DEVICES], thread_streams[MAX_DEVICES];
std::recursive_mutex& api_lock = *new std::recursive_mutex;
std::set<Stream*>& capturing = *new std::set<Stream*>;

static Stream* default_stream(Stream* of_devices) {
  Stream* s = of_devices + current_device();
  s->device = current_device();
  return s;
}
Stream* stream_of(void* handle) {
  auto h = (uintptr_t)handle;
  return h <= 1 ? default_stream(legacy_streams) : h == 2 ? default_stream(thread_streams) : (Stream*)handle;
}
static bool is_legacy(const Stream* s) { return legacy_streams <= s && s < legacy_streams + MAX_DEVICES; }

// A capture of a blocking stream can't have work in the legacy stream beside it, which would have to wait for it.
static int forbid_legacy_in_capture(Stream* s) {
  if (!is_legacy(s)) return SUCCESS;
  int e = SUCCESS;
  for (auto c : capturing)
    if (c->blocking()) c->capture->invalid = true, e = CAPTURE_IMPLICIT;
  return e;
}
int submit(void* handle, const char* name, const std::function<void()>& announce, std::function<int()> operation) {
  {
    Lock lock(api_lock);
    Stream* s = stream_of(handle);
    if (int e = forbid_legacy_in_capture(s)) return e;
    if (s->capture) {
      if (s->capture->invalid) return CAPTURE_INVALIDATED;
      s->capture->graph->push_back({name, std::move(operation)});
      s->capture->unjoined.insert(s);
      operation = nullptr;
    }
  }
  // Outside the lock, for a hook or a host function takes the interpreter's lock.
  if (!operation) {
    count(captured_nodes, name);
    return SUCCESS;
  }
  announce();
  return operation();
}
int submit_library(void* stream, Counter counter, const char* name, std::function<void()> operation) {
  return submit(
      stream, name, [=] { count(counter, name); },
      [=] {
        Lock lock(api_lock);
        operation();
        return SUCCESS;
      });
}
int cpucuda_submit_rand(void* stream, const char* name, const std::function<void()>& f) {
  return submit_library(stream, rand_calls, name, f);
}

static int synchronize(Stream* s, Counter counter, const char* function) {
  {
    Lock lock(api_lock);
    if (s)
      if (int e = forbid_legacy_in_capture(s)) return e;
    if (int e = forbid_in_capture(s)) return e;
  }
  ask(counter, function);
  count(counter, function);
  return SUCCESS;
}

extern "C" {
int cudaStreamCreateWithPriority(void** s, unsigned flags, int priority) {
  auto made = new Stream;
  made->flags = flags;
  made->priority = priority;
  made->device = current_device();
  *s = made;
  return SUCCESS;
}
int cudaStreamCreateWithFlags(void** s, unsigned flags) { return cudaStreamCreateWithPriority(s, flags, 0); }
int cudaStreamCreate(void** s) { return cudaStreamCreateWithPriority(s, 0, 0); }
int cudaStreamDestroy(void* handle) {
  Lock lock(api_lock);
  auto s = stream_of(handle);
  capturing.erase(s);
  if ((uintptr_t)handle > 2) delete s;
  return SUCCESS;
}
int cudaStreamGetFlags(void* s, unsigned* flags) {
  *flags = stream_of(s)->flags;
  return SUCCESS;
}
int cudaStreamGetPriority(void* s, int* priority) {
  *priority = stream_of(s)->priority;
  return SUCCESS;
}
int cudaStreamSynchronize(void* s) {
  return synchronize(stream_of(s), stream_synchronizations, "cudaStreamSynchronize");
}
int cudaDeviceSynchronize() { return synchronize(nullptr, device_synchronizations, "cudaDeviceSynchronize"); }
int cudaStreamQuery(void* s) {
  Lock lock(api_lock);
  return forbid_in_capture(stream_of(s));
}
int cudaStreamAddCallback(void* s, void (*f)(void*, int, void*), void* data, unsigned) {
  {
    Lock lock(api_lock);
    if (int e = forbid_in_capture(stream_of(s))) return e;
  }
  count(host_functions, "cudaStreamAddCallback");
  f(s, SUCCESS, data);
  return SUCCESS;
}
int cudaLaunchHostFunc(void* s, void (*f)(void*), void* data) {
  return submit(
      s, "host", [] { count(host_functions, "cudaLaunchHostFunc"); },
      [=] {
        f(data);
        return SUCCESS;
      });
}

int cudaEventCreateWithFlags(void** e, unsigned) {
  *e = new Event;
  return SUCCESS;
}
int cudaEventCreate(void** e) { return cudaEventCreateWithFlags(e, 0); }
int cudaEventDestroy(void* e) {
  delete (Event*)e;
  return SUCCESS;
}
int cudaEventRecord(void* handle, void* stream) {
  Lock lock(api_lock);
  auto e = (Event*)handle;
  auto s = stream_of(stream);
  if (e->device != s->device) return INVALID_HANDLE;
  e->capture = s->capture;
  e->stream = s;
  e->recorded = true;
  e->time = Clock::now();
  return SUCCESS;
}
int cudaEventQuery(void* e) { return ((Event*)e)->capture ? CAPTURED_EVENT : SUCCESS; }
int cudaEventSynchronize(void* e) {
  if (((Event*)e)->capture) return CAPTURED_EVENT;
  ask(event_synchronizations, "cudaEventSynchronize");
  count(event_synchronizations, "cudaEventSynchronize");
  return SUCCESS;
}
int cudaEventElapsedTime(float* ms, void* from, void* to) {
  auto a = (Event*)from, b = (Event*)to;
  if (a->capture || b->capture) return CAPTURED_EVENT;
  if (!a->recorded || !b->recorded) return INVALID_HANDLE;
  *ms = std::chrono::duration<float, std::milli>(b->time - a->time).count();
  return SUCCESS;
}
int cudaStreamWaitEvent(void* stream, void* event, unsigned) {
  Lock lock(api_lock);
  auto s = stream_of(stream);
  auto e = (Event*)event;
  if (!e->capture) {
    if (!s->capture || !e->recorded) return SUCCESS;
    s->capture->invalid = true;
    return CAPTURE_ISOLATION;
  }
  if (s->capture && s->capture != e->capture) return CAPTURE_ISOLATION;
  if (!s->capture) {  // fork: this stream joins the capture
    s->capture = e->capture;
    capturing.insert(s);
  }
  e->capture->unjoined.erase(e->stream);  // join: what was recorded there, this stream waits for
  e->capture->unjoined.insert(s);
  return SUCCESS;
}
}
