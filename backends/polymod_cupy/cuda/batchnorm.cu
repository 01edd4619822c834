// Normalisation of channels: arrays (N, C, pixels). Sums over a channel are made in two steps, of blocks and of their
// results, so that they are always made in the same order.
#include "rows.cuh"

// How many numbers there are, their mean, and the sum of the squares of their distances from it (T. Chan, G. Golub and
// R. LeVeque, 1983). The numbers are counted from one of their own, so that no digits are lost where the mean is large.
template <typename W> struct Moments {
    W count, mean, squares;

    __device__ static Moments none() { return {0, 0, 0}; }
    __device__ void join(const Moments& other) {
        if (other.count == 0) return;
        const W distance = other.mean - mean, all = count + other.count, part = other.count / all;
        mean += distance * part;
        squares += other.squares + distance * (distance * (count * part));  // 0 for no numbers, whatever the distance
        count = all;
    }
    template <int VEC> __device__ void add(const W (&x)[VEC], const W (&)[VEC], W center) {
        W sum = 0, around = 0;
#pragma unroll
        for (int j = 0; j < VEC; ++j) sum += x[j] - center;
        const W middle = sum / VEC;
#pragma unroll
        for (int j = 0; j < VEC; ++j) around += (x[j] - center - middle) * (x[j] - center - middle);
        join({W(VEC), middle, around});
    }
    __device__ Moments from(int far) const {
        return {__shfl_xor_sync(0xffffffff, count, far), __shfl_xor_sync(0xffffffff, mean, far),
                __shfl_xor_sync(0xffffffff, squares, far)};
    }
};

// The sums of g (x - center) and of g.
template <typename W> struct Products {
    W product, sum;

    __device__ static Products none() { return {0, 0}; }
    __device__ void join(const Products& other) {
        product += other.product;
        sum += other.sum;
    }
    template <int VEC> __device__ void add(const W (&x)[VEC], const W (&g)[VEC], W center) {
#pragma unroll
        for (int j = 0; j < VEC; ++j) {
            product += g[j] * (x[j] - center);
            sum += g[j];
        }
    }
    __device__ Products from(int far) const {
        return {__shfl_xor_sync(0xffffffff, product, far), __shfl_xor_sync(0xffffffff, sum, far)};
    }
};

// The join over a block of any multiple of 32 threads, known to thread 0.
template <typename S> __device__ S join_block(S mine) {
    __shared__ S parts[32];
    // the two of a pair join in opposite orders and may differ by rounding: lane 0's result is the one that counts
    for (int far = 16; far > 0; far /= 2) mine.join(mine.from(far));
    __syncthreads();
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = mine;
    __syncthreads();
    if (threadIdx.x == 0)
        for (int warp = 1; warp < int(blockDim.x) / 32; ++warp) mine.join(parts[warp]);
    return mine;
}

template <typename T, int VEC> __device__ inline void widened(wide<T> (&values)[VEC], const T* at) {
    const Pack<T, VEC> pack = load<T, VEC>(at);
#pragma unroll
    for (int j = 0; j < VEC; ++j) values[j] = widen(pack.v[j]);
}

// A block sums a part of a channel, `length` (a multiple of VEC) of its N * pixels elements, and leaves it at
// parts[channel][part]. The centers of the channels are `apart` from each other. Memory: one read of x (and of g).
template <typename T, typename S, int VEC>
__global__ void __launch_bounds__(512)
    wide_channels(const T* __restrict__ x, const T* __restrict__ g, const T* __restrict__ center,
                  index_t apart, S* __restrict__ parts, index_t examples, index_t channels, index_t pixels,
                  index_t length, index_t count) {
    typedef wide<T> W;
    const index_t channel = blockIdx.x / count, begin = blockIdx.x % count * length, step = blockDim.x * VEC;
    const index_t end = begin + length < examples * pixels ? begin + length : examples * pixels;
    const index_t images = step / pixels, more = step % pixels;  // a step, without dividing each time
    index_t at = begin + threadIdx.x * VEC, example = at / pixels, pixel = at % pixels;
    const W middle = center ? widen(center[channel * apart]) : W(0);
    S mine = S::none();
    for (; at < end; at += step) {
        const index_t place = (example * channels + channel) * pixels + pixel;
        W values[VEC], slopes[VEC];
        widened<T, VEC>(values, x + place);
        if (g) widened<T, VEC>(slopes, g + place);
        mine.add(values, slopes, middle);
        example += images;
        pixel += more;
        if (pixel >= pixels) {
            pixel -= pixels;
            ++example;
        }
    }
    mine = join_block(mine);
    if (threadIdx.x == 0) parts[blockIdx.x] = mine;
}

