// Losses of class numbers. Scores are lines of n classes that lie `inner` apart; each line has its target. T is the
// type of the scores, I that of the targets. Sums over targets are made in two steps, of blocks and of their
// results, so that they are always made in the same order.
#include "rows.cuh"

// Class numbers, and what each target counts: the weight of its class (1 without weights), 0 if it is ignored, NaN if
// it is no class.
template <typename T, typename I> struct Targets {
    const I* numbers;
    const T* weight;
    index_t classes, ignored;

    __device__ wide<T> share(index_t target) const {
        if (target == ignored) return 0;
        if (!holds(target)) return not_a_number<wide<T>>();
        return weight ? widen(weight[target]) : wide<T>(1);
    }
    __device__ bool holds(index_t target) const { return target >= 0 && target < classes; }
    __device__ wide<T> weight_of(index_t k) const { return weight ? widen(weight[k]) : wide<T>(1); }
};

// Two sums of a block's threads, to parts[block] and parts[blocks + block].
template <typename W> __device__ void sum_of_block(W a, W b, W* parts) {
    a = block_reduce<Sum>(a);
    b = block_reduce<Sum>(b);
    if (threadIdx.x == 0) {
        parts[blockIdx.x] = a;
        parts[gridDim.x + blockIdx.x] = b;
    }
}

// Of `count` parts of two sums: the first, times `factor`, and divided by the second if there is to be a mean. A block.
template <typename T> __global__ void finish(const wide<T>* parts, T* y, index_t count, double factor, index_t mean) {
    wide<T> a = 0, b = 0;
    for (index_t k = threadIdx.x; k < count; k += blockDim.x) {
        a += parts[k];
        if (mean) b += parts[count + k];
    }
    a = block_reduce<Sum>(a);
    b = block_reduce<Sum>(b);
    if (threadIdx.x == 0) *y = narrow<T>((mean ? a / b : a) * wide<T>(factor));
}

