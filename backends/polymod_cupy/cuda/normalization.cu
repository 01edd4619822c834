// Layer norm, RMS norm and group norm: rows of n elements, each normalised by itself.
#include "rows.cuh"

enum { LAYER, RMS, GROUP };  // weights for each element of a row, the same without a mean, weights for each channel

// The weights (and as well the shifts) of the elements of a row. For group norm a row is `channels` channels of
// `pixels` elements, and there are `groups` rows an example.
template <typename T, int KIND> struct Factors {
    const T* of;
    index_t groups, channels, pixels;

    // Of the VEC elements from `at` on, which for group norm are of one channel.
    template <int VEC> __device__ void get(wide<T> (&factors)[VEC], index_t row, index_t at, wide<T> otherwise) const {
#pragma unroll
        for (int j = 0; j < VEC; ++j) factors[j] = otherwise;
        if (!of) return;
        if constexpr (KIND == GROUP) {
            const wide<T> factor = widen(of[row % groups * channels + unsigned(at) / unsigned(pixels)]);
#pragma unroll
            for (int j = 0; j < VEC; ++j) factors[j] = factor;
        } else {
            const Pack<T, VEC> pack = load<T, VEC>(of + at);
#pragma unroll
            for (int j = 0; j < VEC; ++j) factors[j] = widen(pack.v[j]);
        }
    }
};

// Subtract the mean of a row that is held in registers, if it has KIND's, and find 1 / sqrt(its mean square + eps).
// Places beyond the row are left 0.
template <int KIND, int VEC, int ITEMS, typename W>
__device__ inline W center(W (&values)[ITEMS], int n, bool there, const Team& team, double eps) {
    if constexpr (KIND != RMS) {
        W sum = 0;
#pragma unroll
        for (int i = 0; i < ITEMS; ++i) sum += values[i];
        const W mean = team.reduce<Sum>(sum) / n;
#pragma unroll
        for (int i = 0; i < ITEMS; ++i) values[i] = there && place<VEC>(i, team) < n ? values[i] - mean : W(0);
    }
    W squares = 0;
#pragma unroll
    for (int i = 0; i < ITEMS; ++i) squares += values[i] * values[i];
    return 1 / sqrt(team.reduce<Sum>(squares) / n + W(eps));
}

// Rows that fit the registers of `lanes` threads. Memory: one read of x, one write of y.
template <typename T, int KIND, int VEC, int ITEMS>
__global__ void __launch_bounds__(512)
    in_registers(const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias, T* __restrict__ y,
                 index_t rows, index_t n, double eps, index_t groups, index_t channels, index_t pixels,
                 index_t lanes) {
    typedef wide<T> W;
    const Team team(lanes, false);
    const Factors<T, KIND> weights{weight, groups, channels, pixels}, shifts{bias, groups, channels, pixels};
    for (index_t first = index_t(blockIdx.x) * team.lines; first < rows; first += index_t(gridDim.x) * team.lines) {
        const index_t row = first + team.line;
        const bool there = row < rows;
        W values[ITEMS];
        load_row<T, VEC>(values, x + row * n, n, there, team, W(0));
        const W scale = center<KIND, VEC>(values, n, there, team, eps);
#pragma unroll
        for (int i = 0; i < ITEMS; i += VEC) {
            const int at = place<VEC>(i, team);
            if (there && at < n) {
                W factors[VEC], offsets[VEC];
                weights.template get<VEC>(factors, row, at, W(1));
                shifts.template get<VEC>(offsets, row, at, W(0));
#pragma unroll
                for (int j = 0; j < VEC; ++j) values[i + j] = values[i + j] * scale * factors[j] + offsets[j];
            }
        }
        store_row<T, VEC>(y + row * n, values, n, there, team);
    }
}

