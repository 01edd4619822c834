// Includes TYPED, a file of cuBLAS's or cuSOLVER's functions, for each element type, with
// T: the type; BLAS(x): cublas<letter>x; SOLVER(x): cusolverDn<letter>x; REAL_OR(a, b): a for real types, else b.
#define PASTE_(a, b, c) a##b##c
#define PASTE(a, b, c) PASTE_(a, b, c)
#define BLAS(x) PASTE(cublas, LETTER, x)
#define SOLVER(x) PASTE(cusolverDn, LETTER, x)

#define REAL_OR(a, b) a
#define T float
#define LETTER S
#include TYPED
#undef T
#undef LETTER
#define T double
#define LETTER D
#include TYPED
#undef T
#undef LETTER
#undef REAL_OR
#define REAL_OR(a, b) b
#define T cfloat
#define LETTER C
#include TYPED
#undef T
#undef LETTER
#define T cdouble
#define LETTER Z
#include TYPED
#undef T
#undef LETTER
#undef REAL_OR
