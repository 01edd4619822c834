"""Resampling held to torch's: every mode, sizes and scales, and what the databases leave out."""

from __future__ import annotations

import numpy as np
import pytest
from parity import compare

import polymod as pm
import polymod.nn.functional as F
from polymod import nn
from polymod.backend import load_backend, portable
from polymod.nn.functional.resampling import taps

SHAPES = {1: (2, 2, 5), 2: (2, 2, 5, 4), 3: (1, 2, 3, 4, 2)}
MODES = {
    "nearest": (1, 2, 3),
    "nearest-exact": (1, 2, 3),
    "area": (1, 2, 3),
    "linear": (1,),
    "bilinear": (2,),
    "trilinear": (3,),
    "bicubic": (2,),
}
WITH_CORNERS = ("linear", "bilinear", "trilinear", "bicubic")
CASES = [
    *((mode, axes, None) for mode, every in MODES.items() for axes in every),
    *((mode, MODES[mode][0], corners) for mode in WITH_CORNERS for corners in (True, False)),
]


@pytest.mark.parametrize("how", [{"size": 7}, {"size": 3}, {"size": 1}, {"scale_factor": 2}, {"scale_factor": 1.6}])
@pytest.mark.parametrize(("mode", "axes", "corners"), CASES)
def test_modes_are_those_of_torch(mode, axes, corners, how, rng):
    torch = pytest.importorskip("torch")
    x = rng.normal(size=SHAPES[axes])
    compare(
        lambda x: F.interpolate(x, **how, mode=mode, align_corners=corners) ** 2,
        lambda x: torch.nn.functional.interpolate(x, **how, mode=mode, align_corners=corners) ** 2,
        x,
    )