// The mean of a row (0 for RMS norm) and 1 / sqrt(variance + eps), by a whole block. Memory: two reads of the row, the
// second from a cache if the rows at work fit one.
template <typename T, int KIND, int VEC>
__device__ inline void statistics(const T* row, index_t n, double eps, wide<T>& mean, wide<T>& scale) {
    typedef wide<T> W;
    mean = 0;
    if constexpr (KIND != RMS) {
        W sum = 0;
        for (index_t at = threadIdx.x * VEC; at < n; at += blockDim.x * VEC) {
            const Pack<T, VEC> pack = load<T, VEC>(row + at);
#pragma unroll
            for (int j = 0; j < VEC; ++j) sum += widen(pack.v[j]);
        }
        mean = block_reduce<Sum>(sum) / n;
    }
    W squares = 0;
    for (index_t at = threadIdx.x * VEC; at < n; at += blockDim.x * VEC) {
        const Pack<T, VEC> pack = load<T, VEC>(row + at);
#pragma unroll
        for (int j = 0; j < VEC; ++j) squares += (widen(pack.v[j]) - mean) * (widen(pack.v[j]) - mean);
    }
    scale = 1 / sqrt(block_reduce<Sum>(squares) / n + W(eps));
}

// Longer rows, a block for each. Memory: three reads of x, all but the first from a cache if the rows at work fit one,
// and one write of y.
template <typename T, int KIND, int VEC>
__global__ void __launch_bounds__(512)
    by_blocks(const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias, T* __restrict__ y,
              index_t rows, index_t n, double eps, index_t groups, index_t channels, index_t pixels) {
    typedef wide<T> W;
    const Factors<T, KIND> weights{weight, groups, channels, pixels}, shifts{bias, groups, channels, pixels};
    for (index_t row = blockIdx.x; row < rows; row += gridDim.x) {
        W mean, scale;
        statistics<T, KIND, VEC>(x + row * n, n, eps, mean, scale);
        for (index_t at = threadIdx.x * VEC; at < n; at += blockDim.x * VEC) {
            Pack<T, VEC> pack = load<T, VEC>(x + row * n + at);
            W factors[VEC], offsets[VEC];
            weights.template get<VEC>(factors, row, at, W(1));
            shifts.template get<VEC>(offsets, row, at, W(0));
#pragma unroll
            for (int j = 0; j < VEC; ++j)
                pack.v[j] = narrow<T>((widen(pack.v[j]) - mean) * scale * factors[j] + offsets[j]);
            store<T, VEC>(y + row * n + at, pack);
        }
    }
}

// ------------------------------------------------------------------------ cotangents of layer norm and RMS norm
// With v = (x - mean) scale and h = g weight, that of x is (h - mean(h) - v mean(h v)) scale, without mean(h) for RMS
// norm; those of weight and bias are the sums over the rows of g v and g.

// What the threads of a block have summed of g v (and of g) over the rows that they went through, to the block's line
// of `parts`: n sums from `offset` on.
template <int VEC, int ITEMS, typename W>
__device__ inline void leave(const W (&sums)[ITEMS], W* parts, int n, const Team& team) {
    __shared__ W values[512];
#pragma unroll
    for (int i = 0; i < ITEMS; ++i) {
        const int at = place<VEC>(i, team);
        W sum = sums[i];
        if (team.lines > 1) {
            __syncthreads();  // the last values have been read
            values[threadIdx.x] = sum;
            __syncthreads();
            for (int k = 1; team.line == 0 && k < team.lines; ++k) sum += values[k * team.lanes + team.lane];
        }
        if (team.line == 0 && at < n) parts[at] = sum;
    }
}

