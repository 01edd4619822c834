// Random numbers, the same bits as polymod/philox.py makes on the host, and dropout by them.
//
// A thread makes blocks of four 32-bit words and writes what they give with stores of up to 16 bytes, next to its
// neighbours'. Nothing is read but `offset`, one number or null, that is added to the number of the draw: a recorded
// launch makes new numbers when it is changed. Where the host rounds, so must the device: no operation is fused.

typedef unsigned long long u64;

__device__ inline uint4 philox(u64 block, u64 draw, u64 seed) {
    unsigned c0 = static_cast<unsigned>(block), c1 = static_cast<unsigned>(block >> 32);
    unsigned c2 = static_cast<unsigned>(draw), c3 = static_cast<unsigned>(draw >> 32);
    unsigned k0 = static_cast<unsigned>(seed), k1 = static_cast<unsigned>(seed >> 32);
#pragma unroll
    for (int round = 0; round < 10; ++round) {
        const unsigned low0 = 0xD2511F53u * c0, high0 = __umulhi(0xD2511F53u, c0);
        const unsigned low1 = 0xCD9E8D57u * c2, high1 = __umulhi(0xCD9E8D57u, c2);
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return make_uint4(c0, c1, c2, c3);
}

__device__ inline u64 first_pair(uint4 w) { return w.x | static_cast<u64>(w.y) << 32; }
__device__ inline u64 second_pair(uint4 w) { return w.z | static_cast<u64>(w.w) << 32; }

__device__ inline u64 drawn(u64 draw, const u64* offset) { return offset ? draw + *offset : draw; }

// N elements that lie together; a multiple of 16 bytes, or less than 16 bytes.
template <typename T, int N> struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) Pack { T at[N]; };

template <typename T, int N> __device__ inline void store(T* to, const Pack<T, N>& values, index_t left) {
    if (left >= N) {
        *reinterpret_cast<Pack<T, N>*>(to) = values;
    } else {
        for (int i = 0; i < left; ++i) to[i] = values.at[i];
    }
}

#define EVERY_BLOCK(block, per)                                                           \
    for (index_t block = static_cast<index_t>(blockIdx.x) * blockDim.x + threadIdx.x;     \
         block * (per) < count; block += static_cast<index_t>(gridDim.x) * blockDim.x)

// ------------------------------------------------------------------------------------------------------- uniform

// How many fractions in [0, 1) a block gives, and which; exact in T.
template <typename T> struct Fractions;
template <> struct Fractions<float> {
    static const int per = 4;
    __device__ static Pack<float, 4> of(uint4 w) {
        const float unit = 1.0f / (1 << 24);
        return {{(w.x >> 8) * unit, (w.y >> 8) * unit, (w.z >> 8) * unit, (w.w >> 8) * unit}};
    }
};
template <> struct Fractions<__half> {
    static const int per = 4;
    __device__ static Pack<__half, 4> of(uint4 w) {
        const float unit = 1.0f / (1 << 11);
        return {{__float2half((w.x >> 21) * unit), __float2half((w.y >> 21) * unit),
                 __float2half((w.z >> 21) * unit), __float2half((w.w >> 21) * unit)}};
    }
};
template <> struct Fractions<double> {
    static const int per = 2;
    __device__ static Pack<double, 2> of(uint4 w) {
        const double unit = 1.0 / (1ull << 53);
        return {{(first_pair(w) >> 11) * unit, (second_pair(w) >> 11) * unit}};
    }
};

template <typename T>
__global__ void uniform01(T* out, index_t count, u64 seed, u64 draw, const u64* offset) {
    const int per = Fractions<T>::per;
    const u64 number = drawn(draw, offset);
    EVERY_BLOCK(block, per) store(out + block * per, Fractions<T>::of(philox(block, number, seed)), count - block * per);
}

// low + width * u, in double, rounded to T, and not above `most`.
template <typename T>
__global__ void uniform(T* out, index_t count, u64 seed, u64 draw, const u64* offset, double low, double width,
                        double most) {
    const int per = Fractions<T>::per;
    const u64 number = drawn(draw, offset);
    EVERY_BLOCK(block, per) {
        Pack<T, per> values = Fractions<T>::of(philox(block, number, seed));
        for (int i = 0; i < per; ++i) {
            const double u = static_cast<double>(static_cast<wide<T>>(values.at[i]));
            const T value = static_cast<T>(__dadd_rn(__dmul_rn(u, width), low));
            values.at[i] = static_cast<double>(static_cast<wide<T>>(value)) > most ? static_cast<T>(most) : value;
        }
        store(out + block * per, values, count - block * per);
    }
}

// -------------------------------------------------------------------------------------------------------- normal

// Two normally distributed numbers of two fractions, in double.
__device__ inline double2 box_muller(double u, double v, double mean, double std) {
    const double radius = __dmul_rn(sqrt(__dmul_rn(-2.0, log(1.0 - u))), std);
    double sine, cosine;
    sincos(__dmul_rn(v, 6.283185307179586), &sine, &cosine);
    return make_double2(__dadd_rn(__dmul_rn(radius, cosine), mean), __dadd_rn(__dmul_rn(radius, sine), mean));
}

