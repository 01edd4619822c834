// Many tensors in one launch: optimizer steps, the norm of all gradients, and scaling them.

// The tensors, by value in the kernel's arguments, so that no table is copied to the device. Tensor i is worked on by
// the blocks from first[i] on, CHUNK elements each.
template <int ARRAYS, int N> struct Table {
    void* array[ARRAYS][N];
    index_t size[N];
    int first[N];
    int count;
};

const int CHUNK = 8192;

// What one block works on: elements [begin, end) of tensor `number`.
struct Part {
    int number;
    index_t begin, end;
};

template <typename Tensors> __device__ __forceinline__ Part part(const Tensors& tensors) {
    int low = 0, high = tensors.count - 1;
    const int block = blockIdx.x;
    while (low < high) {
        const int middle = (low + high + 1) / 2;
        if (tensors.first[middle] <= block) low = middle;
        else high = middle - 1;
    }
    const index_t begin = static_cast<index_t>(block - tensors.first[low]) * CHUNK;
    const index_t size = tensors.size[low];
    return {low, begin, begin + CHUNK < size ? begin + CHUNK : size};
}

// Four neighbours, which one instruction loads or stores where their address allows it. A tensor that is a view may
// begin anywhere; chunks begin at multiples of four.
template <typename T> struct alignas(4 * sizeof(T)) Four { T x[4]; };

template <typename T> __device__ __forceinline__ bool whole(const T* at, int n) {
    return n == 4 && reinterpret_cast<size_t>(at) % sizeof(Four<T>) == 0;
}

template <typename T> __device__ __forceinline__ void load(wide<T>* to, const T* from, int n) {
    if (whole(from, n)) {
        const Four<T> four = *reinterpret_cast<const Four<T>*>(from);
        for (int k = 0; k < 4; ++k) to[k] = widen<T>(four.x[k]);
    } else {
        for (int k = 0; k < 4; ++k) to[k] = k < n ? widen<T>(from[k]) : wide<T>(0);
    }
}

template <typename T> __device__ __forceinline__ void store(T* to, const wide<T>* from, int n) {
    if (whole(to, n)) {
        Four<T> four;
        for (int k = 0; k < 4; ++k) four.x[k] = narrow<T>(from[k]);
        *reinterpret_cast<Four<T>*>(to) = four;
    } else {
        for (int k = 0; k < n; ++k) to[k] = narrow<T>(from[k]);
    }
}

__device__ __forceinline__ int neighbours(index_t i, index_t end) { return end - i < 4 ? static_cast<int>(end - i) : 4; }

// The options of a step, made by the host in double. A captured graph reads them from `live`, where the host puts
// those of each replay; otherwise `live` is null and they are arguments.
struct AdamOptions {
    double size, root, eps, rest1, beta2, rest2, keep, decay, sign;
};

struct SgdOptions {
    double lr, momentum, rest, decay, sign, nesterov, first;
};

template <typename Options> __global__ void set_options(const Options options, Options* live) { *live = options; }

// Arrays: parameter, gradient, exp_avg, exp_avg_sq, and max_exp_avg_sq or null. `scale` is a factor of all gradients
// or null. Each array is read once, and each but the gradient written once: nothing else touches memory.
template <typename T, typename F, int N>
__global__ void adam(const Table<5, N> tensors, const AdamOptions given, const AdamOptions* live, const F* scale) {
    typedef wide<T> W;
    const AdamOptions options = live ? *live : given;
    const W size = W(options.size), root = W(options.root), eps = W(options.eps), rest1 = W(options.rest1);
    const W beta2 = W(options.beta2), rest2 = W(options.rest2), keep = W(options.keep), decay = W(options.decay);
    const W factor = W(options.sign) * (scale ? W(*scale) : W(1));
    const Part here = part(tensors);
    T* parameter = static_cast<T*>(tensors.array[0][here.number]);
    const T* gradient = static_cast<const T*>(tensors.array[1][here.number]);
    T* first = static_cast<T*>(tensors.array[2][here.number]);
    T* second = static_cast<T*>(tensors.array[3][here.number]);
    T* most = static_cast<T*>(tensors.array[4][here.number]);
    for (index_t i = here.begin + 4 * threadIdx.x; i < here.end; i += 4 * blockDim.x) {
        const int n = neighbours(i, here.end);
        W p[4], g[4], m[4], v[4], l[4];
        load(p, parameter + i, n);
        load(g, gradient + i, n);
        load(m, first + i, n);
        load(v, second + i, n);
        if (most) load(l, most + i, n);
        for (int k = 0; k < 4; ++k) {
            g[k] *= factor;
            if (decay != W(0)) g[k] += decay * p[k];
            m[k] += rest1 * (g[k] - m[k]);
            v[k] = beta2 * v[k] + rest2 * (g[k] * g[k]);
            l[k] = most ? Max::join(l[k], v[k]) : v[k];
            p[k] = keep * p[k] - size * (m[k] / (sqrt(l[k]) / root + eps));
        }
        store(parameter + i, p, n);
        store(first + i, m, n);
        store(second + i, v, n);
        if (most) store(most + i, l, n);
    }
}

