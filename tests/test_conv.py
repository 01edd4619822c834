"""Convolution: functions and layers against torch, finite differences and the portable definition."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from against import TOLERANCE, against_differences, against_torch, assert_close
from parity import compare

import polymod as pm
from polymod import nn
from polymod.backend import portable
from polymod.nn import functional as F
from polymod.rules import convolution

both_dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])

# spatial axes of the input, channels in, channels out, kernel, arguments
cases = {
    "plain": ((6, 5), 3, 4, (3, 3), {}),
    "pointwise": ((4, 5), 3, 4, (1, 1), {}),
    "padded": ((6, 5), 2, 3, (3, 2), {"padding": (2, 1)}),
    "padded beyond the kernel": ((3, 3), 2, 3, (2, 1), {"padding": 4}),
    "strided": ((7, 8), 2, 3, (3, 3), {"stride": (2, 3), "padding": 1}),
    "strided, gaps": ((9, 7), 2, 3, (2, 1), {"stride": 3}),
    "strided pointwise": ((5, 6), 2, 3, (1, 1), {"stride": 2}),
    "dilated": ((9, 8), 2, 3, (3, 2), {"dilation": (2, 3), "padding": 2}),
    "dilated, strided": ((9, 8), 2, 4, (3, 2), {"dilation": 2, "stride": 2, "padding": 1}),
    "groups": ((5, 5), 4, 6, (3, 3), {"groups": 2, "padding": 1}),
    "depthwise": ((5, 5), 4, 8, (3, 3), {"groups": 4, "stride": 2}),
    "same": ((6, 5), 2, 3, (3, 2), {"padding": "same"}),
    "same, dilated": ((6, 5), 2, 3, (4, 3), {"padding": "same", "dilation": 2}),
    "valid": ((6, 5), 2, 3, (3, 2), {"padding": "valid"}),
    "kernel as large as the input": ((4, 3), 2, 3, (4, 3), {}),
    "1 axis": ((9,), 2, 4, (3,), {"stride": 2, "padding": 1, "groups": 2}),
    "3 axes": ((4, 5, 3), 2, 3, (2, 3, 2), {"stride": (1, 2, 1), "padding": (1, 0, 1)}),
    "many channels": ((8, 9), 32, 48, (3, 3), {"padding": 1}),
    "odd sizes, many channels": ((7, 5), 20, 17, (3, 3), {}),
}
each_case = pytest.mark.parametrize("case", list(cases))


def arrays(case: str, rng: np.random.Generator, batch: int = 2) -> tuple[list[np.ndarray], dict]:
    spatial, c, o, kernel, how = cases[case]
    x = rng.normal(size=(batch, c, *spatial))
    weight = rng.normal(size=(o, c // how.get("groups", 1), *kernel))
    return [x, weight, rng.normal(size=o)], how


@both_dtypes
@each_case
def test_values_and_derivatives_are_those_of_torch(case, dtype, rng):
    torch = pytest.importorskip("torch")
    inputs, how = arrays(case, rng)
    name = f"conv{inputs[0].ndim - 2}d"
    scale = np.sqrt(inputs[1][0].size)  # so that results are of the order of 1 in every case
    inputs[1] = inputs[1] / scale
    against_torch(
        lambda *xs: getattr(F, name)(*xs, **how),
        lambda *ts: getattr(torch.nn.functional, name)(*ts, **how),
        inputs,
        dtype,
        rng,
    )


@pytest.mark.parametrize("case", ["padded", "strided", "dilated, strided", "groups", "same", "1 axis"])
def test_derivatives_are_those_of_finite_differences(case, rng):
    inputs, how = arrays(case, rng)
    name = f"conv{inputs[0].ndim - 2}d"
    against_differences(lambda *xs: getattr(F, name)(*xs, **how), inputs, rng)


def test_without_bias_and_without_batch(rng):
    torch = pytest.importorskip("torch")
    x, w = rng.normal(size=(2, 5, 6)), rng.normal(size=(3, 2, 3, 3))
    against_torch(F.conv2d, torch.nn.functional.conv2d, [x, w], "float64", rng)


@pytest.mark.parametrize("case", ["plain", "strided, gaps", "groups", "dilated, strided", "same"])
def test_transposes_are_transposes(case, rng, engine):
    """<conv(x, w), g> = <x, conv_input_back(g, w)> = <w, conv_weight_back(x, g)>, in the portable definitions and in
    the engine's kernels."""
    (x, w, _), how = arrays(case, rng)
    n = x.ndim - 2
    stride, dilation = (F.conv.per_axis(how.get(k, 1), n, k, 1) for k in ("stride", "dilation"))
    pads = F.conv.padding_pairs(how.get("padding", 0), w.shape[2:], stride, dilation)
    attrs = {"stride": stride, "padding": pads, "dilation": dilation, "groups": how.get("groups", 1)}
    xp = engine.backend.namespace
    dx, dw = (pm.tensor(v).array for v in (x, w))

    for kind in ("portable", "engine"):

        def call(name, *args, kind=kind, **more):
            run = portable[name] if kind == "portable" else getattr(xp, name)
            return run(*((xp,) if kind == "portable" else ()), *args, **more)

        y = call("conv", dx, dw, **attrs)
        g = rng.normal(size=y.shape)
        dg = pm.tensor(g).array
        total = float((pm.to_numpy(y) * g).sum())
        back = pm.to_numpy(call("conv_input_back", dg, dw, size=x.shape[2:], **attrs))
        assert float((back * x).sum()) == pytest.approx(total, rel=1e-10)
        back = pm.to_numpy(call("conv_weight_back", dx, dg, size=w.shape[2:], **attrs))
        assert float((back * w).sum()) == pytest.approx(total, rel=1e-10)


