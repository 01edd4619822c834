"""The CuPy plugin's pooling and columns of windows: against the portable definitions."""

from __future__ import annotations

import numpy as np
import pytest
from cupy_alone import alone

from polymod.backend import load_backend, portable

pytestmark = pytest.mark.engine("cupy")
DTYPES = ["float16", "bfloat16", "float32", "float64"]
CLOSE = {"float16": 4e-3, "bfloat16": 3e-2, "float32": 1e-5, "float64": 1e-12}
WHOLE = ["int8", "uint8", "int16", "int32", "int64", "uint64"]

GEOMETRIES = [  # spatial shape, window, stride, padding, dilation
    ((7,), (3,), (2,), ((1, 1),), (1,)),
    ((1,), (1,), (1,), ((0, 0),), (1,)),
    ((1500,), (4,), (3,), ((0, 2),), (2,)),
    ((8, 6), (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)),
    ((8, 7), (3, 2), (2, 1), ((1, 1), (1, 0)), (1, 1)),
    ((9, 7), (3, 3), (1, 2), ((1, 2), (0, 1)), (2, 1)),
    ((40, 41), (7, 5), (5, 7), ((3, 3), (2, 2)), (1, 1)),
    ((5, 6, 7), (2, 3, 2), (1, 2, 3), ((1, 0), (1, 1), (0, 0)), (2, 1, 1)),
    ((4, 4, 4), (3, 3, 3), (1, 1, 1), ((1, 1), (1, 1), (1, 1)), (1, 1, 1)),
]
geometries = pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda g: f"{g[0]}-{g[1]}-{g[2]}".replace(" ", ""))


def on_gpu(x, dtype):
    import cupy

    if dtype == "bfloat16":
        dtype = pytest.importorskip("ml_dtypes").bfloat16
    return cupy.asarray(np.asarray(x)).astype(dtype)


def keywords(geometry):
    return dict(zip(("size", "stride", "padding", "dilation"), geometry[1:], strict=True))


def agree(name, arrays, how, exact=False):
    """The kernel's result is that of the portable definition on the same numbers, in float64 if they are floating."""
    xp, reference = load_backend("cupy").namespace, load_backend("numpy").namespace
    found = getattr(xp, name)(*arrays, **how)
    wide = [a.astype("float64").get() if a.dtype.kind in "fV" else a.get() for a in arrays]
    if "indices" in how:
        how = how | {"indices": how["indices"].get()}
    with np.errstate(all="ignore"):
        expected = portable[name](reference, *wide, **how)
    dtype = "int64" if name == "max_pool_positions" else arrays[0].dtype.name
    assert found.dtype.name == dtype
    assert found.shape == expected.shape
    if found.dtype.kind not in "fV" or exact:
        np.testing.assert_array_equal(found.astype(expected.dtype).get(), expected)
    else:
        tolerance = CLOSE[dtype] * max(1, np.abs(expected).max(initial=0))
        np.testing.assert_allclose(found.astype("float64").get(), expected, rtol=CLOSE[dtype], atol=tolerance)
    return found


def check_maxima(x, g, v, how):
    y = agree("max_pool", [x], how, exact=True)
    agree("max_pool_positions", [x], how)
    agree("max_pool_back", [g, x, y], how)
    agree("max_pool_select", [v, x, y], how, exact=True)


@geometries
@pytest.mark.parametrize("dtype", [*DTYPES, "int8", "uint8", "int64"])
def test_maxima(geometry, dtype, rng):
    """With ties, which half precision and small whole numbers have many of."""
    how = keywords(geometry)
    for planes in ((2, 3), (1, 1), (0, 2)):
        x = on_gpu(rng.normal(size=(*planes, *geometry[0])) * 4, dtype)
        y = load_backend("cupy").namespace.max_pool(x, **how)
        g = on_gpu(rng.integers(-8, 8, size=y.shape), dtype)
        check_maxima(x, g, on_gpu(rng.integers(-8, 8, size=x.shape), dtype), how)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_maxima_of_nan_and_infinities(dtype, rng):
    """NaN wins, and the last one; an element that is as low as the padding loses to the one that comes first."""
    how = {"size": (3, 2), "stride": (2, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1)}
    for share in (0.1, 0.5, 1.0):
        for value in (np.nan, -np.inf, np.inf):
            x = rng.normal(size=(2, 2, 7, 6))
            x[rng.random(x.shape) < share] = value
            x = on_gpu(x, dtype)
            y = load_backend("cupy").namespace.max_pool(x, **how)
            g, v = on_gpu(rng.normal(size=y.shape), dtype), on_gpu(rng.normal(size=x.shape), dtype)
            check_maxima(x, g, v, how)


@geometries
@pytest.mark.parametrize("dtype", [*DTYPES, *WHOLE, "complex64"])
def test_sums(geometry, dtype, rng):
    spatial, size, stride, padding, _ = geometry
    how = {"size": size, "stride": stride, "padding": padding}
    for planes in ((2, 3), (1, 1), (0, 2)):
        x = on_gpu(rng.integers(0, 9, size=(*planes, *spatial)) / (1 if dtype in WHOLE else 7), dtype)
        y = agree_sums("sum_pool", x, how)
        agree_sums("sum_pool_back", y, how | {"shape": spatial})


