"""The CuPy plugin's products of matrices, against the portable definitions and NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from polymod.backend import load_backend, portable

pytestmark = pytest.mark.engine("cupy")
DTYPES = ["float16", "bfloat16", "float32", "float64"]
CLOSE = {"float16": 4e-3, "bfloat16": 3e-2, "float32": 2e-5, "float64": 1e-12}


@pytest.fixture(scope="module")
def xp():
    return load_backend("cupy").namespace


def arrays(rng, dtype, *shapes):
    import cupy

    found = [cupy.asarray(rng.normal(size=s)) for s in shapes]
    return [x.astype(_bfloat16() if dtype == "bfloat16" else dtype) for x in found]


def _bfloat16():
    import ml_dtypes

    return ml_dtypes.bfloat16


def agree(found, expected, dtype):
    assert found.shape == expected.shape
    assert found.dtype.name == dtype
    a, b = (x.astype("float64").get() for x in (found, expected))
    np.testing.assert_allclose(a, b, rtol=CLOSE[dtype], atol=CLOSE[dtype] * max(1, np.abs(b).max(initial=0)))


def wide(x):
    return x.astype("float64")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("lead", [(), (1,), (3,), (700,), (2, 3), (5, 1, 67)])
@pytest.mark.parametrize(("n_in", "n_out"), [(1, 1), (5, 3), (33, 300)])
def test_a_layer_and_its_cotangents(xp, rng, dtype, lead, n_in, n_out):
    x, w, b, g = arrays(rng, dtype, (*lead, n_in), (n_out, n_in), (n_out,), (*lead, n_out))
    exact = [wide(a) for a in (x, w, b, g)]
    agree(xp.linear(x, w, b), portable["linear"](xp, *exact[:3]), dtype)
    agree(xp.linear(x, w), portable["linear"](xp, *exact[:2]), dtype)
    agree(xp.linear_weight_back(g, x), portable["linear_weight_back"](xp, exact[3], exact[0]), dtype)
    agree(xp.linear_bias_back(g), portable["linear_bias_back"](xp, exact[3]), dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_arrays_that_are_not_contiguous(xp, rng, dtype):
    x, w, b, g = arrays(rng, dtype, (6, 7, 10), (8, 10), (16,), (6, 7, 8))
    x, b, g = x.swapaxes(0, 1), b[::-2], g.swapaxes(0, 1)
    w = w[:, ::-1]
    exact = [wide(a) for a in (x, w, b, g)]
    agree(xp.linear(x, w, b), portable["linear"](xp, *exact[:3]), dtype)
    agree(xp.linear_weight_back(g, x), portable["linear_weight_back"](xp, exact[3], exact[0]), dtype)
    agree(xp.linear_bias_back(g), portable["linear_bias_back"](xp, exact[3]), dtype)


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 511, 512, 513, 3000])
@pytest.mark.parametrize("columns", [1, 31, 33])
def test_column_sums_of_any_height(xp, rng, rows, columns):
    (g,) = arrays(rng, "float32", (rows, columns))
    agree(xp.linear_bias_back(g), xp.sum(wide(g), axis=0), "float32")


def test_sums_of_half_precision_are_kept_in_float(xp):
    import cupy

    g = cupy.full((3000, 2), 1, "float16")  # in float16, 2048 + 1 is 2048
    assert xp.linear_bias_back(g).tolist() == [3000, 3000]


def test_what_the_kernels_are_not_made_for(xp, rng):
    import cupy

    empty = xp.linear(cupy.zeros((0, 3), "float32"), cupy.ones((2, 3), "float32"), cupy.ones(2, "float32"))
    assert empty.shape == (0, 2)
    assert xp.linear(cupy.zeros((4, 0)), cupy.ones((2, 0)), cupy.ones(2)).tolist() == [[1, 1]] * 4
    z = cupy.asarray(rng.normal(size=(3, 4)) + 1j)
    np.testing.assert_allclose(xp.linear(z, z).get(), z.get() @ z.get().T)
    assert xp.linear(cupy.ones((2, 3), "int32"), cupy.ones((1, 3), "int32")).tolist() == [[3], [3]]
    mixed = xp.linear(cupy.ones((2, 3), "float32"), cupy.ones((1, 3), "float64"))
    assert mixed.dtype == np.float64


@pytest.mark.parametrize("shapes", [((3, 4), (4, 5)), ((2, 3, 4), (4, 5)), ((2, 1, 3, 4), (7, 4, 5)), ((4,), (4,))])
def test_matmul_is_the_standards(xp, rng, shapes):
    a, b = arrays(rng, "float32", *shapes)
    np.testing.assert_allclose(xp.matmul(a, b).get(), np.matmul(a.get(), b.get()), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"."):
        xp.matmul(a, a[..., :-1])


def test_every_product_goes_through_one_place(xp, rng, monkeypatch):
    from polymod_cupy import linear

    seen = []
    own = linear.gemm
    monkeypatch.setattr(linear, "gemm", lambda a, b, out=None: seen.append((a.shape, b.shape)) or own(a, b, out))
    x, w, g = arrays(rng, "float32", (4, 3), (2, 3), (4, 2))
    xp.linear(x, w), xp.linear_weight_back(g, x), xp.matmul(g, w)
    assert seen == [((4, 3), (3, 2)), ((2, 4), (4, 3)), ((4, 2), (2, 3))]


STACKS = [
    ((2, 3, 4), (2, 4, 5)),
    ((3, 4), (2, 4, 5)),
    ((2, 3, 4), (1, 4, 5)),
    ((2, 3, 4), (4, 5)),
    ((2, 1, 3, 4), (1, 7, 4, 5)),
    ((9, 1, 3, 4), (1, 2, 4, 5)),
    ((20, 1, 3, 4), (1, 2, 4, 5)),
    ((2, 1, 1), (2, 1, 1)),
    ((2, 1, 4), (2, 4, 1)),
    ((2, 3, 1), (2, 1, 5)),
    ((0, 3, 4), (0, 4, 5)),
    ((2, 3, 0), (2, 0, 5)),
    ((2, 0, 3), (2, 3, 4)),
]


@pytest.mark.parametrize("shapes", STACKS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", ["as_it_is", "transposed", "turned_round", "cut_out"])
def test_stacks_of_matrices(rng, shapes, dtype, order):
    from polymod_cupy.stacks import multiply

    def changed(x):
        if order == "transposed":
            return x.swapaxes(-1, -2).copy().swapaxes(-1, -2)
        if order == "turned_round":
            return x.transpose().copy().transpose()
        if order == "cut_out":
            return cupy.concatenate([x, x], axis=-1)[..., : x.shape[-1]]
        return x

    import cupy

    a, b = arrays(rng, dtype, *shapes)
    expected = np.matmul(*(x.astype("float64").get() for x in (a, b)))
    agree(multiply(changed(a), changed(b)), cupy.asarray(expected), dtype)
    c = cupy.full(expected.shape, 2, a.dtype)
    agree(multiply(changed(a), changed(b), c, alpha=-0.5, beta=2), cupy.asarray(4 - expected / 2), dtype)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_stack_of_half_precision_into_float(rng, dtype):
    import cupy
    from polymod_cupy.stacks import multiply

    a, b = arrays(rng, dtype, (3, 4, 50), (3, 50, 6))
    out = multiply(a, b, cupy.empty((3, 4, 6), "float32"))
    np.testing.assert_allclose(out.get(), np.matmul(*(x.astype("float64").get() for x in (a, b))), rtol=1e-5, atol=1e-5)
