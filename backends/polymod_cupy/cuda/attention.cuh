// What attention attends to, and which weights dropout keeps.

struct Attention {
    int queries, keys, width, values;  // rows of query and of key and value; columns of query and key, and of value
    int causal, dropped;
    unsigned keep_from_upper, keep_from_lower;  // a weight is kept if its 32 random bits are below this (as 2 x 16 bits)
    int lead[4];                       // leading axes, of all together; those that are missing come first, with size 1
    long long along[4][4];             // steps of query, key, value and mask along each of them
    long long rows[4], columns[4];     // and along their last two axes
    long long rest, extent, step, row_step;  // how the weights are cut into draws; see `rules.attention.blocks`
    unsigned long long seed;
    const unsigned long long* live_seed;  // null, or where a recorded graph finds it
    double scale, factor;              // of the scores, and of the weights that are kept
};

enum { QUERY, KEY, VALUE, MASK };

template <typename W> __device__ inline W minus_infinity() { return -W(__int_as_float(0x7f800000)); }

// The first element of each array for leading index `lead`.
struct Offsets { index_t of[4]; };

__device__ inline Offsets offsets(const Attention& how, index_t lead) {
    Offsets found = {{0, 0, 0, 0}};
    for (int a = 3; a >= 0; a--) {
        const index_t i = lead % how.lead[a];
        lead /= how.lead[a];
        for (int array = 0; array < 4; array++) found.of[array] += i * how.along[array][a];
    }
    return found;
}

// The score after the mask: -inf where nothing is attended. `M` is bool, T, or void for no mask.
template <typename M, typename W> struct Masked {
    __device__ static const M* at(const M* mask, index_t offset) { return mask + offset; }
    __device__ static W score(W s, const M* mask, const Attention& how, int row, int key) {
        return s + widen(mask[row * how.rows[MASK] + key * how.columns[MASK]]);
    }
};
template <typename W> struct Masked<bool, W> {
    __device__ static const bool* at(const bool* mask, index_t offset) { return mask + offset; }
    __device__ static W score(W s, const bool* mask, const Attention& how, int row, int key) {
        return mask[row * how.rows[MASK] + key * how.columns[MASK]] ? s : minus_infinity<W>();
    }
};
template <typename W> struct Masked<void, W> {
    __device__ static const void* at(const void* mask, index_t) { return mask; }
    __device__ static W score(W s, const void*, const Attention&, int, int) { return s; }
};

template <typename M, typename W>
__device__ inline W masked(W s, const M* mask, const Attention& how, int row, int key) {
    if (row >= how.queries || key >= how.keys || (how.causal && key > row)) return minus_infinity<W>();
    return Masked<M, W>::score(s, mask, how, row, key);
}

// Philox 4x32 with 10 rounds, see polymod/philox.py: block `block` of draw `draw`.
struct Words { unsigned at[4]; };

__device__ inline Words philox(unsigned long long seed, unsigned long long draw, unsigned long long block) {
    unsigned k0 = unsigned(seed), k1 = unsigned(seed >> 32);
    unsigned c0 = unsigned(block), c1 = unsigned(block >> 32), c2 = unsigned(draw), c3 = unsigned(draw >> 32);
#pragma unroll
    for (int round = 0; round < 10; round++) {
        const unsigned h0 = __umulhi(0xD2511F53u, c0), l0 = 0xD2511F53u * c0;
        const unsigned h1 = __umulhi(0xCD9E8D57u, c2), l1 = 0xCD9E8D57u * c2;
        c0 = h1 ^ c1 ^ k0; c1 = l1; c2 = h0 ^ c3 ^ k1; c3 = l0;
        k0 += 0x9E3779B9u; k1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
}

// Whether the weight of (lead, row, key) is kept: the bit that the portable definition draws for it on the host.
__device__ inline bool kept(const Attention& how, index_t lead, int row, int key) {
    const index_t across = lead / how.rest % how.extent;
    const index_t part = lead / (how.rest * how.extent) * ((how.extent + how.step - 1) / how.step) + across / how.step;
    const index_t local = across % how.step * how.rest + lead % how.rest;
    const index_t start = row / how.row_step * how.row_step;
    const index_t stop = start + how.row_step < how.queries ? start + how.row_step : how.queries;
    const index_t columns = how.causal && stop < how.keys ? stop : how.keys;
    const index_t draw = part * ((how.queries + how.row_step - 1) / how.row_step) + row / how.row_step;
    const index_t i = (local * (stop - start) + row - start) * columns + key;
    const unsigned long long seed = how.live_seed ? *how.live_seed : how.seed;
    const unsigned word = philox(seed, draw, i >> 3).at[i >> 1 & 3];
    const unsigned half = i & 1 ? word >> 16 : word & 0xFFFF;
    if (half != how.keep_from_upper) return half < how.keep_from_upper;
    return (philox(seed, draw, (1ull << 63) + i).at[0] & 0xFFFF) < how.keep_from_lower;
}
