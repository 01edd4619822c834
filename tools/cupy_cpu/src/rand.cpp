// cuRAND's host API: the distributions are right, the sequences are not cuRAND's.
#include <random>

#include "internal.h"

struct Generator {
  std::mt19937_64 engine;
  void* stream = nullptr;
};
static const int FIRST_QUASI_RANDOM = 200;

template <class T, class F>
static int fill(Generator* g, T* out, size_t n, F draw) {
  return submit_library(g->stream, rand_calls, "cuRAND", [=]() mutable {
    for (size_t i = 0; i < n; i++) out[i] = (T)draw(g->engine);
  });
}

extern "C" {
int curandCreateGenerator(Generator** g, int type) {
  if (type >= FIRST_QUASI_RANDOM) cpucuda_missing("quasi-random generators");
  *g = new Generator;
  return 0;
}
int curandDestroyGenerator(Generator* g) {
  delete g;
  return 0;
}
int curandGetVersion(int* v) {
  *v = 10400;
  return 0;
}
int curandSetStream(Generator* g, void* s) {
  g->stream = s;
  return 0;
}
int curandSetPseudoRandomGeneratorSeed(Generator* g, unsigned long long seed) {
  g->engine.seed(seed);
  return 0;
}
int curandSetGeneratorOffset(Generator* g, unsigned long long n) {
  g->engine.discard(n);
  return 0;
}
int curandSetGeneratorOrdering(Generator*, int) { return 0; }

int curandGenerate(Generator* g, unsigned* out, size_t n) {
  return fill(g, out, n, [](auto& e) { return e() >> 32; });
}
int curandGenerateLongLong(Generator* g, unsigned long long* out, size_t n) {
  return fill(g, out, n, [](auto& e) { return e(); });
}
// uniform in (0, 1], as cuRAND's
int curandGenerateUniform(Generator* g, float* out, size_t n) {
  return fill(g, out, n, [](auto& e) { return ((e() >> 40) + 1) * 0x1p-24; });
}
int curandGenerateUniformDouble(Generator* g, double* out, size_t n) {
  return fill(g, out, n, [](auto& e) { return ((e() >> 11) + 1) * 0x1p-53; });
}
// The stub header declares these with "...", so a float arrives as a double.
int curandGenerateNormal(Generator* g, float* out, size_t n, double mean, double sigma) {
  return fill(g, out, n, std::normal_distribution<double>(mean, sigma));
}
int curandGenerateNormalDouble(Generator* g, double* out, size_t n, double mean, double sigma) {
  return fill(g, out, n, std::normal_distribution<double>(mean, sigma));
}
int curandGenerateLogNormal(Generator* g, float* out, size_t n, double mean, double sigma) {
  return fill(g, out, n, std::lognormal_distribution<double>(mean, sigma));
}
int curandGenerateLogNormalDouble(Generator* g, double* out, size_t n, double mean, double sigma) {
  return fill(g, out, n, std::lognormal_distribution<double>(mean, sigma));
}
int curandGeneratePoisson(Generator* g, unsigned* out, size_t n, double mean) {
  return fill(g, out, n, std::poisson_distribution<unsigned>(mean));
}
}
