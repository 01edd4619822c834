// Windows that slide over three spatial axes; where there are fewer, the first ones have length 1.

struct Windows {
    int input[3], output[3], size[3], stride[3], before[3], dilation[3];  // `before`: the padding

    __device__ index_t inputs() const { return static_cast<index_t>(input[0]) * input[1] * input[2]; }
    __device__ index_t outputs() const { return static_cast<index_t>(output[0]) * output[1] * output[2]; }
};

// The place of element i of a plane, by its three axes; I is the type that indices fit in, for divisions are slow.
template <typename I> struct Place {
    I plane;
    int at[3];
    __device__ Place(I i, const int* lengths) {
#pragma unroll
        for (int axis = 2; axis >= 0; --axis) {
            const I next = i / lengths[axis];
            at[axis] = static_cast<int>(i - next * lengths[axis]);
            i = next;
        }
        plane = i;
    }
};

__device__ inline int floor_divide(int a, int b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }
__device__ inline int ceil_divide(int a, int b) { return -floor_divide(-a, b); }

#define EVERY_ELEMENT(i)                                                                                     \
    for (index_t i = static_cast<index_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;                 \
         i += static_cast<index_t>(gridDim.x) * blockDim.x)
