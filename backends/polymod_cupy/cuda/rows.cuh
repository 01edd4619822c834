// Lines of an array: which threads of a block take which, how they agree on a sum, and a line held in registers.

// VEC neighbours, read or written by one instruction; their address is a multiple of their size.
template <typename T, int VEC> struct alignas(sizeof(T) * VEC) Pack { T v[VEC]; };

template <typename T, int VEC> __device__ inline Pack<T, VEC> load(const T* at) {
    return *reinterpret_cast<const Pack<T, VEC>*>(at);
}
template <typename T, int VEC> __device__ inline void store(T* at, const Pack<T, VEC>& pack) {
    *reinterpret_cast<Pack<T, VEC>*>(at) = pack;
}

template <typename W> __device__ inline W not_a_number() { return W(__int_as_float(0x7fc00000)); }

// A block's threads shared out among lines, so that neighbouring threads read neighbouring elements. Where a line's
// elements are neighbours, so are its threads: `lanes` of one warp (a power of two) or the whole block. Where they lie
// `across` memory, neighbouring threads take neighbouring lines, and those of one line are in `lanes` different warps.
struct Team {
    int lane, lanes;  // this thread's number among those of its line, and how many they are
    int line, lines;  // the number of its line in the block, and how many the block takes at once
    bool across;

    __device__ Team(int lanes_, bool across_) : lanes(lanes_), across(across_) {
        lines = blockDim.x / lanes;
        lane = across ? threadIdx.x / lines : threadIdx.x % lanes;
        line = across ? threadIdx.x % lines : threadIdx.x / lanes;
    }

    // The join of the x of all threads of a line, known to each of them. Every thread of the block must call it.
    template <typename Join, typename W> __device__ W reduce(W x) const {
        if (across) return reduce_across<Join>(x);
        if (lanes > 32) return block_reduce<Join>(x);
        for (int far = lanes / 2; far > 0; far /= 2) x = Join::join(x, __shfl_xor_sync(0xffffffff, x, far));
        return x;
    }

    template <typename Join, typename W> __device__ W reduce_across(W x) const {
        __shared__ W values[512];
        if (lanes == 1) return x;
        __syncthreads();  // the last call's values have been read
        values[threadIdx.x] = x;
        __syncthreads();
        x = values[line];
        for (int k = 1; k < lanes; ++k) x = Join::join(x, values[k * lines + line]);
        return x;
    }
};

// Where the i-th of the elements that a thread holds of a row is: packs of neighbours, one for each lane in turn.
template <int VEC> __device__ inline int place(int i, const Team& team) {
    return (i / VEC * team.lanes + team.lane) * VEC + i % VEC;
}

// A thread's part of a row of n elements, n a multiple of VEC; `fill` where the row has ended.
template <typename T, int VEC, int ITEMS>
__device__ inline void load_row(wide<T> (&values)[ITEMS], const T* row, int n, bool there, const Team& team,
                                wide<T> fill) {
#pragma unroll
    for (int i = 0; i < ITEMS; i += VEC) {
        const int at = place<VEC>(i, team);
        if (there && at < n) {
            const Pack<T, VEC> pack = load<T, VEC>(row + at);
#pragma unroll
            for (int j = 0; j < VEC; ++j) values[i + j] = widen(pack.v[j]);
        } else {
#pragma unroll
            for (int j = 0; j < VEC; ++j) values[i + j] = fill;
        }
    }
}

template <typename T, int VEC, int ITEMS>
__device__ inline void store_row(T* row, const wide<T> (&values)[ITEMS], int n, bool there, const Team& team) {
#pragma unroll
    for (int i = 0; i < ITEMS; i += VEC) {
        const int at = place<VEC>(i, team);
        if (there && at < n) {
            Pack<T, VEC> pack;
#pragma unroll
            for (int j = 0; j < VEC; ++j) pack.v[j] = narrow<T>(values[i + j]);
            store<T, VEC>(row + at, pack);
        }
    }
}

// A maximum, and the sum of exp(x - maximum), of elements that come some at a time. NaN wins; -inf counts as nothing.
template <typename W> struct Online {
    W top = Max::identity<W>(), total = 0;

    // What is taken off before exp: the maximum, or 0 where there is nothing but -inf.
    __device__ static W shift(W top) { return top == Max::identity<W>() ? W(0) : top; }

    template <int N> __device__ void add(const W (&x)[N]) {
        W high = top, sum = 0;
#pragma unroll
        for (int j = 0; j < N; ++j) high = Max::join(high, x[j]);
        if (high > top || high != high) {
            total *= exp(top - high);
            top = high;
        }
#pragma unroll
        for (int j = 0; j < N; ++j) sum += exp(x[j] - shift(top));  // NaN for +inf, as exp(inf - inf)
        total += sum;
    }

    // Go along a line of n elements that lie `inner` apart, all threads of its team; the maximum and the sum of all
    // are then known to each. Several packs are asked for at once, so that more of memory's answers are on their way.
    template <int VEC, typename T> __device__ void walk(const T* line, index_t begin, index_t end, index_t inner,
                                                        const Team& team) {
        constexpr int AT_ONCE = VEC >= 8 ? 1 : VEC >= 4 ? 2 : 4;
        const index_t step = team.lanes * VEC;
        for (index_t k = begin + team.lane * VEC; k < end; k += step * AT_ONCE) {
            W x[VEC * AT_ONCE];
#pragma unroll
            for (int i = 0; i < AT_ONCE; ++i) {
                const bool there = k + i * step < end;
                Pack<T, VEC> pack;
                if (there) pack = load<T, VEC>(line + (k + i * step) * inner);
#pragma unroll
                for (int j = 0; j < VEC; ++j) x[i * VEC + j] = there ? widen(pack.v[j]) : Max::identity<W>();
            }
            add(x);
        }
        const W all = team.reduce<Max>(top);
        total = team.reduce<Sum>(total * exp(top - shift(all)));
        top = all;
    }
};
