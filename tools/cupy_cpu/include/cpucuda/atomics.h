// Atomics: threads run one at a time, so plain code is atomic.
#pragma once
template <class T>
struct cpu_id_ {
  typedef T type;
};
#define ATOM_(N, E)                                      \
  template <class T>                                     \
  static inline T N(T* a, typename cpu_id_<T>::type v) { \
    T o = *a;                                            \
    *a = (E);                                            \
    return o;                                            \
  }
#define ATOMS_(N, E) ATOM_(N, E) ATOM_(N##_block, E) ATOM_(N##_system, E)
ATOMS_(atomicAdd, o + v)
ATOMS_(atomicSub, o - v)
ATOMS_(atomicExch, v) ATOMS_(atomicMin, v < o ? v : o) ATOMS_(atomicMax, o < v ? v : o) ATOMS_(atomicAnd, o& v)
    ATOMS_(atomicOr, o | v) ATOMS_(atomicXor, o ^ v) ATOMS_(atomicInc, o >= v ? 0 : o + 1)
        ATOMS_(atomicDec, o == 0 || o > v ? v : o - 1) template <class T>
        static inline T atomicCAS(T* a, typename cpu_id_<T>::type c, typename cpu_id_<T>::type v) {
  T o = *a;
  if (o == c) *a = v;
  return o;
}
