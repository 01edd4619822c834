// The sorts that CuPy has from Thrust: stable, NaN last, along the last axis.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>

#include "internal.h"
#include "lapack.h"
using Shape = std::vector<ptrdiff_t>;

template <class T>
static bool less(const T& a, const T& b) {
  if constexpr (std::is_integral<T>::value) return a < b;
  if (b != b) return a == a;
  return a == a && a < b;
}
// NumPy's order: by real part, then imaginary; numbers with NaN last, and among them by what is no NaN
template <class T>
static bool less(const std::complex<T>& a, const std::complex<T>& b) {
  auto class_of = [](const std::complex<T>& z) { return std::isnan(z.real()) * 2 + std::isnan(z.imag()); };
  int ca = class_of(a), cb = class_of(b);
  if (ca != cb) return ca < cb;
  auto re = [](const std::complex<T>& z, int c) { return c & 2 ? 0 : z.real(); };
  auto im = [](const std::complex<T>& z, int c) { return c & 1 ? 0 : z.imag(); };
  return re(a, ca) < re(b, cb) || (re(a, ca) == re(b, cb) && im(a, ca) < im(b, cb));
}
// Calls f with a null pointer of the type that CuPy numbers so.
template <class F>
static void with_type(int id, F f) {
  switch (id) {
    case 0:
      return f((int8_t*)nullptr);
    case 1:
      return f((uint8_t*)nullptr);
    case 2:
      return f((int16_t*)nullptr);
    case 3:
      return f((uint16_t*)nullptr);
    case 4:
      return f((int32_t*)nullptr);
    case 5:
      return f((uint32_t*)nullptr);
    case 6:
      return f((int64_t*)nullptr);
    case 7:
      return f((uint64_t*)nullptr);
    case 8:
      return f((_Float16*)nullptr);
    case 9:
      return f((float*)nullptr);
    case 10:
      return f((double*)nullptr);
    case 11:
      return f((cfloat*)nullptr);
    case 12:
      return f((cdouble*)nullptr);
    case 13:
      return f((bool*)nullptr);
  }
  throw std::runtime_error("not available in CuPy-on-CPU: sort of CuPy's type number " + std::to_string(id));
}
// Calls f with the offset of each row.
template <class F>
static void for_rows(const Shape& shape, F f) {
  size_t row = shape.back(), n = 1;
  for (auto s : shape) n *= s;
  for (size_t i = 0; row && i < n; i += row) f(i, row);
}

void thrust_sort(int id, void* data, size_t*, const Shape& shape, intptr_t stream, void*) {
  submit_library((void*)stream, sort_calls, "sort", [=] {
    with_type(id, [&](auto* type) {
      auto x = (decltype(type))data;
      for_rows(shape, [&](size_t at, size_t n) {
        std::stable_sort(x + at, x + at + n, [](const auto& a, const auto& b) { return less(a, b); });
      });
    });
  });
}
void thrust_argsort(int id, size_t* indices, void* data, void*, const Shape& shape, intptr_t stream, void*) {
  submit_library((void*)stream, sort_calls, "argsort", [=] {
    with_type(id, [&](auto* type) {
      auto x = (decltype(type))data;
      for_rows(shape, [&](size_t at, size_t n) {
        std::iota(indices + at, indices + at + n, 0);
        std::stable_sort(indices + at, indices + at + n,
                         [&](size_t a, size_t b) { return less(x[at + a], x[at + b]); });
      });
    });
  });
}
void thrust_lexsort(int id, size_t* indices, void* keys, size_t n_keys, size_t n, intptr_t stream, void*) {
  submit_library((void*)stream, sort_calls, "lexsort", [=] {
    with_type(id, [&](auto* type) {
      auto x = (decltype(type))keys;
      std::iota(indices, indices + n, 0);
      for (size_t k = 0; k < n_keys; k++)
        std::stable_sort(indices, indices + n, [&](size_t a, size_t b) { return less(x[k * n + a], x[k * n + b]); });
    });
  });
}
