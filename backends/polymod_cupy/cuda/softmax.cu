// Softmax and its relatives along one axis: lines of n elements that lie `inner` apart.
#include "rows.cuh"

// What becomes of an element x of a line. `shift` is the line's maximum (0 if that is -inf) and `total` the sum of
// exp(x - shift).
struct Softmax {  // NaN where there is nothing but -inf: 0 times inf
    template <typename W> __device__ static W by(W total) { return 1 / total; }
    template <typename W> __device__ static W value(W x, W shift, W by) { return exp(x - shift) * by; }
};

struct MaskedSoftmax {
    template <typename W> __device__ static W by(W total) { return total == 0 ? W(1) : 1 / total; }
    template <typename W> __device__ static W value(W x, W shift, W by) { return exp(x - shift) * by; }
};

struct LogSoftmax {
    template <typename W> __device__ static W by(W total) { return log(total); }
    template <typename W> __device__ static W value(W x, W shift, W by) { return (x - shift) - by; }
};

// Rows that fit the registers of `lanes` threads. Memory: one read of x, one write of y.
template <typename T, typename Kind, int VEC, int ITEMS>
__global__ void __launch_bounds__(512)
    in_registers(const T* __restrict__ x, T* __restrict__ y, index_t rows, index_t n, index_t lanes) {
    typedef wide<T> W;
    const Team team(lanes, false);
    for (index_t first = index_t(blockIdx.x) * team.lines; first < rows; first += index_t(gridDim.x) * team.lines) {
        const index_t row = first + team.line;
        const bool there = row < rows;
        W values[ITEMS];
        load_row<T, VEC>(values, x + row * n, n, there, team, Max::identity<W>());
        W top = Max::identity<W>();
#pragma unroll
        for (int i = 0; i < ITEMS; ++i) top = Max::join(top, values[i]);
        const W shift = Online<W>::shift(team.reduce<Max>(top));
        W total = 0;
#pragma unroll
        for (int i = 0; i < ITEMS; ++i) total += exp(values[i] - shift);
        const W by = Kind::by(team.reduce<Sum>(total));
#pragma unroll
        for (int i = 0; i < ITEMS; ++i) values[i] = Kind::value(values[i], shift, by);
        store_row<T, VEC>(y + row * n, values, n, there, team);
    }
}

// Lines of any length and distance. Memory: two reads of x, the second from a cache if the lines at work fit one, and
// one write of y.
template <typename T, typename Kind, int VEC>
__global__ void __launch_bounds__(512) along_lines(const T* __restrict__ x, T* __restrict__ y, index_t count, index_t n,
                                                   index_t inner, index_t lanes) {
    typedef wide<T> W;
    const Team team(lanes, inner > 1);
    for (index_t first = index_t(blockIdx.x) * team.lines; first < count; first += index_t(gridDim.x) * team.lines) {
        const index_t line = first + team.line, start = line / inner * n * inner + line % inner;
        const index_t end = line < count ? n : 0;
        Online<W> seen;
        seen.template walk<VEC>(x + start, 0, end, inner, team);
        const W shift = seen.shift(seen.top), by = Kind::by(seen.total);
        for (index_t k = team.lane * VEC; k < end; k += team.lanes * VEC) {
            Pack<T, VEC> pack = load<T, VEC>(x + start + k * inner);
#pragma unroll
            for (int j = 0; j < VEC; ++j) pack.v[j] = narrow<T>(Kind::value(widen(pack.v[j]), shift, by));
            store<T, VEC>(y + start + k * inner, pack);
        }
    }
}

// The cotangents, from the results y and the sum of their terms along the line.
struct SoftmaxBack {
    template <typename W> __device__ static W term(W g, W y) { return g * y; }
    template <typename W> __device__ static W value(W g, W y, W sum) { return y * (g - sum); }
};

struct LogSoftmaxBack {
    template <typename W> __device__ static W term(W g, W) { return g; }
    template <typename W> __device__ static W value(W g, W y, W sum) { return g - exp(y) * sum; }
};

