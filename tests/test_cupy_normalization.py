"""CuPy's kernels of normalisation give what the portable definitions give in double precision."""

from __future__ import annotations

import numpy as np
import pytest

from polymod.backend import load_backend, portable

pytestmark = pytest.mark.engine("cupy")

cupy = pytest.importorskip("cupy")
DTYPES = ["float16", "float32", "float64", "bfloat16"]
TOLERANCE = {"bfloat16": 8e-3, "float16": 1e-3, "float32": 5e-6, "float64": 1e-13}


@pytest.fixture
def xp():
    return load_backend("cupy").namespace


def array(values, dtype):
    values = np.asarray(values)
    return cupy.asarray(values.astype(pytest.importorskip("ml_dtypes").bfloat16 if dtype == "bfloat16" else dtype))


def assert_as_defined(xp, name, arrays, dtype, **attrs):
    """The kernel's results are those of the definition in double precision, up to rounding of the largest number."""
    assert name in load_backend("cupy").kernels
    wide = [None if a is None else a.astype("float64") for a in arrays]
    found, expected = getattr(xp, name)(*arrays, **attrs), portable[name](xp, *wide, **attrs)
    assert isinstance(found, tuple) == isinstance(expected, tuple)
    for part, right in zip(*(r if isinstance(r, tuple) else (r,) for r in (found, expected)), strict=True):
        assert (part is None) == (right is None), name
        if right is None:
            continue
        assert part.dtype == arrays[0].dtype, name
        assert part.shape == right.shape, name
        a, b = cupy.asnumpy(part.astype("float64")), cupy.asnumpy(right)
        scale = max(1.0, float(np.max(np.abs(b), initial=0, where=np.isfinite(b))))
        np.testing.assert_allclose(a, b, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * scale, err_msg=name)


# rows for a part of a warp, a warp and a block, with packs and without; longer than the registers hold; many rows
ROWS = [
    ((1,), 1),
    ((3, 5), 1),
    ((2, 3, 4), 2),
    ((700, 8), 1),
    ((4, 6, 33), 1),
    ((3, 768), 1),
    ((5, 1023), 1),
    ((3, 5, 7, 11), 3),
    ((2, 4104), 1),
    ((70, 8209), 1),
    ((2, 3, 5000), 2),
]


