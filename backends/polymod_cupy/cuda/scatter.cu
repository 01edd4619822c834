// Adding many values to elements that may be named several times, always in the same order: the values are sorted by
// the number of their element, by counting (a stable radix sort of 8 bits a pass), and each run of equal numbers is
// summed by threads that no other run shares. Nothing is added atomically but counts, which are integers.
#include "total.cuh"

const int THREADS = 256, DIGITS = 256, ITEMS = 8, TILE = THREADS * ITEMS, WARPS = THREADS / 32;

// The sum of x over all threads of the block before this one.
__device__ inline unsigned sum_before(unsigned x, unsigned* total) {
    __shared__ unsigned parts[WARPS];
    const int lane = threadIdx.x % 32;
    unsigned sum = x;
    for (int step = 1; step < 32; step *= 2) {
        const unsigned other = __shfl_up_sync(0xffffffff, sum, step);
        if (lane >= step) sum += other;
    }
    __syncthreads();  // the last call's parts have been read
    if (lane == 31) parts[threadIdx.x / 32] = sum;
    __syncthreads();
    unsigned before = 0, all = 0;
    for (int i = 0; i < WARPS; ++i) {
        if (i == threadIdx.x / 32) before = all;
        all += parts[i];
    }
    *total = all;
    return before + sum - x;
}

// How often each digit is in each tile: counts[digit][tile]. Reads the keys once.
template <typename K>
__global__ void count_digits(const K* __restrict__ keys, unsigned* __restrict__ counts, index_t count, int shift) {
    __shared__ unsigned bins[DIGITS];
    bins[threadIdx.x] = 0;
    __syncthreads();
    const index_t start = static_cast<index_t>(blockIdx.x) * TILE;
    for (int j = 0; j < ITEMS; ++j) {
        const index_t i = start + j * THREADS + threadIdx.x;
        if (i < count) atomicAdd(&bins[(keys[i] >> shift) & (DIGITS - 1)], 1u);
    }
    __syncthreads();
    counts[static_cast<index_t>(threadIdx.x) * gridDim.x + blockIdx.x] = bins[threadIdx.x];
}

// For each digit (a block of this launch) the sums of its counts over the tiles before, and over all.
__global__ void sum_counts(unsigned* __restrict__ counts, unsigned* __restrict__ totals, index_t tiles) {
    unsigned* row = counts + blockIdx.x * tiles;
    unsigned carry = 0, total;
    for (index_t start = 0; start < tiles; start += THREADS) {
        const index_t i = start + threadIdx.x;
        const unsigned before = sum_before(i < tiles ? row[i] : 0, &total);
        if (i < tiles) row[i] = carry + before;
        carry += total;
    }
    if (threadIdx.x == 0) totals[blockIdx.x] = carry;
}

// Each key, and the number it had at first, to its place by this digit; equal digits keep their order. A single tile
// counts for itself. Reads and writes both once. `order` is null in the first pass.
template <typename K>
__global__ void place(const K* __restrict__ keys, const unsigned* __restrict__ order, K* __restrict__ keys_out,
                      unsigned* __restrict__ order_out, const unsigned* __restrict__ counts,
                      const unsigned* __restrict__ totals, index_t count, int shift) {
    __shared__ unsigned at[WARPS][DIGITS];  // first how often a digit was seen by each warp, then where it goes
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    for (int i = 0; i < WARPS; ++i) at[i][threadIdx.x] = 0;
    __syncthreads();
    const index_t start = static_cast<index_t>(blockIdx.x) * TILE + warp * (TILE / WARPS) + lane;
    K mine[ITEMS];
    unsigned rank[ITEMS];
    for (int j = 0; j < ITEMS; ++j) {
        const index_t i = start + j * 32;
        mine[j] = i < count ? keys[i] : K(0);
        const unsigned digit = i < count ? (mine[j] >> shift) & (DIGITS - 1) : DIGITS;
        const unsigned peers = __match_any_sync(0xffffffff, digit);
        const unsigned before = __popc(peers & ((1u << lane) - 1));
        rank[j] = (digit < DIGITS ? at[warp][digit] : 0) + before;
        __syncwarp();
        if (before == 0 && digit < DIGITS) at[warp][digit] += __popc(peers);
        __syncwarp();
    }
    __syncthreads();
    const int digit = threadIdx.x;
    unsigned total = 0, all;
    for (int i = 0; i < WARPS; ++i) total += at[i][digit];
    unsigned next = sum_before(gridDim.x == 1 ? total : totals[digit], &all);
    if (gridDim.x > 1) next += counts[static_cast<index_t>(digit) * gridDim.x + blockIdx.x];
    for (int i = 0; i < WARPS; ++i) {
        const unsigned seen = at[i][digit];
        at[i][digit] = next;
        next += seen;
    }
    __syncthreads();
    for (int j = 0; j < ITEMS; ++j) {
        const index_t i = start + j * 32;
        if (i < count) {
            const unsigned to = at[warp][(mine[j] >> shift) & (DIGITS - 1)] + rank[j];
            keys_out[to] = mine[j];
            order_out[to] = order ? order[i] : static_cast<unsigned>(i);
        }
    }
}