// Memory: one read of g and y, one write.
template <typename T, typename Kind, int VEC, int ITEMS>
__global__ void __launch_bounds__(512)
    back_in_registers(const T* __restrict__ g, const T* __restrict__ y, T* __restrict__ dx, index_t rows, index_t n,
                      index_t lanes) {
    typedef wide<T> W;
    const Team team(lanes, false);
    for (index_t first = index_t(blockIdx.x) * team.lines; first < rows; first += index_t(gridDim.x) * team.lines) {
        const index_t row = first + team.line;
        const bool there = row < rows;
        W values[ITEMS], slopes[ITEMS];
        load_row<T, VEC>(values, y + row * n, n, there, team, W(0));
        load_row<T, VEC>(slopes, g + row * n, n, there, team, W(0));
        W sum = 0;
#pragma unroll
        for (int i = 0; i < ITEMS; ++i) sum += Kind::term(slopes[i], values[i]);
        sum = team.reduce<Sum>(sum);
#pragma unroll
        for (int i = 0; i < ITEMS; ++i) values[i] = Kind::value(slopes[i], values[i], sum);
        store_row<T, VEC>(dx + row * n, values, n, there, team);
    }
}

// The same for lines of any length and distance. Memory: two reads of g and y, as in along_lines, one write.
template <typename T, typename Kind, int VEC>
__global__ void __launch_bounds__(512)
    back_along_lines(const T* __restrict__ g, const T* __restrict__ y, T* __restrict__ dx, index_t count, index_t n,
                     index_t inner, index_t lanes) {
    typedef wide<T> W;
    const Team team(lanes, inner > 1);
    for (index_t first = index_t(blockIdx.x) * team.lines; first < count; first += index_t(gridDim.x) * team.lines) {
        const index_t line = first + team.line, start = line / inner * n * inner + line % inner;
        const index_t end = line < count ? n : 0;
        W sum = 0;
        for (index_t k = team.lane * VEC; k < end; k += team.lanes * VEC) {
            const Pack<T, VEC> slopes = load<T, VEC>(g + start + k * inner);
            const Pack<T, VEC> values = load<T, VEC>(y + start + k * inner);
#pragma unroll
            for (int j = 0; j < VEC; ++j) sum += Kind::term(widen(slopes.v[j]), widen(values.v[j]));
        }
        sum = team.reduce<Sum>(sum);
        for (index_t k = team.lane * VEC; k < end; k += team.lanes * VEC) {
            const Pack<T, VEC> slopes = load<T, VEC>(g + start + k * inner);
            const Pack<T, VEC> values = load<T, VEC>(y + start + k * inner);
            Pack<T, VEC> result;
#pragma unroll
            for (int j = 0; j < VEC; ++j)
                result.v[j] = narrow<T>(Kind::value(widen(slopes.v[j]), widen(values.v[j]), sum));
            store<T, VEC>(dx + start + k * inner, result);
        }
    }
}

// log(sum(exp(x))) of `parts` parts of each line. Memory: one read of x. What is written is `count * parts` numbers,
// in the type of sums if the parts are to be joined.
template <typename T, typename R, int VEC>
__global__ void __launch_bounds__(512) logsumexp(const T* __restrict__ x, R* __restrict__ y, index_t count, index_t n,
                                                 index_t inner, index_t lanes, index_t parts) {
    typedef wide<T> W;
    const Team team(lanes, inner > 1);
    const index_t length = (n / VEC + parts - 1) / parts * VEC;
    count *= parts;
    for (index_t first = index_t(blockIdx.x) * team.lines; first < count; first += index_t(gridDim.x) * team.lines) {
        const index_t line = (first + team.line) / parts, part = (first + team.line) % parts;
        const index_t start = line / inner * n * inner + line % inner, begin = part * length;
        const index_t end = first + team.line >= count ? 0 : begin + length < n ? begin + length : n;
        Online<W> seen;
        seen.template walk<VEC>(x + start, begin, end, inner, team);
        // the maximum itself where it is NaN or infinite, and then the difference is NaN
        const W result = seen.top - seen.top == 0 ? seen.top + log(seen.total) : seen.top;
        if (team.lane == 0 && first + team.line < count) y[first + team.line] = static_cast<R>(result);
    }
}
