// Handles of cuBLAS and cuSOLVER.
#pragma once
#include <stdexcept>

#include "internal.h"

struct Handle {
  Counter counter;  // blas_calls or solver_calls
  void* stream = nullptr;
  int pointer_mode = 0, math_mode = 0;  // pointer mode 0: scalars are read and written on the host
};
extern "C" int cudaStreamIsCapturing(void*, int*);

template <class F>
int run(Handle* h, F operation) {
  int status = 0;
  cudaStreamIsCapturing(h->stream, &status);
  if (status) throw std::runtime_error("CuPy-on-CPU: a cuBLAS or cuSOLVER call cannot be captured");
  return submit_library(h->stream, h->counter, h->counter == blas_calls ? "cuBLAS" : "cuSOLVER", operation);
}
// A call that returns a number: the host waits for it unless it stays on the device.
template <class F>
int run_to_scalar(Handle* h, F operation) {
  bool waits = h->pointer_mode == 0;
  if (waits) ask(implicit_synchronizations, "cuBLAS");
  int e = run(h, operation);
  if (waits) count(implicit_synchronizations, "cuBLAS");
  return e;
}
