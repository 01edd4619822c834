"""Pooling: functions and layers against torch, finite differences and the portable definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from against import against_differences, against_torch, assert_close
from parity import compare

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


def test_elements_as_low_as_the_padding():
    """They are what the padding is, but get the gradient."""
    torch = pytest.importorskip("torch")
    host = np.full((1, 1, 3, 4), -np.inf)
    x, t = pm.tensor(host, requires_grad=True), torch.tensor(host, requires_grad=True)
    y, positions = F.max_pool2d(x, 2, 1, 1, return_indices=True)
    s, expected = torch.nn.functional.max_pool2d(t, 2, 1, 1, return_indices=True)
    np.testing.assert_array_equal(pm.to_numpy(positions), expected.numpy())
    y.backward(pm.ones_like(y.detach()))
    s.backward(torch.ones_like(s))
    np.testing.assert_array_equal(pm.to_numpy(x.grad), t.grad.numpy())


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


@pytest.mark.parametrize("name", ["max_pool", "max_pool_back", "max_pool_positions", "sum_pool", "sum_pool_back"])
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


# ---------------------------------------------------------------------------------- one, two and three spatial axes


def torch_function(name: str) -> Any:
    return getattr(pytest.importorskip("torch").nn.functional, name)


SPATIAL = (7, 6, 5)
shapes_by_axes = pytest.mark.parametrize("axes", [1, 2, 3])


def of_axes(name: str, axes: int) -> tuple[Any, Any]:
    """The function for that many spatial axes, ours and torch's."""
    return getattr(F, f"{name}{axes}d"), torch_function(f"{name}{axes}d")


@shapes_by_axes
@pytest.mark.parametrize(
    ("name", "args", "how"),
    [
        ("max_pool", (3, 2, 1), {"ceil_mode": True}),
        ("max_pool", (2,), {"dilation": 2, "stride": 1}),
        ("avg_pool", (3, 2, 1), {"ceil_mode": True, "count_include_pad": False}),
        ("avg_pool", (3, 2, 1), {"ceil_mode": True}),
        ("lp_pool", (2, 2), {}),
        ("lp_pool", (4.0, 2, 1), {}),
        ("lp_pool", (2, 3, 2), {"ceil_mode": True}),
        ("adaptive_avg_pool", (3,), {}),
        ("adaptive_avg_pool", (8,), {}),
        ("adaptive_avg_pool", (1,), {}),
        ("adaptive_max_pool", (3,), {}),
        ("adaptive_max_pool", (8,), {}),
        ("adaptive_max_pool", (1,), {}),
    ],
)
def test_any_number_of_axes_is_that_of_torch(name, args, how, axes, rng):
    ours, theirs = of_axes(name, axes)
    x = rng.normal(size=(2, 3, *SPATIAL[:axes]))
    compare(lambda x: ours(x, *args, **how) ** 2, lambda x: theirs(x, *args, **how) ** 2, x)
    compare(lambda x: ours(x, *args, **how), lambda x: theirs(x, *args, **how), x[0], second=False)


@shapes_by_axes
@pytest.mark.parametrize("nan", [False, True])
def test_positions_in_any_number_of_axes(axes, nan, rng):
    torch = pytest.importorskip("torch")
    x = np.round(2 * rng.normal(size=(2, 3, *SPATIAL[:axes])))  # with ties
    if nan:
        x.reshape(-1)[rng.choice(x.size, 20)] = np.nan
    x = x.astype("float32")
    pools = [("max_pool", (3, 2, 1), {"ceil_mode": True}), ("max_pool", (2,), {"dilation": 2, "stride": 1})]
    pools += [("adaptive_max_pool", (n,), {}) for n in (1, 3, 8)]
    for name, args, how in pools:
        ours, theirs = of_axes(f"{name}", axes)
        with_indices = getattr(F, f"{name}{axes}d_with_indices")
        y, positions = ours(pm.tensor(x), *args, return_indices=True, **how)
        t, expected = theirs(torch.tensor(x), *args, return_indices=True, **how)
        np.testing.assert_array_equal(pm.to_numpy(y), t.numpy())
        np.testing.assert_array_equal(pm.to_numpy(positions), expected.numpy())
        assert positions.dtype == pm.int64
        np.testing.assert_array_equal(pm.to_numpy(with_indices(pm.tensor(x), *args, **how)[1]), expected.numpy())


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_whole_numbers(name, rng):
    torch = pytest.importorskip("torch")
    x = rng.integers(-9, 9, size=(2, 3, 5, 6))
    mores = [{}, {"ceil_mode": True, "padding": 1}]
    mores += [{"divisor_override": -3}, {"count_include_pad": False, "padding": 1}] if name == "avg_pool2d" else []
    for more in mores:
        y, t = getattr(F, name)(pm.tensor(x), 3, **more), torch_function(name)(torch.tensor(x), 3, **more)
        assert y.dtype == pm.int64
        np.testing.assert_array_equal(pm.to_numpy(y), t.numpy())


