"""CuPy-on-CPU's runtime (tools/cupy_cpu): CUDA source, launches, streams, memory, and what must raise."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

cp = pytest.importorskip("cupy")
pytestmark = [
    pytest.mark.engine("cupy"),
    pytest.mark.skipif(not hasattr(cp, "_cpu"), reason="not the CuPy of tools/cupy_cpu"),
]
runtime = cp.cuda.runtime

SOURCE = r"""
#include <cuda_fp16.h>
__constant__ float coefficients[4];
__device__ int counter = 3;
extern "C" __global__ void block_sum(const float* x, float* out, int n) {
    extern __shared__ float s[];
    int t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
    s[t] = i < n ? x[i] : 0.f;
    __syncthreads();
    for (int d = blockDim.x / 2; d > 0; d >>= 1) { if (t < d) s[t] += s[t + d]; __syncthreads(); }
    if (t == 0) atomicAdd(out, s[0]);
}
extern "C" __global__ void __launch_bounds__(256) warp_sum(const float* x, float* out) {
    float v = x[blockIdx.x * blockDim.x + threadIdx.x];
    for (int d = 16; d > 0; d >>= 1) v += __shfl_down_sync(0xffffffff, v, d);
    if ((threadIdx.x & 31) == 0) {                       // one lane of each warp: divergent
        __shared__ float w[32];
        w[threadIdx.x / 32] = v;
        atomicAdd(out, v);
    }
    unsigned b = __ballot_sync(0xffffffff, v > 0);
    if (threadIdx.x == 0 && b == 12345u) out[0] = -1;
}
extern "C" {
__global__ void poly(const float* x, float* y, int n) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        y[i] = coefficients[0] + x[i] * (coefficients[1] + x[i] * (coefficients[2] + x[i] * coefficients[3]));
    atomicAdd(&counter, 1);
}
__global__ void half_scale(__half* x, float a) { x[threadIdx.x] = __float2half(__half2float(x[threadIdx.x]) * a); }
__global__ void uneven(int* out) {
    if (threadIdx.x < 5) { __syncwarp(0x1f); out[threadIdx.x] = 1; }
    __syncthreads();
    out[threadIdx.x] += 1;
}
__global__ void stuck(int* out) { if (threadIdx.x < 5) __syncthreads(); else __syncwarp(0xffffffff); }
__global__ void fails(int* out) { assert(threadIdx.x != 3); }
}
template <typename T, int N> __global__ void fill(T* x) { x[threadIdx.x] = T(N); }
__global__ void not_extern(float* x) {}
"""


def kernel(name):
    return cp.RawModule(code=SOURCE).get_function(name)


def stream():
    return cp.cuda.Stream(non_blocking=True)


# ---- CUDA source ----
def test_shared_memory_and_barriers():
    x = np.random.default_rng(0).standard_normal(1024).astype("f4")
    d, out = cp.asarray(x), cp.zeros(1, "f4")
    kernel("block_sum")((8,), (128,), (d, out, np.int32(1000)), shared_mem=512)
    np.testing.assert_allclose(out.get(), x[:1000].sum(keepdims=True), rtol=1e-3, atol=1e-3)
    uneven = cp.zeros(64, "i4")
    kernel("uneven")((1,), (64,), (uneven,))
    assert uneven.tolist() == [2] * 5 + [1] * 59


def test_warps():
    x = np.random.default_rng(0).standard_normal(1024).astype("f4")
    out = cp.zeros(1, "f4")
    kernel("warp_sum")((4,), (256,), (cp.asarray(x), out))
    np.testing.assert_allclose(out.get(), x.sum(keepdims=True), rtol=1e-3, atol=1e-3)


def test_variables_of_a_module():
    module = cp.RawModule(code=SOURCE)
    x = np.linspace(-1, 1, 1024, dtype="f4")
    y = cp.empty(1024, "f4")
    cp.ndarray(4, "f4", module.get_global("coefficients"))[:] = cp.asarray([1, 2, 3, 4], "f4")
    module.get_function("poly")((2,), (64,), (cp.asarray(x), y, np.int32(1024)))
    np.testing.assert_allclose(y.get(), 1 + x * (2 + x * (3 + x * 4)), rtol=1e-5, atol=1e-5)
    assert int(cp.ndarray(1, "i4", module.get_global("counter"))[0]) == 3 + 128


def test_half_precision():
    h = cp.arange(32, dtype="f2")
    kernel("half_scale")((1,), (32,), (h, np.float32(0.5)))
    assert h.tolist() == [i / 2 for i in range(32)]


def test_templates():
    module = cp.RawModule(code=SOURCE, name_expressions=["fill<double, 7>", "fill<int, 2>"], options=("-std=c++17",))
    x, y = cp.zeros(4), cp.zeros(4, "i4")
    module.get_function("fill<double, 7>")((1,), (4,), (x,))
    module.get_function("fill<int, 2>")((1,), (4,), (y,))
    assert x.tolist() == [7.0] * 4 and y.tolist() == [2] * 4


# ---- streams ----
def test_streams_and_events():
    s, e, f = stream(), cp.cuda.Event(), cp.cuda.Event()
    with s:
        e.record()
        y = cp.arange(10) * 2
        f.record()
    s.synchronize()
    s.wait_event(f)
    assert s.done and f.done and cp.cuda.get_elapsed_time(e, f) >= 0 and int(y.sum()) == 90
    hits = []
    s.launch_host_func(hits.append, 1)
    s.add_callback(lambda st, err, arg: hits.append((err, arg)), 2)
    s.synchronize()
    assert hits == [1, (0, 2)]
    assert cp.cuda.Device().compute_capability == "90" and runtime.getDeviceProperties(0)["warpSize"] == 32


# ---- memory ----
def test_memory_pools():
    pool = cp.cuda.MemoryPool()
    with cp.cuda.using_allocator(pool.malloc):
        a = cp.ones(1000, "f8")
        assert pool.used_bytes() >= 8000
        del a
        assert pool.used_bytes() == 0 and pool.total_bytes() > 0
        pool.free_all_blocks()
        assert pool.total_bytes() == 0


def test_memory_of_each_kind():
    cupyx = pytest.importorskip("cupyx")
    x = np.arange(100, dtype="f4")
    d = cp.asarray(x)
    assert runtime.pointerGetAttributes(d.data.ptr).type == runtime.memoryTypeDevice
    assert runtime.pointerGetAttributes(x.ctypes.data).type == 0
    assert all((y.get() == x).all() for y in (d, d.copy(), cp.from_dlpack(d)))
    free, total = runtime.memGetInfo()
    assert 0 < free < total
    pinned = cupyx.empty_pinned(5, "f4")
    d[:5].get(out=pinned)
    assert pinned.tolist() == [0, 1, 2, 3, 4]
    managed = cp.ndarray(10, "f4", cp.cuda.malloc_managed(40))
    managed[:] = 3
    assert ctypes.cast(managed.data.ptr, ctypes.POINTER(ctypes.c_float))[9] == 3


def test_fresh_and_freed_memory_shows():
    memory = cp.cuda.Memory(512)
    found = np.empty(512, "u1")
    runtime.memcpy(found.ctypes.data, memory.ptr, 512, runtime.memcpyDeviceToHost)
    assert set(found) == {0xCB}


# ---- what raises ----
HOST = np.ones(9)
NOT_HERE = "not available in CuPy-on-CPU"


def launch(name, *arguments, grid=(1,), block=(1,), **options):
    return lambda: kernel(name)(grid, block, tuple(a() if callable(a) else a for a in arguments), **options)


def host_copy_to(target, n=32):
    return lambda: runtime.memcpy(target(), np.ones(400).ctypes.data, n, runtime.memcpyHostToDevice)


def ints():
    return cp.zeros(64, "i4")


def texture():
    channel = cp.cuda.texture.ChannelFormatDescriptor(32, 0, 0, 0, runtime.cudaChannelFormatKindFloat)
    cp.cuda.texture.CUDAarray(channel, 16)


def cooperative():
    source = 'extern "C" __global__ void f() {}'
    cp.RawKernel(source, "f", enable_cooperative_groups=True)((1,), (1,), ())


RAISES = {
    "host pointer as a kernel's argument": (launch("fails", np.uint64(HOST.ctypes.data)), "not a pointer to device"),
    "barrier that not all reach": (launch("stuck", ints, block=(64,)), "deadlock"),
    "device assert": (launch("fails", ints, block=(8,)), r"assert\(threadIdx.x != 3\) in block \(0,0,0\) thread \(3"),
    "kernel that is not extern C": (launch("not_extern", ints), "not found"),
    "block of 2048 threads": (launch("fails", ints, block=(2048,)), "invalid"),
    "too much shared memory": (launch("fails", ints, shared_mem=60000), "invalid"),
    "NumPy array as a kernel's argument": (launch("fails", np.ones(3)), "as a kernel parameter"),
    "cooperative launch": (cooperative, "not available"),
    "conversion to NumPy": (lambda: np.asarray(cp.ones(3)), "Implicit conversion"),
    "NumPy array passed to CuPy": (lambda: cp.add(cp.ones(3), np.ones(3)), "Unsupported type"),
    "NumPy's from_dlpack": (lambda: np.from_dlpack(cp.ones(3)), "Unsupported device"),
    "copy to host memory as the device's": (host_copy_to(lambda: HOST.ctypes.data), "invalid"),
    "copy past an allocation's end": (host_copy_to(lambda: cp.cuda.Memory(512).ptr, 3200), "invalid"),
    "memset of host memory": (lambda: runtime.memset(HOST.ctypes.data, 0, 32), "invalid"),
    "out of memory": (lambda: cp.empty(10**11), "Out of memory"),
    "second device": (lambda: cp.cuda.Device(1).use(), "invalid device"),
    "texture": (texture, NOT_HERE),
    "IPC": (lambda: runtime.ipcGetMemHandle(cp.ones(3).data.ptr), NOT_HERE),
    "memory pools of the driver": (lambda: cp.cuda.MemoryAsyncPool().malloc(8), NOT_HERE),
    "rare cuSOLVER": (
        lambda: cp.cuda.cusolver.sgebrd_bufferSize(cp.cuda.device.get_cusolver_handle(), 3, 3),
        f"{NOT_HERE}: cusolverDnSgebrd",
    ),
    "CUB": (lambda: cp.cuda.cub.device_scan(cp.ones(10), 5), NOT_HERE),
    "cuSPARSE": (lambda: __import__("cupyx.cusparse"), "No module"),
    "cuTENSOR": (lambda: __import__("cupyx.cutensor"), "No module"),
    "NCCL": (lambda: __import__("cupy.cuda.nccl", fromlist=["nccl"]).NcclCommunicator, "no attribute"),
    "relocatable device code": (
        lambda: cp.RawModule(code='extern "C" __global__ void f() {}', options=("-dc",)).get_function("f"),
        NOT_HERE,
    ),
}


@pytest.mark.every_engine  # all of them, for each takes no time
@pytest.mark.parametrize("what", RAISES)
def test_raises(what):
    action, message = RAISES[what]
    with pytest.raises(Exception, match=message):
        action()
