// Pooling. Forward and backward each element of the result is made by one thread (or one warp) that reads what it
// depends on, so that nothing is added by several threads and sums have the same order each time.
#include "total.cuh"
#include "windows.cuh"

// ------------------------------------------------------------------------------------------------------- maxima

template <typename T> struct Lowest;
template <> struct Lowest<float> { __device__ static float value() { return -__int_as_float(0x7f800000); } };
template <> struct Lowest<double> { __device__ static double value() { return -__int_as_float(0x7f800000); } };
template <> struct Lowest<long long> { __device__ static long long value() { return -0x7fffffffffffffffll - 1; } };
template <> struct Lowest<unsigned long long> { __device__ static unsigned long long value() { return 0; } };

// The largest element of a window, as total_of<T>, and where in its plane it is: the first one of several, the last one
// of NaNs. Where all are the lowest value it is the first element that is not padding.
template <typename T, typename I> struct Largest {
    total_of<T> value;
    I at;
    __device__ Largest(const T* __restrict__ plane, const int* o, const Windows& w) {
        int start[3], first[3];
#pragma unroll
        for (int axis = 0; axis < 3; ++axis) {
            start[axis] = o[axis] * w.stride[axis] - w.before[axis];
            const int d = w.dilation[axis];
            first[axis] = start[axis] < 0 ? (d - -start[axis] % d) % d : start[axis];
        }
        at = (static_cast<I>(first[0]) * w.input[1] + first[1]) * w.input[2] + first[2];
        value = Lowest<total_of<T>>::value();
        const int end0 = min(start[0] + w.size[0] * w.dilation[0], w.input[0]);
        const int end1 = min(start[1] + w.size[1] * w.dilation[1], w.input[1]);
        const int end2 = min(start[2] + w.size[2] * w.dilation[2], w.input[2]);
        for (int z = first[0]; z < end0; z += w.dilation[0]) {
            for (int y = first[1]; y < end1; y += w.dilation[1]) {
                const I row = (static_cast<I>(z) * w.input[1] + y) * w.input[2];
                for (int c = first[2]; c < end2; c += w.dilation[2]) {
                    const total_of<T> v = static_cast<total_of<T>>(plane[row + c]);
                    if (v > value || v != v) {
                        value = v;
                        at = row + c;
                    }
                }
            }
        }
    }
};

// x is read once for each window that sees it, mostly from the cache; y is written once. `lowest` is the value of a
// window that is all padding.
template <typename T, typename I>
__global__ void max_pool(const T* __restrict__ x, T* __restrict__ y, index_t count, Windows w, T lowest) {
    const I inputs = static_cast<I>(w.inputs());
    EVERY_ELEMENT(i) {
        const Place<I> o(static_cast<I>(i), w.output);
        const Largest<T, I> best(x + o.plane * inputs, o.at, w);
        y[i] = best.value == Lowest<total_of<T>>::value() ? lowest : static_cast<T>(best.value);
    }
}

// The same, but where in its plane the largest element is.
template <typename T, typename I, typename P>
__global__ void max_pool_positions(const T* __restrict__ x, P* __restrict__ positions, index_t count, Windows w) {
    const I inputs = static_cast<I>(w.inputs());
    EVERY_ELEMENT(i) {
        const Place<I> o(static_cast<I>(i), w.output);
        positions[i] = static_cast<P>(Largest<T, I>(x + o.plane * inputs, o.at, w).at);
    }
}

// y = v where x is largest.
template <typename T, typename I, typename V>
__global__ void max_pool_select(const V* __restrict__ v, const T* __restrict__ x, V* __restrict__ y, index_t count,
                                Windows w) {
    const I inputs = static_cast<I>(w.inputs());
    EVERY_ELEMENT(i) {
        const Place<I> o(static_cast<I>(i), w.output);
        y[i] = v[o.plane * inputs + Largest<T, I>(x + o.plane * inputs, o.at, w).at];
    }
}

// Each element of x gets the sum of g over the windows that see it and have it as their largest: with a stride as long
// as the window each of g and of the positions is read once; dx is written once.
template <typename T, typename I, typename P>
__global__ void max_pool_gather(const T* __restrict__ g, const P* __restrict__ positions, T* __restrict__ dx,
                                index_t count, Windows w) {
    const I inputs = static_cast<I>(w.inputs()), outputs = static_cast<I>(w.outputs());
    EVERY_ELEMENT(i) {
        const Place<I> p(static_cast<I>(i), w.input);
        const P self = static_cast<P>(static_cast<I>(i) - p.plane * inputs);
        int low[3], high[3];  // of the windows that may see it
#pragma unroll
        for (int axis = 0; axis < 3; ++axis) {
            const int c = p.at[axis] + w.before[axis];
            low[axis] = max(0, ceil_divide(c - (w.size[axis] - 1) * w.dilation[axis], w.stride[axis]));
            high[axis] = min(w.output[axis] - 1, floor_divide(c, w.stride[axis]));
        }
        total_of<T> sum = 0;
        for (int o0 = low[0]; o0 <= high[0]; ++o0) {
            for (int o1 = low[1]; o1 <= high[1]; ++o1) {
                const I row = p.plane * outputs + (static_cast<I>(o0) * w.output[1] + o1) * w.output[2];
                for (int o2 = low[2]; o2 <= high[2]; ++o2) {
                    if (positions[row + o2] == self) sum += static_cast<total_of<T>>(g[row + o2]);
                }
            }
        }
        dx[i] = static_cast<T>(sum);
    }
}

