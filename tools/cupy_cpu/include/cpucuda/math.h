// CUDA's mathematical functions that C++ lacks, and C++'s under their plain names.
#pragma once
static inline double rsqrt(double x) { return 1 / std::sqrt(x); }
static inline float rsqrtf(float x) { return 1 / std::sqrt(x); }
static inline double rcbrt(double x) { return 1 / std::cbrt(x); }
static inline double sinpi(double x) { return std::sin(M_PI * x); }
static inline double cospi(double x) { return std::cos(M_PI * x); }
static inline float sinpif(float x) { return (float)sinpi(x); }
static inline float cospif(float x) { return (float)cospi(x); }
static inline double norm3d(double a, double b, double c) { return std::sqrt(a * a + b * b + c * c); }
// The normal distribution and its inverse. The inverses bisect: slow, and as exact as erf and erfc.
static inline double normcdf(double x) { return 0.5 * std::erfc(-x * M_SQRT1_2); }
static inline float normcdff(float x) { return (float)normcdf(x); }
static inline double normcdfinv(double p) {
  if (!(p > 0 && p < 1)) return p == 0 ? -INFINITY : p == 1 ? INFINITY : NAN;
  double x = 0, lo = -40, hi = 40;
  for (int i = 0; i < 60; i++) {
    x = (lo + hi) / 2;
    (normcdf(x) < p ? lo : hi) = x;
  }
  return x;
}
static inline double erfinv(double y) {
  double a = std::fabs(y), x = 0, lo = 0, hi = 6;
  if (!(a < 1)) return a == 1 ? std::copysign(INFINITY, y) : NAN;
  for (int i = 0; i < 60; i++) {
    x = (lo + hi) / 2;
    bool below = a < 0.5 ? std::erf(x) < a : std::erfc(x) > 1 - a;
    (below ? lo : hi) = x;
  }
  if (a < 0.5)  // Newton, for small numbers are known to fewer digits than they have
    for (int i = 0; i < 2; i++) x -= (std::erf(x) - a) * std::exp(x * x) * (std::sqrt(M_PI) / 2);
  return std::copysign(x, y);
}
static inline double erfcinv(double y) { return -normcdfinv(y / 2) * M_SQRT1_2; }
static inline double erfcx(double x) { return std::exp(x * x) * std::erfc(x); }
static inline float normcdfinvf(float p) { return (float)normcdfinv(p); }
static inline float erfinvf(float y) { return (float)erfinv(y); }
static inline float erfcinvf(float y) { return (float)erfcinv(y); }
static inline float erfcxf(float x) { return (float)erfcx(x); }
using std::abs;
using std::acos;
using std::acosh;
using std::asin;
using std::asinh;
using std::atan;
using std::atan2;
using std::atanh;
using std::cbrt;
using std::ceil;
using std::copysign;
using std::cos;
using std::cosh;
using std::erf;
using std::erfc;
using std::exp;
using std::exp2;
using std::expm1;
using std::fabs;
using std::floor;
using std::fma;
using std::fmax;
using std::fmin;
using std::fmod;
using std::frexp;
using std::hypot;
using std::isfinite;
using std::isinf;
using std::isnan;
using std::isnormal;
using std::ldexp;
using std::lgamma;
using std::log;
using std::log10;
using std::log1p;
using std::log2;
using std::max;
using std::min;
using std::modf;
using std::nearbyint;
using std::nextafter;
using std::pow;
using std::remainder;
using std::rint;
using std::round;
using std::signbit;
using std::sin;
using std::sinh;
using std::sqrt;
using std::tan;
using std::tanh;
using std::tgamma;
using std::trunc;
// CUDA's min and max also take two types.
template <class A, class B>
static inline typename std::common_type<A, B>::type max(A a, B b) {
  typedef typename std::common_type<A, B>::type C;
  return (C)a < (C)b ? (C)b : (C)a;
}
template <class A, class B>
static inline typename std::common_type<A, B>::type min(A a, B b) {
  typedef typename std::common_type<A, B>::type C;
  return (C)b < (C)a ? (C)b : (C)a;
}
