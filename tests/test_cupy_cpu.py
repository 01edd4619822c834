"""CuPy-on-CPU (tools/cupy_cpu) against NumPy: arrays, linear algebra, random numbers, kernels."""

from __future__ import annotations

import threading
import warnings

import numpy as np
import pytest

cp = pytest.importorskip("cupy")
pytestmark = [
    pytest.mark.engine("cupy"),
    pytest.mark.skipif(not hasattr(cp, "_cpu"), reason="not the CuPy of tools/cupy_cpu"),
]


def normal(dtype, *shape):
    rng = np.random.default_rng(sum(map(ord, np.dtype(dtype).str)) + sum(shape))
    x = rng.standard_normal(shape) * 5
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.standard_normal(shape)
    return x.astype(dtype)


def several(x):
    return x if isinstance(x, (tuple, list)) else [x]


def assert_same(found, expected, tolerance=1e-5):
    found, expected = several(found), several(expected)
    for f, e in zip(found, expected, strict=True):
        assert f.shape == np.shape(e)
        np.testing.assert_allclose(cp.asnumpy(f), e, rtol=tolerance, atol=tolerance)


def check(function, *arrays, tolerance=1e-5):
    """What the function of a namespace and arrays gives with CuPy is what it gives with NumPy."""
    assert_same(function(cp, *map(cp.asarray, arrays)), function(np, *arrays), tolerance)


# ---- arrays ----
@pytest.mark.parametrize(("dtype", "tolerance"), [("f4", 1e-4), ("f2", 2e-2), ("c16", 1e-9)])
def test_elementwise(dtype, tolerance):
    a, b = normal(dtype, 3, 5), normal(dtype, 3, 5)
    check(lambda xp, a, b: (a + b, a * b - a, xp.where(a == b, a, b)), a, b, tolerance=tolerance)
    check(lambda xp, a, b: a[::2, ::-1] + b.T[:2, :].sum(), a, b, tolerance=tolerance)


def test_mathematical_functions():
    check(
        lambda xp, x: (xp.exp(-x * x), xp.log1p(abs(x)), xp.tanh(x), xp.arctan2(x, 1), xp.sign(x), xp.floor(x)),
        normal("f4", 1000),
    )


def test_bfloat16():
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    x = normal("f4", 8, 8).astype(bfloat16)
    a, h = cp.asarray(x), x.astype("f4")
    assert np.array_equal((a + a).get().astype("f4"), (x * 2).astype("f4"))
    np.testing.assert_allclose((a @ a).get().astype("f4"), h @ h, rtol=2e-2, atol=1)


@pytest.mark.parametrize("axis", [None, 1])
def test_reductions(axis):
    x = normal("f8", 7, 30, 3)
    check(lambda xp, x: (x.sum(axis), x.mean(axis), x.var(axis), x.max(axis), x.min(axis), (x > 0).any(axis)), x)


def test_reductions_of_other_kinds():
    x = normal("f8", 7, 300, 3)
    check(lambda xp, x: (x.argmax(1), xp.prod(x[0, :5]), xp.count_nonzero(x > 1), xp.all(x < 99)), x)
    check(lambda xp, x: (xp.linalg.norm(x), xp.median(x), xp.percentile(x, 30)), x)


def test_scans():
    x = normal("f4", 3, 700) / 5
    check(lambda xp, x: (xp.cumsum(x), xp.cumsum(x, 0), xp.cumprod(x[:, :9], 1)), x, tolerance=1e-3)


@pytest.mark.parametrize("dtype", ["f4", "i1", "u8", "f2", "c16"])
def test_sorts(dtype):
    check(
        lambda xp, x: (xp.sort(x), xp.sort(x, 0), xp.sort(x, None), xp.argsort(x, kind="stable")), normal(dtype, 4, 60)
    )


