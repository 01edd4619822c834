// Convolution and its two transposes as matrix products, without columns in memory (implicit products).
#include "convolution.cuh"
#include "tiles.cuh"

// conv (BACK false) and conv_input_back (BACK true): to[n, m, p] = sum over c, taps of weight * from[n, c, seen].
// A block makes ROWS channels x COLUMNS pixels (of any images) of one group and class. Weights and the gathered pixels
// of 8 (channel, tap) pairs at a time are read into registers while the last 8 are multiplied out of shared memory: the
// result is written once, and each input read from memory once for each tile of channels that wants it (neighbouring
// blocks, so mostly from the second-level cache). Threads of a warp read neighbouring pixels.
template <typename T, int RANK, bool BACK, int ROWS, int COLUMNS>
__global__ void __launch_bounds__(256, 2)
convolve(const T* from, const T* weight, const T* bias, T* to, Convolution shape, index_t row_tiles, index_t classes) {
    typedef wide<T> W;
    constexpr int FIRST = AXES - RANK, LEFT = ROWS / 32, RIGHT = COLUMNS / 32;
    __shared__ Tiles<W, ROWS, COLUMNS> tiles;
    const int channels = BACK ? shape.output_channels : shape.image_channels;  // that are summed over
    const int made = BACK ? shape.image_channels : shape.output_channels;

    index_t block = blockIdx.x;
    const int row_start = int(block % row_tiles) * ROWS;
    block /= row_tiles;
    int residues = int(block % classes);
    block /= classes;
    const int group = int(block % shape.groups);
    const index_t column_start = block / shape.groups * COLUMNS;

    Window w[RANK];
    int taps = 1, all_taps = 1, plane = 1, made_plane = 1;  // elements of one channel
    index_t pixels = shape.batch;
#pragma unroll
    for (int a = RANK - 1; a >= 0; a--) {
        const Axis& axis = shape.axes[FIRST + a];
        w[a] = window<BACK>(axis, BACK ? residues % axis.stride : 0);
        if (BACK) residues /= axis.stride;
        taps *= w[a].count;
        all_taps *= axis.kernel;
        pixels *= w[a].extent;
        plane *= w[a].source;
        made_plane *= BACK ? axis.image : axis.output;
    }
    if (column_start >= pixels) return;  // classes differ in size; the whole block leaves
    const int depth = channels * taps;
    const int row_step = BACK ? all_taps : channels * all_taps, channel_step = BACK ? made * all_taps : all_taps;
    weight += index_t(group) * channels * made * all_taps;
    Divisor tap_divisors[RANK];
#pragma unroll
    for (int a = 0; a < RANK; a++) tap_divisors[a].set(w[a].count ? w[a].count : 1);

    // the pixels whose surroundings this thread gathers: one of 8 (channel, tap) pairs, every 32nd column
    index_t base[RIGHT];
    int position[RIGHT][RANK];
#pragma unroll
    for (int q = 0; q < RIGHT; q++) {
        index_t rest = column_start + threadIdx.x % 32 + 32 * q;
        const bool valid = rest < pixels;
        int stride = 1;
        base[q] = 0;
#pragma unroll
        for (int a = RANK - 1; a >= 0; a--) {
            position[q][a] = valid ? int(rest % w[a].extent) * w[a].stride + w[a].offset : OUTSIDE;
            rest /= w[a].extent;
            base[q] += valid ? index_t(position[q][a]) * stride : 0;
            stride *= w[a].source;
        }
        base[q] += valid ? (rest * shape.groups + group) * channels * plane : 0;
    }

    const int steps = taps ? SLAB / taps : 0, remain = taps ? SLAB % taps : 0;
    int left_tap = threadIdx.x % SLAB, right_tap = threadIdx.x / 32, left_channel = 0, right_channel = 0;
    if (taps) {
        left_channel = left_tap / taps; left_tap %= taps;
        right_channel = right_tap / taps; right_tap %= taps;
    }
    W left[LEFT], right[RIGHT], acc[ROWS / 16][COLUMNS / 16] = {};

    auto load = [&]() {
        int k = 0, size = 1, rest = left_tap;
#pragma unroll
        for (int a = RANK - 1; a >= 0; a--) {
            const int whole = tap_divisors[a](rest);
            k += (w[a].first + (rest - whole * w[a].count) * w[a].every) * size;
            size *= shape.axes[FIRST + a].kernel;
            rest = whole;
        }
        k += left_channel * channel_step;
#pragma unroll
        for (int q = 0; q < LEFT; q++) {
            const int row = row_start + threadIdx.x / SLAB + 32 * q;
            left[q] = left_channel < channels && row < made ? widen(weight[row * row_step + k]) : W(0);
        }
        int moved[RANK], offset = right_channel * plane;
        size = 1, rest = right_tap;
#pragma unroll
        for (int a = RANK - 1; a >= 0; a--) {
            const int whole = tap_divisors[a](rest);
            moved[a] = (rest - whole * w[a].count) * w[a].step;
            offset += moved[a] * size;
            size *= w[a].source;
            rest = whole;
        }
#pragma unroll
        for (int q = 0; q < RIGHT; q++) {
            bool inside = right_channel < channels;
#pragma unroll
            for (int a = 0; a < RANK; a++) inside &= unsigned(position[q][a] + moved[a]) < unsigned(w[a].source);
            right[q] = inside ? widen(from[base[q] + offset]) : W(0);
        }
        left_channel += steps; left_tap += remain;
        if (left_tap >= taps) { left_tap -= taps; left_channel++; }
        right_channel += steps; right_tap += remain;
        if (right_tap >= taps) { right_tap -= taps; right_channel++; }
    };
    auto store = [&](int which) {  // a warp writes 8 x 4 elements of `left`, which lie in different banks
#pragma unroll
        for (int q = 0; q < LEFT; q++) tiles.left[which][threadIdx.x % SLAB][threadIdx.x / SLAB + 32 * q] = left[q];
#pragma unroll
        for (int q = 0; q < RIGHT; q++) tiles.right[which][threadIdx.x / 32][threadIdx.x % 32 + 32 * q] = right[q];
    };

    accumulate(tiles, depth, load, store, acc);

#pragma unroll
    for (int j = 0; j < COLUMNS / 16; j++) {
        index_t rest = column_start + place<COLUMNS / 16>(j, threadIdx.x % 16);
        if (rest >= pixels) continue;
        int pixel = 0, stride = 1;
#pragma unroll
        for (int a = RANK - 1; a >= 0; a--) {
            pixel += (w[a].start + int(rest % w[a].extent) * w[a].spacing) * stride;
            stride *= BACK ? shape.axes[FIRST + a].image : shape.axes[FIRST + a].output;
            rest /= w[a].extent;
        }
        T* out = to + (rest * shape.groups + group) * made * made_plane + pixel;
#pragma unroll
        for (int i = 0; i < ROWS / 16; i++) {
            const int row = row_start + place<ROWS / 16>(i, threadIdx.x / 16);
            if (row >= made) continue;
            out[index_t(row) * made_plane] = narrow<T>(acc[i][j] + (bias ? widen(bias[group * made + row]) : W(0)));
        }
    }
}

