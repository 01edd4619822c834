// cuSOLVER's dense part.
#include "handle.h"
#include "lapack.h"

// The singular value decomposition with V, not its adjoint, as the Jacobi functions give it.
template <class T>
static int svd(int vectors, int economy, int m, int n, T* a, int lda, Real<T>* s, T* u, int ldu, T* v, int ldv) {
  Int rows = economy ? std::min(m, n) : n;
  auto vt = work<T>(rows * n);
  char jobs = !vectors ? 'N' : economy ? 'S' : 'A';
  int info = gesvd<T>(jobs, jobs, m, n, a, lda, s, u, ldu, vt.data(), std::max<Int>(1, rows));
  if (vectors) {
    for (Int j = 0; j < rows; j++)
      for (Int i = 0; i < n; i++) v[i + j * ldv] = conjugate(vt[j + i * rows]);
  }
  return info;
}
static int workspace(int* size) {
  *size = 1;
  return 0;
}

extern "C" {
int cusolverDnCreate(Handle** h) {
  *h = new Handle{solver_calls};
  return 0;
}
int cusolverDnDestroy(Handle* h) {
  delete h;
  return 0;
}
int cusolverDnSetStream(Handle* h, void* s) {
  h->stream = s;
  return 0;
}
int cusolverDnGetStream(Handle* h, void** s) {
  *s = h->stream;
  return 0;
}
int cusolverGetProperty(int which, int* v) {
  *v = which == 0 ? 12 : 0;
  return 0;
}
static int no_parameters(void** p) {
  *p = (void*)1;
  return 0;
}
int cusolverDnCreateParams(void** p) { return no_parameters(p); }
int cusolverDnDestroyParams(void*) { return 0; }
int cusolverDnCreateGesvdjInfo(void** p) { return no_parameters(p); }
int cusolverDnDestroyGesvdjInfo(void*) { return 0; }
int cusolverDnCreateSyevjInfo(void** p) { return no_parameters(p); }
int cusolverDnDestroySyevjInfo(void*) { return 0; }
#define TYPED "solver_typed.inc"
#include "letters.h"
}

// ---- the functions that name their types ----
static int no_workspace(size_t* device, size_t* host) {
  *device = *host = 1;
  return 0;
}
template <class T>
static int eigh_of(int vectors, int uplo, Int n, void* a, Int lda, void* values) {
  return eigh<T>(vectors, uplo, n, (T*)a, lda, (Real<T>*)values);
}
template <class T>
static int geev_of(int left, int right, Int n, void* a, Int lda, void* values, void* vl, Int ldvl, void* vr, Int ldvr) {
  return geev<T>(left, right, n, (T*)a, lda, (std::complex<Real<T>>*)values, (T*)vl, ldvl, (T*)vr, ldvr);
}
extern "C" {
int cusolverDnXsyevd_bufferSize(Handle*, void*, int, int, Int, int, void*, Int, int, void*, int, size_t* device,
                                size_t* host) {
  return no_workspace(device, host);
}
int cusolverDnXsyevd(Handle* h, void*, int vectors, int uplo, Int n, int type, void* a, Int lda, int, void* values, int,
                     void*, size_t, void*, size_t, int* info) {
  auto f = type == R_32F   ? eigh_of<float>
           : type == R_64F ? eigh_of<double>
           : type == C_32F ? eigh_of<cfloat>
           : type == C_64F ? eigh_of<cdouble>
                           : nullptr;
  if (!f) cpucuda_missing(("cusolverDnXsyevd of CUDA data type " + std::to_string(type)).c_str());
  return run(h, [=] { *info = f(vectors, uplo, n, a, lda, values); });
}
int cusolverDnXgeev_bufferSize(Handle*, void*, int, int, Int, int, void*, Int, int, void*, int, void*, Int, int, void*,
                               Int, int, size_t* device, size_t* host) {
  return no_workspace(device, host);
}
int cusolverDnXgeev(Handle* h, void*, int left, int right, Int n, int type, void* a, Int lda, int, void* values, int,
                    void* vl, Int ldvl, int, void* vr, Int ldvr, int, void*, size_t, void*, size_t, int* info) {
  auto f = type == R_32F   ? geev_of<float>
           : type == R_64F ? geev_of<double>
           : type == C_32F ? geev_of<cfloat>
           : type == C_64F ? geev_of<cdouble>
                           : nullptr;
  if (!f) cpucuda_missing(("cusolverDnXgeev of CUDA data type " + std::to_string(type)).c_str());
  return run(h, [=] { *info = f(left, right, n, a, lda, values, vl, ldvl, vr, ldvr); });
}
}