def test_sorts_of_several_keys_and_of_nan():
    x = np.array([3, np.nan, -1, np.inf, 2, -np.inf, np.nan])
    keys = np.random.default_rng(1).integers(0, 3, (3, 40))
    check(lambda xp, x: (xp.sort(x), xp.argsort(x, kind="stable")), x)
    check(lambda xp, k: (xp.lexsort(k), xp.unique(k)), keys)
    check(lambda xp, k: xp.unique(k, return_index=True, return_inverse=True, return_counts=True), keys.ravel())
    check(lambda xp, x: xp.sort(xp.partition(x, 5)[:5]), normal("f4", 80))


def test_searches():
    x = normal("f8", 6, 70)
    check(lambda xp, x: (*xp.nonzero(x > 2), x[x > 2], xp.argwhere(x < -4)), x)
    check(lambda xp, x: (xp.searchsorted(xp.sort(x[0]), x[1]), xp.searchsorted(xp.sort(x[0]), x[1], "right")), x)
    check(lambda xp, x: (xp.bincount(abs(x).astype("i8").ravel()), xp.histogram(x, 10)[0]), x)


def test_indexing():
    x, i = normal("f4", 9, 8), np.random.default_rng(2).integers(0, 8, (9, 3))
    check(
        lambda xp, x, i: (x[i[:, 0]], x[:, i], xp.take(x, i, 1), xp.take_along_axis(x, i, 1), x[..., None, ::-2]), x, i
    )

    def put(xp, x, i):
        x = x.copy()
        x[i[:, 0], i[:, 1]] = 7
        x[x < 0] = -1
        xp.add.at(x, i[:, 2], 1)
        xp.put_along_axis(x, i[:, :1], 5, 1)
        return x

    check(put, x, i)


def test_scatter():
    a = cp.zeros(4, "f4")
    cp.add.at(a, cp.asarray([0, 0, 1]), 2)
    cp.maximum.at(a, cp.asarray([2]), 9)
    assert_same(a, np.array([4, 2, 9, 0], "f4"))


def test_shapes():
    x = normal("f4", 4, 6)
    check(lambda xp, x: (xp.concatenate([x, x]), xp.stack([x, x], 1), xp.pad(x, 2), xp.roll(x, 2, 1)), x)
    check(lambda xp, x: (xp.tile(x, (2, 2)), xp.repeat(x, 2, 0), xp.tril(x), xp.eye(3), xp.linspace(0, 1, 7)), x)
    check(lambda xp, x: (xp.broadcast_to(x, (2, 4, 6)).copy(), xp.kron(x, x), xp.trace(x), xp.clip(x, -1, 1)), x)
    check(lambda xp, x: xp.lib.stride_tricks.sliding_window_view(x, (2, 3)), x)
    check(lambda xp, x: xp.lib.stride_tricks.as_strided(x, (3, 2), (4, 8)), x)


# ---- linear algebra, Fourier transforms, random numbers ----
@pytest.mark.parametrize(("dtype", "tolerance"), [("f4", 1e-4), ("f2", 0.3), ("c16", 1e-9), ("i8", 0)])
def test_products(dtype, tolerance):
    a, b = normal(dtype, 5, 7), normal(dtype, 7, 4)
    check(lambda xp, a, b: (a @ b, a.T @ a, a[::2] @ b, a @ b[:, 0]), a, b, tolerance=tolerance)
    check(lambda xp, a, b: (xp.vdot(a[0], a[1]), xp.outer(a[0], b[0]), xp.inner(a, a)), a, b, tolerance=tolerance)
    check(lambda xp, a, b: (xp.stack([a, 2 * a]) @ xp.stack([b, b]),), a, b, tolerance=tolerance)
    check(lambda xp, a, b: (xp.einsum("ij,jk->ik", a, b), xp.einsum("ij,ij->i", a, a)), a, b, tolerance=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [("f8", 1e-8), ("c8", 2e-2)])