// What all targets count, in parts: what a mean is divided by. Memory: one read of the targets.
template <typename T, typename I>
__global__ void shares(const I* __restrict__ numbers, const T* __restrict__ weight, wide<T>* parts, index_t count,
                       index_t classes, index_t ignored) {
    const Targets<T, I> targets{numbers, weight, classes, ignored};
    wide<T> sum = 0;
    for (index_t i = index_t(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += index_t(gridDim.x) * blockDim.x)
        sum += targets.share(numbers[i]);
    sum = block_reduce<Sum>(sum);
    if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

// The sum of what `shares` left, which has no more parts than a block has threads; 1 if there are none.
template <typename W> __device__ W sum_of_parts(const W* parts, index_t count) {
    return count ? block_reduce<Sum>(threadIdx.x < count ? parts[threadIdx.x] : W(0)) : W(1);
}

// The negative log-probability of each target's class: to `losses`, or summed to `parts`. Memory: one read of the
// targets and of the one score of each.
template <typename T, typename I>
__global__ void nll(const T* __restrict__ x, const I* __restrict__ numbers, const T* __restrict__ weight, T* losses,
                    wide<T>* parts, index_t count, index_t n, index_t inner, index_t ignored) {
    typedef wide<T> W;
    const Targets<T, I> targets{numbers, weight, n, ignored};
    W sum = 0, counted = 0;
    for (index_t i = index_t(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += index_t(gridDim.x) * blockDim.x) {
        const index_t target = numbers[i];
        const W share = targets.share(target);
        W loss = share;  // 0, or NaN for what is no class
        if (share != 0 && targets.holds(target)) loss = -widen(x[(i / inner * n + target) * inner + i % inner]) * share;
        if (losses) losses[i] = narrow<T>(loss);
        sum += loss;
        counted += share;
    }
    if (parts) sum_of_block(sum, counted, parts);
}

// Its cotangent where that is not 0; g is one number, or one for each target. Memory: one read of the targets, one
// write for each.
template <typename T, typename I>
__global__ void nll_back(const T* __restrict__ g, const I* __restrict__ numbers, const T* __restrict__ weight,
                         const wide<T>* parts, T* dx, index_t count, index_t n, index_t inner, index_t ignored,
                         index_t each, index_t parts_count) {
    typedef wide<T> W;
    const Targets<T, I> targets{numbers, weight, n, ignored};
    const W all = sum_of_parts(parts, parts_count);
    for (index_t i = index_t(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += index_t(gridDim.x) * blockDim.x) {
        const index_t target = numbers[i];
        const W share = targets.share(target);
        if (share != 0 && targets.holds(target))
            dx[(i / inner * n + target) * inner + i % inner] = narrow<T>(-(widen(g[each ? i : 0]) * (share / all)));
    }
}

// The negative log-softmax at each target's class; with `smoothing` s, (1 - s) of that and s of the weighted mean over
// all classes. Memory: one read of the scores, with smoothing a second one, from a cache if the lines at work fit one;
// lines of targets that are ignored are not read.
template <typename T, typename I, int VEC>
__global__ void __launch_bounds__(512)
    cross_entropy(const T* __restrict__ x, const I* __restrict__ numbers, const T* __restrict__ weight, T* losses,
                  wide<T>* parts, index_t count, index_t n, index_t inner, index_t lanes, index_t ignored,
                  double smoothing_) {
    typedef wide<T> W;
    const Team team(lanes, inner > 1);
    const Targets<T, I> targets{numbers, weight, n, ignored};
    const W smoothing = smoothing_;
    W sum = 0, counted = 0;
    for (index_t first = index_t(blockIdx.x) * team.lines; first < count; first += index_t(gridDim.x) * team.lines) {
        const index_t line = first + team.line;
        const T* scores = x + (line / inner * n * inner + line % inner);
        const index_t target = line < count ? index_t(numbers[line]) : ignored;
        const W share = targets.share(target);
        const index_t end = target == ignored || (share == 0 && smoothing == 0) ? 0 : n;
        Online<W> seen;
        seen.template walk<VEC>(scores, 0, end, inner, team);
        const W shift = seen.shift(seen.top), by = log(seen.total);
        W loss = share;  // 0, or NaN for what is no class
        if (end && targets.holds(target)) loss = -(widen(scores[target * inner]) - shift - by) * share;
        if (smoothing != 0) {
            W spread = 0;
            for (index_t k = team.lane; k < end; k += team.lanes)
                spread += (widen(scores[k * inner]) - shift - by) * targets.weight_of(k);
            spread = team.reduce<Sum>(spread) * (smoothing / n);
            loss = target == ignored ? W(0) : (1 - smoothing) * loss - (share != share ? share : spread);
        }
        if (team.lane == 0 && line < count) {
            if (losses) losses[line] = narrow<T>(loss);
            sum += loss;
            counted += share;
        }
    }
    if (parts) sum_of_block(sum, counted, parts);
}

// The cotangent of the scores. Memory: two reads of them, the second from a cache if the lines at work fit one, and one
// write; lines of targets that are ignored are written only.
template <typename T, typename I, int VEC>
__global__ void __launch_bounds__(512)
    cross_entropy_back(const T* __restrict__ g, const T* __restrict__ x, const I* __restrict__ numbers,
                       const T* __restrict__ weight, const wide<T>* parts, T* dx, index_t count, index_t n,
                       index_t inner, index_t lanes, index_t ignored, double smoothing_, index_t each,
                       index_t parts_count) {
    typedef wide<T> W;
    const Team team(lanes, inner > 1);
    const Targets<T, I> targets{numbers, weight, n, ignored};
    const W smoothing = smoothing_, all = sum_of_parts(parts, parts_count);
    W weights = n;
    if (smoothing != 0 && weight) {
        weights = 0;
        for (index_t k = threadIdx.x; k < n; k += blockDim.x) weights += targets.weight_of(k);
        weights = block_reduce<Sum>(weights);
    }
    for (index_t first = index_t(blockIdx.x) * team.lines; first < count; first += index_t(gridDim.x) * team.lines) {
        const index_t line = first + team.line, start = line / inner * n * inner + line % inner;
        const index_t target = line < count ? index_t(numbers[line]) : ignored;
        const W share = targets.share(target), slope = line < count ? widen(g[each ? line : 0]) : W(0);
        // of the log-softmax at the target's class, and of the mean over all classes times n
        const W at_target = share == 0 || !targets.holds(target) ? W(0) : (1 - smoothing) * slope * (share / all);
        const W at_all = smoothing == 0 || target == ignored ? W(0) : smoothing / n * slope / all;
        const index_t end = at_target == 0 && at_all == 0 ? 0 : n;
        Online<W> seen;
        seen.template walk<VEC>(x + start, 0, end, inner, team);
        const W shift = seen.shift(seen.top), by = 1 / seen.total;
        for (index_t k = team.lane * VEC; k < (line < count ? n : 0); k += team.lanes * VEC) {
            Pack<T, VEC> pack;
            if (end) pack = load<T, VEC>(x + start + k * inner);
#pragma unroll
            for (int j = 0; j < VEC; ++j) {
                W d = 0;
                if (end) {
                    const W probability = exp(widen(pack.v[j]) - shift) * by;
                    d = at_target * (probability - (k + j == target ? W(1) : W(0)));
                    if (at_all != 0) d += at_all * (probability * weights - targets.weight_of(k + j));
                }
                pack.v[j] = narrow<T>(d);
            }
            store<T, VEC>(dx + start + k * inner, pack);
        }
    }
}

// The sum of squared differences, in parts. Memory: one read of both.
template <typename T, int VEC>
__global__ void squares(const T* __restrict__ x, const T* __restrict__ target, wide<T>* parts, index_t size) {
    wide<T> sum = 0;
    for (index_t i = (index_t(blockIdx.x) * blockDim.x + threadIdx.x) * VEC; i < size;
         i += index_t(gridDim.x) * blockDim.x * VEC) {
        const Pack<T, VEC> a = load<T, VEC>(x + i), b = load<T, VEC>(target + i);
#pragma unroll
        for (int j = 0; j < VEC; ++j) {
            const wide<T> d = widen(a.v[j]) - widen(b.v[j]);
            sum += d * d;
        }
    }
    sum = block_reduce<Sum>(sum);
    if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}
