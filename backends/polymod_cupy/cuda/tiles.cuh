// Tiles of a matrix product in shared memory: left (SLAB, rows) and right (SLAB, columns), for blocks of 256 threads.

constexpr int SLAB = 8;

// Each thread of 16 x 16 has pieces of up to 4 neighbouring rows and columns, 16 pieces apart, so that shared memory is
// read in vectors.
template <int V, typename W> struct __align__(sizeof(W) * V > 16 ? 16 : sizeof(W) * V) Vector { W at[V]; };

template <int COUNT, typename W> __device__ inline void read(W (&to)[COUNT], const W* from, int lane) {
    constexpr int V = COUNT < 4 ? COUNT : 4;
#pragma unroll
    for (int part = 0; part < COUNT / V; part++) {
        const Vector<V, W> v = *reinterpret_cast<const Vector<V, W>*>(from + part * 16 * V + lane * V);
#pragma unroll
        for (int i = 0; i < V; i++) to[part * V + i] = v.at[i];
    }
}

template <int COUNT> __device__ inline int place(int i, int lane) {  // which row or column piece i of `read` is
    constexpr int V = COUNT < 4 ? COUNT : 4;
    return i / V * 16 * V + lane * V + i % V;
}

template <typename W, int ROWS, int COLUMNS> struct Tiles {
    W left[2][SLAB][ROWS + 4];
    W right[2][SLAB][COLUMNS + 4];
};

// acc += left * right, of one of the two buffers.
template <typename W, int ROWS, int COLUMNS>
__device__ inline void multiply(const Tiles<W, ROWS, COLUMNS>& tiles, int which, W (&acc)[ROWS / 16][COLUMNS / 16]) {
    W a[ROWS / 16], b[COLUMNS / 16];
#pragma unroll
    for (int k = 0; k < SLAB; k++) {
        read(a, tiles.left[which][k], threadIdx.x / 16);
        read(b, tiles.right[which][k], threadIdx.x % 16);
#pragma unroll
        for (int i = 0; i < ROWS / 16; i++)
#pragma unroll
            for (int j = 0; j < COLUMNS / 16; j++) acc[i][j] += a[i] * b[j];
    }
}

// The same for all of a `depth`, a slab at a time: `load` reads the next one into registers, while the last is
// multiplied out of one buffer, and `store` puts it into the other.
template <typename W, int ROWS, int COLUMNS, typename Load, typename Store>
__device__ inline void accumulate(
    const Tiles<W, ROWS, COLUMNS>& tiles, int depth, Load load, Store store, W (&acc)[ROWS / 16][COLUMNS / 16]) {
    if (depth <= 0) return;
    load();
    store(0);
    __syncthreads();
    int which = 0;
    for (int done = SLAB; done < depth; done += SLAB) {
        load();
        multiply(tiles, which, acc);
        which ^= 1;
        store(which);
        __syncthreads();
    }
    multiply(tiles, which, acc);
}