// Arrays: parameter, gradient, and the momentum buffer or null. Memory is touched as by `adam`.
template <typename T, typename F, int N>
__global__ void sgd(const Table<3, N> tensors, const SgdOptions given, const SgdOptions* live, const F* scale) {
    typedef wide<T> W;
    const SgdOptions options = live ? *live : given;
    const W lr = W(options.lr), momentum = W(options.momentum), rest = W(options.rest), decay = W(options.decay);
    const W factor = W(options.sign) * (scale ? W(*scale) : W(1));
    const Part here = part(tensors);
    T* parameter = static_cast<T*>(tensors.array[0][here.number]);
    const T* gradient = static_cast<const T*>(tensors.array[1][here.number]);
    T* buffer = static_cast<T*>(tensors.array[2][here.number]);
    const bool read = buffer && options.first == 0;
    for (index_t i = here.begin + 4 * threadIdx.x; i < here.end; i += 4 * blockDim.x) {
        const int n = neighbours(i, here.end);
        W p[4], g[4], b[4];
        load(p, parameter + i, n);
        load(g, gradient + i, n);
        if (read) load(b, buffer + i, n);
        for (int k = 0; k < 4; ++k) {
            g[k] *= factor;
            if (decay != W(0)) g[k] += decay * p[k];
            if (buffer) {
                b[k] = read ? momentum * b[k] + rest * g[k] : g[k];
                g[k] = options.nesterov != 0 ? g[k] + momentum * b[k] : b[k];
            }
            p[k] -= lr * g[k];
        }
        store(parameter + i, p, n);
        if (buffer) store(buffer + i, b, n);
    }
}

// The norm of all tensors as one vector, and the factor that brings it down to `most`, to result[0] and result[1].
// Everything is read once. Each block leaves its sum in partials[before + its number]; the last block to finish, of
// all launches (`total` blocks; `finished` begins at 0), adds them up: always in the same order.
template <typename T, typename F, int N>
__global__ void norm(const Table<1, N> tensors, double* partials, int before, int total, unsigned* finished,
                     double most, F* result) {
    typedef wide<T> W;
    const Part here = part(tensors);
    const T* x = static_cast<const T*>(tensors.array[0][here.number]);
    W sum = W(0);
    for (index_t i = here.begin + 4 * threadIdx.x; i < here.end; i += 4 * blockDim.x) {
        W four[4];
        load(four, x + i, neighbours(i, here.end));
        for (int k = 0; k < 4; ++k) sum += four[k] * four[k];
    }
    const double own = block_reduce<Sum>(static_cast<double>(sum));
    __shared__ bool last;
    if (threadIdx.x == 0) {
        partials[before + blockIdx.x] = own;
        __threadfence();  // seen by the block that counts the last one
        last = atomicAdd(finished, 1u) == static_cast<unsigned>(total) - 1;
    }
    __syncthreads();
    if (!last) return;
    __threadfence();
    const volatile double* all = partials;
    double whole_sum = 0;
    for (int i = threadIdx.x; i < total; i += blockDim.x) whole_sum += all[i];
    whole_sum = block_reduce<Sum>(whole_sum);
    if (threadIdx.x == 0) {
        const F size = static_cast<F>(sqrt(whole_sum));
        const F factor = F(most) / (size + F(1e-6));
        result[0] = size;
        result[1] = factor > F(1) ? F(1) : factor;  // NaN stays
    }
}

// Arrays: from, to. Each is touched once.
template <typename T, typename F, int N> __global__ void scale(const Table<2, N> tensors, const F* by) {
    const Part here = part(tensors);
    const wide<T> factor = wide<T>(*by);
    const T* from = static_cast<const T*>(tensors.array[0][here.number]);
    T* to = static_cast<T*>(tensors.array[1][here.number]);
    for (index_t i = here.begin + 4 * threadIdx.x; i < here.end; i += 4 * blockDim.x) {
        const int n = neighbours(i, here.end);
        wide<T> four[4];
        load(four, from + i, n);
        for (int k = 0; k < 4; ++k) four[k] *= factor;
        store(to + i, four, n);
    }
}
