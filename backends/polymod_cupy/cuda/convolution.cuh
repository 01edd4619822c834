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

constexpr int AXES = 3, OUTSIDE = -(1 << 30);

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

// One tap of the kernel, and what it sees of an image.
template <int RANK> struct Tap {
    static constexpr int FIRST = AXES - RANK;
    int shift[RANK], plane = 1, pixels = 1;  // elements of a channel of the image, and of the output
    Divisor outputs[RANK];

    // The tap that is `number` modulo the kernel's taps; `number` is left divided by these.
    __device__ __forceinline__ Tap(const Convolution& shape, index_t& number) {
#pragma unroll
        for (int a = RANK - 1; a >= 0; a--) {
            const Axis& axis = shape.axes[FIRST + a];
            shift[a] = int(number % axis.kernel) * axis.dilation - axis.before;
            number /= axis.kernel;
            plane *= axis.image;
            pixels *= axis.output;
            outputs[a].set(axis.output);
        }
    }

    // Whether output element `pixel` has this tap inside the image; `at`, where a channel begins, is moved there.
    __device__ __forceinline__ bool sees(const Convolution& shape, unsigned pixel, index_t& at) const {
        int stride = 1;
        bool inside = true;
#pragma unroll
        for (int a = RANK - 1; a >= 0; a--) {
            const Axis& axis = shape.axes[FIRST + a];
            const unsigned whole = outputs[a](pixel);
            const int p = int(pixel - whole * axis.output) * axis.stride + shift[a];
            inside &= unsigned(p) < unsigned(axis.image);
            at += index_t(p) * stride;
            stride *= axis.image;
            pixel = whole;
        }
        return inside;
    }
};