def test_argument_forms_of_torch(rng):
    x = pm.tensor(rng.normal(size=(1, 2, 6, 6)))
    expected = pm.to_numpy(F.max_pool2d(x, 2))
    for args in ((2, ()), (2, []), ((2,),), ([2, 2], (2,)), (2, None, (0,))):
        np.testing.assert_array_equal(pm.to_numpy(F.max_pool2d(x, *args)), expected)


# ------------------------------------------------------------------------------------------------ power pooling


@pytest.mark.parametrize("p", [2, 1, 3, 0.5, 1.5, -2, np.inf, -np.inf])
def test_power_pooling_where_it_has_kinks(p):
    torch = pytest.importorskip("torch")
    host = np.asarray([[[1.0, 2.0, -3.0, 1.0, 0.0, 0.0, 1.0]]])
    x, t = pm.tensor(host, requires_grad=True), torch.tensor(host, requires_grad=True)
    y, s = F.lp_pool1d(x, p, 2), torch.nn.functional.lp_pool1d(t, p, 2)
    np.testing.assert_allclose(pm.to_numpy(y), s.detach().numpy(), rtol=1e-12)
    y.sum().backward()
    s.sum().backward()
    np.testing.assert_allclose(pm.to_numpy(x.grad), t.grad.numpy(), rtol=1e-12)


# --------------------------------------------------------------------------------------------- adaptive pooling