def agree_sums(name, x, how):
    if x.dtype.kind != "c":
        return agree(name, [x], how)
    xp = load_backend("cupy").namespace
    found = getattr(xp, name)(x, **how)
    expected = portable[name](load_backend("numpy").namespace, x.get(), **how)
    np.testing.assert_allclose(found.get(), expected, rtol=1e-5)
    return found


@pytest.mark.parametrize("dtype", [*DTYPES, "int32"])
@pytest.mark.parametrize(
    ("spatial", "outputs"),
    [
        *(((7,), (3,)), ((3,), (7,)), ((1000,), (1,)), ((1,), (1000,)), ((5, 7), (1, 1)), ((1, 1), (5, 7))),
        *(((40, 50), (1, 1)), ((40, 50), (3, 50)), ((6, 6), (6, 6)), ((5, 6, 7), (2, 3, 1)), ((3, 3), (0, 2))),
    ],
)
def test_adaptive_sums(spatial, outputs, dtype, rng):
    for planes in ((2, 3), (1, 1), (0, 2)):
        x = on_gpu(rng.integers(0, 9, size=(*planes, *spatial)) / (1 if dtype == "int32" else 7), dtype)
        agree("adaptive_sum", [x], {"outputs": outputs})


@geometries
@pytest.mark.parametrize("dtype", [*DTYPES, "int8", "int64", "complex128"])
def test_columns(geometry, dtype, rng):
    how = keywords(geometry)
    for planes in ((2, 3), (1, 1), (0, 2)):
        x = on_gpu(rng.integers(0, 9, size=(*planes, *geometry[0])), dtype)
        columns = agree("im2col", [x], how, exact=True)
        agree("col2im", [columns], how | {"shape": geometry[0]}, exact=dtype == "complex128")


def test_arrays_that_are_not_contiguous(rng):
    how = {"size": (2, 2), "stride": (1, 2), "padding": ((1, 0), (0, 1)), "dilation": (1, 1)}
    x = on_gpu(rng.normal(size=(6, 5, 4, 3)), "float32").transpose(3, 0, 2, 1)[:, ::2]
    y = load_backend("cupy").namespace.max_pool(x, **how)
    g = on_gpu(rng.normal(size=y.shape[::-1]), "float32").T
    check_maxima(x, g, x, how)
    agree("im2col", [x], how)
    sums = {k: v for k, v in how.items() if k != "dilation"}
    agree("sum_pool", [x], sums)
    agree("sum_pool_back", [g], sums | {"shape": x.shape[2:]})


def test_four_axes_go_by_the_portable_definitions(rng):
    x = on_gpu(rng.normal(size=(1, 2, 3, 4, 3, 4)), "float64")
    how = {"size": (2,) * 4, "stride": (1,) * 4, "padding": ((0, 0),) * 4}
    agree("sum_pool", [x], how)
    agree("max_pool", [x], how | {"dilation": (1,) * 4})


@pytest.mark.parametrize("dtype", [*DTYPES, "int16", "bool", "complex64"])
@pytest.mark.parametrize("index_dtype", ["int64", "int32", "uint8"])
def test_unpool(dtype, index_dtype, rng):
    for shape, length in (((2, 3, 5), 9), ((1, 1), 1), ((0, 4), 5), ((300, 7), 200)):
        order = np.argsort(rng.random((*shape[:-1], length)), axis=-1)[..., : shape[-1]]
        x, indices = on_gpu(rng.integers(0, 5, size=shape), dtype), on_gpu(order, index_dtype)
        if index_dtype != "uint8":
            indices = indices - on_gpu(rng.random(shape) < 0.5, index_dtype) * length  # counted from the end
        agree("unpool", [x], {"indices": indices, "length": length}, exact=True)


@pytest.mark.filterwarnings("ignore")  # allow_synchronize is deprecated, and nothing takes its place yet
def test_nothing_is_copied_or_waited_for(rng):
    xp, how = load_backend("cupy").namespace, keywords(GEOMETRIES[4])
    sums = {k: v for k, v in how.items() if k != "dilation"}
    x = on_gpu(rng.normal(size=(2, 3, 8, 7)), "float32")

    def run():
        y, at = xp.max_pool(x, **how), xp.max_pool_positions(x, **how)
        xp.max_pool_back(y, x, y, **how)
        xp.max_pool_select(x, x, y, **how)
        xp.sum_pool_back(xp.sum_pool(x, **sums), shape=x.shape[2:], **sums)
        xp.adaptive_sum(xp.adaptive_sum(x, outputs=(1, 1)), outputs=(8, 7))
        xp.col2im(xp.im2col(x, **how), shape=x.shape[2:], **how)
        rows = (2, 3, -1)
        xp.unpool(xp.reshape(y, rows), indices=xp.reshape(at, rows), length=56)

    run()
    with alone():
        run()