def test_linalg(dtype, tolerance):
    a = normal(dtype, 5, 5) + 9 * np.eye(5, dtype=dtype)
    s, b, t = a @ a.conj().T, normal(dtype, 5, 2), normal(dtype, 7, 4)
    check(lambda xp, a, b: (xp.linalg.inv(a), xp.linalg.solve(a, b), xp.linalg.det(a / 9)), a, b, tolerance=tolerance)
    check(lambda xp, s: (xp.linalg.cholesky(s), xp.linalg.eigvalsh(s / 9)), s, tolerance=tolerance)
    check(lambda xp, t: (xp.linalg.svd(t, compute_uv=False), abs(xp.linalg.qr(t)[1])), t, tolerance=tolerance)
    q, r = cp.linalg.qr(cp.asarray(t))
    u, w, v = cp.linalg.svd(cp.asarray(t), full_matrices=False)
    e, z = cp.linalg.eigh(cp.asarray(s))
    assert_same([q @ r, (u * w) @ v, (z * e) @ z.conj().T], [t, t, s], tolerance * 10)
    values = cp.linalg.eigvals(cp.asarray(s)).get()
    assert_same(cp.asarray(np.sort(values.real)), np.sort(np.linalg.eigvals(s).real), tolerance * 100)
    check(lambda xp, t: xp.linalg.lstsq(t, t[:, 0], rcond=None)[0], t, tolerance=tolerance)


def test_linalg_of_batches():
    a = normal("f8", 5, 5) + 9 * np.eye(5)
    s, b, t = a @ a.T, normal("f8", 5, 2), normal("f8", 7, 4)
    check(lambda xp, x: (xp.linalg.inv(x),), np.stack([a, s]))
    check(lambda xp, x: (xp.linalg.cholesky(x), xp.linalg.eigvalsh(x)), np.stack([s, 2 * s]), tolerance=1e-4)
    check(lambda xp, x, b: xp.linalg.solve(x, b), np.stack([a, s]), np.stack([b, b]))
    u, w, v = cp.linalg.svd(cp.asarray(np.stack([t, 2 * t])))
    assert_same((u[:, :, :4] * w[:, None]) @ v, np.stack([t, 2 * t]))


def test_failed_decomposition():
    cupyx = pytest.importorskip("cupyx")
    with cupyx.errstate(linalg="raise"), pytest.raises(np.linalg.LinAlgError):
        cp.linalg.cholesky(-cp.eye(3))


@pytest.mark.parametrize("n", [12, 1, 7])
def test_fft(n):
    x, z = normal("f8", 3, n), normal("c16", 3, n)
    check(lambda xp, x, z: (xp.fft.fft(z), xp.fft.ifft(z), xp.fft.fft(z, axis=0)), x, z)
    check(lambda xp, x, z: (xp.fft.rfft(x), xp.fft.irfft(xp.fft.rfft(x), n)), x, z)
    if n > 1:
        check(lambda xp, z: xp.fft.hfft(z), z)


def test_fft_of_several_axes():
    x, z = normal("f4", 4, 6, 5), normal("c8", 4, 6, 5)
    check(lambda xp, x, z: (xp.fft.fftn(z), xp.fft.ifft2(z), xp.fft.rfftn(x)), x, z, tolerance=1e-3)
    check(lambda xp, x: xp.fft.irfftn(xp.fft.rfftn(x), x.shape, (0, 1, 2)), x, tolerance=1e-3)


def test_random_numbers():
    cp.random.seed(1)
    a = cp.random.rand(20000).get()
    cp.random.seed(1)
    assert (a == cp.random.rand(20000).get()).all()
    assert a.min() >= 0 and a.max() <= 1 and abs(a.mean() - 0.5) < 0.01
    n = cp.random.randn(20000, dtype="f4").get()
    assert n.dtype == "f4" and abs(n.mean()) < 0.05 and abs(n.std() - 1) < 0.05
    assert set(cp.random.randint(3, 9, 5000).get()) == set(range(3, 9))
    assert sorted(cp.random.permutation(50).get()) == list(range(50))
    assert abs(cp.random.poisson(4.0, 20000).get().mean() - 4) < 0.2