@pytest.mark.parametrize("sizes", [(7, 3), (3, 7), (12, 8), (5, 1), (1, 4), (64, 7)])
def test_the_transpose_of_even_windows_is_even_windows(sizes, rng):
    n, o = sizes
    a = pm.tensor(rng.normal(size=(1, 1, n)), requires_grad=True)
    g = rng.normal(size=(1, 1, o))
    primitives["adaptive_sum"](a, outputs=(o,)).backward(pm.tensor(g))
    expected = np.zeros(n)
    for i in range(o):
        expected[i * n // o : -(-(i + 1) * n // o)] += g[0, 0, i]
    np.testing.assert_allclose(pm.to_numpy(a.grad)[0, 0], expected, rtol=0, atol=1e-12)


def test_an_infinite_element_stays_in_its_windows():
    torch = pytest.importorskip("torch")
    x = np.arange(35.0).reshape(1, 1, 5, 7)
    x[0, 0, 0, 0] = np.inf
    y = F.adaptive_avg_pool2d(pm.tensor(x), (2, 3))
    expected = torch.nn.functional.adaptive_avg_pool2d(torch.tensor(x), (2, 3))
    np.testing.assert_allclose(pm.to_numpy(y), expected.numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", ["adaptive_avg_pool2d", "adaptive_max_pool2d"])
def test_no_windows_and_no_images(name, rng):
    x = pm.tensor(rng.normal(size=(2, 3, 4, 5)), requires_grad=True)
    y = getattr(F, name)(x, (0, 2))
    assert y.shape == (2, 3, 0, 2)
    y.backward(pm.ones_like(y.detach()))
    np.testing.assert_array_equal(pm.to_numpy(x.grad), 0)
    assert getattr(F, name)(pm.zeros((0, 3, 4, 5)), (3, 2)).shape == (0, 3, 3, 2)


@pytest.mark.parametrize("outputs", [1, (2, 3)])
def test_maxima_of_large_windows(outputs, rng):
    torch = pytest.importorskip("torch")
    ours, theirs = of_axes("adaptive_max_pool", 2)
    x = np.round(2 * rng.normal(size=(2, 2, 40, 30)))
    compare(lambda x: ours(x, outputs) ** 2, lambda x: theirs(x, outputs) ** 2, x)
    x[0, 0, 3:6, 3:6] = np.nan
    positions, expected = ours(pm.tensor(x), outputs, True)[1], theirs(torch.tensor(x), outputs, True)[1]
    np.testing.assert_array_equal(pm.to_numpy(positions), expected.numpy())


# -------------------------------------------------------------------------------------------- fractional pooling


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("size", [{"output_size": 3}, {"output_ratio": (0.6, 0.5, 0.7)}, {"output_size": 1}])
def test_fractional_pooling_at_given_places(axes, size, rng):
    torch = pytest.importorskip("torch")
    ours, theirs = of_axes("fractional_max_pool", axes)
    size = {k: v[:axes] if isinstance(v, tuple) else v for k, v in size.items()}
    x, samples = np.round(2 * rng.normal(size=(2, 3, *SPATIAL[:axes]))), rng.uniform(size=(2, 3, axes))

    def by_torch(x):
        return theirs(x, 2, **size, _random_samples=torch.tensor(samples, dtype=x.dtype)) ** 2

    compare(lambda x: ours(x, 2, **size, _random_samples=pm.tensor(samples)) ** 2, by_torch, x)
    positions = ours(pm.tensor(x), 2, **size, return_indices=True, _random_samples=samples)[1]
    t, expected = theirs(torch.tensor(x), 2, **size, return_indices=True, _random_samples=torch.tensor(samples))
    np.testing.assert_array_equal(pm.to_numpy(positions), expected.numpy())
    single = ours(pm.tensor(x[0]), 2, **size, _random_samples=samples[:1])
    np.testing.assert_array_equal(pm.to_numpy(single), t.numpy()[0])


def test_fractional_pooling_at_places_of_its_own(rng):
    x = pm.tensor(rng.normal(size=(2, 3, 9, 8)))
    layer = nn.FractionalMaxPool2d(2, output_ratio=0.5)
    assert not layer.state_dict()
    pm.random.manual_seed(4)
    first, other = layer(x), layer(x)
    pm.random.manual_seed(4)
    assert first.shape == (2, 3, 4, 4)
    np.testing.assert_array_equal(pm.to_numpy(layer(x)), pm.to_numpy(first))
    assert (pm.to_numpy(other) != pm.to_numpy(first)).any()
    y, positions = F.fractional_max_pool2d_with_indices(x, 2, 4)
    found = np.take_along_axis(pm.to_numpy(x).reshape(2, 3, -1), pm.to_numpy(positions).reshape(2, 3, -1), axis=2)
    np.testing.assert_array_equal(pm.to_numpy(y).reshape(2, 3, -1), found)


def test_given_places_are_a_buffer(rng):
    samples = rng.uniform(size=(1, 2, 2))
    layer = nn.FractionalMaxPool2d(2, 3, _random_samples=pm.tensor(samples))
    assert list(layer.state_dict()) == ["_random_samples"]


# ----------------------------------------------------------------------------------------------------- unpooling


@shapes_by_axes
def test_unpooling_is_that_of_torch(axes, rng):
    torch = pytest.importorskip("torch")
    ours, theirs = of_axes("max_unpool", axes)
    x = rng.normal(size=(2, 3, *(8, 6, 4)[:axes]))
    y, positions = torch_function(f"max_pool{axes}d")(torch.tensor(x), 2, return_indices=True)
    larger = tuple(n + 1 for n in x.shape)
    for more in ({}, {"output_size": larger[2:]}, {"output_size": larger}):
        compare(
            lambda y, more=more: ours(y, pm.tensor(positions.numpy()), 2, **more) ** 2,
            lambda y, more=more: theirs(y, positions, 2, **more) ** 2,
            y.numpy(),
        )
    single = ours(pm.tensor(y.numpy()[0]), pm.tensor(positions.numpy()[0]), 2)
    np.testing.assert_array_equal(pm.to_numpy(single), theirs(y[0], positions[0], 2).numpy())


def test_unpooling_of_windows_that_overlap():
    """Each of the copies of one maximum gets the whole cotangent of its place."""
    torch = pytest.importorskip("torch")
    x = np.asarray([[[1.0, 3.0, 2.0, 5.0, 4.0]]])
    y, positions = F.max_pool1d(pm.tensor(x), 3, 1, return_indices=True)
    y.requires_grad_()
    u = F.max_unpool1d(y, positions, 3, 1)
    np.testing.assert_array_equal(pm.to_numpy(u), [[[0, 3, 0, 5, 0]]])
    u.backward(pm.tensor(x))
    t, where = torch.nn.functional.max_pool1d(torch.tensor(x), 3, 1, return_indices=True)
    t.requires_grad_()
    torch.nn.functional.max_unpool1d(t, where, 3, 1).backward(torch.tensor(x))
    np.testing.assert_array_equal(pm.to_numpy(y.grad), t.grad.numpy())


def test_unpooling_what_does_not_fit():
    y, positions = pm.ones((1, 1, 2, 2)), pm.asarray([[[[0, 1], [2, 3]]]])
    with pytest.raises(pm.ShapeError, match="indices"):
        F.max_unpool2d(y, positions[:, :, 0], 2)
    with pytest.raises(ValueError, match="output_size"):
        F.max_unpool2d(y, positions, 2, output_size=(4, 7))
    with pytest.raises(ValueError, match="output_size"):
        F.max_unpool2d(y, positions, 2, output_size=(4,))
    with pytest.raises(TypeError, match="integers"):
        F.max_unpool2d(y, y, 2)


@pytest.mark.any_engine
def test_unpooling_outside_the_result():
    with pytest.raises(IndexError, match="16"):
        F.max_unpool1d(pm.ones((1, 1, 2)), pm.asarray([[[0, 16]]]), 2)


# ------------------------------------------------------------------------------------------------------- layers


def at(layer: str, *args: Any, **more: Any) -> Any:
    return pytest.param(layer, args, more, id=f"{layer}{args}{more or ''}")


@pytest.mark.parametrize(
    ("name", "args", "more"),
    [
        at("MaxPool1d", 2),
        at("MaxPool2d", (3, 2), 2, 1, 1, ceil_mode=True),
        at("MaxPool3d", 2, 1, dilation=2),
        at("AvgPool1d", 2, padding=1),
        at("AvgPool2d", 3, (2, 1), 1, count_include_pad=False, ceil_mode=True),
        at("AvgPool2d", 2, divisor_override=5),
        at("AvgPool3d", (1, 2, 2)),
        at("LPPool1d", 2, 2),
        at("LPPool2d", 2.0, (2, 1), ceil_mode=True),
        at("LPPool3d", 4, 2, 1),
        at("AdaptiveAvgPool1d", 2),
        at("AdaptiveAvgPool2d", (None, 3)),
        at("AdaptiveAvgPool3d", (None, 3, 1)),
        at("AdaptiveMaxPool1d", 3),
        at("AdaptiveMaxPool2d", (2, None)),
        at("AdaptiveMaxPool3d", 2),
    ],
)
def test_layer_is_that_of_torch(name, args, more, rng):
    torch = pytest.importorskip("torch")
    layer, reference = getattr(nn, name)(*args, **more), getattr(torch.nn, name)(*args, **more)
    assert repr(layer) == repr(reference)
    assert not layer.state_dict()
    x = rng.normal(size=(2, 3, *SPATIAL[: int(name[-2])]))
    compare(lambda x: layer(x) ** 2, lambda x: reference(x) ** 2, x)


def test_reprs_of_the_others():
    torch = pytest.importorskip("torch")
    for name, args in [("MaxUnpool1d", (2, 3)), ("MaxUnpool2d", (2, None, 1)), ("MaxUnpool3d", ((1, 2, 3),))]:
        assert repr(getattr(nn, name)(*args)) == repr(getattr(torch.nn, name)(*args))
    assert repr(nn.FractionalMaxPool3d(2, 3)) == repr(torch.nn.FractionalMaxPool3d(2, 3))


@shapes_by_axes
def test_layers_that_undo_each_other(axes, rng):
    x = pm.tensor(rng.normal(size=(2, 3, *SPATIAL[:axes])))
    pool = getattr(nn, f"MaxPool{axes}d")(2, stride=2, return_indices=True)
    unpool = getattr(nn, f"MaxUnpool{axes}d")(2, stride=2)
    y, positions = pool(x)
    again, same = pool(unpool(y, positions, output_size=x.shape))
    zero_or_more = pm.to_numpy(pm.maximum(y, 0))
    np.testing.assert_array_equal(pm.to_numpy(again), zero_or_more)
    assert y.shape == positions.shape == same.shape


@pytest.mark.parametrize(
    ("layer", "args", "more", "error"),
    [
        (nn.MaxPool2d, (0,), {}, ValueError),
        (nn.MaxPool1d, (2.5,), {}, TypeError),
        (nn.MaxPool3d, (2,), {"padding": 2}, ValueError),
        (nn.MaxPool2d, (2,), {"stride": 0}, ValueError),
        (nn.MaxPool2d, (2,), {"dilation": 0}, ValueError),
        (nn.AvgPool2d, (2,), {"divisor_override": 0}, ValueError),
        (nn.AvgPool1d, ((2, 2),), {}, ValueError),
        (nn.AvgPool2d, ((2, 2, 2),), {}, ValueError),
        (nn.LPPool2d, (0, 2), {}, ValueError),
        (nn.AdaptiveAvgPool2d, (-1,), {}, ValueError),
        (nn.AdaptiveAvgPool1d, (None,), {}, ValueError),
        (nn.AdaptiveAvgPool2d, ((1, 2, 3),), {}, ValueError),
        (nn.AdaptiveMaxPool3d, ((1, 2),), {}, ValueError),
        (nn.MaxUnpool2d, (2, 0), {}, ValueError),
        (nn.FractionalMaxPool2d, (2,), {}, ValueError),
        (nn.FractionalMaxPool2d, (2, 3, 0.5), {}, ValueError),
        (nn.FractionalMaxPool3d, (2,), {"output_ratio": 1.5}, ValueError),
        (nn.FractionalMaxPool2d, ("2", 3), {}, TypeError),
    ],
)
def test_wrong_arguments_fail_at_construction(layer, args, more, error):
    with pytest.raises(error):
        layer(*args, **more)


def test_shapes_that_do_not_fit():
    layers = [nn.MaxPool2d(2), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(2), nn.LPPool2d(2, 2), nn.AdaptiveMaxPool2d(2)]
    for layer in (*layers, nn.FractionalMaxPool2d(1, 1)):
        with pytest.raises(pm.ShapeError, match=r"\(2, 3\)"):
            layer(pm.zeros((2, 3)))
    with pytest.raises(pm.ShapeError, match=r"larger input.*\(2, 4\)"):
        nn.MaxPool2d(3)(pm.zeros((1, 1, 2, 4)))
    with pytest.raises(pm.ShapeError, match=r"at least \(5, 5\).*\(4, 6\)"):
        nn.FractionalMaxPool2d(2, 4)(pm.zeros((1, 1, 4, 6)))
    with pytest.raises(pm.ShapeError, match=r"_random_samples.*\(1, 1, 2\)"):
        F.fractional_max_pool2d(pm.zeros((1, 1, 4, 6)), 2, 2, _random_samples=pm.zeros((1, 1, 3)))


def test_shapes_without_data():
    model = nn.Sequential(
        nn.MaxPool2d(2),
        nn.AvgPool2d(3, 1, 1, count_include_pad=False),
        nn.LPPool2d(2, 1),
        nn.FractionalMaxPool2d(2, output_ratio=0.9),
        nn.AdaptiveMaxPool2d((5, 4)),
        nn.AdaptiveAvgPool2d((2, 1)),
    )
    assert model.output_shape((2, 3, 19, 19)) == (2, 3, 2, 1)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.lp_pool2d(x, 2, 2),
        lambda x: F.adaptive_avg_pool2d(x, (3, 4)),
        lambda x: F.adaptive_max_pool2d(x, (3, 4)),
        lambda x: F.fractional_max_pool2d(x, 2, 3, _random_samples=np.full((2, 2, 2), 0.3)),
        lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2, output_size=(6, 7)),
    ],
)
def test_examples_by_vmap(function, rng):
    x = pm.tensor(rng.normal(size=(3, 2, 2, 6, 7)))
    together = pm.vmap(function)(x)
    apart = pm.stack([function(x[i]) for i in range(3)])
    np.testing.assert_allclose(pm.to_numpy(together), pm.to_numpy(apart), rtol=0, atol=1e-12)