// The same for channels of few pixels: neighbouring threads sum neighbouring columns of (N, C * pixels), over a part of
// the examples, and leave parts[part][column]. Memory: one read of x (and of g).
template <typename T, typename S>
__global__ void __launch_bounds__(512)
    narrow_channels(const T* __restrict__ x, const T* __restrict__ g, const T* __restrict__ center,
                    index_t apart, S* __restrict__ parts, index_t examples, index_t width, index_t pixels,
                    index_t length) {
    typedef wide<T> W;
    __shared__ S others[256];
    const int column_of_tile = threadIdx.x % 32, row = threadIdx.x / 32, rows = blockDim.x / 32;
    const index_t tiles = (width + 31) / 32, part = blockIdx.x / tiles;
    const index_t column = blockIdx.x % tiles * 32 + column_of_tile, begin = part * length;
    const index_t end = column >= width ? 0 : begin + length < examples ? begin + length : examples;
    const W middle = center && column < width ? widen(center[column / pixels * apart]) : W(0);
    S mine = S::none();
    for (index_t example = begin + row; example < end; example += rows) {
        const W value[1] = {widen(x[example * width + column])};
        const W slope[1] = {g ? widen(g[example * width + column]) : W(0)};
        mine.add(value, slope, middle);
    }
    others[threadIdx.x] = mine;
    __syncthreads();
    if (row == 0 && column < width) {
        for (int k = 1; k < rows; ++k) mine.join(others[k * 32 + column_of_tile]);
        parts[part * width + column] = mine;
    }
}

// The join of a channel's parts, which are at parts[k][channel][i] for k < count and i < inner, by a block of a warp.
template <typename S> __device__ S channel_of(const S* parts, index_t count, index_t channels, index_t inner) {
    S mine = S::none();
    for (index_t j = threadIdx.x; j < count * inner; j += blockDim.x)
        mine.join(parts[(j / inner * channels + blockIdx.x) * inner + j % inner]);
    return join_block(mine);
}

template <typename T>
__global__ void finish_moments(const Moments<wide<T>>* __restrict__ parts, const T* __restrict__ center, index_t apart,
                               T* __restrict__ y, index_t count, index_t channels, index_t inner) {
    const Moments<wide<T>> all = channel_of(parts, count, channels, inner);
    if (threadIdx.x == 0) {
        y[blockIdx.x] = narrow<T>(widen(center[blockIdx.x * apart]) + all.mean);
        y[channels + blockIdx.x] = narrow<T>(all.squares / all.count);
    }
}

// The sums themselves, and as T: those of g (x - center), times 1 / sqrt(variance + eps) if there is a variance, and
// those of g.
template <typename T>
__global__ void finish_products(const Products<wide<T>>* __restrict__ parts, const T* __restrict__ variance,
                                wide<T>* __restrict__ sums, T* __restrict__ y, index_t count, index_t channels,
                                index_t inner, double eps) {
    typedef wide<T> W;
    const Products<W> all = channel_of(parts, count, channels, inner);
    if (threadIdx.x == 0) {
        const W scale = variance ? 1 / sqrt(widen(variance[blockIdx.x]) + W(eps)) : W(1);
        sums[blockIdx.x] = all.product * scale;
        sums[channels + blockIdx.x] = all.sum;
        y[blockIdx.x] = narrow<T>(all.product * scale);
        y[channels + blockIdx.x] = narrow<T>(all.sum);
    }
}