// ---------------------------------------------------------------------------------------------------------- sums

// A position of up to three axes from a number that counts them in C order; n0 and s0 are of the last axis.
struct Axes {
    index_t n0, s0, n1, s1, s2;
    __device__ index_t at(index_t i) const {
        if (i < n0) return i * s0;  // nearly always there is one axis
        const index_t rest = i / n0;
        return (i - rest * n0) * s0 + rest % n1 * s1 + rest / n1 * s2;
    }
};

const int RUN = 32;  // sorted values that one thread adds

// The sums of runs of equal keys within each RUN sorted values, for each of `inner` elements that a key stands for. A
// run that begins and ends here is added to `out`. What goes on before or behind is written to `parts`, as the first
// or the second of two values of this RUN, which `live` says to be there; the next launch sums these in the same way.
// T is the type of `values`, O that of `out`. Reads the values and writes the sums once; neighbouring threads have
// neighbouring elements. A key `skipped` is left out.
template <typename T, typename O, typename K>
__global__ void sum_runs(const T* __restrict__ values, const K* __restrict__ keys, const unsigned* __restrict__ order,
                         const unsigned char* __restrict__ live, O* __restrict__ out, total_of<O>* __restrict__ parts,
                         K* __restrict__ part_keys, unsigned char* __restrict__ part_live, index_t count, index_t inner,
                         index_t named, index_t post, index_t kn0, index_t ks0, index_t kn1, index_t ks1, index_t ks2,
                         index_t in0, index_t is0, index_t in1, index_t is1, index_t is2, index_t skipped) {
    typedef total_of<O> W;
    const Axes of_key = {kn0, ks0, kn1, ks1, ks2}, of_inner = {in0, is0, in1, is1, is2};
    const index_t work = (count + RUN - 1) / RUN * inner, step = static_cast<index_t>(gridDim.x) * blockDim.x;
    for (index_t w = static_cast<index_t>(blockIdx.x) * blockDim.x + threadIdx.x; w < work; w += step) {
        const index_t run = w / inner, c = w - run * inner, start = run * RUN, end = min(start + RUN, count);
        // values are (elements before, named, elements behind)
        const index_t before = post == inner ? 0 : c / post, value0 = before * named * post + (c - before * post);
        O* const place_of_c = out + of_inner.at(c);
        bool goes_on = start > 0 && keys[start - 1] == keys[start], first_live = false, last_live = false;
        W sum = 0;
        bool any = false;
        for (index_t i = start; i < end; ++i) {
            const K key = keys[i];
            if (!live || live[i]) {
                const index_t from = order ? order[i] : i;
                sum += static_cast<W>(values[value0 + from * post]);
                any = true;
            }
            const bool last = i + 1 == end, ends = i + 1 == count || keys[i + 1] != key;
            if (!ends && !last) continue;
            if (goes_on || !ends) {
                const int part = goes_on ? 0 : 1;
                if (any) parts[(run * 2 + part) * inner + c] = sum;
                (goes_on ? first_live : last_live) = any;
            } else if (any && static_cast<index_t>(key) != skipped) {
                O* const to = place_of_c + of_key.at(static_cast<index_t>(key));
                *to = static_cast<O>(static_cast<W>(*to) + sum);
            }
            goes_on = false;
            sum = 0;
            any = false;
        }
        if (c == 0 && parts) {
            part_keys[run * 2] = keys[start];
            part_keys[run * 2 + 1] = keys[end - 1];
            part_live[run * 2] = first_live;
            part_live[run * 2 + 1] = last_live;
        }
    }
}
