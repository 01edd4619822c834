// The columns of a convolution and their transpose. Both have a loop over the window in each thread, and neighbouring
// threads read and write next to each other where the stride is 1.
#include "total.cuh"
#include "windows.cuh"

// columns[plane][k][output]: x is read once for each window that sees it, mostly from the cache, columns are written
// once. A thread writes the column of one output, `count` of them in all planes.
template <typename T, typename I>
__global__ void im2col(const T* __restrict__ x, T* __restrict__ columns, index_t count, Windows w) {
    const I inputs = static_cast<I>(w.inputs()), outputs = static_cast<I>(w.outputs());
    const I window = static_cast<I>(w.size[0]) * w.size[1] * w.size[2];
    EVERY_ELEMENT(i) {
        const Place<I> o(static_cast<I>(i), w.output);
        const T* const from = x + o.plane * inputs;
        T* to = columns + o.plane * window * outputs + (static_cast<I>(i) - o.plane * outputs);
        for (int a = 0; a < w.size[0]; ++a) {
            const int z = o.at[0] * w.stride[0] - w.before[0] + a * w.dilation[0];
            for (int b = 0; b < w.size[1]; ++b) {
                const int y = o.at[1] * w.stride[1] - w.before[1] + b * w.dilation[1];
                const bool inside = z >= 0 && z < w.input[0] && y >= 0 && y < w.input[1];
                const I row = (static_cast<I>(z) * w.input[1] + y) * w.input[2];
                for (int c = 0; c < w.size[2]; ++c, to += outputs) {
                    const int v = o.at[2] * w.stride[2] - w.before[2] + c * w.dilation[2];
                    *to = inside && v >= 0 && v < w.input[2] ? from[row + v] : T(0);
                }
            }
        }
    }
}

// Each element of x is the sum of the columns' elements that saw it: columns are read once, x is written once.
template <typename T, typename I>
__global__ void col2im(const T* __restrict__ columns, T* __restrict__ x, index_t count, Windows w) {
    const I outputs = static_cast<I>(w.outputs());
    const I window = static_cast<I>(w.size[0]) * w.size[1] * w.size[2];
    EVERY_ELEMENT(i) {
        const Place<I> p(static_cast<I>(i), w.input);
        const T* const from = columns + p.plane * window * outputs;
        total_of<T> sum = 0;
        for (int a = 0; a < w.size[0]; ++a) {
            const int z = p.at[0] + w.before[0] - a * w.dilation[0], o0 = z / w.stride[0];
            if (z < 0 || z % w.stride[0] || o0 >= w.output[0]) continue;
            for (int b = 0; b < w.size[1]; ++b) {
                const int y = p.at[1] + w.before[1] - b * w.dilation[1], o1 = y / w.stride[1];
                if (y < 0 || y % w.stride[1] || o1 >= w.output[1]) continue;
                for (int c = 0; c < w.size[2]; ++c) {
                    const int v = p.at[2] + w.before[2] - c * w.dilation[2], o2 = v / w.stride[2];
                    if (v < 0 || v % w.stride[2] || o2 >= w.output[2]) continue;
                    const I k = (static_cast<I>(a) * w.size[1] + b) * w.size[2] + c;
                    const I o = (static_cast<I>(o0) * w.output[1] + o1) * w.output[2] + o2;
                    sum += static_cast<total_of<T>>(from[k * outputs + o]);
                }
            }
        }
        x[i] = static_cast<T>(sum);
    }
}
