// CUDA's vector types.
#pragma once
#define V1_(T, N)       \
  struct N##1 { T x; }; \
  static inline N##1 make_##N##1(T x) { return {x}; }
#define V2_(T, N)                                                  \
  struct __attribute__((aligned(2 * sizeof(T)))) N##2 { T x, y; }; \
  static inline N##2 make_##N##2(T x, T y) { return {x, y}; }
#define V3_(T, N)             \
  struct N##3 { T x, y, z; }; \
  static inline N##3 make_##N##3(T x, T y, T z) { return {x, y, z}; }
#define V4_(T, N)                                                                                  \
  struct __attribute__((aligned(4 * sizeof(T) > 16 ? 16 : 4 * sizeof(T)))) N##4 { T x, y, z, w; }; \
  static inline N##4 make_##N##4(T x, T y, T z, T w) { return {x, y, z, w}; }
#define V_(T, N) V1_(T, N) V2_(T, N) V3_(T, N) V4_(T, N)
V_(signed char, char)
V_(unsigned char, uchar)
V_(short, short) V_(unsigned short, ushort) V_(int, int) V_(unsigned, uint) V_(long, long) V_(unsigned long, ulong)
    V_(long long, longlong) V_(unsigned long long, ulonglong) V_(float, float) V_(double, double) struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};
typedef struct CUstream_st* cudaStream_t;