@pytest.mark.parametrize("size", [(3, 9), (7, 2), (11, 9), (5, 6)])
@pytest.mark.parametrize(
    ("mode", "corners"),
    [("bilinear", True), ("bilinear", False), ("bicubic", True), ("bicubic", False), ("lanczos", None)],
)
def test_antialiasing_is_that_of_torch(mode, corners, size, rng):
    torch = pytest.importorskip("torch")
    more = {"mode": mode, "align_corners": corners, "antialias": True}
    compare(
        lambda x: F.interpolate(x, size, **more),
        lambda x: torch.nn.functional.interpolate(x, size, **more),
        rng.normal(size=(2, 2, 7, 9)),
        second=False,
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_positions_round_as_in_torch(mode, dtype):
    torch = pytest.importorskip("torch")
    for n in (3, 7, 10, 49):
        x = np.arange(n, dtype=dtype)[None, None]
        for how in [{"size": m} for m in (*range(1, 40), 98, 100)] + [
            {"scale_factor": s} for s in (0.7, 1.1, 1.3, 2, 2.4, 3)
        ]:
            expected = torch.nn.functional.interpolate(torch.tensor(x), **how, mode=mode)
            found = F.interpolate(pm.tensor(x), **how, mode=mode)
            np.testing.assert_array_equal(pm.to_numpy(found), expected.numpy(), err_msg=f"{n} {how}")


@pytest.mark.parametrize("again", [None, False, True])
def test_scales_that_are_recomputed(again, rng):
    torch = pytest.importorskip("torch")
    more = {"scale_factor": (1.3, 2.6), "mode": "bilinear", "recompute_scale_factor": again}
    compare(
        lambda x: F.interpolate(x, **more),
        lambda x: torch.nn.functional.interpolate(x, **more),
        rng.normal(size=(1, 2, 5, 4)),
        second=False,
    )


@pytest.mark.parametrize("corners", [True, False])
@pytest.mark.parametrize(("mode", "antialias"), [("bilinear", False), ("bilinear", True), ("bicubic", True)])
def test_images_of_bytes(mode, antialias, corners, rng):
    torch = pytest.importorskip("torch")
    x = rng.integers(0, 256, size=(2, 3, 9, 12)).astype("uint8")
    more = {"mode": mode, "antialias": antialias, "align_corners": corners}
    for size in ((12, 14), (4, 7), (9, 20)):
        expected = torch.nn.functional.interpolate(torch.tensor(x), size, **more)
        found = F.interpolate(pm.tensor(x), size, **more)
        assert found.dtype == pm.uint8
        np.testing.assert_array_equal(pm.to_numpy(found), expected.numpy())


def test_whole_numbers_keep_their_dtype():
    x = pm.asarray([[[1, 2, 3]]], dtype=pm.int64)
    y = F.interpolate(x, scale_factor=2)
    assert y.dtype == pm.int64
    assert pm.to_numpy(y).tolist() == [[[1, 1, 2, 2, 3, 3]]]
    with pytest.raises(TypeError, match="floating"):
        F.interpolate(x, 5, mode="linear")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_stays_near(bad, rng):
    x = rng.normal(size=(1, 1, 20, 20)).astype("float32")
    x[..., 10, 10] = bad
    y = pm.to_numpy(F.interpolate(pm.tensor(x), scale_factor=2, mode="bilinear"))
    rows, columns = np.nonzero(~np.isfinite(y[0, 0]))
    assert 0 < len(rows) <= 36
    assert min(rows.min(), columns.min()) >= 18
    assert max(rows.max(), columns.max()) <= 23


def test_former_names(rng):
    x = pm.tensor(rng.normal(size=(1, 2, 3, 4)))
    for found, expected in (
        (F.upsample(x, scale_factor=2), F.interpolate(x, scale_factor=2)),
        (F.upsample_nearest(x, 5), F.interpolate(x, 5)),
        (F.upsample_bilinear(x, 5), F.interpolate(x, 5, mode="bilinear", align_corners=True)),
    ):
        np.testing.assert_array_equal(pm.to_numpy(found), pm.to_numpy(expected))


@pytest.mark.any_engine
@pytest.mark.parametrize("axis", [-1, -2, -4])
@pytest.mark.parametrize("outputs", [3, 40, 150])
def test_the_kernel_of_numpy_gives_what_the_definition_gives(outputs, axis, rng):
    xp = load_backend("numpy").namespace
    shape = [2, 3, 2, 5]
    shape[axis] = 70
    for dtype in ("float32", "float64"):
        x = rng.normal(size=shape).astype(dtype)
        for mode in ("linear", "bicubic", "nearest"):
            found = taps(mode, 70, outputs, None, False, False, dtype)
            for x_, t in ((x, found), (xp.resample(x, axis=axis, taps=found), found.transposed)):
                y = xp.resample(x_, axis=axis, taps=t)
                expected = portable["resample"](xp, x_, axis=axis, taps=t)
                assert y.dtype == expected.dtype
                np.testing.assert_allclose(y, expected, atol=1e-4 if dtype == "float32" else 1e-12)


# ---------------------------------------------------------------------------------------------------------- layers


@pytest.mark.parametrize(
    ("name", "args", "more"),
    [
        ("Upsample", (), {"scale_factor": 2}),
        ("Upsample", ((7, 3),), {"mode": "bicubic"}),
        ("Upsample", (), {"scale_factor": (1.5, 2.0), "mode": "bilinear", "recompute_scale_factor": True}),
        ("UpsamplingNearest2d", (6,), {}),
        ("UpsamplingBilinear2d", (), {"scale_factor": 3}),
    ],
)
def test_layers_are_those_of_torch(name, args, more, rng):
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(nn, name)(*args, **more), getattr(torch.nn, name)(*args, **more)
    assert repr(ours) == repr(theirs)
    assert not ours.state_dict()
    x = rng.normal(size=(2, 2, 4, 3))
    compare(ours, theirs, x, second=False)
    assert ours.output_shape(x.shape) == tuple(theirs(torch.tensor(x)).shape)


@pytest.mark.parametrize(
    ("args", "more"),
    [
        ((), {}),
        ((3, 2), {}),
        ((3,), {"mode": "cubic"}),
        ((3,), {"align_corners": False}),
        ((3,), {"recompute_scale_factor": True}),
        ((3,), {"mode": "lanczos"}),
    ],
)
def test_wrong_arguments_fail_at_construction(args, more):
    with pytest.raises(ValueError, match=r"received|needs|meaning"):
        nn.Upsample(*args, **more)


def test_what_does_not_fit():
    x = pm.ones((1, 2, 3, 4))
    for how, match in (
        ({"size": 3, "mode": "linear"}, r"\(N, C, L\)"),
        ({"size": (3, 3, 3)}, "one entry"),
        ({"scale_factor": (2.0,)}, "one entry"),
        ({"size": 0}, "at least 1"),
        ({"scale_factor": 0.2}, "at least 1"),
    ):
        with pytest.raises(pm.ShapeError, match=match):
            F.interpolate(x, **how)
    with pytest.raises(TypeError, match="size must be"):
        F.interpolate(x, 2.5)
    with pytest.raises(ValueError, match="antialias"):
        F.interpolate(x, 3, antialias=True)
