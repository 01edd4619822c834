// cuFFT: mixed radix, in double precision.
#include <cmath>
#include <vector>

#include "internal.h"
#include "lapack.h"

static const int FORWARD = -1, INVERSE = 1, INVALID_SIZE = 8;
enum Type { C2C = 0x29, R2C = 0x2a, C2R = 0x2c, Z2Z = 0x69, D2Z = 0x6a, Z2D = 0x6c };

// Transforms n numbers, `stride` apart; root holds the N-th roots of unity, N being a multiple of n.
static void transform(cdouble* out, const cdouble* in, Int n, Int stride, const cdouble* root, Int N) {
  if (n == 1) {
    *out = *in;
    return;
  }
  Int radix = 2;
  while (n % radix) radix++;
  Int m = n / radix;
  for (Int q = 0; q < radix; q++) transform(out + q * m, in + q * stride, m, stride * radix, root, N);
  std::vector<cdouble> terms(radix);
  for (Int k = 0; k < m; k++) {
    for (Int q = 0; q < radix; q++) terms[q] = out[q * m + k];
    for (Int s = 0; s < radix; s++) {
      cdouble sum = 0;
      for (Int q = 0; q < radix; q++) sum += terms[q] * root[q * (k + s * m) % n * (N / n)];
      out[k + s * m] = sum;
    }
  }
}

// Where an array's elements lie: in an array of shape `embed`, `stride` apart, the next of the batch at `step`.
struct Layout {
  std::vector<Int> embed;
  Int stride, step;
};
struct Plan {
  std::vector<Int> n;
  Layout in, out;
  Int batch;
  int type;
  void* stream = nullptr;
};
static std::vector<Plan> plans;  // by handle; guarded by the lock of the API

static std::vector<Int> index_of(Int flat, const std::vector<Int>& n) {
  std::vector<Int> x(n.size());
  for (size_t j = n.size(); j-- > 0; flat /= n[j]) x[j] = flat % n[j];
  return x;
}
static Int offset(const Layout& l, const std::vector<Int>& x) {
  Int at = 0;
  for (size_t j = 0; j < x.size(); j++) at = at * l.embed[j] + x[j];
  return at * l.stride;
}
static void transform_axis(std::vector<cdouble>& a, const std::vector<Int>& shape, size_t axis, int sign) {
  Int n = shape[axis], step = 1, total = a.size();
  for (size_t j = axis + 1; j < shape.size(); j++) step *= shape[j];
  std::vector<cdouble> roots(n), line(n), result(n);
  for (Int i = 0; i < n; i++) roots[i] = std::polar(1.0, sign * 2 * M_PI * i / n);
  for (Int i = 0; i < total / n; i++) {
    Int base = i / step * step * n + i % step;
    for (Int j = 0; j < n; j++) line[j] = a[base + j * step];
    transform(result.data(), line.data(), n, 1, roots.data(), n);
    for (Int j = 0; j < n; j++) a[base + j * step] = result[j];
  }
}
template <class In, class Out>
static void run_plan(const Plan& p, const In* in, Out* out, int sign) {
  size_t last = p.n.size() - 1;
  Int total = 1;
  for (Int n : p.n) total *= n;
  std::vector<cdouble> a(total);
  for (Int b = 0; b < p.batch; b++, in += p.in.step, out += p.out.step) {
    for (Int i = 0; i < total; i++) {
      auto x = index_of(i, p.n);
      bool not_stored = is_real<Out> && x[last] > p.n[last] / 2;  // the conjugate of its mirror image
      if (not_stored)
        for (size_t j = 0; j <= last; j++) x[j] = (p.n[j] - x[j]) % p.n[j];
      a[i] = cdouble(in[offset(p.in, x)]);
      if (not_stored) a[i] = std::conj(a[i]);
      bool own_mirror = x[last] == 0 || 2 * x[last] == p.n[last];
      if (is_real<Out> && last == 0 && own_mirror) a[i] = a[i].real();
    }
    for (size_t axis = 0; axis <= last; axis++) transform_axis(a, p.n, axis, sign);
    for (Int i = 0; i < total; i++) {
      auto x = index_of(i, p.n);
      if (is_real<In> && x[last] > p.n[last] / 2) continue;
      if constexpr (is_real<Out>)
        out[offset(p.out, x)] = Out(a[i].real());
      else
        out[offset(p.out, x)] = Out(a[i]);
    }
  }
}
template <class In, class Out>
static int execute(int handle, In* in, Out* out, int sign) {
  Plan p = [handle] {
    Lock lock(api_lock);
    return plans.at(handle);
  }();
  return submit_library(p.stream, fft_calls, "cuFFT", [=] { run_plan(p, in, out, sign); });
}

extern "C" {
int cufftCreate(int* handle) {
  Lock lock(api_lock);
  *handle = plans.size();
  plans.emplace_back();
  return 0;
}
int cufftDestroy(int handle) {
  Lock lock(api_lock);
  plans.at(handle) = Plan();
  return 0;
}
int cufftSetAutoAllocation(int, int) { return 0; }
int cufftSetWorkArea(int, void*) { return 0; }
int cufftSetStream(int handle, void* s) {
  Lock lock(api_lock);
  plans.at(handle).stream = s;
  return 0;
}
int cufftGetVersion(int* v) {
  *v = 12000;
  return 0;
}
int cufftMakePlanMany(int handle, int rank, int* n, int* in_embed, int in_stride, int in_step, int* out_embed,
                      int out_stride, int out_step, int type, int batch, size_t* work_bytes) {
  Lock lock(api_lock);
  Plan& p = plans.at(handle);
  for (int i = 0; i < rank; i++)
    if (n[i] < 1) return INVALID_SIZE;
  p.n.assign(n, n + rank);
  p.type = type;
  p.batch = batch;
  auto layout = [&](int* embed, bool halved, int stride, int step) {
    if (embed) return Layout{{embed, embed + rank}, stride, step};
    Layout l{p.n, 1, 1};
    if (halved) l.embed.back() = l.embed.back() / 2 + 1;
    for (Int x : l.embed) l.step *= x;
    return l;
  };
  p.in = layout(in_embed, type == C2R || type == Z2D, in_stride, in_step);
  p.out = layout(out_embed, type == R2C || type == D2Z, out_stride, out_step);
  *work_bytes = 1;
  return 0;
}
int cufftMakePlan1d(int handle, int n, int type, int batch, size_t* work_bytes) {
  return cufftMakePlanMany(handle, 1, &n, nullptr, 1, 0, nullptr, 1, 0, type, batch, work_bytes);
}
int cufftExecC2C(int h, cfloat* in, cfloat* out, int sign) { return execute(h, in, out, sign); }
int cufftExecZ2Z(int h, cdouble* in, cdouble* out, int sign) { return execute(h, in, out, sign); }
int cufftExecR2C(int h, float* in, cfloat* out) { return execute(h, in, out, FORWARD); }
int cufftExecD2Z(int h, double* in, cdouble* out) { return execute(h, in, out, FORWARD); }
int cufftExecC2R(int h, cfloat* in, float* out) { return execute(h, in, out, INVERSE); }
int cufftExecZ2D(int h, cdouble* in, double* out) { return execute(h, in, out, INVERSE); }
}
