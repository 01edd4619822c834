"""Pooling: functions and layers against torch, finite differences and the portable definition."""

from __future__ import annotations

import numpy as np
import pytest
from against import against_differences, against_torch, assert_close

import polymod as pm
from polymod import nn
from polymod.backend import portable
from polymod.nn import functional as F
from polymod.rules import primitives

both_dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])
windows = {
    "apart": {"kernel_size": 2},
    "overlapping": {"kernel_size": 3, "stride": 2, "padding": 1},
    "dense": {"kernel_size": (2, 3), "stride": 1, "padding": (1, 0)},
    "with gaps": {"kernel_size": (1, 2), "stride": (3, 4)},
    "overhanging": {"kernel_size": (3, 2), "stride": (2, 3), "padding": 1, "ceil_mode": True},
    "overhanging, apart": {"kernel_size": 2, "ceil_mode": True},
    "overhanging into the padding": {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True},
}
each_window = pytest.mark.parametrize("window", list(windows))


def distinct(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Values in random order, 0.1 apart, so that small steps change no maximum."""
    return 0.1 * rng.permutation(float(np.prod(shape)) - 2.0 * np.arange(np.prod(shape))).reshape(shape)


@both_dtypes
@each_window
def test_max_pool_is_that_of_torch(window, dtype, rng):
    torch = pytest.importorskip("torch")
    how = windows[window]
    for x in (rng.normal(size=(2, 3, 7, 9)), np.round(rng.normal(size=(2, 3, 7, 9)))):  # with ties
        against_torch(
            lambda x: F.max_pool2d(x, **how) ** 2,
            lambda x: torch.nn.functional.max_pool2d(x, **how) ** 2,
            [x],
            dtype,
            rng,
        )


@pytest.mark.parametrize("more", [{"dilation": 2}, {"dilation": (3, 2), "padding": 1, "stride": (1, 2)}])
def test_dilated_max_pool(more, rng):
    torch = pytest.importorskip("torch")
    x = np.round(2 * rng.normal(size=(2, 2, 8, 9)))
    against_torch(
        lambda x: F.max_pool2d(x, 3, **more) ** 2,
        lambda x: torch.nn.functional.max_pool2d(x, 3, **more) ** 2,
        [x],
        "float64",
        rng,
    )


@each_window
def test_positions_are_those_of_torch(window, rng):
    torch = pytest.importorskip("torch")
    x = np.round(rng.normal(size=(2, 3, 7, 9)))
    y, positions = F.max_pool2d(pm.tensor(x), return_indices=True, **windows[window])
    t, expected = torch.nn.functional.max_pool2d(torch.tensor(x), return_indices=True, **windows[window])
    assert positions.dtype == pm.int64
    np.testing.assert_array_equal(pm.to_numpy(positions), expected.numpy())
    np.testing.assert_array_equal(pm.to_numpy(y), t.numpy())


def test_nan_is_the_maximum_and_gets_the_gradient(rng):
    torch = pytest.importorskip("torch")
    x = rng.normal(size=(1, 1, 4, 6))
    x[0, 0, 1, 1] = x[0, 0, 0, 4] = x[0, 0, 1, 4] = np.nan
    a, t = pm.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, s = F.max_pool2d(a, 2), torch.nn.functional.max_pool2d(t, 2)
    np.testing.assert_array_equal(pm.to_numpy(y), s.detach().numpy())
    y.backward(pm.ones_like(y.detach()))
    s.backward(torch.ones_like(s))
    np.testing.assert_array_equal(pm.to_numpy(a.grad), t.grad.numpy())


def test_an_infinite_cotangent_stays_where_it_belongs():
    x = pm.tensor(np.arange(8.0).reshape(1, 1, 2, 4), requires_grad=True)
    F.max_pool2d(x, 2).backward(pm.tensor(np.asarray([[[[np.inf, 1.0]]]])))
    np.testing.assert_array_equal(pm.to_numpy(x.grad), [[[[0, 0, 0, 0], [0, np.inf, 0, 1]]]])


@both_dtypes
@each_window
@pytest.mark.parametrize("more", [{}, {"count_include_pad": False}, {"divisor_override": 3}])
def test_avg_pool_is_that_of_torch(window, more, dtype, rng):
    torch = pytest.importorskip("torch")
    how = windows[window] | more
    against_torch(
        lambda x: F.avg_pool2d(x, **how) ** 2,
        lambda x: torch.nn.functional.avg_pool2d(x, **how) ** 2,
        [rng.normal(size=(2, 3, 7, 9))],
        dtype,
        rng,
    )


@both_dtypes
@pytest.mark.parametrize("size", [1, (2, 3), (None, 4), (3, None), (6, 8), (4, 5), (9, 10)])
def test_adaptive_avg_pool_is_that_of_torch(size, dtype, rng):
    torch = pytest.importorskip("torch")
    reference = torch.nn.AdaptiveAvgPool2d(size)
    against_torch(
        lambda x: F.adaptive_avg_pool2d(x, size) ** 2,
        lambda x: reference(x) ** 2,
        [rng.normal(size=(2, 3, 6, 8))],
        dtype,
        rng,
    )


@pytest.mark.parametrize("window", ["overlapping", "overhanging"])
def test_derivatives_are_those_of_finite_differences(window, rng):
    x = distinct(rng, 2, 2, 5, 6)
    against_differences(lambda x: F.max_pool2d(x, **windows[window]) ** 3, [x], rng)
    against_differences(lambda x: F.avg_pool2d(x, **windows[window]) ** 3, [x], rng)
    against_differences(lambda x: F.adaptive_avg_pool2d(x, (2, 4)) ** 3, [x], rng)


@pytest.mark.parametrize("function", [F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d])
def test_without_batch(function, rng):
    x = pm.tensor(rng.normal(size=(3, 6, 4)))
    np.testing.assert_array_equal(pm.to_numpy(function(x, 2)), pm.to_numpy(function(x[None], 2))[0])


@pytest.mark.parametrize("name", ["max_pool", "max_pool_back", "sum_pool", "sum_pool_back"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_kernels_agree_with_the_portable_definition(name, axes, rng, engine):
    attrs = {"size": (3, 2, 2)[:axes], "stride": (2, 1, 3)[:axes], "padding": ((1, 2), (0, 1), (1, 0))[:axes]}
    spatial = (7, 5, 4)[:axes]
    xp = engine.backend.namespace
    x = np.round(2 * rng.normal(size=(2, 3, *spatial)))
    if name.startswith("max"):
        attrs["dilation"] = (1, 2, 1)[:axes]
    forward = "max_pool" if name.startswith("max") else "sum_pool"
    y = pm.to_numpy(portable[forward](xp, pm.tensor(x).array, **attrs))
    g = rng.normal(size=y.shape)
    inputs = {"max_pool_back": (g, x, y), "sum_pool_back": (g,)}.get(name, (x,))
    if name == "sum_pool_back":
        attrs["shape"] = spatial
    arrays = [pm.tensor(v).array for v in inputs]
    expected = portable[name](xp, *arrays, **attrs)
    assert_close(pm.to_numpy(getattr(xp, name)(*arrays, **attrs)), pm.to_numpy(expected), 1e-12, name)


def test_positions_carry_no_gradient(rng):
    x = pm.tensor(rng.normal(size=(1, 1, 4, 4)), requires_grad=True)
    _, positions = F.max_pool2d(x, 2, return_indices=True)
    assert not positions.requires_grad
    assert primitives["max_pool_positions"](
        x, size=(2, 2), stride=(2, 2), padding=((0, 0),) * 2, dilation=(1, 1)
    ).shape == (1, 1, 2, 2)


# ------------------------------------------------------------------------------------------------------- layers


@pytest.mark.parametrize(
    ("name", "args", "more"),
    [
        ("MaxPool2d", (2,), {}),
        ("MaxPool2d", ((3, 2), 2, 1, 1), {"ceil_mode": True}),
        ("AvgPool2d", (2,), {}),
        ("AvgPool2d", (3, (2, 1), 1), {"count_include_pad": False, "ceil_mode": True}),
        ("AvgPool2d", (2,), {"divisor_override": 5}),
        ("AdaptiveAvgPool2d", ((None, 3),), {}),
        ("AdaptiveAvgPool2d", (1,), {}),
    ],
)
def test_layer_is_that_of_torch(name, args, more, rng):
    torch = pytest.importorskip("torch")
    layer, reference = getattr(nn, name)(*args, **more), getattr(torch.nn, name)(*args, **more)
    assert repr(layer) == repr(reference)
    assert not layer.state_dict()
    against_torch(lambda x: layer(x) ** 2, lambda x: reference(x) ** 2, [rng.normal(size=(2, 3, 7, 6))], "float64", rng)


def test_layer_gives_positions(rng):
    y, positions = nn.MaxPool2d(2, return_indices=True)(pm.tensor(rng.normal(size=(2, 3, 4, 4))))
    assert y.shape == positions.shape == (2, 3, 2, 2)


@pytest.mark.parametrize(
    ("layer", "args", "more", "error"),
    [
        (nn.MaxPool2d, (0,), {}, ValueError),
        (nn.MaxPool2d, (2.5,), {}, TypeError),
        (nn.MaxPool2d, (2,), {"padding": 2}, ValueError),
        (nn.MaxPool2d, (2,), {"stride": 0}, ValueError),
        (nn.MaxPool2d, (2,), {"dilation": 0}, ValueError),
        (nn.AvgPool2d, (2,), {"divisor_override": 0}, ValueError),
        (nn.AvgPool2d, ((2, 2, 2),), {}, ValueError),
        (nn.AdaptiveAvgPool2d, (0,), {}, ValueError),
        (nn.AdaptiveAvgPool2d, ((1, 2, 3),), {}, ValueError),
    ],
)
def test_wrong_arguments_fail_at_construction(layer, args, more, error):
    with pytest.raises(error):
        layer(*args, **more)


def test_shapes_that_do_not_fit():
    for layer in (nn.MaxPool2d(2), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(2)):
        with pytest.raises(pm.ShapeError, match=r"\(2, 3\)"):
            layer(pm.zeros((2, 3)))
    with pytest.raises(pm.ShapeError, match=r"larger input.*\(2, 4\)"):
        nn.MaxPool2d(3)(pm.zeros((1, 1, 2, 4)))


def test_shapes_without_data():
    model = nn.Sequential(nn.MaxPool2d(2), nn.AvgPool2d(3, 1, 1, count_include_pad=False), nn.AdaptiveAvgPool2d((2, 1)))
    assert model.output_shape((2, 3, 9, 9)) == (2, 3, 2, 1)
