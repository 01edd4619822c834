// cuBLAS for float, double and their complex types.
#include <dlfcn.h>

#include <cmath>
#include <unordered_map>

#include "handle.h"
#include "lapack.h"

static std::string blas_path;
void* blas_symbol(const std::string& name) {  // called by library calls, which run one at a time
  static void* library = dlopen(blas_path.c_str(), RTLD_NOW | RTLD_LOCAL);
  static std::unordered_map<std::string, void*> known;
  void*& f = known[name];
  if (!f) f = library ? dlsym(library, name.c_str()) : nullptr;
  if (!f) {
    const char* needs = " (needs NumPy's wheel from PyPI, which holds OpenBLAS)";
    throw std::runtime_error("not available in CuPy-on-CPU: " + name + needs);
  }
  return f;
}

// ---- reductions to a scalar, in double precision ----
template <class T>
static T dot(int n, T* x, int incx, T* y, int incy, bool conjugated) {
  using Wide = std::conditional_t<is_real<T>, double, cdouble>;
  Wide sum = 0;
  for (Int i = 0; i < n; i++) sum += Wide(conjugated ? conjugate(x[i * incx]) : x[i * incx]) * Wide(y[i * incy]);
  return T(sum);
}
template <class T>
static double norm(int n, T* x, int incx, int order) {
  double sum = 0;
  for (Int i = 0; i < n; i++) {
    double re = std::abs(std::real(x[i * incx])), im = std::abs(std::imag(x[i * incx]));
    sum += order == 1 ? re + im : re * re + im * im;
  }
  return order == 1 ? sum : std::sqrt(sum);
}
// The place of the largest (sign 1) or smallest (-1) |re| + |im|, from 1.
template <class T>
static int extremum(int n, T* x, int incx, int sign) {
  auto size = [&](Int i) { return sign * (std::abs(std::real(x[i * incx])) + std::abs(std::imag(x[i * incx]))); };
  int best = 0;
  for (int i = 1; i < n; i++)
    if (size(i) > size(best)) best = i;
  return n > 0 ? best + 1 : 0;
}
template <class T>
static void ger(int m, int n, T* alpha, T* x, int incx, T* y, int incy, T* a, int lda, bool conjugated) {
  for (Int j = 0; j < n; j++)
    for (Int i = 0; i < m; i++)
      a[i + j * lda] += *alpha * x[i * incx] * (conjugated ? conjugate(y[j * incy]) : y[j * incy]);
}

#define REDUCTIONS(T, AMAX, AMIN, ASUM, NRM2)                                 \
  int AMAX(Handle* h, int n, T* x, int incx, int* result) {                   \
    return run_to_scalar(h, [=] { *result = extremum(n, x, incx, 1); });      \
  }                                                                           \
  int AMIN(Handle* h, int n, T* x, int incx, int* result) {                   \
    return run_to_scalar(h, [=] { *result = extremum(n, x, incx, -1); });     \
  }                                                                           \
  int ASUM(Handle* h, int n, T* x, int incx, Real<T>* result) {               \
    return run_to_scalar(h, [=] { *result = Real<T>(norm(n, x, incx, 1)); }); \
  }                                                                           \
  int NRM2(Handle* h, int n, T* x, int incx, Real<T>* result) {               \
    return run_to_scalar(h, [=] { *result = Real<T>(norm(n, x, incx, 2)); }); \
  }
#define DOT(T, NAME, CONJUGATED)                                                      \
  int NAME(Handle* h, int n, T* x, int incx, T* y, int incy, T* result) {             \
    return run_to_scalar(h, [=] { *result = dot(n, x, incx, y, incy, CONJUGATED); }); \
  }
#define GER(T, NAME, CONJUGATED)                                                               \
  int NAME(Handle* h, int m, int n, T* alpha, T* x, int incx, T* y, int incy, T* a, int lda) { \
    return run(h, [=] { ger(m, n, alpha, x, incx, y, incy, a, lda, CONJUGATED); });            \
  }

extern "C" {
void cpucuda_set_blas(const char* path) { blas_path = path; }
int cublasCreate(Handle** h) {
  *h = new Handle{blas_calls};
  return 0;
}
int cublasDestroy(Handle* h) {
  delete h;
  return 0;
}
int cublasGetVersion(Handle*, int* v) {
  *v = 130200;
  return 0;
}
int cublasSetStream(Handle* h, void* s) {
  h->stream = s;
  return 0;
}
int cublasGetStream(Handle* h, void** s) {
  *s = h->stream;
  return 0;
}
int cublasSetPointerMode(Handle* h, int mode) {
  h->pointer_mode = mode;
  return 0;
}
int cublasGetPointerMode(Handle* h, int* mode) {
  *mode = h->pointer_mode;
  return 0;
}
int cublasSetMathMode(Handle* h, int mode) {
  h->math_mode = mode;
  return 0;
}
int cublasGetMathMode(Handle* h, int* mode) {
  *mode = h->math_mode;
  return 0;
}
REDUCTIONS(float, cublasIsamax, cublasIsamin, cublasSasum, cublasSnrm2)
REDUCTIONS(double, cublasIdamax, cublasIdamin, cublasDasum, cublasDnrm2)
REDUCTIONS(cfloat, cublasIcamax, cublasIcamin, cublasScasum, cublasScnrm2)
REDUCTIONS(cdouble, cublasIzamax, cublasIzamin, cublasDzasum, cublasDznrm2)
DOT(float, cublasSdot, false)
DOT(double, cublasDdot, false)
DOT(cfloat, cublasCdotu, false)
DOT(cfloat, cublasCdotc, true)
DOT(cdouble, cublasZdotu, false)
DOT(cdouble, cublasZdotc, true)
GER(float, cublasSger, false)
GER(double, cublasDger, false)
GER(cfloat, cublasCgeru, false)
GER(cfloat, cublasCgerc, true)
GER(cdouble, cublasZgeru, false)
GER(cdouble, cublasZgerc, true)
#define TYPED "blas_typed.inc"
#include "letters.h"
}