// Rows that fit registers: few blocks, which each go through many rows and sum up as they go. Memory: one read of g and
// x, one write of dx, and a line of sums a block.
template <typename T, int KIND, int VEC, int ITEMS>
__global__ void __launch_bounds__(512)
    back_in_registers(const T* __restrict__ g, const T* __restrict__ x, const T* __restrict__ weight,
                      T* __restrict__ dx, wide<T>* __restrict__ parts, index_t rows, index_t n, double eps,
                      index_t lanes) {
    typedef wide<T> W;
    const Team team(lanes, false);
    const Factors<T, KIND> weights{weight, 1, 1, 1};
    W products[ITEMS], sums[ITEMS];
#pragma unroll
    for (int i = 0; i < ITEMS; ++i) products[i] = sums[i] = 0;
    for (index_t first = index_t(blockIdx.x) * team.lines; first < rows; first += index_t(gridDim.x) * team.lines) {
        const index_t row = first + team.line;
        const bool there = row < rows;
        W values[ITEMS], slopes[ITEMS];
        load_row<T, VEC>(values, x + row * n, n, there, team, W(0));
        load_row<T, VEC>(slopes, g + row * n, n, there, team, W(0));
        const W scale = center<KIND, VEC>(values, n, there, team, eps);
        W a = 0, b = 0;
#pragma unroll
        for (int i = 0; i < ITEMS; i += VEC) {
            const int at = place<VEC>(i, team);
            if (there && at < n) {
                W factors[VEC];
                weights.template get<VEC>(factors, row, at, W(1));
#pragma unroll
                for (int j = 0; j < VEC; ++j) {
                    values[i + j] *= scale;
                    products[i + j] += slopes[i + j] * values[i + j];
                    sums[i + j] += slopes[i + j];
                    slopes[i + j] *= factors[j];
                    a += slopes[i + j];
                    b += slopes[i + j] * values[i + j];
                }
            }
        }
        a = KIND == RMS ? W(0) : team.reduce<Sum>(a) / n;
        b = team.reduce<Sum>(b) / n;
#pragma unroll
        for (int i = 0; i < ITEMS; ++i) values[i] = (slopes[i] - a - values[i] * b) * scale;
        store_row<T, VEC>(dx + row * n, values, n, there, team);
    }
    const index_t width = KIND == RMS ? n : 2 * n;
    leave<VEC>(products, parts + blockIdx.x * width, n, team);
    if constexpr (KIND != RMS) leave<VEC>(sums, parts + blockIdx.x * width + n, n, team);
}

// Longer rows, a block for each; the mean and the scale of each are left for `columns`. Memory: four reads of x and two
// of g, all but the first from a cache if the rows at work fit one, and one write of dx.
template <typename T, int KIND, int VEC>
__global__ void __launch_bounds__(512)
    back_by_blocks(const T* __restrict__ g, const T* __restrict__ x, const T* __restrict__ weight, T* __restrict__ dx,
                   wide<T>* __restrict__ found, index_t rows, index_t n, double eps) {
    typedef wide<T> W;
    const Factors<T, KIND> weights{weight, 1, 1, 1};
    for (index_t row = blockIdx.x; row < rows; row += gridDim.x) {
        const index_t start = row * n;
        W mean, scale, a = 0, b = 0, factors[VEC];
        statistics<T, KIND, VEC>(x + start, n, eps, mean, scale);
        for (index_t at = threadIdx.x * VEC; at < n; at += blockDim.x * VEC) {
            const Pack<T, VEC> values = load<T, VEC>(x + start + at), slopes = load<T, VEC>(g + start + at);
            weights.template get<VEC>(factors, row, at, W(1));
#pragma unroll
            for (int j = 0; j < VEC; ++j) {
                const W h = widen(slopes.v[j]) * factors[j];
                a += h;
                b += h * ((widen(values.v[j]) - mean) * scale);
            }
        }
        a = KIND == RMS ? W(0) : block_reduce<Sum>(a) / n;
        b = block_reduce<Sum>(b) / n;
        for (index_t at = threadIdx.x * VEC; at < n; at += blockDim.x * VEC) {
            const Pack<T, VEC> values = load<T, VEC>(x + start + at), slopes = load<T, VEC>(g + start + at);
            weights.template get<VEC>(factors, row, at, W(1));
            Pack<T, VEC> result;
#pragma unroll
            for (int j = 0; j < VEC; ++j) {
                const W v = (widen(values.v[j]) - mean) * scale;
                result.v[j] = narrow<T>((widen(slopes.v[j]) * factors[j] - a - v * b) * scale);
            }
            store<T, VEC>(dx + start + at, result);
        }
        if (threadIdx.x == 0) {
            found[2 * row] = mean;
            found[2 * row + 1] = scale;
        }
    }
}

// Sums over rows of g v and, but for RMS norm, of g: a block makes those of a part of the rows in `team.lines` columns.
// Memory: one read of g and x.
template <typename T, int KIND>
__global__ void __launch_bounds__(512)
    columns(const T* __restrict__ g, const T* __restrict__ x, const wide<T>* __restrict__ found,
            wide<T>* __restrict__ parts, index_t rows, index_t n, index_t rows_of_part, index_t lanes) {
    typedef wide<T> W;
    const Team team(lanes, true);
    const index_t tiles = (n + team.lines - 1) / team.lines, part = blockIdx.x / tiles;
    const index_t column = blockIdx.x % tiles * team.lines + team.line, begin = part * rows_of_part;
    const index_t end = column >= n ? 0 : begin + rows_of_part < rows ? begin + rows_of_part : rows;
    W product = 0, sum = 0;
    for (index_t row = begin + team.lane; row < end; row += team.lanes) {
        const W slope = widen(g[row * n + column]);
        product += slope * ((widen(x[row * n + column]) - found[2 * row]) * found[2 * row + 1]);
        sum += slope;
    }
    product = team.reduce<Sum>(product);
    sum = team.reduce<Sum>(sum);
    if (team.lane == 0 && column < n) {
        W* line = parts + part * (KIND == RMS ? n : 2 * n);
        line[column] = product;
        if (KIND != RMS) line[n + column] = sum;
    }
}

