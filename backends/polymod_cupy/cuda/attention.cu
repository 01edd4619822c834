// Attention without its weights in memory: a tile of scores at a time, with the softmax summed up as it goes.
//
// T. Dao et al., "FlashAttention: fast and memory-efficient exact attention with IO-awareness", arXiv:2205.14135. All
// kernels have 256 threads as 16 x 16. Tiles of query, key, value and their cotangents lie in shared memory row by row,
// (rows, D + 4) in float or double; D is 32, 64 or 128, with zeros behind the last column.
#include "attention.cuh"

constexpr int THREADS = 256;

template <int V, typename W> struct __align__(sizeof(W) * V > 16 ? 16 : sizeof(W) * V) Vector { W at[V]; };

// Fill `tile` from rows [first, first + ROWS) of a matrix with `count` rows and `width` columns.
template <int ROWS, int D, typename T>
__device__ inline void load(
    wide<T> (*tile)[D + 4], const T* from, index_t row, index_t column, int first, int count, int width, wide<T> scale) {
    for (int i = threadIdx.x; i < ROWS * D; i += THREADS) {
        const int r = i / D, d = i % D;
        const bool inside = first + r < count && d < width;
        tile[r][d] = inside ? scale * widen(from[(first + r) * row + d * column]) : wide<T>(0);
    }
}

// out[i][j] = the product of row y + 16 i of a and row x + 16 j of b, for thread (y, x). Read in vectors of 4 columns;
// the 16 rows of b that are read together lie in different banks.
template <int D, int ROWS, int COLUMNS, typename W>
__device__ inline void rows_by_rows(W (&out)[ROWS / 16][COLUMNS / 16], W (*a)[D + 4], W (*b)[D + 4]) {
    const int y = threadIdx.x / 16, x = threadIdx.x % 16;
#pragma unroll
    for (int i = 0; i < ROWS / 16; i++)
#pragma unroll
        for (int j = 0; j < COLUMNS / 16; j++) out[i][j] = 0;
#pragma unroll 4
    for (int d = 0; d < D; d += 4) {
        Vector<4, W> p[ROWS / 16], q[COLUMNS / 16];
#pragma unroll
        for (int i = 0; i < ROWS / 16; i++) p[i] = *reinterpret_cast<const Vector<4, W>*>(&a[y + 16 * i][d]);
#pragma unroll
        for (int j = 0; j < COLUMNS / 16; j++) q[j] = *reinterpret_cast<const Vector<4, W>*>(&b[x + 16 * j][d]);
#pragma unroll
        for (int i = 0; i < ROWS / 16; i++)
#pragma unroll
            for (int j = 0; j < COLUMNS / 16; j++)
#pragma unroll
                for (int k = 0; k < 4; k++) out[i][j] += p[i].at[k] * q[j].at[k];
    }
}

// total[i][c] += row y + 16 i of a (ROWS, COLUMNS) times column `column_at(c)` of b (COLUMNS, D).
template <int D> __device__ inline int column_at(int c) {
    constexpr int V = D / 16 < 4 ? D / 16 : 4;
    return c / V * 16 * V + threadIdx.x % 16 * V + c % V;
}

template <int D, int ROWS, int COLUMNS, typename W>
__device__ inline void rows_by_columns(W (&total)[ROWS / 16][D / 16], W (*a)[COLUMNS + 4], W (*b)[D + 4]) {
    constexpr int V = D / 16 < 4 ? D / 16 : 4;
    const int y = threadIdx.x / 16;
#pragma unroll 2
    for (int k = 0; k < COLUMNS; k += 4) {
        Vector<4, W> p[ROWS / 16];
#pragma unroll
        for (int i = 0; i < ROWS / 16; i++) p[i] = *reinterpret_cast<const Vector<4, W>*>(&a[y + 16 * i][k]);
#pragma unroll
        for (int step = 0; step < 4; step++)
#pragma unroll
            for (int c = 0; c < D / 16; c += V) {
                const Vector<V, W> q = *reinterpret_cast<const Vector<V, W>*>(&b[k + step][column_at<D>(c)]);
#pragma unroll
                for (int i = 0; i < ROWS / 16; i++)
#pragma unroll
                    for (int v = 0; v < V; v++) total[i][c + v] += p[i].at[step] * q.at[v];
            }
    }
}

// ------------------------------------------------------------------------------------------------ the result

