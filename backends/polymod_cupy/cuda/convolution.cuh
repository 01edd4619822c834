// The geometry of convolutions.
//
// Arrays are (N, groups * channels, *S), C order; weights (groups * O, C, *K). Each of the three operations is a matrix
// product of which one factor is gathered from an image: element (row, column) of it lies, along each axis, at
// base(row) + shift(column). Up to three axes; those that are missing come first, with size 1.

struct Axis { int image, output, kernel, stride, before, dilation; };

struct Convolution {
    int batch, groups, image_channels, output_channels;  // channels of one group
    Axis axes[3];
};

constexpr int AXES = 3, SLAB = 8, OUTSIDE = -(1 << 30);

// Division by a number that is known to a whole block: one multiplication. Exact for n < 2^32.
struct Divisor {
    unsigned long long factor;
    unsigned by;
    __device__ void set(unsigned n) { by = n; factor = ~0ull / n + 1; }
    __device__ unsigned operator()(unsigned n) const { return by == 1 ? n : unsigned(__umul64hi(n, factor)); }
};

// What the output elements of one residue class see. Forward there is one class. Backward (`BACK`), image positions p
// with p % stride == r are reached by the taps k with (r + before - k * dilation) % stride == 0 only, so that no zeros
// are multiplied: every stride-th tap, at positions t + offset + i * step of the output for p = r + t * stride.
struct Window { int first, every, count, stride, offset, step, start, spacing, extent, source; };

template <bool BACK> __device__ Window window(const Axis& a, int residue) {
    Window w;
    if (!BACK) return {0, 1, a.kernel, a.stride, -a.before, a.dilation, 0, 1, a.output, a.image};
    w.start = residue; w.spacing = a.stride; w.stride = 1; w.source = a.output;
    w.extent = residue < a.image ? (a.image - residue + a.stride - 1) / a.stride : 0;
    w.every = 1;
    while (w.every * a.dilation % a.stride) w.every++;
    w.first = 0;
    while (w.first < a.kernel && (residue + a.before - w.first * a.dilation) % a.stride) w.first++;
    w.count = w.first < a.kernel ? (a.kernel - 1 - w.first) / w.every + 1 : 0;
    w.offset = (residue + a.before - w.first * a.dilation) / a.stride;
    w.step = -(w.every * a.dilation / a.stride);
    return w;
}
