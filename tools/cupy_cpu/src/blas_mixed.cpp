// cuBLAS's products that name the type of each matrix. 16-bit types are multiplied and summed in float.
#include <cstring>

#include "handle.h"
#include "lapack.h"

enum { COMPUTE_16F = 64, COMPUTE_16F_PEDANTIC = 65, COMPUTE_32F = 68 };

static Int size_of(int type) {
  switch (type) {
    case C_64F:
      return 16;
    case R_64F:
    case C_32F:
      return 8;
    case R_32F:
    case R_32I:
      return 4;
    case R_8I:
    case R_8U:
      return 1;
    default:
      return 2;
  }
}
static float load(int type, const void* a, Int i) {
  switch (type) {
    case R_32F:
      return ((const float*)a)[i];
    case R_16F:
      return (float)((const _Float16*)a)[i];
    case R_8I:
      return ((const int8_t*)a)[i];
    case R_16BF: {
      uint32_t bits = (uint32_t)((const uint16_t*)a)[i] << 16;
      float f;
      memcpy(&f, &bits, sizeof f);
      return f;
    }
  }
  cpucuda_missing(("gemm of CUDA data type " + std::to_string(type)).c_str());
}
static void store(int type, void* a, Int i, float f) {
  switch (type) {
    case R_32F:
      ((float*)a)[i] = f;
      return;
    case R_16F:
      ((_Float16*)a)[i] = (_Float16)f;
      return;
    case R_16BF: {
      uint32_t bits;
      memcpy(&bits, &f, sizeof f);
      bool nan = (bits & 0x7fffffff) > 0x7f800000;
      uint32_t rounding = 0x7fff + ((bits >> 16) & 1);  // to nearest, ties to even
      ((uint16_t*)a)[i] = nan ? 0x7fc0 : (bits + rounding) >> 16;
      return;
    }
  }
  cpucuda_missing(("gemm of CUDA data type " + std::to_string(type)).c_str());
}
static std::vector<float> floats(int type, const void* x, Int rows, Int columns, Int ld) {
  auto v = work<float>(rows * columns);
  for (Int j = 0; j < columns; j++)
    for (Int i = 0; i < rows; i++) v[i + j * rows] = load(type, x, i + j * ld);
  return v;
}

struct Matrix {
  char* data;
  int type, ld;
  Int step = 0;  // to the next one of a batch
  void* at(Int i) const { return data + i * step * size_of(type); }
};
template <class T>
static void gemm_alike(int ta, int tb, int m, int n, int k, void* alpha, void* a, int lda, void* b, int ldb, void* beta,
                       void* c, int ldc) {
  gemm<T>(ta, tb, m, n, k, (T*)alpha, (T*)a, lda, (T*)b, ldb, (T*)beta, (T*)c, ldc);
}
static void gemm_mixed(int ta, int tb, int m, int n, int k, void* alpha, Matrix a, Matrix b, void* beta, Matrix c,
                       int compute, Int batch) {
  bool alike = a.type == b.type && a.type == c.type;
  auto same = !alike            ? nullptr
              : a.type == R_64F ? gemm_alike<double>
              : a.type == C_32F ? gemm_alike<cfloat>
              : a.type == C_64F ? gemm_alike<cdouble>
                                : nullptr;
  for (Int i = 0; i < batch; i++) {
    if (same) {
      same(ta, tb, m, n, k, alpha, a.at(i), a.ld, b.at(i), b.ld, beta, c.at(i), c.ld);
      continue;
    }
    // `compute` is a cublasComputeType_t, or a cudaDataType in older functions
    bool half = compute == COMPUTE_16F || compute == COMPUTE_16F_PEDANTIC || compute == R_16F;
    float al = load(half ? R_16F : R_32F, alpha, 0), be = load(half ? R_16F : R_32F, beta, 0);
    Int a_rows = ta ? k : m, a_columns = ta ? m : k, b_rows = tb ? n : k, b_columns = tb ? k : n;
    auto fa = floats(a.type, a.at(i), a_rows, a_columns, a.ld), fb = floats(b.type, b.at(i), b_rows, b_columns, b.ld);
    auto fc = be != 0 ? floats(c.type, c.at(i), m, n, c.ld) : work<float>((Int)m * n);
    gemm<float>(ta, tb, m, n, k, &al, fa.data(), std::max<Int>(1, a_rows), fb.data(), std::max<Int>(1, b_rows), &be,
                fc.data(), std::max(1, m));
    for (Int j = 0; j < n; j++)
      for (Int l = 0; l < m; l++) store(c.type, c.at(i), l + j * c.ld, fc[l + j * m]);
  }
}

#define GEMM_EX(NAME, STRIDED)                                                                                       \
  int NAME(Handle* h, int ta, int tb, int m, int n, int k, void* alpha, char* a, int at, int lda, char* b, int bt,   \
           int ldb, void* beta, char* c, int ct, int ldc, int compute, int) {                                        \
    return run(                                                                                                      \
        h, [=] { gemm_mixed(ta, tb, m, n, k, alpha, {a, at, lda}, {b, bt, ldb}, beta, {c, ct, ldc}, compute, 1); }); \
  }                                                                                                                  \
  int STRIDED(Handle* h, int ta, int tb, int m, int n, int k, void* alpha, char* a, int at, int lda, Int step_a,     \
              char* b, int bt, int ldb, Int step_b, void* beta, char* c, int ct, int ldc, Int step_c, int batch,     \
              int compute, int) {                                                                                    \
    return run(h, [=] {                                                                                              \
      gemm_mixed(ta, tb, m, n, k, alpha, {a, at, lda, step_a}, {b, bt, ldb, step_b}, beta, {c, ct, ldc, step_c},     \
                 compute, batch);                                                                                    \
    });                                                                                                              \
  }
extern "C" {
int cublasSgemmEx(Handle* h, int ta, int tb, int m, int n, int k, float* alpha, char* a, int at, int lda, char* b,
                  int bt, int ldb, float* beta, char* c, int ct, int ldc) {
  return run(
      h, [=] { gemm_mixed(ta, tb, m, n, k, alpha, {a, at, lda}, {b, bt, ldb}, beta, {c, ct, ldc}, COMPUTE_32F, 1); });
}
GEMM_EX(cublasGemmEx, cublasGemmStridedBatchedEx)
GEMM_EX(cublasGemmEx_v11, cublasGemmStridedBatchedEx_v11)
}
