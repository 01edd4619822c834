// Convolution and its two transposes for groups of few channels, where a tile of a product would be mostly empty.
#include "convolution.cuh"

// conv and conv_input_back: one thread for each element of the result, neighbours side by side. Inputs are read once for
// each tap, from the first-level cache but for the first time.
template <typename T, int RANK, bool BACK>
__global__ void convolve_each(const T* from, const T* weight, const T* bias, T* to, Convolution shape, index_t size) {
    typedef wide<T> W;
    constexpr int FIRST = AXES - RANK;
    const int channels = BACK ? shape.output_channels : shape.image_channels;
    const int made = BACK ? shape.image_channels : shape.output_channels;
    int taps = 1, plane = 1;
#pragma unroll
    for (int a = 0; a < RANK; a++) {
        taps *= shape.axes[FIRST + a].kernel;
        plane *= BACK ? shape.axes[FIRST + a].output : shape.axes[FIRST + a].image;
    }
    const int row_step = BACK ? taps : channels * taps, channel_step = BACK ? made * taps : taps;
    for (index_t i = blockIdx.x * index_t(blockDim.x) + threadIdx.x; i < size; i += index_t(gridDim.x) * blockDim.x) {
        index_t rest = i;
        int p[AXES] = {0, 0, 0};
#pragma unroll
        for (int a = RANK - 1; a >= 0; a--) {
            const int extent = BACK ? shape.axes[FIRST + a].image : shape.axes[FIRST + a].output;
            p[FIRST + a] = int(rest % extent);
            rest /= extent;
        }
        const int row = int(rest % made), group = int(rest / made % shape.groups);
        const index_t image = rest / made / shape.groups;
        const T* source = from + (image * shape.groups + group) * channels * plane;
        const T* w = weight + index_t(group) * channels * made * taps + row * row_step;
        W total = bias ? widen(bias[group * made + row]) : W(0);
        int at[AXES] = {0, 0, 0};  // where tap k[a] looks along each axis, or OUTSIDE
        auto seen = [&](int a, int k) {
            const Axis& axis = shape.axes[a];
            if (!BACK) {
                const int found = p[a] * axis.stride - axis.before + k * axis.dilation;
                return unsigned(found) < unsigned(axis.image) ? found : OUTSIDE;
            }
            const int found = p[a] + axis.before - k * axis.dilation;
            return found >= 0 && found % axis.stride == 0 && found / axis.stride < axis.output ? found / axis.stride : OUTSIDE;
        };
        const int k0 = RANK > 2 ? shape.axes[0].kernel : 1, k1 = RANK > 1 ? shape.axes[1].kernel : 1;
        for (int c = 0; c < channels; c++)
            for (int a = 0; a < k0; a++) {
                if (RANK > 2 && (at[0] = seen(0, a)) == OUTSIDE) continue;
                for (int b = 0; b < k1; b++) {
                    if (RANK > 1 && (at[1] = seen(1, b)) == OUTSIDE) continue;
                    const int high = RANK > 1 ? shape.axes[1].output : 1, high_image = RANK > 1 ? shape.axes[1].image : 1;
                    const index_t line = index_t(c) * plane
                        + index_t(at[0] * (BACK ? high : high_image) + at[1])
                        * (BACK ? shape.axes[2].output : shape.axes[2].image);
                    for (int k = 0; k < shape.axes[2].kernel; k++) {
                        const int x = seen(2, k);
                        if (x == OUTSIDE) continue;
                        total += widen(w[c * channel_step + (a * k1 + b) * shape.axes[2].kernel + k])
                            * widen(source[line + x]);
                    }
                }
            }
        to[i] = narrow<T>(total);
    }
}

// conv_weight_back: one block for each element of the weight, which reads two channels of all images;
// those of a channel's taps run side by side and find them in the second-level cache.
template <typename T, int RANK>
__global__ void convolve_weight_each(const T* x, const T* g, T* to, Convolution shape) {
    typedef wide<T> W;
    index_t rest = blockIdx.x;
    const Tap<RANK> tap(shape, rest);
    const int channel = int(rest % shape.image_channels);
    const index_t row = rest / shape.image_channels, group = row / shape.output_channels;  // row: of all groups
    Divisor by_image;
    by_image.set(tap.pixels);
    W total = 0;
    const unsigned all = unsigned(shape.batch) * tap.pixels;  // below 2^31, see the caller
    for (unsigned i = threadIdx.x; i < all; i += blockDim.x) {
        const unsigned image = by_image(i), pixel = i - image * tap.pixels;
        index_t at = (index_t(image) * shape.groups * shape.image_channels + group * shape.image_channels + channel) *
                     tap.plane;
        if (tap.sees(shape, pixel, at))
            total += widen(g[(index_t(image) * shape.groups * shape.output_channels + row) * tap.pixels + pixel]) *
                     widen(x[at]);
    }
    total = block_reduce<Sum>(total);
    if (threadIdx.x == 0) to[blockIdx.x] = narrow<T>(total);
}
