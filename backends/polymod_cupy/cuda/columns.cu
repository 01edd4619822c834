// Columns, which cuBLAS multiplies: what every window of a convolution sees, and the transpose.
#include "convolution.cuh"

// columns (groups, C * taps, images * outputs) of the images [first, first + images): read by cuBLAS, written once here;
// the image is read once for each tap, mostly from the cache. A block writes a stretch of one row: what is the same for
// all of it, the channel and the tap, is found once.
template <typename T, int RANK>
__global__ void make_columns(const T* x, T* to, Convolution shape, index_t first, index_t images, index_t strips) {
    const index_t row = blockIdx.x / strips;
    index_t rest = row;
    const Tap<RANK> tap(shape, rest);
    const index_t channels = index_t(shape.groups) * shape.image_channels;  // rest is the channel of all groups
    const index_t length = images * tap.pixels;
    Divisor by_image;
    by_image.set(tap.pixels);
    for (index_t i = blockIdx.x % strips * blockDim.x + threadIdx.x; i < length; i += strips * blockDim.x) {
        const unsigned image = by_image(unsigned(i));
        index_t at = ((first + image) * channels + rest) * tap.plane;
        const bool inside = tap.sees(shape, unsigned(i) - image * tap.pixels, at);
        to[row * length + i] = inside ? x[at] : narrow<T>(wide<T>(0));
    }
}

// The transpose: the columns' cotangents, added up where they were read from. Each image element sums what its taps got,
// in order: columns are read once, the image is written once.
template <typename T, int RANK>
__global__ void from_columns(const T* columns, T* to, Convolution shape, index_t first, index_t images) {
    typedef wide<T> W;
    constexpr int FIRST = AXES - RANK;
    index_t plane = 1, pixels = 1;
    int taps = 1;
#pragma unroll
    for (int a = 0; a < RANK; a++) {
        plane *= shape.axes[FIRST + a].image;
        pixels *= shape.axes[FIRST + a].output;
        taps *= shape.axes[FIRST + a].kernel;
    }
    const index_t channels = index_t(shape.groups) * shape.image_channels, size = images * channels * plane;
    for (index_t i = blockIdx.x * index_t(blockDim.x) + threadIdx.x; i < size; i += index_t(gridDim.x) * blockDim.x) {
        index_t rest = i;
        int p[RANK];
#pragma unroll
        for (int a = RANK - 1; a >= 0; a--) {
            p[a] = int(rest % shape.axes[FIRST + a].image) + shape.axes[FIRST + a].before;
            rest /= shape.axes[FIRST + a].image;
        }
        const index_t channel = rest % channels, image = rest / channels;
        W total = 0;
        for (int tap = 0; tap < taps; tap++) {
            int left = tap, stride = 1;
            index_t pixel = 0;
            bool inside = true;
#pragma unroll
            for (int a = RANK - 1; a >= 0; a--) {
                const Axis& axis = shape.axes[FIRST + a];
                const int found = p[a] - left % axis.kernel * axis.dilation;
                left /= axis.kernel;
                inside &= found >= 0 && found % axis.stride == 0 && found / axis.stride < axis.output;
                pixel += found / axis.stride * stride;
                stride *= axis.output;
            }
            if (inside) total += widen(columns[((channel * taps + tap) * images + image) * pixels + pixel]);
        }
        to[first * channels * plane + i] = narrow<T>(total);
    }
}

// (channels, images, pixels) -> images [first, first + images) of (N, channels, pixels), with the bias; and the reverse.
template <typename T, bool REVERSE>
__global__ void images_first(const T* from, const T* bias, T* to, index_t first, index_t images, index_t channels, index_t pixels) {
    for (index_t row = blockIdx.x; row < images * channels; row += gridDim.x) {  // rows of the images' side
        const index_t image = row / channels, channel = row % channels;
        const index_t there = (channel * images + image) * pixels, here = (first * channels + row) * pixels;
        const wide<T> added = bias ? widen(bias[channel]) : wide<T>(0);
        for (index_t p = threadIdx.x; p < pixels; p += blockDim.x) {
            if (REVERSE) to[there + p] = from[here + p];
            else to[here + p] = narrow<T>(widen(from[there + p]) + added);
        }
    }
}
