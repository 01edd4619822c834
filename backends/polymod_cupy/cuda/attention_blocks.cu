// The softmax of attention in blocks of scores that cuBLAS makes, for float16 and bfloat16.
#include "attention.cuh"

// `scores` (leads, rows, columns), in float and already
// scaled, are those of leads [lead, ...), queries [first, first + rows) and the keys below `columns`. One block a row.

// The largest of a row's scores after the mask, and the sum of exp(score - largest); 0 in place of -inf.
template <typename M> __device__ inline void softmax_of(
    const float* scores, const M* mask, const Attention& how, int row, int columns, float& top, float& sum) {
    top = minus_infinity<float>();
    sum = 0;
    for (int c = threadIdx.x; c < columns; c += blockDim.x) {  // summed up as it goes: the row is read once
        const float s = masked<M>(scores[c], mask, how, row, c), now = Max::join(top, s);
        if (now == minus_infinity<float>()) continue;
        sum = sum * exp(top - now) + exp(s - now);
        top = now;
    }
    const float all = block_reduce<Max>(top), reference = all == minus_infinity<float>() ? 0.f : all;
    sum = block_reduce<Sum>(top == minus_infinity<float>() ? 0.f : sum * exp(top - reference));
    top = reference;
}

// weights = the softmax of a row, with dropout, and sums. Scores are read twice, the second time from the cache; half as
// many bytes are written.
template <typename T, typename M>
__global__ void block_weights(
    const float* scores, const M* mask, T* weights, T* sums, Attention how, index_t lead, index_t first, index_t rows,
    index_t columns) {
    const index_t row = first + blockIdx.x % rows;
    lead += blockIdx.x / rows;
    scores += blockIdx.x * columns;
    weights += blockIdx.x * columns;
    if (mask) mask = Masked<M, float>::at(mask, offsets(how, lead).of[MASK]);
    float top, sum;
    softmax_of(scores, mask, how, int(row), int(columns), top, sum);
    if (sum == 0) sum = 1;
    if (threadIdx.x == 0) sums[lead * how.queries + row] = narrow<T>(top + log(sum));
    for (int c = threadIdx.x; c < columns; c += blockDim.x) {
        float w = exp(masked<M>(scores[c], mask, how, int(row), c) - top) / sum;
        if (how.dropped) w = kept(how, lead, int(row), c) ? w * float(how.factor) : 0.f;
        weights[c] = narrow<T>(w);
    }
}

// The weights after dropout, and the cotangents of the scores, of which `dweights` = g value^T. Scores are read twice.
template <typename T, typename M>
__global__ void block_weights_back(
    const float* scores, const float* dweights, const T* shift, const M* mask, T* weights, T* dscores, Attention how,
    index_t lead, index_t first, index_t rows, index_t columns) {
    const index_t row = first + blockIdx.x % rows, start = blockIdx.x * columns;
    lead += blockIdx.x / rows;
    scores += start;
    if (mask) mask = Masked<M, float>::at(mask, offsets(how, lead).of[MASK]);
    float top, sum;
    softmax_of(scores, mask, how, int(row), int(columns), top, sum);
    if (sum == 0) sum = 1;
    const float less = widen(shift[lead * how.queries + row]);
    for (int c = threadIdx.x; c < columns; c += blockDim.x) {
        const float w = exp(masked<M>(scores[c], mask, how, int(row), c) - top) / sum;
        float times = 1;
        if (how.dropped) times = kept(how, lead, int(row), c) ? float(how.factor) : 0.f;
        weights[start + c] = narrow<T>(w * times);
        dscores[start + c] = narrow<T>(w * (dweights[start + c] * times - less));
    }
}