@pytest.mark.parametrize(("shape", "last"), ROWS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_layer_norm_and_rms_norm(shape, last, dtype, xp, rng):
    inner, axes = shape[len(shape) - last :], tuple(range(-last, 0))
    x, g = array(3 + 2 * rng.normal(size=shape), dtype), array(rng.normal(size=shape), dtype)
    weight, bias = (array(rng.uniform(0.5, 1.5, size=inner), dtype) for _ in range(2))
    for w, b in [(weight, bias), (weight, None), (None, None)]:
        assert_as_defined(xp, "layer_norm", [x, w, b], dtype, axes=axes, eps=1e-3)
    for w in (weight, None):
        assert_as_defined(xp, "layer_norm_back", [g, x, w], dtype, axes=axes, eps=1e-3)
        assert_as_defined(xp, "rms_norm", [x, w], dtype, axes=axes, eps=1e-3)
        assert_as_defined(xp, "rms_norm_back", [g, x, w], dtype, axes=axes, eps=1e-3)


# (shape, groups): channels of one pixel, of few, of a warp's and more; groups of one channel and one group of all;
# groups longer than the registers hold
IMAGES = [
    ((2, 6), 3),
    ((1, 4, 1), 1),
    ((3, 6, 5), 2),
    ((2, 4, 4, 4), 4),
    ((2, 8, 7, 7), 2),
    ((1, 64, 3), 1),
    ((2, 6, 16, 16), 1),
    ((1, 4, 50, 50), 1),
    ((1, 4, 48, 48), 1),
]


@pytest.mark.parametrize(("shape", "groups"), IMAGES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_group_norm(shape, groups, dtype, xp, rng):
    x, g = array(3 + 2 * rng.normal(size=shape), dtype), array(rng.normal(size=shape), dtype)
    weight, bias = (array(rng.uniform(0.5, 1.5, size=shape[1]), dtype) for _ in range(2))
    for w, b in [(weight, bias), (weight, None), (None, None)]:
        assert_as_defined(xp, "group_norm", [x, w, b], dtype, groups=groups, eps=1e-3)
    for w in (weight, None):
        assert_as_defined(xp, "group_norm_back", [g, x, w], dtype, groups=groups, eps=1e-3)


@pytest.mark.parametrize(
    "shape", [(5, 3), (300, 40), (2, 3, 5), (3, 70, 7, 7), (2, 3, 40, 41), (2, 3, 64, 64), (1, 2, 1)]
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_batch_norm_and_its_parts(shape, dtype, xp, rng):
    x, g = array(3 + 2 * rng.normal(size=shape), dtype), array(rng.normal(size=shape), dtype)
    weight, bias = (array(rng.uniform(0.5, 1.5, size=shape[1]), dtype) for _ in range(2))
    assert_as_defined(xp, "moments", [x], dtype)
    statistics = xp.moments(x)
    for w, b in [(weight, bias), (weight, None), (None, None), (None, bias)]:
        assert_as_defined(xp, "batch_norm", [x, statistics, w, b], dtype, eps=1e-3)
    for w in (weight, None):
        assert_as_defined(xp, "batch_norm_back", [g, x, statistics, w], dtype, eps=1e-3)
    assert_as_defined(xp, "channel_affine", [x, weight, bias], dtype)
    assert_as_defined(xp, "channel_affine_back", [g, x, weight], dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("length", [60, 3000, 9000])
def test_a_large_mean_costs_no_digits(dtype, length, xp, rng):
    far = {"float32": 2.0**12, "float64": 2.0**30}[dtype]
    x = array(rng.integers(-8, 9, size=(4, length)) / 8 + far, dtype)  # exact in this dtype
    rows = [xp.layer_norm(x, None, None, axes=(-1,), eps=0.0)]
    rows += [xp.group_norm(x.reshape(2, 2, -1), None, None, groups=2, eps=0.0).reshape(4, -1)]
    for found in rows:  # the mean itself is as exact as a number of its size can be
        found = cupy.asnumpy(found).astype("float64")
        np.testing.assert_allclose(found.std(axis=1), 1, rtol=1e-5)
        np.testing.assert_allclose(found.mean(axis=1), 0, atol=4 * far * float(cupy.finfo(x.dtype).eps))
    for images in (x.reshape(4, 2, -1), x.reshape(-1, 4), x.reshape(-1, 4, 3)):
        found = cupy.asnumpy(xp.moments(images))[1]
        values = cupy.asnumpy(images).astype("float64")
        np.testing.assert_allclose(found, values.var(axis=tuple(a for a in range(values.ndim) if a != 1)), rtol=1e-5)


@pytest.mark.parametrize("length", [6, 1500, 9000])
def test_infinite_and_missing_numbers(length, xp, rng):
    x = rng.normal(size=(5, length))
    x[0, 1], x[1, 0], x[2, -1], x[3] = np.nan, np.inf, -np.inf, 2
    x, g = cupy.asarray(x), cupy.asarray(rng.normal(size=x.shape))
    weight = cupy.asarray(rng.normal(size=length))
    for kind in ("layer_norm", "rms_norm"):
        assert_as_defined(xp, kind, [x, weight], "float64", axes=(-1,), eps=1e-5)
        assert_as_defined(xp, f"{kind}_back", [g, x, weight], "float64", axes=(-1,), eps=1e-5)
    channels = x.reshape(5, 2, -1)
    assert_as_defined(xp, "group_norm", [channels, None], "float64", groups=2, eps=1e-5)
    for images in (x.T.reshape(-1, 5), x.reshape(1, 5, -1)):
        moments = cupy.asnumpy(xp.moments(images))
        assert np.isnan(moments[1]).tolist() == [True, True, True, False, False]
        assert np.isnan(moments[0, 0])
        np.testing.assert_allclose(moments[:, 3], [2, 0])


def test_any_strides(xp, rng):
    x, g = (array(rng.normal(size=(6, 4, 5, 8)), "float32").transpose(2, 1, 0, 3) for _ in range(2))
    spread = cupy.broadcast_to(g[:, :, :1, :1], x.shape)
    weight = array(rng.normal(size=(6, 16)), "float32")[:, ::2]
    channel = array(rng.normal(size=8), "float32")[::2]
    for cotangent in (g, spread):
        assert_as_defined(xp, "layer_norm_back", [cotangent, x, weight], "float32", axes=(-2, -1), eps=1e-5)
        assert_as_defined(xp, "rms_norm_back", [cotangent, x, weight], "float32", axes=(-2, -1), eps=1e-5)
        assert_as_defined(xp, "group_norm_back", [cotangent, x, channel], "float32", groups=2, eps=1e-5)
        assert_as_defined(xp, "batch_norm_back", [cotangent, x, xp.moments(x), channel], "float32", eps=1e-5)
        assert_as_defined(xp, "channel_affine_back", [cotangent, x, channel], "float32")
    assert_as_defined(xp, "layer_norm", [x, weight, weight], "float32", axes=(-2, -1), eps=1e-5)
    assert_as_defined(xp, "layer_norm", [x[..., 1:], weight[:, 1:]], "float32", axes=(-2, -1), eps=1e-5)
    assert_as_defined(xp, "rms_norm", [x, weight], "float32", axes=(-2, -1), eps=1e-5)
    assert_as_defined(xp, "group_norm", [x, channel, channel], "float32", groups=2, eps=1e-5)
    assert_as_defined(xp, "moments", [x], "float32")
    assert_as_defined(xp, "batch_norm", [x, xp.moments(x), channel], "float32", eps=1e-5)
    assert_as_defined(xp, "channel_affine", [x, channel, channel], "float32")
    flat = x.ravel()[1:].ravel()[: 8 * 117].reshape(117, 8)  # not at a multiple of 16 bytes
    assert_as_defined(xp, "layer_norm", [flat, None], "float32", axes=(-1,), eps=1e-5)
    assert_as_defined(xp, "channel_affine", [flat.reshape(9, 13, 8), flat[:13, 0], flat[:13, 1]], "float32")


def test_what_has_no_kernel(xp, rng):
    x, weight = array(rng.normal(size=(3, 4)), "float32"), array(rng.normal(size=4), "float64")
    assert xp.layer_norm(x, weight, None, axes=(-1,), eps=1e-5).dtype == np.float64
    assert xp.layer_norm(x[:0], weight, None, axes=(-1,), eps=1e-5).shape == (0, 4)
    dx, dweight, dbias = xp.layer_norm_back(x[:0], x[:0], weight.astype("float32"), axes=(-1,), eps=1e-5)
    assert (dx.shape, dweight.shape, dbias.shape) == ((0, 4), (4,), (4,))
    assert not dweight.any()


def test_sums_are_the_same_each_time(xp, rng):
    x, g = (array(rng.normal(size=(3000, 24)), "float32") for _ in range(2))
    for name, how in [("layer_norm_back", {"axes": (-1,), "eps": 1e-5}), ("channel_affine_back", {})]:
        first, again = (getattr(xp, name)(g, x, x[0], **how) for _ in range(2))
        for a, b in zip(first, again, strict=True):
            np.testing.assert_array_equal(cupy.asnumpy(a), cupy.asnumpy(b))