def test_the_transpose_with_uneven_padding(rng, engine):
    """Here the spread-out cotangent is as large as the cotangent, but moved by one."""
    x, w = (pm.tensor(rng.normal(size=s)).array for s in ((1, 2, 5), (3, 2, 3)))
    attrs = {"stride": (1,), "padding": ((1, 3),), "dilation": (1,), "groups": 1}
    xp = engine.backend.namespace
    y = pm.to_numpy(xp.conv(x, w, **attrs))
    g = rng.normal(size=y.shape)
    for back in (xp.conv_input_back, lambda *args, **how: portable["conv_input_back"](xp, *args, **how)):
        dx = pm.to_numpy(back(pm.tensor(g).array, w, size=(5,), **attrs))
        assert float((dx * pm.to_numpy(x)).sum()) == pytest.approx(float((y * g).sum()), rel=1e-10)


def test_a_large_batch_is_taken_in_parts(rng, engine, monkeypatch):
    """The portable definition gives the same whether its columns fit into memory at once or not."""
    (x, w, b), _ = arrays("padded", rng, batch=5)
    attrs = {"stride": (1, 1), "padding": ((2, 2), (1, 1)), "dilation": (1, 1), "groups": 1}
    xp = engine.backend.namespace
    xs = [pm.tensor(v).array for v in (x, w, b)]
    whole = pm.to_numpy(portable["conv"](xp, *xs, **attrs))
    g = pm.tensor(rng.normal(size=whole.shape)).array
    back = pm.to_numpy(portable["conv_weight_back"](xp, xs[0], g, size=(3, 2), **attrs))
    one_image = 8 * x[0].size * 6
    for limit in (1, 2 * one_image + 2000):
        monkeypatch.setattr(convolution, "COLUMN_BYTES", limit)
        assert_close(pm.to_numpy(portable["conv"](xp, *xs, **attrs)), whole, 1e-12, "in parts")
        parts = portable["conv_weight_back"](xp, xs[0], g, size=(3, 2), **attrs)
        assert_close(pm.to_numpy(parts), back, 1e-12, "weight, in parts")


@pytest.mark.parametrize("batch", [1, 3, 70])
def test_kernels_agree_with_the_portable_definition_at_any_batch(batch, rng, engine):
    (x, w, b), _ = arrays("many channels", rng, batch)
    attrs = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    xp = engine.backend.namespace
    for dtype in TOLERANCE:
        xs = [pm.tensor(v.astype(dtype)).array for v in (x, w, b)]
        y = pm.to_numpy(xp.conv(*xs, **attrs))
        assert_close(y, pm.to_numpy(portable["conv"](xp, *xs, **attrs)), TOLERANCE[dtype], "conv")
        g = pm.tensor(rng.normal(size=y.shape).astype(dtype)).array
        for name, args, size in (("conv_input_back", (g, xs[1]), (8, 9)), ("conv_weight_back", (xs[0], g), (3, 3))):
            found = getattr(xp, name)(*args, size=size, **attrs)
            expected = portable[name](xp, *args, size=size, **attrs)
            assert_close(pm.to_numpy(found), pm.to_numpy(expected), TOLERANCE[dtype], name)


def test_an_empty_batch(engine):
    y = F.conv2d(pm.zeros((0, 2, 5, 5)), pm.ones((3, 2, 3, 3)), pm.ones(3), padding=1)
    assert y.shape == (0, 3, 5, 5)


