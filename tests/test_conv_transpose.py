"""Transposed convolution against torch, finite differences and the convolution that it transposes."""

from __future__ import annotations

import numpy as np
import pytest
from against import against_differences
from parity import compare, compare_layers

import polymod as pm
from polymod import nn
from polymod.nn import functional as F

# spatial axes of the input, channels in, channels out, kernel, arguments
cases = {
    "plain": ((4, 5), 3, 4, (3, 2), {}),
    "padded": ((4, 5), 2, 3, (3, 4), {"padding": (1, 2)}),
    "padded beyond the kernel": ((6, 5), 2, 3, (2, 1), {"padding": 2}),
    "strided": ((4, 3), 2, 3, (3, 3), {"stride": (2, 3), "padding": 1}),
    "output padding": ((4, 3), 2, 3, (3, 3), {"stride": (2, 3), "padding": 1, "output_padding": (1, 2)}),
    "gaps": ((4, 3), 2, 3, (2, 1), {"stride": 3}),
    "dilated": ((4, 3), 2, 3, (3, 2), {"dilation": (2, 3), "padding": 1}),
    "output padding as large as the stride": ((4, 3), 2, 3, (3, 2), {"dilation": 3, "padding": 1, "output_padding": 1}),
    "output padding beyond all kernels": ((4,), 2, 3, (3,), {"stride": 2, "dilation": 4, "output_padding": 3}),
    "output padding cut in part": ((4,), 2, 3, (3,), {"stride": 2, "dilation": 4, "padding": 1, "output_padding": 3}),
    "groups": ((3, 3), 4, 6, (3, 3), {"groups": 2, "stride": 2}),
    "depthwise": ((3, 3), 4, 8, (3, 3), {"groups": 4}),
    "1 axis": ((5,), 2, 4, (3,), {"stride": 2, "padding": 1, "groups": 2}),
    "3 axes": ((2, 3, 2), 2, 3, (2, 3, 2), {"stride": (1, 2, 1), "padding": (1, 0, 1)}),
}


def arrays(case: str, rng: np.random.Generator) -> tuple[str, list[np.ndarray], dict]:
    spatial, c, o, kernel, how = cases[case]
    weight = rng.normal(size=(c, o // how.get("groups", 1), *kernel))
    return f"conv_transpose{len(spatial)}d", [rng.normal(size=(2, c, *spatial)), weight, rng.normal(size=o)], how


@pytest.mark.parametrize("case", list(cases))
def test_values_and_derivatives_are_those_of_torch(case, rng):
    torch = pytest.importorskip("torch")
    name, inputs, how = arrays(case, rng)
    compare(
        lambda *xs: getattr(F, name)(*xs, **how), lambda *ts: getattr(torch.nn.functional, name)(*ts, **how), *inputs
    )


@pytest.mark.parametrize("case", ["output padding", "output padding cut in part", "groups"])
def test_derivatives_are_those_of_finite_differences(case, rng):
    name, inputs, how = arrays(case, rng)
    against_differences(lambda *xs: getattr(F, name)(*xs, **how), inputs, rng)


def test_it_is_the_transpose_of_the_convolution(rng):
    x, w = pm.tensor(rng.normal(size=(2, 3, 7, 8))), pm.tensor(rng.normal(size=(4, 3, 3, 2)))
    y = F.conv2d(x, w, stride=2, padding=1)
    g = pm.tensor(rng.normal(size=y.shape))
    back = F.conv_transpose2d(g, w, stride=2, padding=1, output_padding=(0, 0))
    assert back.shape == x.shape
    assert float((back * x).sum()) == pytest.approx(float((y * g).sum()), rel=1e-10)


@pytest.mark.parametrize("batched", [True, False])
def test_output_size(batched, rng):
    torch = pytest.importorskip("torch")
    args = (4, 6, 3, (2, 3), 1)
    layer, reference = nn.ConvTranspose2d(*args, groups=2), torch.nn.ConvTranspose2d(*args, groups=2)
    assert repr(layer) == repr(reference)
    x = rng.normal(size=(2, 4, 3, 3) if batched else (4, 3, 3))
    channels = (2, 6) if batched else (6,)
    for size in ((5, 7), (6, 9), (*channels, 5, 8)):
        compare_layers(layer, reference, x, call=lambda m, x, s=size: m(x, output_size=s))
        assert layer(pm.tensor(x), size).shape == (*channels, *size[-2:])
    for size in ((4, 7), (5, 10), (5,), (1, 2, 6, 5, 7)):
        with pytest.raises(ValueError, match=r"from \(5, 7\) to \(6, 9\)"):
            layer(pm.tensor(x), size)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_layers_are_those_of_torch(axes, rng):
    torch = pytest.importorskip("torch")
    name, args = f"ConvTranspose{axes}d", (4, 6, 3, 2, 1, 1, 2, False, 2)
    layer, reference = getattr(nn, name)(*args), getattr(torch.nn, name)(*args)
    assert repr(layer) == repr(reference)
    x = rng.normal(size=(2, 4, 3, 2, 3)[: axes + 2])
    compare_layers(layer, reference, x)
    assert layer.output_shape(x.shape) == tuple(reference(torch.tensor(x)).shape)
    lazy = getattr(nn, f"Lazy{name}")(*args[1:])
    assert lazy(pm.tensor(x)).shape == layer(pm.tensor(x)).shape
    assert type(lazy) is getattr(nn, name)
    assert repr(lazy) == repr(layer)


def test_initial_values_are_distributed_as_in_torch():
    layer = nn.ConvTranspose2d(8, 64, 3, groups=2)
    bound = 1 / np.sqrt(32 * 9)
    values = pm.to_numpy(layer.weight)
    assert 0.9 * bound < np.abs(values).max() <= bound
    assert 0 < np.abs(pm.to_numpy(layer.bias)).max() <= bound


@pytest.mark.parametrize(
    ("x", "w", "more", "says"),
    [
        ((2, 3, 8, 8), (4, 6, 3, 3), {}, "3 channels, the weight expects 4"),
        ((2, 3, 8, 8), (3, 6, 3, 3), {"groups": 2}, "3 input channels can't be divided"),
        ((2, 3, 2, 2), (3, 6, 3, 3), {"padding": 2}, r"the size \(0, 0\)"),
        ((8, 8), (3, 6, 3, 3), {}, "3 or 4 axes"),
        ((2, 3, 8, 8), (3, 6, 3), {}, r"weight with 4 axes.*\(3, 6, 3\)"),
        ((2, 3, 8, 8), (3, 6, 3, 3), {"bias": 5}, r"bias of shape \(6,\)"),
    ],
)
def test_shapes_that_do_not_fit(x, w, more, says):
    more = {k: pm.zeros(v) if k == "bias" else v for k, v in more.items()}
    with pytest.raises(pm.ShapeError, match=says):
        F.conv_transpose2d(pm.zeros(x), pm.zeros(w), **more)


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"output_padding": 1}, ValueError),
        ({"output_padding": 2, "stride": 2, "dilation": 2}, ValueError),
        ({"output_padding": -1}, ValueError),
        ({"padding": "same"}, TypeError),
        ({"padding_mode": "reflect"}, ValueError),
        ({"groups": 3}, ValueError),
    ],
)
def test_wrong_arguments_fail_at_construction(more, error):
    with pytest.raises(error):
        nn.ConvTranspose2d(4, 6, 3, **more)
