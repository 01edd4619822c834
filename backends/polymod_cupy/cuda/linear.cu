// What stands beside the matrix products of layers: adding a bias, and summing the rows of a matrix.

// y += bias in place, y (rows, columns), bias of `length`. BY_ROW: row r gets bias[r % length] (images, one row per
// channel); else column c gets bias[c]. A block takes 256 >> shift rows at a time with 1 << shift threads side by side.
// y is read and written once. No division per element, which would take longer than the memory does.
template <typename T, bool BY_ROW>
__global__ void add_bias(T* y, const T* bias, index_t rows, index_t columns, index_t length, index_t shift) {
    const int wide_by = 1 << shift, first = threadIdx.x & (wide_by - 1);
    for (index_t row = blockIdx.x * index_t(256 >> shift) + (threadIdx.x >> shift); row < rows;
         row += gridDim.x * index_t(256 >> shift)) {
        T* out = y + row * columns;
        const wide<T> of_row = BY_ROW ? widen(bias[row % length]) : wide<T>(0);
        for (index_t c = first; c < columns; c += wide_by) {
            const wide<T> added = BY_ROW ? of_row : widen(bias[c]);
            out[c] = narrow<T>(widen(out[c]) + added);
        }
    }
}

// The sums of the columns of x (rows, columns), in two passes so that they are the same every time: part s of `parts`
// sums rows [s * step, (s + 1) * step), then the same kernel sums the parts. x is read once, in lines of 32 columns
// (128 bytes of float); 8 warps of a block take every eighth row, whose sums meet in shared memory.
template <typename From, typename To>
__global__ void __launch_bounds__(256)
column_sums(const From* x, To* sums, index_t rows, index_t columns, index_t step, index_t strips) {
    typedef wide<From> W;
    __shared__ W parts[8][33];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const index_t part = blockIdx.x / strips, column = (blockIdx.x % strips) * 32 + lane;
    const index_t last = (part + 1) * step < rows ? (part + 1) * step : rows;
    W a = 0, b = 0;  // two sums, so that two reads are on their way
    if (column < columns) {
        index_t row = part * step + warp;
        for (; row + 8 < last; row += 16) {
            a += widen(x[row * columns + column]);
            b += widen(x[(row + 8) * columns + column]);
        }
        if (row < last) a += widen(x[row * columns + column]);
    }
    parts[warp][lane] = a + b;
    __syncthreads();
    if (warp == 0 && column < columns) {
        W total = 0;
        for (int w = 0; w < 8; w++) total += parts[w][lane];
        sums[part * columns + column] = static_cast<To>(total);
    }
}
