"""The CuPy plugin's convolutions, each of its ways, against the portable definitions in float64 on NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from polymod.backend import load_backend, portable

pytestmark = pytest.mark.engine("cupy")
CLOSE = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 3e-6, "float64": 1e-13}

# batch, channels in and out, groups, size, kernel, stride, padding, dilation
CASES = {
    "plain": (2, 3, 16, 1, (9, 11), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)),
    "one_axis": (3, 16, 16, 2, (30,), (5,), (2,), ((2, 2),), (3,)),
    "three_axes": (2, 9, 10, 1, (5, 6, 7), (2, 3, 2), (1, 2, 1), ((0, 1), (1, 1), (0, 0)), (2, 1, 1)),
    "uneven": (2, 16, 40, 1, (9, 11), (3, 2), (2, 3), ((1, 0), (2, 1)), (1, 2)),
    "stride_and_dilation": (2, 8, 8, 1, (13, 12), (3, 4), (4, 2), ((2, 2), (3, 0)), (2, 3)),
    "several_tiles": (1, 70, 150, 1, (12, 12), (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1)),
    "patches": (2, 8, 16, 1, (12, 8), (4, 4), (4, 4), ((0, 0), (0, 0)), (1, 1)),
    "stride_beyond_the_kernel": (2, 8, 9, 1, (11, 11), (2, 1), (3, 4), ((0, 0), (0, 0)), (1, 1)),
    "pointwise": (2, 12, 20, 1, (6, 6), (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    "pointwise_groups": (2, 12, 20, 2, (6, 6), (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    "pointwise_steps": (2, 12, 20, 2, (6, 6), (1, 1), (2, 2), ((0, 0), (0, 0)), (1, 1)),
    "depthwise": (3, 6, 12, 6, (10, 13), (3, 3), (2, 1), ((1, 1), (1, 1)), (1, 1)),
    "depthwise_line": (2, 5, 5, 5, (40,), (7,), (1,), ((6, 0),), (1,)),
    "few_channels_of_many_groups": (2, 32, 32, 8, (8, 8), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)),
    "one_pixel": (1, 1, 1, 1, (1,), (1,), (1,), ((0, 0),), (1,)),
    "padding_only": (1, 2, 8, 1, (2, 2), (5, 5), (1, 1), ((4, 4), (3, 5)), (1, 1)),
}


@pytest.fixture(params=["gathered", "columns", "as_chosen"])
def way(request, monkeypatch):
    from polymod_cupy import convolution

    if request.param == "gathered":
        monkeypatch.setattr(convolution, "COLUMNS_FROM", dict.fromkeys(convolution.COLUMNS_FROM, 10**9))
    if request.param == "columns":
        monkeypatch.setattr(convolution, "COLUMNS_FROM", dict.fromkeys(convolution.COLUMNS_FROM, 1))
        monkeypatch.setattr(convolution, "COLUMN_BYTES", 30_000)  # several parts
        monkeypatch.setattr(convolution, "FEW", 1)
    return request.param


def moved(x, dtype):
    import cupy

    if dtype == "bfloat16":
        import ml_dtypes

        dtype = ml_dtypes.bfloat16
    return cupy.asarray(x).astype(dtype)


def agree(found, expected, dtype):
    assert found.shape == expected.shape
    assert found.dtype.name == dtype
    size = np.abs(expected).max(initial=1e-30)
    np.testing.assert_allclose(found.astype("float64").get() / size, expected / size, atol=CLOSE[dtype], rtol=0)


def check(rng, dtype, case, change=lambda x: x):
    n, n_in, n_out, groups, size, kernel, stride, padding, dilation = case
    xp, numpy = load_backend("cupy").namespace, load_backend("numpy").namespace
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    x, w, b = (moved(rng.normal(size=s), dtype) for s in ((n, n_in, *size), (n_out, n_in // groups, *kernel), (n_out,)))
    exact = [a.astype("float64").get() for a in (x, w, b)]
    y = portable["conv"](numpy, *exact, **how)
    g = moved(rng.normal(size=y.shape), dtype)
    exact_g = g.astype("float64").get()
    x, w, g = change(x), change(w), change(g)
    agree(xp.conv(x, w, b, **how), y, dtype)
    agree(xp.conv(x, w, **how), portable["conv"](numpy, *exact[:2], **how), dtype)
    dx = portable["conv_input_back"](numpy, exact_g, exact[1], size=size, **how)
    agree(xp.conv_input_back(g, w, size=size, **how), dx, dtype)
    dw = portable["conv_weight_back"](numpy, exact[0], exact_g, size=kernel, **how)
    agree(xp.conv_weight_back(x, g, size=kernel, **how), dw, dtype)


@pytest.mark.parametrize("case", CASES, ids=list(CASES))
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_convolution_and_its_transposes(way, rng, dtype, case):
    check(rng, dtype, CASES[case])


@pytest.mark.parametrize("case", ["uneven", "several_tiles", "depthwise"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float64"])
def test_other_dtypes(way, rng, dtype, case):
    check(rng, dtype, CASES[case])


def test_arrays_that_are_not_contiguous(way, rng):
    check(rng, "float32", CASES["uneven"], lambda x: x.transpose().copy().transpose())


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_weights_cotangent_in_parts(rng, dtype, monkeypatch):
    from polymod_cupy import convolution

    monkeypatch.setattr(convolution, "COLUMNS_FROM", dict.fromkeys(convolution.COLUMNS_FROM, 10**9))
    launched = []
    own = convolution.add_parts
    monkeypatch.setattr(convolution, "add_parts", lambda parts, to: launched.append(parts.shape[0]) or own(parts, to))
    check(rng, dtype, (3, 3, 10, 1, (30, 31), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)))
    assert launched == [6]


def test_large_tiles(rng, monkeypatch):
    from polymod_cupy import convolution

    monkeypatch.setattr(convolution, "ENOUGH", 1)
    monkeypatch.setattr(convolution, "COLUMNS_FROM", dict.fromkeys(convolution.COLUMNS_FROM, 10**9))
    for n_in, n_out in ((20, 130), (40, 40), (130, 20)):
        check(rng, "float32", (2, n_in, n_out, 1, (9, 10), (3, 3), (2, 1), ((1, 1), (1, 1)), (1, 1)))


def test_a_weights_cotangent_is_the_same_every_time(rng):
    import cupy

    xp = load_backend("cupy").namespace
    x, g = (cupy.asarray(rng.normal(size=(4, 8, 40, 40))).astype("float32") for _ in range(2))
    how = {"size": (3, 3), "stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    assert (xp.conv_weight_back(x, g, **how) == xp.conv_weight_back(x, g, **how)).all()


def test_what_the_kernels_are_not_made_for(rng):
    xp = load_backend("cupy").namespace
    how = {"stride": (1,), "padding": ((1, 1),), "dilation": (1,), "groups": 1}
    whole = moved(np.arange(12).reshape(1, 2, 6), "int64")
    expected = portable["conv"](load_backend("numpy").namespace, whole.get(), whole.get()[:, :, :3], **how)
    assert xp.conv(whole, whole[:, :, :3], **how).tolist() == expected.tolist()
    z = moved(rng.normal(size=(2, 3, 5)) + 1j, "complex128")
    expected = portable["conv"](load_backend("numpy").namespace, z.get(), z[..., :3].get(), **how)
    np.testing.assert_allclose(xp.conv(z, z[..., :3], **how).get(), expected)
    mixed = xp.conv(moved(np.ones((1, 2, 6)), "float32"), moved(np.ones((1, 2, 3)), "float64"), **how)
    assert mixed.dtype == np.float64
    four = {"stride": (1,) * 4, "padding": ((0, 0),) * 4, "dilation": (1,) * 4, "groups": 1}
    x = moved(rng.normal(size=(1, 2, 3, 3, 3, 3)), "float32")
    assert xp.conv(x, x[..., :2], **four).shape == (1, 1, 1, 1, 1, 2)
    assert xp.conv(x[:0], x[..., :2], **four).shape == (0, 1, 1, 1, 1, 2)
    assert xp.conv(moved(np.ones((0, 2, 6)), "float32"), moved(np.ones((1, 2, 3)), "float32"), **how).shape == (0, 1, 6)
