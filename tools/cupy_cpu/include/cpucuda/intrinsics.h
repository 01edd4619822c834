// Intrinsics: cached loads and stores, bits, roundings, fast functions (here the exact ones).
#pragma once
template <class T>
static inline T __ldg(const T* p) {
  return *p;
}
template <class T>
static inline T __ldcs(const T* p) {
  return *p;
}
template <class T>
static inline T __ldcg(const T* p) {
  return *p;
}
template <class T>
static inline T __ldca(const T* p) {
  return *p;
}
template <class T>
static inline void __stcs(T* p, T v) {
  *p = v;
}
template <class T>
static inline void __stcg(T* p, T v) {
  *p = v;
}
template <class To, class From>
static inline To cpu_bits(From f) {
  To t;
  memcpy(&t, &f, sizeof t);
  return t;
}
static inline int __float_as_int(float f) { return cpu_bits<int>(f); }
static inline unsigned __float_as_uint(float f) { return cpu_bits<unsigned>(f); }
static inline float __int_as_float(int i) { return cpu_bits<float>(i); }
static inline float __uint_as_float(unsigned i) { return cpu_bits<float>(i); }
static inline long long __double_as_longlong(double d) { return cpu_bits<long long>(d); }
static inline double __longlong_as_double(long long i) { return cpu_bits<double>(i); }
static inline int __double2hiint(double d) { return (int)(cpu_bits<uint64_t>(d) >> 32); }
static inline int __double2loint(double d) { return (int)cpu_bits<uint64_t>(d); }
static inline double __hiloint2double(int h, int l) {
  return cpu_bits<double>((uint64_t)(unsigned)h << 32 | (unsigned)l);
}
static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll(x) : 64; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __ffsll(long long x) { return __builtin_ffsll(x); }
static inline unsigned __brev(unsigned x) {
  unsigned r = 0;
  for (int i = 0; i < 32; i++) r |= (x >> i & 1) << (31 - i);
  return r;
}
static inline unsigned __umulhi(unsigned a, unsigned b) { return (uint64_t)a * b >> 32; }
static inline int __mulhi(int a, int b) { return (int64_t)a * b >> 32; }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned __int128)a * b >> 64;
}
static inline long long __mul64hi(long long a, long long b) { return (__int128)a * b >> 64; }
static inline int __mul24(int a, int b) { return a * b; }
static inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
static inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fsub_rn(float a, float b) { return a - b; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline float __fsqrt_rn(float a) { return std::sqrt(a); }
static inline float __frcp_rn(float a) { return 1 / a; }
static inline double __dadd_rn(double a, double b) { return a + b; }
static inline double __dmul_rn(double a, double b) { return a * b; }
static inline double __ddiv_rn(double a, double b) { return a / b; }
static inline double __dsqrt_rn(double a) { return std::sqrt(a); }
static inline float __fdividef(float a, float b) { return a / b; }
static inline float fdividef(float a, float b) { return a / b; }
// (glibc has functions of these names)
#define __expf cpu__expf
#define __exp10f cpu__exp10f
#define __logf cpu__logf
#define __log2f cpu__log2f
#define __log10f cpu__log10f
#define __powf cpu__powf
#define __sinf cpu__sinf
#define __cosf cpu__cosf
#define __tanf cpu__tanf
static inline float __expf(float a) { return std::exp(a); }
static inline float __exp10f(float a) { return std::pow(10.f, a); }
static inline float __logf(float a) { return std::log(a); }
static inline float __log2f(float a) { return std::log2(a); }
static inline float __log10f(float a) { return std::log10(a); }
static inline float __powf(float a, float b) { return std::pow(a, b); }
static inline float __sinf(float a) { return std::sin(a); }
static inline float __cosf(float a) { return std::cos(a); }
static inline float __tanf(float a) { return std::tan(a); }
static inline float __saturatef(float a) { return a > 0 ? (a < 1 ? a : 1) : 0; }
static inline int __float2int_rn(float a) { return (int)std::nearbyint(a); }
static inline int __float2int_rz(float a) { return (int)a; }
static inline int __float2int_rd(float a) { return (int)std::floor(a); }
static inline int __float2int_ru(float a) { return (int)std::ceil(a); }
static inline int __double2int_rn(double a) { return (int)std::nearbyint(a); }
static inline float __int2float_rn(int a) { return (float)a; }
static inline float __double2float_rn(double a) { return (float)a; }
