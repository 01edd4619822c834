// Put in front of every source: types, conversions and block-wide reductions.
#include <cuda_fp16.h>
#include <cuda_bf16.h>

typedef long long index_t;  // arrays may have more than 2^31 elements

// What sums of T are kept in.
template <typename T> struct Wide { typedef float type; };
template <> struct Wide<double> { typedef double type; };
template <typename T> using wide = typename Wide<T>::type;

template <typename T> __device__ inline wide<T> widen(T x) { return static_cast<wide<T>>(x); }
template <typename T> __device__ inline T narrow(wide<T> x) { return static_cast<T>(x); }

struct Sum {
    template <typename W> __device__ static W identity() { return W(0); }
    template <typename W> __device__ static W join(W a, W b) { return a + b; }
};

struct Max {  // NaN wins, as in the standard's max; NVRTC has no INFINITY
    template <typename W> __device__ static W identity() { return -W(__int_as_float(0x7f800000)); }
    template <typename W> __device__ static W join(W a, W b) { return a != a || a > b ? a : b; }
};

// The join of every thread's x, known to all threads of the block afterwards, always in the same order.
// Every thread must call it; the block is one-dimensional, with a multiple of 32 threads.
template <typename Join, typename W> __device__ W block_reduce(W x) {
    __shared__ W parts[32];
    for (int lane = 16; lane > 0; lane /= 2) x = Join::join(x, __shfl_xor_sync(0xffffffff, x, lane));
    __syncthreads();  // the last call's parts have been read
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = x;
    __syncthreads();
    x = threadIdx.x % 32 < blockDim.x / 32 ? parts[threadIdx.x % 32] : Join::template identity<W>();
    for (int lane = 16; lane > 0; lane /= 2) x = Join::join(x, __shfl_xor_sync(0xffffffff, x, lane));
    return x;
}
