"""Padding: the function and the layers against torch."""

from __future__ import annotations

import numpy as np
import pytest
from parity import compare

import polymod as pm
from polymod import nn
from polymod.nn import functional as F

each_mode = pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
pads = [(1, 2), (-1, 2), (2, -1), (-1, -1), (2, 0, 1, 1), (0, 0, 0, 2), (0, 1, 2, 0, 1, 1), (1, -1, 0, 2, -1, 0)]


@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.parametrize("pad", pads, ids=str)
@each_mode
def test_pad_is_that_of_torch(pad, mode, batch, rng):
    torch = pytest.importorskip("torch")
    x = rng.normal(size=(*(2,) * batch, 3, *(4, 3, 5)[: len(pad) // 2]))
    compare(lambda x: F.pad(x, pad, mode) ** 2, lambda x: torch.nn.functional.pad(x, pad, mode) ** 2, x)


@pytest.mark.parametrize(
    ("shape", "pad", "value"),
    [
        ((3, 4, 5), (1, 2), 3.5),
        ((3, 4, 5), (-1, -1), 2.0),
        ((3, 4, 5), (-1, 2, 1, -2), -1.0),
        ((3, 4, 5), (0, 0), None),
        ((3, 4, 5), (), None),
        ((3,), (1, 1), 1.0),
        ((2, 3, 2, 2), (1, 0, 0, 1, 1, 0, 0, 2), 0.5),
        ((0, 3), (1, 1), 2.0),
    ],
)
def test_constants(shape, pad, value, rng):
    torch = pytest.importorskip("torch")
    x = rng.normal(size=shape)
    compare(lambda x: F.pad(x, pad, value=value) ** 2, lambda x: torch.nn.functional.pad(x, pad, value=value) ** 2, x)


@each_mode
def test_an_empty_batch(mode):
    assert F.pad(pm.zeros((0, 2, 3)), (1, 2), mode).shape == (0, 2, 6)


def test_whole_numbers_and_booleans():
    torch = pytest.importorskip("torch")
    for host in (np.arange(3), np.array([True, False])):
        for value in (0, 1.5):
            y = F.pad(pm.tensor(host), (1, 2), value=value)
            t = torch.nn.functional.pad(torch.tensor(host), (1, 2), value=value)
            np.testing.assert_array_equal(pm.to_numpy(y), t.numpy())
            assert y.dtype.name == str(t.dtype).removeprefix("torch.")


@pytest.mark.parametrize(("mode", "numpys"), [("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")])
def test_any_number_of_axes(mode, numpys, rng):
    """Where torch pads the last axes only, or none, each axis is padded by itself, as NumPy does."""
    x = rng.normal(size=(3, 4, 3, 3, 2))
    pad = (1, 1, 2, 0, 0, 1, 1, 2, 2, 0)
    expected = np.pad(x, [pad[i : i + 2] for i in range(8, -1, -2)], mode=numpys)
    np.testing.assert_array_equal(pm.to_numpy(F.pad(pm.tensor(x), pad, mode)), expected)


def test_pad_refuses():
    x = pm.zeros((2, 3))
    for mode in ("reflect", "circular"):
        with pytest.raises(pm.ShapeError, match=rf"3 elements can't be padded by \(4, 0\) in mode '{mode}'"):
            F.pad(x, (4, 0), mode=mode)
    for mode in ("reflect", "replicate"):
        with pytest.raises(pm.ShapeError, match="0 elements"):
            F.pad(pm.zeros((2, 0)), (1, 0), mode=mode)
    with pytest.raises(pm.ShapeError, match="pad names 3 axes"):
        F.pad(x, (1, 1, 1, 1, 1, 1))
    with pytest.raises(pm.ShapeError, match="takes away more"):
        F.pad(x, (-2, -2))
    with pytest.raises(ValueError, match="mode must be one of"):
        F.pad(x, (1, 1), mode="mirror")
    with pytest.raises(ValueError, match="takes no value"):
        F.pad(x, (1, 1), mode="reflect", value=1.0)
    for pad in ((1, 1, 1), (1.0, 1.0), 1, "same"):
        with pytest.raises(ValueError, match="pairs"):
            F.pad(x, pad)


# ------------------------------------------------------------------------------------------------------- layers

kinds = ["ConstantPad", "ZeroPad", "ReflectionPad", "ReplicationPad", "CircularPad"]


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kind", kinds)
def test_layers_are_those_of_torch(kind, axes, rng):
    torch = pytest.importorskip("torch")
    name = f"{kind}{axes}d"
    more = (2.5,) if kind == "ConstantPad" else ()
    for padding in (1, tuple(range(2 * axes)), (-1, 2) * axes):
        layer, reference = getattr(nn, name)(padding, *more), getattr(torch.nn, name)(padding, *more)
        assert repr(layer) == repr(reference)
        x = rng.normal(size=(2, 3, 6, 5, 6)[: axes + 2])
        for host in (x, x[0]):
            compare(lambda x, m=layer: m(x) ** 2, lambda x, m=reference: m(x) ** 2, host)
        assert layer.output_shape(x.shape) == tuple(reference(torch.tensor(x)).shape)


@pytest.mark.parametrize("kind", kinds)
def test_layers_refuse(kind):
    cls, more = getattr(nn, f"{kind}2d"), (1.0,) if kind == "ConstantPad" else ()
    for padding, error in (((1, 1), ValueError), ((1,) * 6, ValueError), (1.5, TypeError), ("same", TypeError)):
        with pytest.raises(error, match="padding must be an integer or 4"):
            cls(padding, *more)
    if kind not in ("ConstantPad", "ZeroPad"):
        for shape in ((5, 5), (1, 2, 3, 5, 5)):
            with pytest.raises(pm.ShapeError, match=f"{kind}2d expects an input with 3 or 4 axes"):
                cls(1)(pm.zeros(shape))