template <typename T> struct Normals {
    static const int per = 4;
    __device__ static Pack<T, 4> of(uint4 w, double mean, double std) {
        const double unit = 1.0 / (1ull << 32);
        const double2 a = box_muller(w.x * unit, w.y * unit, mean, std), b = box_muller(w.z * unit, w.w * unit, mean, std);
        return {{static_cast<T>(a.x), static_cast<T>(a.y), static_cast<T>(b.x), static_cast<T>(b.y)}};
    }
};
template <> struct Normals<double> {
    static const int per = 2;
    __device__ static Pack<double, 2> of(uint4 w, double mean, double std) {
        const double unit = 1.0 / (1ull << 53);
        const double2 a = box_muller((first_pair(w) >> 11) * unit, (second_pair(w) >> 11) * unit, mean, std);
        return {{a.x, a.y}};
    }
};

template <typename T>
__global__ void normal(T* out, index_t count, u64 seed, u64 draw, const u64* offset, double mean, double std) {
    const int per = Normals<T>::per;
    const u64 number = drawn(draw, offset);
    EVERY_BLOCK(block, per) {
        store(out + block * per, Normals<T>::of(philox(block, number, seed), mean, std), count - block * per);
    }
}

// ------------------------------------------------------------------------------------------------------ integers

// low + (pair * n >> 64), for n up to 2^32.
template <typename T>
__global__ void integers(T* out, index_t count, u64 seed, u64 draw, const u64* offset, u64 low, u64 n) {
    const u64 number = drawn(draw, offset);
    EVERY_BLOCK(block, 2) {
        const uint4 w = philox(block, number, seed);
        const Pack<T, 2> values = {{static_cast<T>(__umul64hi(first_pair(w), n) + low),
                                    static_cast<T>(__umul64hi(second_pair(w), n) + low)}};
        store(out + block * 2, values, count - block * 2);
    }
}

// low + (a 128-bit number * n >> 128), for n above 2^32; 0 stands for 2^64.
template <typename T>
__global__ void large_integers(T* out, index_t count, u64 seed, u64 draw, const u64* offset, u64 low, u64 n) {
    const u64 number = drawn(draw, offset);
    EVERY_BLOCK(block, 1) {
        const uint4 w = philox(block, number, seed);
        const u64 lower = first_pair(w), upper = second_pair(w), middle = upper * n;
        const u64 carry = middle + __umul64hi(lower, n) < middle;
        out[block] = static_cast<T>((n ? __umul64hi(upper, n) + carry : upper) + low);
    }
}

// The 64-bit words of a draw, as `permutation` sorts them.
__global__ void pairs(u64* out, index_t count, u64 seed, u64 draw, const u64* offset) {
    const u64 number = drawn(draw, offset);
    EVERY_BLOCK(block, 2) {
        const uint4 w = philox(block, number, seed);
        const Pack<u64, 2> values = {{first_pair(w), second_pair(w)}};
        store(out + block * 2, values, count - block * 2);
    }
}

// ----------------------------------------------------------------------------------------------------- bernoulli

// Eight truth values of a block, 16 bits of which each is compared with `upper`. One in 65,536 is as large; then 16
// bits of a block of its own are compared with `lower`.
__device__ inline Pack<bool, 8> truths(index_t block, u64 number, u64 seed, unsigned upper, unsigned lower) {
    const uint4 w = philox(block, number, seed);
    const unsigned halves[8] = {w.x & 0xFFFF, w.x >> 16, w.y & 0xFFFF, w.y >> 16,
                                w.z & 0xFFFF, w.z >> 16, w.w & 0xFFFF, w.w >> 16};
    Pack<bool, 8> values;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
        values.at[i] = halves[i] < upper;
        if (halves[i] == upper && lower)
            values.at[i] = (philox((1ull << 63) + block * 8 + i, number, seed).x & 0xFFFF) < lower;
    }
    return values;
}

__global__ void bernoulli(bool* out, index_t count, u64 seed, u64 draw, const u64* offset, unsigned upper,
                          unsigned lower) {
    const u64 number = drawn(draw, offset);
    EVERY_BLOCK(block, 8) {
        store(out + block * 8, truths(block, number, seed, upper, lower), count - block * 8);
    }
}

// y = x * scale where the truth value of its place says so, 0 elsewhere: x is read once, y is written once, and no mask
// is kept, for backward makes it anew. `x` and `y` begin at multiples of 16 bytes.
template <typename T>
__global__ void random_dropout(const T* __restrict__ x, T* __restrict__ y, index_t count, u64 seed, u64 draw,
                               const u64* offset, unsigned upper, unsigned lower, wide<T> scale) {
    const u64 number = drawn(draw, offset);
    EVERY_BLOCK(block, 8) {
        const index_t start = block * 8, left = count - start;
        const Pack<bool, 8> keep = truths(block, number, seed, upper, lower);
        Pack<T, 8> values;
        if (left >= 8) {
            values = *reinterpret_cast<const Pack<T, 8>*>(x + start);
        } else {
            for (int i = 0; i < left; ++i) values.at[i] = x[start + i];
        }
#pragma unroll
        for (int i = 0; i < 8; ++i) values.at[i] = keep.at[i] ? narrow<T>(widen(values.at[i]) * scale) : narrow<T>(0);
        store(y + start, values, left);
    }
}
