// BLAS and LAPACK out of the OpenBLAS inside NumPy's wheel, by element type.
// Arrays are column-major, as in cuBLAS; work arrays are made here; `info` is returned.
#pragma once
#include <algorithm>
#include <complex>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

using Int = int64_t;  // NumPy's OpenBLAS has 64-bit integers
using cfloat = std::complex<float>;
using cdouble = std::complex<double>;

// cudaDataType: what functions that name their types take
enum DataType { R_32F = 0, R_64F = 1, R_16F = 2, R_8I = 3, C_32F = 4, C_64F = 5, R_8U = 8, R_32I = 10, R_16BF = 14 };

template <class T>
constexpr bool is_real = std::is_floating_point<T>::value;
template <class T>
struct Scalar;
template <>
struct Scalar<float> {
  using Real = float;
  static constexpr char letter = 's';
};
template <>
struct Scalar<double> {
  using Real = double;
  static constexpr char letter = 'd';
};
template <>
struct Scalar<cfloat> {
  using Real = float;
  static constexpr char letter = 'c';
};
template <>
struct Scalar<cdouble> {
  using Real = double;
  static constexpr char letter = 'z';
};
template <class T>
using Real = typename Scalar<T>::Real;

void* blas_symbol(const std::string& name);  // throws where NumPy has no OpenBLAS
template <class T, class... A>
void fortran(const char* routine, A... arguments) {
  auto f = blas_symbol(std::string("scipy_") + Scalar<T>::letter + routine + "_64_");
  ((void (*)(A...))f)(arguments...);
}
template <class T>
T conjugate(T x) {
  if constexpr (is_real<T>)
    return x;
  else
    return std::conj(x);
}
// cuBLAS's enumerations as LAPACK's letters
inline const char* op(int t) { return t == 0 ? "N" : t == 1 ? "T" : "C"; }
inline const char* triangle(int uplo) { return uplo ? "U" : "L"; }
inline const char* side_of(int side) { return side ? "R" : "L"; }
inline const char* job(int vectors) { return vectors ? "V" : "N"; }
template <class T>
std::vector<T> work(Int n) {
  return std::vector<T>(std::max<Int>(1, n));
}

