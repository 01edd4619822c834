"""Pixels and channels in other places, exactly as torch puts them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import compare, compare_layers

import polymod as pm
from polymod import nn
from polymod.nn import functional as F


def theirs() -> Any:
    return pytest.importorskip("torch").nn


@pytest.mark.parametrize("r", [1, 2, 3])
@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_pixel_shuffle_and_back_as_torch(r: int, batch: tuple, rng: np.random.Generator):
    x = rng.normal(size=(*batch, 2 * r * r, 3, 4))
    compare(lambda v: F.pixel_shuffle(v, r), lambda v: theirs().functional.pixel_shuffle(v, r), x)
    compare_layers(nn.PixelShuffle(r), theirs().PixelShuffle(r), x)
    y = rng.normal(size=(*batch, 2, 3 * r, 4 * r))
    compare(lambda v: F.pixel_unshuffle(v, r), lambda v: theirs().functional.pixel_unshuffle(v, r), y)
    compare_layers(nn.PixelUnshuffle(r), theirs().PixelUnshuffle(r), y)
    whole = pm.asarray(np.arange(y.size).reshape(y.shape))
    whole = whole.to_device(pm.current_device())
    np.testing.assert_array_equal(
        pm.to_numpy(F.pixel_shuffle(F.pixel_unshuffle(whole, r), r)), np.arange(y.size).reshape(y.shape)
    )


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
@pytest.mark.parametrize("shape", [(2, 6, 3), (2, 6, 3, 4), (1, 6, 2, 2, 2), (0, 6, 3)])
def test_channel_shuffle_as_torch(groups: int, shape: tuple, rng: np.random.Generator):
    x = rng.normal(size=shape)
    compare(lambda v: F.channel_shuffle(v, groups), lambda v: theirs().functional.channel_shuffle(v, groups), x)
    compare_layers(nn.ChannelShuffle(groups), theirs().ChannelShuffle(groups), x)
    if 0 not in shape:
        expected = theirs().functional.native_channel_shuffle(pytest.importorskip("torch").tensor(x), groups).numpy()
        np.testing.assert_array_equal(pm.to_numpy(F.native_channel_shuffle(pm.tensor(x), groups)), expected)


@pytest.mark.parametrize("name", ["PixelShuffle", "PixelUnshuffle", "ChannelShuffle"])
def test_modules(name: str):
    ours = getattr(nn, name)(2)
    assert repr(ours) == repr(getattr(theirs(), name)(2))
    shape = ours.output_shape((3, 4, 6, 8))
    assert shape == tuple(getattr(theirs(), name)(2)(pytest.importorskip("torch").ones((3, 4, 6, 8))).shape)
    for bad, error in ((0, ValueError), (1.5, TypeError), ("2", TypeError)):
        with pytest.raises(error, match=r"factor|groups"):
            getattr(nn, name)(bad)


def test_empty_batches():
    x = pm.zeros((2, 0, 8, 3, 4), requires_grad=True)
    y = F.pixel_shuffle(x, 2)
    assert y.shape == (2, 0, 2, 6, 8) and F.pixel_unshuffle(y, 2).shape == x.shape
    y.sum().backward()
    assert x.grad.shape == x.shape


def test_errors():
    for call, said in (
        (lambda: F.pixel_shuffle(pm.ones((6, 2, 2)), 2), r"C a multiple of 4; received shape \(6, 2, 2\)"),
        (lambda: F.pixel_shuffle(pm.ones((4, 2)), 2), r"expects \(\*, C, H, W\)"),
        (lambda: F.pixel_unshuffle(pm.ones((1, 2, 3)), 2), r"multiples of 2; received shape \(1, 2, 3\)"),
        (lambda: F.channel_shuffle(pm.ones((1, 5, 3)), 2), r"C a multiple of 2; received shape \(1, 5, 3\)"),
        (lambda: F.channel_shuffle(pm.ones((2, 4)), 2), r"expects \(N, C, \*\)"),
    ):
        with pytest.raises(pm.ShapeError, match=said):
            call()
    for function in (F.pixel_shuffle, F.pixel_unshuffle, F.channel_shuffle):
        with pytest.raises(ValueError, match="must be positive, received 0"):
            function(pm.ones((1, 4, 2, 2)), 0)