def test_random_generators():
    g, h = cp.random.default_rng(5), cp.random.default_rng(5)
    x = g.standard_normal(20000).get()
    assert (x == h.standard_normal(20000).get()).all()
    assert abs(x.mean()) < 0.05 and abs(x.std() - 1) < 0.05
    assert abs(g.random(20000).get().mean() - 0.5) < 0.02
    assert set(g.integers(0, 4, 3000).get()) == {0, 1, 2, 3}
    assert abs(g.exponential(2.0, 20000).get().mean() - 2) < 0.1
    assert abs(g.binomial(10, 0.3, 20000).get().mean() - 3) < 0.1
    assert abs(g.beta(2.0, 3.0, 20000).get().mean() - 0.4) < 0.02


# ---- kernels from Python ----
def test_elementwise_and_reduction_kernels():
    x = normal("f4", 1000)
    d = cp.asarray(x)
    sgd = cp.ElementwiseKernel("T x, T g, float32 lr", "T y", "y = max(x - (T)lr * g, T(0))", "check_sgd")
    assert_same(sgd(d, d, 0.1), np.maximum(x - np.float32(0.1) * x, 0))
    roll = cp.ElementwiseKernel("raw T x, int32 n", "T y", "y = x[(i + 1) % n]", "check_roll")
    assert_same(roll(d, x.size, size=x.size), np.roll(x, -1))
    norm = cp.ReductionKernel("T x", "T y", "x * x", "a + b", "y = sqrt(a)", "0", "check_norm")
    rows = x.reshape(10, 100)
    assert_same([norm(d), norm(d.reshape(10, 100), axis=1)], [np.sqrt((x * x).sum()), np.sqrt((rows**2).sum(1))], 1e-4)


def test_fused_and_vectorized_functions():
    x = normal("f4", 100)

    @cp.fuse()
    def fused(a, b):
        return cp.sqrt(cp.abs(a * b)) + 1

    assert_same(fused(cp.asarray(x), cp.asarray(x)), np.abs(x) + 1)
    assert_same(cp.vectorize(lambda a: a * 2 + 1)(cp.asarray(x)), x * 2 + 1)


def test_a_compilers_message():
    with pytest.raises(cp.cuda.compiler.CompileException, match="nonsense"):
        cp.ElementwiseKernel("T x", "T y", "y = nonsense(x)", "check_bad")(cp.zeros(3))


def test_jit():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "experimental"
        jit = pytest.importorskip("cupyx.jit")

        @jit.rawkernel()
        def reverse(x, y):
            s = jit.shared_memory(cp.float32, 64)
            s[jit.threadIdx.x] = x[jit.grid(1)]
            jit.syncthreads()
            y[jit.grid(1)] = s[63 - jit.threadIdx.x]

        x, y = cp.arange(128, dtype="f4"), cp.zeros(128, "f4")
        reverse[2, 64](x, y)
    assert_same(y, np.arange(128).reshape(2, 64)[:, ::-1].ravel())


def test_array_api_compat():
    compat = pytest.importorskip("array_api_compat")
    x = cp.asarray(normal("f4", 4, 5))
    xp, h = compat.array_namespace(x), x.get()
    assert xp.__name__ == "array_api_compat.cupy" and compat.is_cupy_array(x)
    assert_same(
        [xp.matmul(x, xp.permute_dims(x, (1, 0))), xp.unique_values(xp.round(x)), xp.cumulative_sum(x, axis=1)],
        [h @ h.T, np.unique(np.round(h)), h.cumsum(1)],
        1e-4,
    )
    assert compat.device(x) == cp.cuda.Device(0) and type(compat.to_device(x, "cpu")) is np.ndarray


def test_threads():
    found = []

    def work(k):
        found.extend(float((cp.ones(100) * i + k).sum()) == 100 * (i + k) for i in range(30))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == [True] * 120
