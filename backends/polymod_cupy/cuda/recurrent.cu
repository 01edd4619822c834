// What a step of a recurrent layer does between its matrix products: every number is read and written once. n sequences
// of H states; arrays are (n, H), or (n, gates * H) where the gates of a sequence lie side by side; what is kept for
// backpropagation is (4 * n, H), gate below gate. `entering` is x w_ih.T + b_ih, `recurrent` h w_hh.T. Null is none.

#define EVERY(i, size) \
    for (index_t i = blockIdx.x * index_t(blockDim.x) + threadIdx.x; i < (size); i += index_t(gridDim.x) * blockDim.x)

template <typename W> __device__ inline W sigmoid(W x) { return W(1) / (W(1) + exp(-x)); }

template <typename T> __device__ inline wide<T> given(const T* x, index_t i) { return x ? widen(x[i]) : wide<T>(0); }

// h = tanh(entering + recurrent), or the positive part of it (NaN stays)
template <typename T, bool TANH>
__global__ void rnn_step(const T* entering, const T* recurrent, T* h, index_t size) {
    EVERY(i, size) {
        const wide<T> a = widen(entering[i]) + widen(recurrent[i]);
        h[i] = narrow<T>(TANH ? tanh(a) : a < 0 ? wide<T>(0) : a);
    }
}

// d = (g + dh) times the slope where h came out
template <typename T, bool TANH>
__global__ void rnn_step_back(const T* g, const T* dh, const T* h, T* d, index_t size) {
    EVERY(i, size) {
        const wide<T> now = widen(h[i]), total = widen(g[i]) + widen(dh[i]);
        d[i] = narrow<T>(TANH ? total * (1 - now * now) : now > 0 ? total : wide<T>(0));
    }
}

template <typename T>
__global__ void lstm_step(
    const T* entering, const T* recurrent, const T* c_before, T* gates, T* c, T* h, index_t n, index_t width) {
    typedef wide<T> W;
    const index_t size = n * width;
    EVERY(at, size) {
        const index_t row = at / width, first = 3 * row * width + at;  // of 4 * width side by side
        const W i = sigmoid(widen(entering[first]) + widen(recurrent[first]));
        const W f = sigmoid(widen(entering[first + width]) + widen(recurrent[first + width]));
        const W g = tanh(widen(entering[first + 2 * width]) + widen(recurrent[first + 2 * width]));
        const W o = sigmoid(widen(entering[first + 3 * width]) + widen(recurrent[first + 3 * width]));
        const W cell = f * widen(c_before[at]) + i * g;
        gates[at] = narrow<T>(i);
        gates[at + size] = narrow<T>(f);
        gates[at + 2 * size] = narrow<T>(g);
        gates[at + 3 * size] = narrow<T>(o);
        c[at] = narrow<T>(cell);
        h[at] = narrow<T>(o * tanh(cell));
    }
}

// d (n, 4 * width) of the gates before their activation, and dc of the cells before this step, in place; with `hidden`,
// o * tanh(c) is also given.
template <typename T>
__global__ void lstm_step_back(
    const T* g_y, const T* g_cells, const T* dh, const T* gates, const T* c, const T* c_before, T* dc, T* d, T* hidden,
    index_t n, index_t width) {
    typedef wide<T> W;
    const index_t size = n * width;
    EVERY(at, size) {
        const W i = widen(gates[at]), f = widen(gates[at + size]);
        const W g = widen(gates[at + 2 * size]), o = widen(gates[at + 3 * size]), t = tanh(widen(c[at]));
        const W out = widen(dh[at]) + given(g_y, at);
        const W cell = widen(dc[at]) + given(g_cells, at) + out * o * (1 - t * t);
        const index_t first = 3 * (at / width) * width + at;
        d[first] = narrow<T>(cell * g * i * (1 - i));
        d[first + width] = narrow<T>(cell * widen(c_before[at]) * f * (1 - f));
        d[first + 2 * width] = narrow<T>(cell * i * (1 - g * g));
        d[first + 3 * width] = narrow<T>(out * t * o * (1 - o));
        dc[at] = narrow<T>(cell * f);
        if (hidden) hidden[at] = narrow<T>(o * t);
    }
}

// bias: b_hh, which belongs to `recurrent`
template <typename T>
__global__ void gru_step(
    const T* entering, const T* recurrent, const T* bias, const T* h_before, T* gates, T* h, index_t n, index_t width) {
    typedef wide<T> W;
    const index_t size = n * width;
    EVERY(at, size) {
        const index_t row = at / width, column = at - row * width, first = 2 * row * width + at;  // of 3 * width
        const W r = sigmoid(widen(entering[first]) + widen(recurrent[first]) + given(bias, column));
        const W z = sigmoid(widen(entering[first + width]) + widen(recurrent[first + width]) + given(bias, column + width));
        const W m = widen(recurrent[first + 2 * width]) + given(bias, column + 2 * width);
        const W candidate = tanh(widen(entering[first + 2 * width]) + r * m);
        gates[at] = narrow<T>(r);
        gates[at + size] = narrow<T>(z);
        gates[at + 2 * size] = narrow<T>(candidate);
        gates[at + 3 * size] = narrow<T>(m);
        h[at] = narrow<T>((1 - z) * candidate + z * widen(h_before[at]));
    }
}

// d (n, 3 * width) of `entering`, d_recurrent of `recurrent`, and in place what goes straight to the states before:
// `straight` and `product` together are the cotangent of h that comes from the step behind.
template <typename T>
__global__ void gru_step_back(
    const T* g_y, const T* product, const T* gates, const T* h_before, T* straight, T* d, T* d_recurrent, index_t n,
    index_t width) {
    typedef wide<T> W;
    const index_t size = n * width;
    EVERY(at, size) {
        const W r = widen(gates[at]), z = widen(gates[at + size]);
        const W candidate = widen(gates[at + 2 * size]), m = widen(gates[at + 3 * size]);
        const W dh = widen(straight[at]) + widen(product[at]) + given(g_y, at);
        const W dn = dh * (1 - z) * (1 - candidate * candidate);
        const T dr = narrow<T>(dn * m * r * (1 - r));
        const T dz = narrow<T>(dh * (widen(h_before[at]) - candidate) * z * (1 - z));
        const index_t first = 2 * (at / width) * width + at;
        d[first] = d_recurrent[first] = dr;
        d[first + width] = d_recurrent[first + width] = dz;
        d[first + 2 * width] = narrow<T>(dn);
        d_recurrent[first + 2 * width] = narrow<T>(dn * r);
        straight[at] = narrow<T>(dh * z);
    }
}