// y (lead, queries, values) and sums (lead, queries): log(sum(exp(scores))). A block makes ROWS rows of y: it reads their
// queries once, and all keys and values, COLUMNS at a time (queries * keys * (width + values) / ROWS elements in all,
// mostly from the second-level cache, where other blocks' reads have put them). Only y and sums are written; y may be
// null, where only the sums are wanted.
template <typename T, typename S, typename M, int D, int ROWS, int COLUMNS>
__global__ void __launch_bounds__(THREADS)
attend(const T* query, const T* key, const T* value, const M* mask, T* y, S* sums, Attention how) {
    typedef wide<T> W;
    extern __shared__ __align__(16) unsigned char memory[];
    W (*q)[D + 4] = reinterpret_cast<W (*)[D + 4]>(memory);
    W (*kv)[D + 4] = q + ROWS;
    W (*p)[COLUMNS + 4] = reinterpret_cast<W (*)[COLUMNS + 4]>(kv + COLUMNS);
    const int tiles = (how.queries + ROWS - 1) / ROWS, ty = threadIdx.x / 16, tx = threadIdx.x % 16;
    const index_t lead = blockIdx.x / tiles;
    const int first = (tiles - 1 - int(blockIdx.x % tiles)) * ROWS;  // the longest rows of a causal mask begin first
    const Offsets at = offsets(how, lead);
    if (mask) mask = Masked<M, W>::at(mask, at.of[MASK]);
    const int last = how.causal && first + ROWS < how.keys ? first + ROWS : how.keys;

    W total[ROWS / 16][D / 16] = {}, top[ROWS / 16], sum[ROWS / 16] = {};
    for (int i = 0; i < ROWS / 16; i++) top[i] = minus_infinity<W>();
    load<ROWS, D>(q, query + at.of[QUERY], how.rows[QUERY], how.columns[QUERY], first, how.queries, how.width, W(how.scale));
    for (int start = 0; start < last; start += COLUMNS) {
        load<COLUMNS, D>(kv, key + at.of[KEY], how.rows[KEY], how.columns[KEY], start, how.keys, how.width, W(1));
        __syncthreads();
        W s[ROWS / 16][COLUMNS / 16];
        rows_by_rows<D, ROWS, COLUMNS>(s, q, kv);
        __syncthreads();  // the keys have been read
#pragma unroll
        for (int i = 0; i < ROWS / 16; i++) {
            const int row = first + ty + 16 * i;
            W now = minus_infinity<W>(), part = 0;
#pragma unroll
            for (int j = 0; j < COLUMNS / 16; j++) {
                s[i][j] = masked<M>(s[i][j], mask, how, row, start + tx + 16 * j);
                now = Max::join(now, s[i][j]);
            }
            for (int lane = 8; lane > 0; lane /= 2) now = Max::join(now, __shfl_xor_sync(0xffffffff, now, lane));
            now = Max::join(now, top[i]);
            const W reference = now == minus_infinity<W>() ? W(0) : now, shrink = exp(top[i] - reference);
            top[i] = now;
#pragma unroll
            for (int j = 0; j < COLUMNS / 16; j++) {
                const int column = start + tx + 16 * j;
                s[i][j] = exp(s[i][j] - reference);
                part += s[i][j];
                if (how.dropped && row < how.queries && column < how.keys)
                    s[i][j] = kept(how, lead, row, column) ? s[i][j] * W(how.factor) : W(0);
                p[ty + 16 * i][tx + 16 * j] = s[i][j];
            }
            for (int lane = 8; lane > 0; lane /= 2) part += __shfl_xor_sync(0xffffffff, part, lane);
            sum[i] = sum[i] * shrink + part;
#pragma unroll
            for (int c = 0; c < D / 16; c++) total[i][c] *= shrink;
        }
        if (y) {
            load<COLUMNS, D>(kv, value + at.of[VALUE], how.rows[VALUE], how.columns[VALUE], start, how.keys, how.values, W(1));
            __syncthreads();
            rows_by_columns<D, ROWS, COLUMNS>(total, p, kv);
            __syncthreads();  // the values have been read
        }
    }
#pragma unroll
    for (int i = 0; i < ROWS / 16; i++) {
        const int row = first + ty + 16 * i;
        if (row >= how.queries) continue;
        const W all = sum[i] == 0 ? W(1) : sum[i], reference = top[i] == minus_infinity<W>() ? W(0) : top[i];
        if (tx == 0) sums[lead * how.queries + row] = static_cast<S>(reference + log(all));
        if (y)
#pragma unroll
            for (int c = 0; c < D / 16; c++)
                if (column_at<D>(c) < how.values)
                    y[(lead * how.queries + row) * how.values + column_at<D>(c)] = narrow<T>(total[i][c] / all);
    }
}

