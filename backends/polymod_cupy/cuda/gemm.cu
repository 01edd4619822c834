// Products of matrices for recorded graphs, in which CuPy does not call cuBLAS.
//
// A block makes a tile of BM x BN elements of a product; BK columns of one factor and rows of the other lie in shared
// memory at a time, and each thread keeps TM x TN sums in registers. Each element is summed by one thread in the order
// of k, so that results never vary. A factor may be transposed or have any strides; it is read along whichever of its
// axes lies together in memory. Each factor is read once for each tile of the other, the product is written once.

// The axes in front, broadcast: stride 0 where a factor has one matrix for all.
struct Batch {
    index_t size[4], a[4], b[4];
};

// What a thread loads next of a tile of `outer` x BK elements: its position in the tile.
template <int OUTER, int BK> __device__ __forceinline__ void place(int e, bool along_k, int& o, int& k) {
    o = along_k ? e / BK : e % OUTER;
    k = along_k ? e % BK : e / OUTER;
}

template <typename T, typename R, int BM, int BN, int BK, int TM, int TN>
__global__ void gemm(const T* a, const T* b, R* product, const Batch batch, index_t m, index_t n, index_t k,
                     index_t a_row, index_t a_column, index_t b_row, index_t b_column, index_t tiles_m, index_t tiles_n,
                     index_t matrices, index_t share) {
    typedef wide<T> W;
    const int threads = BM / TM * (BN / TN);
    __shared__ W shared_a[BK][BM + 1];
    __shared__ W shared_b[BK][BN + 1];

    // which tile, of which matrix, and which share of k; the shares of a product are added up afterwards
    index_t number = blockIdx.x;
    const index_t column = number % tiles_n * BN;
    number /= tiles_n;
    const index_t row = number % tiles_m * BM;
    number /= tiles_m;
    product += number * m * n;
    const index_t begin = number / matrices * share;
    const index_t end = begin + share < k ? begin + share : k;
    number %= matrices;
    for (int axis = 3; axis >= 0; --axis) {
        const index_t at = number % batch.size[axis];
        number /= batch.size[axis];
        a += at * batch.a[axis];
        b += at * batch.b[axis];
    }

    const int thread_row = threadIdx.x / (BN / TN), thread_column = threadIdx.x % (BN / TN);
    const bool a_along_k = a_column <= a_row, b_along_k = b_row < b_column;
    W sums[TM][TN] = {};
    for (index_t first = begin; first < end; first += BK) {
        for (int e = threadIdx.x; e < BM * BK; e += threads) {
            int i, j;
            place<BM, BK>(e, a_along_k, i, j);
            const bool inside = row + i < m && first + j < end;
            shared_a[j][i] = inside ? widen<T>(a[(row + i) * a_row + (first + j) * a_column]) : W(0);
        }
        for (int e = threadIdx.x; e < BN * BK; e += threads) {
            int i, j;
            place<BN, BK>(e, b_along_k, i, j);
            const bool inside = column + i < n && first + j < end;
            shared_b[j][i] = inside ? widen<T>(b[(first + j) * b_row + (column + i) * b_column]) : W(0);
        }
        __syncthreads();
#pragma unroll
        for (int j = 0; j < BK; ++j) {
            W from_a[TM], from_b[TN];
#pragma unroll
            for (int i = 0; i < TM; ++i) from_a[i] = shared_a[j][thread_row + i * (BM / TM)];
#pragma unroll
            for (int i = 0; i < TN; ++i) from_b[i] = shared_b[j][thread_column + i * (BN / TN)];
#pragma unroll
            for (int x = 0; x < TM; ++x)
#pragma unroll
                for (int y = 0; y < TN; ++y) sums[x][y] += from_a[x] * from_b[y];
        }
        __syncthreads();
    }
#pragma unroll
    for (int x = 0; x < TM; ++x)
#pragma unroll
        for (int y = 0; y < TN; ++y) {
            const index_t i = row + thread_row + x * (BM / TM), j = column + thread_column + y * (BN / TN);
            if (i < m && j < n) product[i * n + j] = static_cast<R>(sums[x][y]);
        }
}