// (x - mean) / sqrt(variance + eps) * weight + bias; U, the type of places, is as narrow as it may be, for it is
// divided. Memory: one read of x, one write of y.
template <typename T, int VEC, typename U>
__global__ void normalize(const T* __restrict__ x, const T* __restrict__ statistics, const T* __restrict__ weight,
                          const T* __restrict__ bias, T* __restrict__ y, index_t size, index_t channels_,
                          index_t pixels_, double eps) {
    typedef wide<T> W;
    const U packs = size / VEC, channels = channels_, packs_of_channel = pixels_ / VEC;
    for (index_t i = index_t(blockIdx.x) * blockDim.x + threadIdx.x; i < packs; i += index_t(gridDim.x) * blockDim.x) {
        const U channel = U(i) / packs_of_channel % channels;
        const W mean = widen(statistics[channel]);
        W scale = 1 / sqrt(widen(statistics[channels + channel]) + W(eps));
        if (weight) scale *= widen(weight[channel]);
        const W shift = bias ? widen(bias[channel]) : W(0);
        Pack<T, VEC> pack = load<T, VEC>(x + i * VEC);
#pragma unroll
        for (int j = 0; j < VEC; ++j) pack.v[j] = narrow<T>((widen(pack.v[j]) - mean) * scale + shift);
        store<T, VEC>(y + i * VEC, pack);
    }
}

// With v = (x - mean) / sqrt(variance + eps): the cotangent (g - mean(g) - v mean(g v)) weight / sqrt(variance + eps).
// Memory: one read of g and x, one write.
template <typename T, int VEC, typename U>
__global__ void normalize_back(const T* __restrict__ g, const T* __restrict__ x, const T* __restrict__ statistics,
                               const T* __restrict__ weight, const wide<T>* __restrict__ sums, T* __restrict__ dx,
                               index_t size, index_t channels_, index_t pixels_, double eps) {
    typedef wide<T> W;
    const U packs = size / VEC, channels = channels_, packs_of_channel = pixels_ / VEC;
    const W count = W(size / channels_);
    for (index_t i = index_t(blockIdx.x) * blockDim.x + threadIdx.x; i < packs; i += index_t(gridDim.x) * blockDim.x) {
        const U channel = U(i) / packs_of_channel % channels;
        const W mean = widen(statistics[channel]), a = sums[channels + channel] / count, b = sums[channel] / count;
        const W scale = 1 / sqrt(widen(statistics[channels + channel]) + W(eps));
        const W factor = weight ? scale * widen(weight[channel]) : scale;
        const Pack<T, VEC> slopes = load<T, VEC>(g + i * VEC), values = load<T, VEC>(x + i * VEC);
        Pack<T, VEC> result;
#pragma unroll
        for (int j = 0; j < VEC; ++j)
            result.v[j] = narrow<T>((widen(slopes.v[j]) - a - (widen(values.v[j]) - mean) * scale * b) * factor);
        store<T, VEC>(dx + i * VEC, result);
    }
}

// x * scale + shift. Memory: one read of x, one write of y.
template <typename T, int VEC, typename U>
__global__ void affine(const T* __restrict__ x, const T* __restrict__ scales, const T* __restrict__ shifts,
                       T* __restrict__ y, index_t size, index_t channels_, index_t pixels_) {
    typedef wide<T> W;
    const U packs = size / VEC, channels = channels_, packs_of_channel = pixels_ / VEC;
    for (index_t i = index_t(blockIdx.x) * blockDim.x + threadIdx.x; i < packs; i += index_t(gridDim.x) * blockDim.x) {
        const U channel = U(i) / packs_of_channel % channels;
        const W scale = widen(scales[channel]), shift = shifts ? widen(shifts[channel]) : W(0);
        Pack<T, VEC> pack = load<T, VEC>(x + i * VEC);
#pragma unroll
        for (int j = 0; j < VEC; ++j) pack.v[j] = narrow<T>(widen(pack.v[j]) * scale + shift);
        store<T, VEC>(y + i * VEC, pack);
    }
}