// conv_weight_back: to[o, (c, k)] = sum over all pixels p of all images of g[n, o, p] * x[n, c, p seen by k], of the
// pixels [part * step, (part + 1) * step) only: `to` is (parts, groups, O, C * taps), and `add_parts` adds the parts up
// in order, so that the result is the same every time. Pixels, which lie side by side, go along the 8 of a slab.
// g is read once for each tile of (c, k), x once for each tile of o.
template <typename T, typename To, int RANK, int ROWS, int COLUMNS>
__global__ void __launch_bounds__(256, 2)
convolve_weight(const T* x, const T* g, To* to, Convolution shape, index_t row_tiles, index_t column_tiles, index_t step) {
    typedef wide<T> W;
    constexpr int FIRST = AXES - RANK, LEFT = ROWS / 32, RIGHT = COLUMNS / 32;
    __shared__ Tiles<W, ROWS, COLUMNS> tiles;
    index_t block = blockIdx.x;
    const int row_start = int(block % row_tiles) * ROWS;
    block /= row_tiles;
    const int column_start = int(block % column_tiles) * COLUMNS;
    block /= column_tiles;
    const int group = int(block % shape.groups);
    const index_t part = block / shape.groups;

    int taps = 1, plane = 1, pixels = 1;
    Divisor output_divisors[RANK];
#pragma unroll
    for (int a = 0; a < RANK; a++) {
        const Axis& axis = shape.axes[FIRST + a];
        taps *= axis.kernel;
        plane *= axis.image;
        pixels *= axis.output;
        output_divisors[a].set(axis.output);
    }
    const int columns = shape.image_channels * taps;
    const index_t all = index_t(shape.batch) * pixels, first = part * step;
    const int length = int(first + step < all ? step : all - first);

    int shift[RIGHT][RANK], base[RIGHT];  // of the columns whose pixels this thread gathers, every 32nd
#pragma unroll
    for (int q = 0; q < RIGHT; q++) {
        int rest = column_start + threadIdx.x / SLAB + 32 * q, stride = 1;
        const bool valid = rest < columns;
        base[q] = 0;
#pragma unroll
        for (int a = RANK - 1; a >= 0; a--) {
            const Axis& axis = shape.axes[FIRST + a];
            shift[q][a] = valid ? rest % axis.kernel * axis.dilation - axis.before : OUTSIDE;
            rest /= axis.kernel;
            base[q] += valid ? shift[q][a] * stride : 0;
            stride *= axis.image;
        }
        base[q] += valid ? rest * plane : 0;
    }
    int done = threadIdx.x % SLAB;  // pixels of this part before this thread's
    index_t image = (first + done) / pixels;
    int pixel = int((first + done) % pixels);
    const int images_on = SLAB / pixels, pixels_on = SLAB % pixels;
    W left[LEFT], right[RIGHT], acc[ROWS / 16][COLUMNS / 16] = {};

    auto load = [&]() {
        const bool valid = done < length;
        const T* g_here = g + (image * shape.groups + group) * shape.output_channels * pixels + pixel;
#pragma unroll
        for (int q = 0; q < LEFT; q++) {
            const int row = row_start + threadIdx.x / SLAB + 32 * q;
            left[q] = valid && row < shape.output_channels ? widen(g_here[index_t(row) * pixels]) : W(0);
        }
        int position[RANK], offset = 0, size = 1, rest = pixel;
#pragma unroll
        for (int a = RANK - 1; a >= 0; a--) {
            const int whole = output_divisors[a](rest);
            position[a] = (rest - whole * shape.axes[FIRST + a].output) * shape.axes[FIRST + a].stride;
            offset += position[a] * size;
            size *= shape.axes[FIRST + a].image;
            rest = whole;
        }
        const T* x_here = x + (image * shape.groups + group) * shape.image_channels * plane;
#pragma unroll
        for (int q = 0; q < RIGHT; q++) {
            bool inside = valid;
#pragma unroll
            for (int a = 0; a < RANK; a++)
                inside &= unsigned(position[a] + shift[q][a]) < unsigned(shape.axes[FIRST + a].image);
            right[q] = inside ? widen(x_here[base[q] + offset]) : W(0);
        }
        done += SLAB;
        image += images_on; pixel += pixels_on;
        if (pixel >= pixels) { pixel -= pixels; image++; }
    };
    auto store = [&](int which) {
#pragma unroll
        for (int q = 0; q < LEFT; q++) tiles.left[which][threadIdx.x % SLAB][threadIdx.x / SLAB + 32 * q] = left[q];
#pragma unroll
        for (int q = 0; q < RIGHT; q++) tiles.right[which][threadIdx.x % SLAB][threadIdx.x / SLAB + 32 * q] = right[q];
    };

    accumulate(tiles, length, load, store, acc);

    to += (part * shape.groups + group) * shape.output_channels * columns;
#pragma unroll
    for (int i = 0; i < ROWS / 16; i++) {
        const int row = row_start + place<ROWS / 16>(i, threadIdx.x / 16);
#pragma unroll
        for (int j = 0; j < COLUMNS / 16; j++) {
            const int column = column_start + place<COLUMNS / 16>(j, threadIdx.x % 16);
            if (row < shape.output_channels && column < columns)
                to[index_t(row) * columns + column] = static_cast<To>(acc[i][j]);
        }
    }
}

// to[i] = the sum of from[part, i]: each part read once.
template <typename From, typename To> __global__ void add_parts(const From* from, To* to, index_t size, index_t parts) {
    for (index_t i = blockIdx.x * index_t(blockDim.x) + threadIdx.x; i < size; i += index_t(gridDim.x) * blockDim.x) {
        From total = 0;
        for (index_t part = 0; part < parts; part++) total += from[part * size + i];
        to[i] = static_cast<To>(total);
    }
}