// --------------------------------------------------------------------------------------------------------- sums

// Which elements along an axis the sum of output o goes over: low <= i < high.
struct Pool {
    __device__ static void range(const Windows& w, int axis, int o, int* low, int* high) {
        const int start = o * w.stride[axis] - w.before[axis];
        *low = max(0, start);
        *high = min(w.input[axis], start + w.size[axis]);
    }
};
struct PoolBack {  // the input is the cotangent of what `Pool` gives, the output that of its input
    __device__ static void range(const Windows& w, int axis, int o, int* low, int* high) {
        const int c = o + w.before[axis];
        *low = max(0, ceil_divide(c - w.size[axis] + 1, w.stride[axis]));
        *high = min(w.input[axis], floor_divide(c, w.stride[axis]) + 1);
    }
};
struct Adaptive {  // windows that divide the axis evenly; its own transpose
    __device__ static void range(const Windows& w, int axis, int o, int* low, int* high) {
        const index_t n = w.input[axis], outputs = w.output[axis];
        *low = static_cast<int>(o * n / outputs);
        *high = static_cast<int>(((o + 1) * n + outputs - 1) / outputs);
    }
};

// x is read once for each sum that it is part of, mostly from the cache; y is written once.
template <typename T, typename I, typename Which>
__global__ void box_sums(const T* __restrict__ x, T* __restrict__ y, index_t count, Windows w) {
    const I inputs = static_cast<I>(w.inputs());
    EVERY_ELEMENT(i) {
        const Place<I> o(static_cast<I>(i), w.output);
        int low[3], high[3];
#pragma unroll
        for (int axis = 0; axis < 3; ++axis) Which::range(w, axis, o.at[axis], low + axis, high + axis);
        total_of<T> sum = 0;
        for (int a = low[0]; a < high[0]; ++a) {
            for (int b = low[1]; b < high[1]; ++b) {
                const T* const row = x + o.plane * inputs + (static_cast<I>(a) * w.input[1] + b) * w.input[2];
                for (int c = low[2]; c < high[2]; ++c) sum += static_cast<total_of<T>>(row[c]);
            }
        }
        y[i] = static_cast<T>(sum);
    }
}

// The same, by one warp for each output, for few sums over many elements (global pooling): its threads read next to
// each other.
template <typename T, typename I, typename Which>
__global__ void large_box_sums(const T* __restrict__ x, T* __restrict__ y, index_t count, Windows w) {
    const I inputs = static_cast<I>(w.inputs());
    const int lane = threadIdx.x % 32, warps = blockDim.x / 32;
    const index_t step = static_cast<index_t>(gridDim.x) * warps;
    for (index_t i = static_cast<index_t>(blockIdx.x) * warps + threadIdx.x / 32; i < count; i += step) {
        const Place<I> o(static_cast<I>(i), w.output);
        int low[3], high[3];
#pragma unroll
        for (int axis = 0; axis < 3; ++axis) Which::range(w, axis, o.at[axis], low + axis, high + axis);
        const int rows = max(0, high[1] - low[1]), columns = max(0, high[2] - low[2]);
        const I elements = static_cast<I>(max(0, high[0] - low[0])) * rows * columns;
        total_of<T> sum = 0;
        for (I e = lane; e < elements; e += 32) {
            const I row = e / columns, depth = row / rows;
            const I place = ((low[0] + depth) * w.input[1] + low[1] + (row - depth * rows)) * w.input[2] + low[2];
            sum += static_cast<total_of<T>>(x[o.plane * inputs + place + (e - row * columns)]);
        }
        for (int other = 16; other > 0; other /= 2) sum += __shfl_xor_sync(0xffffffff, sum, other);
        if (lane == 0) y[i] = static_cast<T>(sum);
    }
}

// Each element to its place along the last axis of y, of `length`, which holds zeros. Of several elements with one place
// any may stay: as results of overlapping windows they are equal.
template <typename T, typename P>
__global__ void unpool(const T* __restrict__ x, const P* __restrict__ indices, T* __restrict__ y, index_t count,
                       index_t row, index_t length) {
    EVERY_ELEMENT(i) {
        index_t at = static_cast<index_t>(indices[i]) % length;
        if (at < 0) at += length;
        y[i / row * length + at] = x[i];
    }
}