// -------------------------------------------------------------------------------------------- the cotangents
//
// With the weights w = exp(score - sum) found again, dw = keep * factor * (g value^T) and ds = w (dw - shift):
// dquery = scale ds key, dkey = ds^T (scale query), dvalue = (keep * factor * w)^T g. One kernel goes along the rows
// and one down the columns, each with sums of its own, so that nothing is added to memory by several blocks, in an
// order that nobody knows; scores are computed twice for that.

// dquery (lead, queries, width). Reads what `attend` reads, and g, shift and sums once.
template <typename T, typename S, typename M, int D, int ROWS, int COLUMNS>
__global__ void __launch_bounds__(THREADS)
attend_query_back(
    const T* g, const T* shift, const S* sums, const T* query, const T* key, const T* value, const M* mask, T* dquery,
    Attention how) {
    typedef wide<T> W;
    extern __shared__ __align__(16) unsigned char memory[];
    W (*q)[D + 4] = reinterpret_cast<W (*)[D + 4]>(memory);
    W (*dy)[D + 4] = q + ROWS;
    W (*k)[D + 4] = dy + ROWS;
    W (*v)[D + 4] = k + COLUMNS;
    W (*ds)[COLUMNS + 4] = reinterpret_cast<W (*)[COLUMNS + 4]>(v + COLUMNS);
    const int tiles = (how.queries + ROWS - 1) / ROWS, ty = threadIdx.x / 16, tx = threadIdx.x % 16;
    const index_t lead = blockIdx.x / tiles;
    const int first = (tiles - 1 - int(blockIdx.x % tiles)) * ROWS;
    const Offsets at = offsets(how, lead);
    if (mask) mask = Masked<M, W>::at(mask, at.of[MASK]);
    const int last = how.causal && first + ROWS < how.keys ? first + ROWS : how.keys;

    W total[ROWS / 16][D / 16] = {}, row_sum[ROWS / 16], row_shift[ROWS / 16];
    for (int i = 0; i < ROWS / 16; i++) {
        const int row = first + ty + 16 * i;
        row_sum[i] = row < how.queries ? W(sums[lead * how.queries + row]) : W(0);
        row_shift[i] = row < how.queries ? widen(shift[lead * how.queries + row]) : W(0);
    }
    load<ROWS, D>(q, query + at.of[QUERY], how.rows[QUERY], how.columns[QUERY], first, how.queries, how.width, W(how.scale));
    load<ROWS, D>(dy, g + lead * how.queries * how.values, how.values, 1, first, how.queries, how.values, W(1));
    for (int start = 0; start < last; start += COLUMNS) {
        load<COLUMNS, D>(k, key + at.of[KEY], how.rows[KEY], how.columns[KEY], start, how.keys, how.width, W(1));
        load<COLUMNS, D>(v, value + at.of[VALUE], how.rows[VALUE], how.columns[VALUE], start, how.keys, how.values, W(1));
        __syncthreads();
        W s[ROWS / 16][COLUMNS / 16], dw[ROWS / 16][COLUMNS / 16];
        rows_by_rows<D, ROWS, COLUMNS>(s, q, k);
        rows_by_rows<D, ROWS, COLUMNS>(dw, dy, v);
#pragma unroll
        for (int i = 0; i < ROWS / 16; i++)
#pragma unroll
            for (int j = 0; j < COLUMNS / 16; j++) {
                const int row = first + ty + 16 * i, column = start + tx + 16 * j;
                const W w = exp(masked<M>(s[i][j], mask, how, row, column) - row_sum[i]);
                if (how.dropped && row < how.queries && column < how.keys)
                    dw[i][j] = kept(how, lead, row, column) ? dw[i][j] * W(how.factor) : W(0);
                ds[ty + 16 * i][tx + 16 * j] = w * (dw[i][j] - row_shift[i]);
            }
        __syncthreads();
        rows_by_columns<D, ROWS, COLUMNS>(total, ds, k);
        __syncthreads();  // keys, values and ds have been read
    }
#pragma unroll
    for (int i = 0; i < ROWS / 16; i++)
#pragma unroll
        for (int c = 0; c < D / 16; c++) {
            const int row = first + ty + 16 * i, column = column_at<D>(c);
            if (row < how.queries && column < how.width)
                dquery[(lead * how.queries + row) * how.width + column] = narrow<T>(total[i][c] * W(how.scale));
        }
}