// The sums of the `count` lines of parts. Memory: one read of them.
template <typename T>
__global__ void __launch_bounds__(512)
    sum_lines(const wide<T>* __restrict__ parts, T* __restrict__ y, index_t count, index_t width, index_t lanes) {
    const Team team(lanes, true);
    for (index_t first = index_t(blockIdx.x) * team.lines; first < width; first += index_t(gridDim.x) * team.lines) {
        const index_t column = first + team.line;
        wide<T> sum = 0;
        for (index_t k = team.lane; column < width && k < count; k += team.lanes) sum += parts[k * width + column];
        sum = team.reduce<Sum>(sum);
        if (team.lane == 0 && column < width) y[column] = narrow<T>(sum);
    }
}

// --------------------------------------------------------------------------------------- cotangents of group norm

// A block for each group of channels of an example; the sums of g v and g of each channel of it are left in a line of
// `planes` for each example. `lanes` threads of a warp take a channel. Memory: four reads of x and two of g, all but
// the first from a cache if the groups at work fit one, and one write of dx.
template <typename T, int VEC>
__global__ void __launch_bounds__(512)
    group_back(const T* __restrict__ g, const T* __restrict__ x, const T* __restrict__ weight, T* __restrict__ dx,
               wide<T>* __restrict__ planes, index_t rows, index_t n, double eps, index_t groups, index_t channels,
               index_t pixels, index_t lanes) {
    typedef wide<T> W;
    const Team team(lanes, false);
    const Factors<T, GROUP> weights{weight, groups, channels, pixels};
    for (index_t row = blockIdx.x; row < rows; row += gridDim.x) {
        const index_t start = row * n, width = groups * channels, first_channel = row % groups * channels;
        W* line = planes + row / groups * 2 * width + first_channel;
        W mean, scale, a = 0, b = 0;
        statistics<T, GROUP, VEC>(x + start, n, eps, mean, scale);
        for (index_t first = 0; first < channels; first += team.lines) {
            const index_t channel = first + team.line;
            W product = 0, sum = 0;
            for (index_t at = team.lane * VEC; channel < channels && at < pixels; at += team.lanes * VEC) {
                const index_t place = start + channel * pixels + at;
                const Pack<T, VEC> values = load<T, VEC>(x + place), slopes = load<T, VEC>(g + place);
#pragma unroll
                for (int j = 0; j < VEC; ++j) {
                    product += widen(slopes.v[j]) * ((widen(values.v[j]) - mean) * scale);
                    sum += widen(slopes.v[j]);
                }
            }
            product = team.reduce<Sum>(product);
            sum = team.reduce<Sum>(sum);
            if (team.lane == 0 && channel < channels) {
                const W factor = weight ? widen(weight[first_channel + channel]) : W(1);
                a += sum * factor;
                b += product * factor;
                line[channel] = product;
                line[width + channel] = sum;
            }
        }
        a = block_reduce<Sum>(a) / n;
        b = block_reduce<Sum>(b) / n;
        for (index_t at = threadIdx.x * VEC; at < n; at += blockDim.x * VEC) {
            const Pack<T, VEC> values = load<T, VEC>(x + start + at), slopes = load<T, VEC>(g + start + at);
            Pack<T, VEC> result;
            W factors[VEC];
            weights.template get<VEC>(factors, row, at, W(1));
#pragma unroll
            for (int j = 0; j < VEC; ++j) {
                const W v = (widen(values.v[j]) - mean) * scale;
                result.v[j] = narrow<T>((widen(slopes.v[j]) * factors[j] - a - v * b) * scale);
            }
            store<T, VEC>(dx + start + at, result);
        }
    }
}
