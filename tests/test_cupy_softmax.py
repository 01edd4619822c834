"""CuPy's kernels of softmax and its relatives give what the portable definitions give in double precision."""

from __future__ import annotations

import numpy as np
import pytest

from polymod.backend import load_backend, portable

pytestmark = pytest.mark.engine("cupy")

cupy = pytest.importorskip("cupy")
DTYPES = ["float16", "float32", "float64", "bfloat16"]
NAMES = ["softmax", "masked_softmax", "log_softmax", "logsumexp"]
# a warp with few and with many elements a thread, a block, several blocks or two reads; with packs and without
ROWS = [(1,), (5,), (3, 32), (9, 7), (2, 640), (3, 1023), (2, 1025), (2, 4096), (1, 8200), (2, 33000)]
COLUMNS = [((4, 3, 5), 1), ((70, 33), 0), ((2, 11, 300), 1), ((1, 2), 0), ((3, 1, 2), 1), ((2, 3, 4, 5), 0)]
CASES = [(shape, -1) for shape in ROWS] + COLUMNS


@pytest.fixture
def xp():
    return load_backend("cupy").namespace


def dtype_of(name):
    return pytest.importorskip("ml_dtypes").bfloat16 if name == "bfloat16" else name


def assert_as_defined(xp, name, arrays, dtype, **attrs):
    """The kernel's result of `arrays` is that of the definition in double precision, rounded to their dtype."""
    found = getattr(xp, name)(*arrays, **attrs)
    assert name in load_backend("cupy").kernels
    expected = portable[name](xp, *(a.astype("float64") for a in arrays), **attrs)
    assert found.dtype == arrays[0].dtype
    assert found.shape == expected.shape
    found, expected = cupy.asnumpy(found.astype("float64")), cupy.asnumpy(expected)
    tolerance = {"bfloat16": 8e-3, "float16": 1e-3, "float32": 3e-6, "float64": 1e-13}[dtype]
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance / 10, err_msg=name)


@pytest.mark.parametrize(("shape", "axis"), CASES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_forward(shape, axis, dtype, xp, rng):
    x = cupy.asarray((5 * rng.normal(size=shape)).astype(dtype_of(dtype)))
    for name in NAMES:
        assert_as_defined(xp, name, [x], dtype, axis=axis)


@pytest.mark.parametrize("name", ["softmax_back", "log_softmax_back"])
@pytest.mark.parametrize(("shape", "axis"), CASES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_back(name, shape, axis, dtype, xp, rng):
    g, y = (cupy.asarray(rng.uniform(-1, 1, size=shape).astype(dtype_of(dtype))) for _ in range(2))
    found = getattr(xp, name)(g, y, axis=axis)
    assert name in load_backend("cupy").kernels
    assert (found.dtype, found.shape) == (g.dtype, g.shape)
    expected = cupy.asnumpy(portable[name](xp, g.astype("float64"), y.astype("float64"), axis=axis))
    size = {"bfloat16": 8e-3, "float16": 1e-3, "float32": 3e-6, "float64": 1e-13}[dtype]
    found = cupy.asnumpy(found.astype("float64"))
    np.testing.assert_allclose(found, expected, rtol=size, atol=size * max(1, float(np.max(np.abs(expected)))))


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 1), (0, 2), (1, 2), (-1, 0), ()])
@pytest.mark.parametrize("keepdims", [False, True])
def test_logsumexp_over_any_axes(axis, keepdims, xp, rng):
    x = cupy.asarray(rng.normal(size=(5, 4, 33)).astype("float32"))
    assert_as_defined(xp, "logsumexp", [x], "float32", axis=axis, keepdims=keepdims)
    assert_as_defined(xp, "logsumexp", [x.transpose(2, 0, 1)], "float32", axis=axis, keepdims=keepdims)


@pytest.mark.parametrize("dtype", DTYPES)
def test_logsumexp_of_one_long_row(dtype, xp, rng):
    x = cupy.asarray(rng.normal(size=70001).astype(dtype_of(dtype)))
    assert_as_defined(xp, "logsumexp", [x], dtype)


def special_rows(n):
    rows = np.linspace(-2, 2, 8 * n).reshape(8, n)
    rows[0, -1], rows[1, 0], rows[2, n // 2] = np.nan, np.inf, -np.inf
    rows[3], rows[4], rows[5] = -np.inf, 1e4, 7
    rows[6, 0], rows[6, -1] = np.inf, np.nan
    rows[7, 1:] = -np.inf
    return rows


@pytest.mark.parametrize("n", [3, 40, 1100, 8300])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("across", [False, True])
def test_infinite_and_missing_numbers(n, name, across, xp):
    rows = special_rows(n)
    x = cupy.asarray(rows.T if across else rows, order="C")
    assert_as_defined(xp, name, [x], "float64", axis=0 if across else 1)


def test_any_strides_and_unaligned_memory(xp, rng):
    x = cupy.asarray(rng.normal(size=(6, 8, 65)).astype("float32"))
    views = [x.transpose(2, 0, 1), x[::2, ::-1, ::3], x[:, :, 1:], x.ravel()[1:97].reshape(4, 24)]
    for view in views:
        for axis in range(view.ndim):
            for name in NAMES:
                assert_as_defined(xp, name, [view], "float32", axis=axis)
            g = cupy.ascontiguousarray(view)
            for back in (xp.softmax_back, xp.log_softmax_back):
                found, expected = back(view, view, axis=axis), back(g, g, axis=axis)
                np.testing.assert_array_equal(cupy.asnumpy(found), cupy.asnumpy(expected))


def test_nothing_to_do_and_what_has_no_kernel(xp):
    empty = cupy.zeros((0, 3), "float32")
    assert xp.softmax(empty, axis=1).shape == (0, 3)
    assert xp.logsumexp(empty, axis=0).tolist() == [-np.inf] * 3
    z = cupy.asarray([1 + 1j, 2.0])
    np.testing.assert_allclose(cupy.asnumpy(xp.logsumexp(z)), np.log(np.exp(1 + 1j) + np.exp(2)))


def test_sums_are_the_same_each_time(xp, rng):
    x = cupy.asarray(rng.normal(size=(3, 50000)).astype("float32"))
    first, again = xp.log_softmax(x, axis=1), xp.log_softmax(x, axis=1)
    np.testing.assert_array_equal(cupy.asnumpy(first), cupy.asnumpy(again))