// dkey (lead, keys, width) and dvalue (lead, keys, values): a block has ROWS keys, and goes over the queries.
template <typename T, typename S, typename M, int D, int ROWS, int COLUMNS>
__global__ void __launch_bounds__(THREADS)
attend_key_back(
    const T* g, const T* shift, const S* sums, const T* query, const T* key, const T* value, const M* mask, T* dkey,
    T* dvalue, Attention how) {
    typedef wide<T> W;
    extern __shared__ __align__(16) unsigned char memory[];
    W (*k)[D + 4] = reinterpret_cast<W (*)[D + 4]>(memory);
    W (*v)[D + 4] = k + ROWS;
    W (*q)[D + 4] = v + ROWS;
    W (*dy)[D + 4] = q + COLUMNS;
    W (*w)[COLUMNS + 4] = reinterpret_cast<W (*)[COLUMNS + 4]>(dy + COLUMNS);
    W (*ds)[COLUMNS + 4] = w + ROWS;
    const int tiles = (how.keys + ROWS - 1) / ROWS, ty = threadIdx.x / 16, tx = threadIdx.x % 16;
    const index_t lead = blockIdx.x / tiles;
    const int first = int(blockIdx.x % tiles) * ROWS;
    const Offsets at = offsets(how, lead);
    if (mask) mask = Masked<M, W>::at(mask, at.of[MASK]);

    W total_k[ROWS / 16][D / 16] = {}, total_v[ROWS / 16][D / 16] = {};
    load<ROWS, D>(k, key + at.of[KEY], how.rows[KEY], how.columns[KEY], first, how.keys, how.width, W(1));
    load<ROWS, D>(v, value + at.of[VALUE], how.rows[VALUE], how.columns[VALUE], first, how.keys, how.values, W(1));
    for (int start = how.causal ? first / COLUMNS * COLUMNS : 0; start < how.queries; start += COLUMNS) {
        load<COLUMNS, D>(
            q, query + at.of[QUERY], how.rows[QUERY], how.columns[QUERY], start, how.queries, how.width, W(how.scale));
        load<COLUMNS, D>(dy, g + lead * how.queries * how.values, how.values, 1, start, how.queries, how.values, W(1));
        __syncthreads();
        W s[ROWS / 16][COLUMNS / 16], dw[ROWS / 16][COLUMNS / 16];
        rows_by_rows<D, ROWS, COLUMNS>(s, k, q);
        rows_by_rows<D, ROWS, COLUMNS>(dw, v, dy);
#pragma unroll
        for (int j = 0; j < COLUMNS / 16; j++) {
            const int row = start + tx + 16 * j;  // of the queries
            const bool valid = row < how.queries;
            const W sum = valid ? W(sums[lead * how.queries + row]) : W(0);
            const W less = valid ? widen(shift[lead * how.queries + row]) : W(0);
#pragma unroll
            for (int i = 0; i < ROWS / 16; i++) {
                const int column = first + ty + 16 * i;
                const W weight = exp(masked<M>(s[i][j], mask, how, row, column) - sum);
                W used = weight;
                if (how.dropped && valid && column < how.keys) {
                    const W times = kept(how, lead, row, column) ? W(how.factor) : W(0);
                    dw[i][j] *= times;
                    used *= times;
                }
                w[ty + 16 * i][tx + 16 * j] = used;
                ds[ty + 16 * i][tx + 16 * j] = weight * (dw[i][j] - less);
            }
        }
        __syncthreads();
        rows_by_columns<D, ROWS, COLUMNS>(total_v, w, dy);
        rows_by_columns<D, ROWS, COLUMNS>(total_k, ds, q);
        __syncthreads();  // all four have been read
    }
#pragma unroll
    for (int i = 0; i < ROWS / 16; i++)
#pragma unroll
        for (int c = 0; c < D / 16; c++) {
            const int row = first + ty + 16 * i, column = column_at<D>(c);
            if (row >= how.keys) continue;
            if (column < how.width) dkey[(lead * how.keys + row) * how.width + column] = narrow<T>(total_k[i][c]);
            if (column < how.values) dvalue[(lead * how.keys + row) * how.values + column] = narrow<T>(total_v[i][c]);
        }
}
