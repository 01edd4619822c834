// How the library calls a kernel: CPUCUDA_KERNEL(name, function) defines its description.
#pragma once
struct cpucuda_kernel {
  void (*call)(void**);
  int n;
  size_t size[60];
  bool pointer[60];
};
template <auto F, class S>
struct cpu_thunk_;
template <auto F, class... A>
struct cpu_thunk_<F, void (*)(A...)> {
  template <size_t... I>
  static void go(void** p, std::index_sequence<I...>) {
    F(*reinterpret_cast<typename std::remove_const<A>::type*>(p[I])...);
  }
  static void call(void** p) { go(p, std::index_sequence_for<A...>()); }
  static constexpr cpucuda_kernel desc() {
    return {call, (int)sizeof...(A), {sizeof(A)...}, {std::is_pointer<A>::value...}};
  }
};
#define CPUCUDA_KERNEL(NAME, ...)                                                          \
  extern "C" __attribute__((visibility("default"), used)) cpucuda_kernel cpucuda_k_##NAME; \
  cpucuda_kernel cpucuda_k_##NAME = cpu_thunk_<&__VA_ARGS__, decltype(&__VA_ARGS__)>::desc();
