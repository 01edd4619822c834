// The running thread, barriers, and what the threads of a block or warp exchange.
#pragma once
#include "vectors.h"

extern "C" {
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
extern char cpucuda_shared[];           // dynamic shared memory
extern uint64_t cpucuda_slot[1024][2];  // one value per thread, for shuffles
void cpucuda_barrier(unsigned mask);    // mask 0: the block; else lanes of the warp
[[noreturn]] void cpucuda_fail(int code, const char* why);
}
static const int warpSize = 32;
static inline int cpu_tid() { return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z); }
static inline void __syncthreads() { cpucuda_barrier(0); }
static inline void __syncwarp(unsigned m = ~0u) { cpucuda_barrier(m); }
static inline void __threadfence() {}
static inline void __threadfence_block() {}
static inline void __threadfence_system() {}
static inline void __trap() { cpucuda_fail(719, "__trap()"); }
static inline void __nanosleep(unsigned) {}
#undef assert
#define assert(e) ((e) ? (void)0 : cpucuda_fail(710, "assert(" #e ")"))

// every thread of `mask` (0: the block) stores v, then reads what it wants
template <class T, class F>
static T cpu_exchange(unsigned mask, T v, F read) {
  static_assert(sizeof(T) <= sizeof(cpucuda_slot[0]), "shuffle of a large type");
  memcpy(cpucuda_slot[cpu_tid()], &v, sizeof v);
  cpucuda_barrier(mask);
  T r = read();
  cpucuda_barrier(mask);
  return r;
}
template <class T>
static T cpu_slot(int t) {
  T v;
  memcpy(&v, cpucuda_slot[t], sizeof v);
  return v;
}
static inline int cpu_lane() { return cpu_tid() & 31; }
template <class T>
static T cpu_shfl(unsigned m, T v, int lane) {
  int t = (cpu_tid() & ~31) + lane;
  return cpu_exchange(m, v, [t] { return cpu_slot<T>(t); });
}
template <class T>
static T __shfl_sync(unsigned m, T v, int s, int w = 32) {
  int l = cpu_lane();
  return cpu_shfl(m, v, (l & ~(w - 1)) + (s & (w - 1)));
}
template <class T>
static T __shfl_up_sync(unsigned m, T v, unsigned d, int w = 32) {
  int l = cpu_lane(), s = l - (int)d;
  return cpu_shfl(m, v, s < (l & ~(w - 1)) ? l : s);
}
template <class T>
static T __shfl_down_sync(unsigned m, T v, unsigned d, int w = 32) {
  int l = cpu_lane(), s = l + (int)d;
  return cpu_shfl(m, v, s > (l | (w - 1)) ? l : s);
}
template <class T>
static T __shfl_xor_sync(unsigned m, T v, int x, int w = 32) {
  int l = cpu_lane(), s = l ^ x;
  return cpu_shfl(m, v, s > (l | (w - 1)) ? l : s);
}
template <class T, class R, class F>
static R cpu_warp_fold(unsigned m, T v, R r, F f) {
  struct P {
    R r;
  };
  int base = cpu_tid() & ~31;
  memcpy(cpucuda_slot[cpu_tid()], &v, sizeof v);
  cpucuda_barrier(m);
  int n = blockDim.x * blockDim.y * blockDim.z;
  for (int i = 0; i < 32; i++)
    if ((m >> i & 1) && base + i < n) r = f(r, cpu_slot<T>(base + i), i);
  cpucuda_barrier(m);
  return r;
}
static inline unsigned __ballot_sync(unsigned m, int p) {
  return cpu_warp_fold(m, p, 0u, [](unsigned r, int q, int i) { return r | (q ? 1u << i : 0u); });
}
static inline int __any_sync(unsigned m, int p) { return __ballot_sync(m, p) != 0; }
static inline int __all_sync(unsigned m, int p) { return !__ballot_sync(m, !p); }
template <class T>
static unsigned __match_any_sync(unsigned m, T v) {
  return cpu_warp_fold(m, v, 0u, [v](unsigned r, T q, int i) { return r | (q == v ? 1u << i : 0u); });
}
#define RED_(N, E)                                                                           \
  template <class T>                                                                         \
  static T N(unsigned m, T v) {                                                              \
    T first = __shfl_sync(m, v, __builtin_ctz(m));                                           \
    int k = __builtin_ctz(m);                                                                \
    return cpu_warp_fold(m, v, first, [k](T a, T b, int i) { return i == k ? a : (T)(E); }); \
  }
RED_(__reduce_add_sync, a + b)
RED_(__reduce_min_sync, std::min(a, b))
RED_(__reduce_max_sync, std::max(a, b)) RED_(__reduce_and_sync, a& b) RED_(__reduce_or_sync, a | b)
    RED_(__reduce_xor_sync, a ^ b) static inline int __syncthreads_count(int p) {
  return cpu_exchange(0, p, [] {
    int n = blockDim.x * blockDim.y * blockDim.z, c = 0;
    for (int i = 0; i < n; i++) c += cpu_slot<int>(i) != 0;
    return c;
  });
}
static inline int __syncthreads_or(int p) { return __syncthreads_count(p) != 0; }
static inline int __syncthreads_and(int p) { return __syncthreads_count(!p) == 0; }
