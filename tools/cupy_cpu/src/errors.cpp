// Error codes, their names and messages.
#include <map>
#include <stdexcept>

#include "internal.h"
using std::string;

struct Message {
  const char *name, *text;
};
static const std::map<int, Message> messages = {
    {SUCCESS, {"cudaSuccess", "no error"}},
    {INVALID_VALUE, {"cudaErrorInvalidValue", "invalid argument"}},
    {OUT_OF_MEMORY, {"cudaErrorMemoryAllocation", "out of memory"}},
    {INVALID_DEVICE, {"cudaErrorInvalidDevice", "invalid device ordinal"}},
    {INVALID_IMAGE, {"cudaErrorInvalidKernelImage", "not an image compiled by CuPy-on-CPU"}},
    {INVALID_HANDLE, {"cudaErrorInvalidResourceHandle", "invalid resource handle"}},
    {ILLEGAL_STATE, {"cudaErrorIllegalState", "the operation cannot be performed in the present state"}},
    {SYMBOL_NOT_FOUND, {"cudaErrorSymbolNotFound", "named symbol not found"}},
    {NOT_READY, {"cudaErrorNotReady", "device not ready"}},
    {ILLEGAL_ADDRESS, {"cudaErrorIllegalAddress", "an illegal memory access was encountered"}},
    {DEVICE_ASSERT, {"cudaErrorAssert", "device-side assert triggered"}},
    {LAUNCH_FAILURE, {"cudaErrorLaunchFailure", "unspecified launch failure"}},
    {NOT_SUPPORTED, {"cudaErrorNotSupported", "not available in CuPy-on-CPU"}},
    {CAPTURE_UNSUPPORTED, {"cudaErrorStreamCaptureUnsupported", "operation not permitted when stream is capturing"}},
    {CAPTURE_INVALIDATED,
     {"cudaErrorStreamCaptureInvalidated", "operation failed due to a previous error during capture"}},
    {CAPTURE_UNMATCHED, {"cudaErrorStreamCaptureUnmatched", "capture was not initiated in this stream"}},
    {CAPTURE_UNJOINED, {"cudaErrorStreamCaptureUnjoined", "capturing stream has unjoined work"}},
    {CAPTURE_ISOLATION, {"cudaErrorStreamCaptureIsolation", "dependency created on uncaptured work in another stream"}},
    {CAPTURE_IMPLICIT,
     {"cudaErrorStreamCaptureImplicit",
      "operation would make the legacy stream depend on a capturing blocking stream"}},
    {CAPTURED_EVENT,
     {"cudaErrorCapturedEvent", "operation not permitted on an event last recorded in a capturing stream"}},
    {CAPTURE_WRONG_THREAD,
     {"cudaErrorStreamCaptureWrongThread", "attempt to terminate a thread-local capture sequence from another thread"}},
};
static thread_local string why_failed;

void explain_failure(const string& why) { why_failed = why; }

extern "C" {
[[noreturn]] void cpucuda_missing(const char* function) {
  throw std::runtime_error(string("not available in CuPy-on-CPU: ") + function);
}
const char* cudaGetErrorName(int e) {
  auto i = messages.find(e);
  return i == messages.end() ? "cudaErrorUnknown" : i->second.name;
}
const char* cudaGetErrorString(int e) {
  bool of_kernel = e == LAUNCH_FAILURE || e == DEVICE_ASSERT || e == ILLEGAL_ADDRESS;
  if (of_kernel && !why_failed.empty()) return why_failed.c_str();
  auto i = messages.find(e);
  return i == messages.end() ? "unknown error" : i->second.text;
}
int cuGetErrorName(int e, const char** s) {
  *s = cudaGetErrorName(e);
  return SUCCESS;
}
int cuGetErrorString(int e, const char** s) {
  *s = cudaGetErrorString(e);
  return SUCCESS;
}
int cudaGetLastError() { return SUCCESS; }
}