@pytest.mark.parametrize(
    ("x", "w", "more", "says"),
    [
        ((2, 3, 8, 8), (6, 4, 3, 3), {}, "3 channels, the weight expects 4"),
        ((2, 3, 8, 8), (6, 1, 3, 3), {"groups": 2}, "the weight expects 2"),
        ((2, 4, 8, 8), (5, 2, 3, 3), {"groups": 2}, "5 output channels"),
        ((2, 3, 2, 8), (6, 3, 3, 3), {}, r"reaches over \(3, 3\)"),
        ((8, 8), (6, 3, 3, 3), {}, "3 or 4 axes"),
        ((2, 3, 8, 8), (6, 3, 3), {}, r"weight with 4 axes.*\(6, 3, 3\)"),
    ],
)
def test_shapes_that_do_not_fit(x, w, more, says):
    with pytest.raises(pm.ShapeError, match=says):
        F.conv2d(pm.zeros(x), pm.zeros(w), **more)


def test_a_wrong_bias():
    with pytest.raises(pm.ShapeError, match=r"bias of shape \(6,\).*\(5,\)"):
        F.conv2d(pm.zeros((1, 3, 8, 8)), pm.zeros((6, 3, 3, 3)), pm.zeros(5))


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(pm.ShapeError) as raised:
        F.conv2d(pm.zeros((1, 3, 2, 2)), pm.zeros((6, 4, 3, 3)), pm.zeros(5))
    assert all(part in str(raised.value) for part in ("channels", "reaches over", "bias"))


def test_a_list_of_one_number_is_for_all_axes(rng):
    x, w = pm.tensor(rng.normal(size=(1, 2, 7, 7))), pm.tensor(rng.normal(size=(3, 2, 3, 3)))
    y = F.conv2d(x, w, stride=[2], padding=(1,), dilation=np.int64(1))
    np.testing.assert_array_equal(pm.to_numpy(y), pm.to_numpy(F.conv2d(x, w, stride=2, padding=1)))


def test_conv_tbc_is_that_of_torch(rng):
    torch = pytest.importorskip("torch")
    x, w, b = rng.normal(size=(7, 2, 3)), rng.normal(size=(3, 3, 4)), rng.normal(size=4)
    for pad in (0, 2):
        compare(lambda *a, p=pad: F.conv_tbc(*a, p), lambda *a, p=pad: torch.conv_tbc(*a, p), x, w, b)
    with pytest.raises(pm.ShapeError, match="conv_tbc"):
        F.conv_tbc(pm.zeros((7, 2, 3)), pm.zeros((3, 4, 4)), pm.zeros(4))


@pytest.mark.parametrize("size", ["small", "large"])
def test_complex_numbers(size, rng):
    torch = pytest.importorskip("torch")
    x_shape, w_shape = {"small": ((2, 4, 6), (6, 2, 3)), "large": ((2, 64, 40), (64, 32, 3))}[size]
    x, w = (rng.normal(size=s) + 1j * rng.normal(size=s) for s in (x_shape, w_shape))
    xs, ts = [pm.tensor(v, requires_grad=True) for v in (x, w)], [torch.tensor(v, requires_grad=True) for v in (x, w)]
    y, t = F.conv1d(*xs, padding=1, groups=2), torch.nn.functional.conv1d(*ts, padding=1, groups=2)
    assert_close(pm.to_numpy(y), t.detach().numpy(), 1e-12, "value")
    abs(y).sum().backward()
    abs(t).sum().backward()
    for a, b in zip(xs, ts, strict=True):
        assert_close(pm.to_numpy(a.grad), b.grad.numpy(), 1e-12, "gradient")


# ------------------------------------------------------------------------------------------------------- layers


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", [1, (2, 1), "same"])
def test_layer_is_that_of_torch(mode, padding, rng):
    torch = pytest.importorskip("torch")
    args = {"padding": padding, "padding_mode": mode, "dilation": (1, 2), "groups": 2}
    layer = nn.Conv2d(4, 6, (3, 2), dtype=pm.float64, **args)
    reference = torch.nn.Conv2d(4, 6, (3, 2), dtype=torch.float64, **args)
    assert repr(layer) == repr(reference)
    assert {k: v.shape for k, v in layer.state_dict().items()} == {
        k: tuple(v.shape) for k, v in reference.state_dict().items()
    }
    layer.load_state_dict({k: v.numpy() for k, v in reference.state_dict().items()})
    x = rng.normal(size=(2, 4, 6, 7))
    against_torch(layer, reference, [x], "float64", rng)
    y, t = layer(pm.tensor(x)), reference(torch.tensor(x))
    (y * y).sum().backward()
    (t * t).sum().backward()
    for name in ("weight", "bias"):
        found, expected = getattr(layer, name).grad, getattr(reference, name).grad
        assert_close(pm.to_numpy(found), expected.numpy(), 1e-9, name)