template <class T>
void gemm(int ta, int tb, Int m, Int n, Int k, const T* alpha, const T* a, Int lda, const T* b, Int ldb, const T* beta,
          T* c, Int ldc) {
  if (m && n) fortran<T>("gemm", op(ta), op(tb), &m, &n, &k, alpha, a, &lda, b, &ldb, beta, c, &ldc);
}
template <class T>
void trsm(int side, int uplo, int t, int diag, Int m, Int n, const T* alpha, const T* a, Int lda, T* b, Int ldb) {
  const char* unit = diag ? "U" : "N";
  fortran<T>("trsm", side_of(side), triangle(uplo), op(t), unit, &m, &n, alpha, a, &lda, b, &ldb);
}
template <class T>
int getrf(Int m, Int n, T* a, Int lda, int* pivots) {
  Int info = 0, k = std::min(m, n);
  auto p = work<Int>(k);
  fortran<T>("getrf", &m, &n, a, &lda, p.data(), &info);
  std::copy(p.begin(), p.begin() + k, pivots);
  return info;
}
template <class T>
int getrs(int t, Int n, Int columns, const T* a, Int lda, const int* pivots, T* b, Int ldb) {
  Int info = 0;
  auto p = work<Int>(n);
  std::copy(pivots, pivots + n, p.begin());
  fortran<T>("getrs", op(t), &n, &columns, a, &lda, p.data(), b, &ldb, &info);
  return info;
}
template <class T>
int getri(Int n, T* a, Int lda, const int* pivots) {
  Int info = 0, lwork = 64 * std::max<Int>(n, 1);
  auto p = work<Int>(n);
  auto w = work<T>(lwork);
  std::copy(pivots, pivots + n, p.begin());
  fortran<T>("getri", &n, a, &lda, p.data(), w.data(), &lwork, &info);
  return info;
}
template <class T>
int potrf(int uplo, Int n, T* a, Int lda) {
  Int info = 0;
  fortran<T>("potrf", triangle(uplo), &n, a, &lda, &info);
  return info;
}
template <class T>
int potrs(int uplo, Int n, Int columns, const T* a, Int lda, T* b, Int ldb) {
  Int info = 0;
  fortran<T>("potrs", triangle(uplo), &n, &columns, a, &lda, b, &ldb, &info);
  return info;
}
template <class T>
int geqrf(Int m, Int n, T* a, Int lda, T* tau) {
  Int info = 0, lwork = 64 * std::max<Int>(1, n);
  auto w = work<T>(lwork);
  fortran<T>("geqrf", &m, &n, a, &lda, tau, w.data(), &lwork, &info);
  return info;
}
// Q out of its reflectors
template <class T>
int generate_q(Int m, Int n, Int k, T* a, Int lda, const T* tau) {
  Int info = 0, lwork = 64 * std::max<Int>(1, n);
  auto w = work<T>(lwork);
  fortran<T>(is_real<T> ? "orgqr" : "ungqr", &m, &n, &k, a, &lda, tau, w.data(), &lwork, &info);
  return info;
}
template <class T>
int multiply_by_q(int side, int t, Int m, Int n, Int k, const T* a, Int lda, const T* tau, T* c, Int ldc) {
  Int info = 0, lwork = 64 * std::max<Int>(1, std::max(m, n)) + 8192;
  auto w = work<T>(lwork);
  fortran<T>(is_real<T> ? "ormqr" : "unmqr", side_of(side), op(t), &m, &n, &k, a, &lda, tau, c, &ldc, w.data(), &lwork,
             &info);
  return info;
}
template <class T>
int gesvd(char job_u, char job_vt, Int m, Int n, T* a, Int lda, Real<T>* s, T* u, Int ldu, T* vt, Int ldvt) {
  Int info = 0, lwork = 64 * (5 * std::max(m, n) + 64);
  ldu = std::max<Int>(ldu, 1);
  ldvt = std::max<Int>(ldvt, 1);
  auto w = work<T>(lwork);
  auto rw = work<Real<T>>(5 * std::max(m, n) + 1);
  if constexpr (is_real<T>)
    fortran<T>("gesvd", &job_u, &job_vt, &m, &n, a, &lda, s, u, &ldu, vt, &ldvt, w.data(), &lwork, &info);
  else
    fortran<T>("gesvd", &job_u, &job_vt, &m, &n, a, &lda, s, u, &ldu, vt, &ldvt, w.data(), &lwork, rw.data(), &info);
  return info;
}
// Eigenvalues (and vectors) of a symmetric or Hermitian matrix
template <class T>
int eigh(int vectors, int uplo, Int n, T* a, Int lda, Real<T>* values) {
  Int info = 0, lwork = 2 * n * n + 64 * n + 64, lrwork = 2 * n * n + 5 * n + 1, liwork = 5 * n + 3;
  auto w = work<T>(lwork);
  auto rw = work<Real<T>>(lrwork);
  auto iw = work<Int>(liwork);
  if constexpr (is_real<T>)
    fortran<T>("syevd", job(vectors), triangle(uplo), &n, a, &lda, values, w.data(), &lwork, iw.data(), &liwork, &info);
  else
    fortran<T>("heevd", job(vectors), triangle(uplo), &n, a, &lda, values, w.data(), &lwork, rw.data(), &lrwork,
               iw.data(), &liwork, &info);
  return info;
}
// Eigenvalues, complex always, and vectors of a general matrix
template <class T>
int geev(int left, int right, Int n, T* a, Int lda, std::complex<Real<T>>* values, T* vl, Int ldvl, T* vr, Int ldvr) {
  Int info = 0, lwork = 64 * n + 64;
  auto w = work<T>(lwork);
  auto re = work<Real<T>>(2 * n), im = work<Real<T>>(n);  // complex types: re is their work array
  if constexpr (is_real<T>) {
    fortran<T>("geev", job(left), job(right), &n, a, &lda, re.data(), im.data(), vl, &ldvl, vr, &ldvr, w.data(), &lwork,
               &info);
    for (Int i = 0; i < n; i++) values[i] = {re[i], im[i]};
  } else {
    fortran<T>("geev", job(left), job(right), &n, a, &lda, values, vl, &ldvl, vr, &ldvr, w.data(), &lwork, re.data(),
               &info);
  }
  return info;
}
