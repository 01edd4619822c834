// What sums of T are kept in: whole numbers wrap around in the end as they would at each step.
template <typename T> struct Total { typedef long long type; };
template <> struct Total<__half> { typedef float type; };
template <> struct Total<__nv_bfloat16> { typedef float type; };
template <> struct Total<float> { typedef float type; };
template <> struct Total<double> { typedef double type; };
template <> struct Total<unsigned long long> { typedef unsigned long long type; };
template <typename T> using total_of = typename Total<T>::type;