@pytest.mark.parametrize(
    "args",
    [
        (3, 4, 3),
        (3, 4, 3, 2, 1),
        (4, 4, 3, 1, 0, 2, 2, False),
        (3, 4, 3, 1, "same"),
        (3, 4, 3, 1, "valid"),
    ],
)
def test_repr_is_that_of_torch(args):
    torch = pytest.importorskip("torch")
    assert repr(nn.Conv2d(*args)) == repr(torch.nn.Conv2d(*args))


def test_initial_values_are_distributed_as_in_torch():
    """Uniform in +-1 / sqrt(fan_in): the range is kept and filled, with the variance of a uniform distribution."""
    layer = nn.Conv2d(16, 64, 3, groups=2)
    bound = 1 / np.sqrt(8 * 9)
    for values in (pm.to_numpy(layer.weight), pm.to_numpy(layer.bias)):
        assert np.abs(values).max() <= bound
        assert np.abs(values).max() > 0.9 * bound
        assert np.var(values) == pytest.approx(bound**2 / 3, rel=0.4 if values.ndim == 1 else 0.05)


def test_channels_are_found_at_the_first_call():
    layer = nn.Conv2d(None, 6, 3, groups=2)
    assert "None, 6" in repr(layer)
    parameters = list(layer.parameters())
    with pytest.raises(pm.ShapeError, match="can't be divided"):
        layer(pm.zeros((1, 5, 8, 8)))
    with pytest.raises(pm.ShapeError, match="3 or 4 axes"):
        layer(pm.zeros((8, 8)))
    assert layer.in_channels is None
    assert layer(pm.zeros((1, 4, 8, 8))).shape == (1, 6, 6, 6)
    assert layer.in_channels == 4
    assert layer.weight.shape == (6, 2, 3, 3)
    assert all(a is b for a, b in zip(parameters, layer.parameters(), strict=True))
    assert float(abs(layer.weight).max()) > 0
    with pytest.raises(pm.ShapeError, match="6 channels"):
        layer(pm.zeros((1, 6, 8, 8)))


def test_channels_are_found_from_a_loaded_state():
    source, layer = nn.Conv2d(4, 6, 3), nn.Conv2d(None, 6, 3)
    layer.load_state_dict(source.state_dict())
    x = pm.ones((1, 4, 5, 5))
    np.testing.assert_array_equal(pm.to_numpy(layer(x).detach()), pm.to_numpy(source(x).detach()))
    assert layer.in_channels == 4


def test_device_and_dtype(engine):
    layer = nn.Conv2d(2, 3, 3, device=engine, dtype=pm.float64)
    assert layer.weight.dtype == layer.bias.dtype == pm.float64
    assert layer.weight.device == engine
    assert nn.Conv2d(2, 3, 3).weight.dtype == pm.float32


@pytest.mark.parametrize(
    ("args", "more", "error"),
    [
        ((3, 4, 0), {}, ValueError),
        ((3, 4, (3, 3, 3)), {}, ValueError),
        ((3, 4, 3.0), {}, TypeError),
        ((3, 4, 3), {"stride": 0}, ValueError),
        ((3, 4, 3), {"padding": -1}, ValueError),
        ((3, 4, 3), {"padding": "full"}, ValueError),
        ((3, 4, 3), {"padding": "same", "stride": 2}, ValueError),
        ((3, 4, 3), {"groups": 2}, ValueError),
        ((4, 5, 3), {"groups": 2}, ValueError),
        ((0, 4, 3), {}, ValueError),
        ((3, 4, 3), {"padding_mode": "mirror"}, ValueError),
    ],
)
def test_wrong_arguments_fail_at_construction(args, more, error):
    with pytest.raises(error):
        nn.Conv2d(*args, **more)


def test_other_numbers_of_axes():
    assert nn.Conv1d(2, 3, 3, padding=1)(pm.zeros((4, 2, 7))).shape == (4, 3, 7)
    assert nn.Conv3d(None, 3, 2)(pm.zeros((1, 2, 4, 4, 4))).shape == (1, 3, 3, 3, 3)


def test_shapes_without_data():
    assert nn.Conv2d(None, 6, 3, stride=2, padding=1).output_shape((2, 3, 9, 9)) == (2, 6, 5, 5)


@pytest.mark.parametrize("lazy", [nn.LazyConv1d, nn.LazyConv2d, nn.LazyConv3d])
def test_lazy_layers_become_plain_ones(lazy):
    layer = lazy(6, 3, 2, groups=2, bias=False)
    axes = layer.axes
    plain = getattr(nn, f"Conv{axes}d")
    assert isinstance(layer, plain)
    layer(pm.zeros((2, 4, *(5,) * axes)))
    assert type(layer) is plain
    assert repr(layer) == repr(plain(4, 6, 3, 2, groups=2, bias=False))
    assert type(pickle.loads(pickle.dumps(lazy(6, 3)))) is lazy
