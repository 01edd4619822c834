"""Dropout: distributions, edges and layers. Elementwise dropout's basics are in test_linear."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import polymod as pm
from polymod import nn
from polymod.nn import functional as F

functions = ["dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"]
layers = ["Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"]
SHAPES = {"dropout1d": (6, 4, 5), "dropout2d": (6, 4, 2, 3), "dropout3d": (6, 4, 2, 3, 2)}
every = pytest.mark.parametrize("name", functions)


def run(name: str, x: pm.Tensor, p: float, seed: int = 3) -> pm.Tensor:
    return getattr(F, name)(x, p, True, generator=pm.random.Generator(seed))


@every
def test_nothing_happens_in_evaluation_or_with_p_0(name):
    x = pm.ones(SHAPES.get(name, (6, 4, 5)))
    function = getattr(F, name)
    assert function(x, 0.5, False) is x
    assert function(x, 0.0, True) is x
    ints = pm.ones(SHAPES.get(name, (6, 4, 5)), dtype=pm.int64)
    assert function(ints, 0.5, False) is ints


@every
def test_everything_is_dropped_with_p_1(name):
    x = pm.ones(SHAPES.get(name, (6, 4, 5)), requires_grad=True)
    y = run(name, x, 1.0)
    np.testing.assert_array_equal(pm.to_numpy(y), 0)
    y.sum().backward()
    np.testing.assert_array_equal(pm.to_numpy(x.grad), 0)


@every
@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_p_is_a_probability(name, p):
    for training in (True, False):
        with pytest.raises(ValueError, match="probability in"):
            getattr(F, name)(pm.ones(SHAPES.get(name, (6, 4, 5))), p, training)
    with pytest.raises(ValueError, match="probability in"):
        getattr(nn, layers[functions.index(name)])(p)


@every
def test_one_seed_gives_the_same_on_every_engine(name, rng):
    x = rng.normal(size=SHAPES.get(name, (6, 4, 5))).astype(np.float32)
    here = pm.to_numpy(run(name, pm.tensor(x), 0.4))
    there = pm.to_numpy(run(name, pm.tensor(x, device="numpy"), 0.4))
    np.testing.assert_allclose(here, there, rtol=1e-6)
    assert not np.array_equal(here, pm.to_numpy(run(name, pm.tensor(x), 0.4, seed=4)))


@every
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_gradient_has_the_mask_of_the_result(name, dtype, rng):
    """What was kept has one slope for all, what was dropped has 0; the result keeps the dtype."""
    x = pm.tensor(rng.normal(size=SHAPES.get(name, (6, 4, 5))).astype(dtype), requires_grad=True)
    y = run(name, x, 0.4)
    (g,) = pm.autograd.grad(y, [x], pm.ones(y.shape, dtype=dtype), create_graph=True)
    assert y.dtype == g.dtype == dtype
    g, y, values = pm.to_numpy(g), pm.to_numpy(y), pm.to_numpy(x)
    slopes = np.unique(g)
    assert len(slopes) == 2
    assert slopes[0] == 0
    dropped = y[g == 0]
    np.testing.assert_allclose(dropped, dropped[0])
    shift = (y - slopes[1] * values)[g != 0]
    np.testing.assert_allclose(shift, shift[0], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "shape", "channels"),
    [
        ("dropout1d", (50, 40, 3), (50, 40)),
        ("dropout1d", (2000, 3), (2000,)),
        ("dropout2d", (50, 40, 3, 2), (50, 40)),
        ("dropout3d", (50, 40, 3, 2, 2), (50, 40)),
        ("dropout3d", (2000, 3, 2, 2), (2000,)),
        ("feature_alpha_dropout", (50, 40, 3, 2), (50, 40)),
        ("feature_alpha_dropout", (50, 40), (50, 40)),
    ],
)
def test_channels_are_dropped_as_a_whole(name, shape, channels):
    y = pm.to_numpy(run(name, pm.ones(shape), 0.3))
    rows = y.reshape(*channels, -1)
    assert (rows == rows[..., :1]).all()
    dropped = rows[..., 0] == rows[..., 0].min()
    assert abs(dropped.mean() - 0.3) < 4 * (0.3 * 0.7 / 2000) ** 0.5
    if name != "feature_alpha_dropout":
        np.testing.assert_allclose(np.unique(rows), [0, 1 / 0.7], rtol=1e-6)


@pytest.mark.parametrize("name", ["alpha_dropout", "feature_alpha_dropout"])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_alpha_dropout_keeps_mean_and_variance(name, p, rng):
    """Of standard normal inputs; four standard deviations of the estimates are allowed."""
    x = rng.normal(size=(400, 500)).astype(np.float64)
    y = pm.to_numpy(run(name, pm.tensor(x), p))
    assert abs(y.mean()) < 4 / x.size**0.5
    assert abs(y.var() - 1) < 4 * ((y**4).mean() - 1) ** 0.5 / x.size**0.5
    share = np.unique(y, return_counts=True)[1].max() / x.size
    assert abs(share - p) < 4 * (p * (1 - p) / x.size) ** 0.5


@pytest.mark.parametrize("p", [0.25, 0.5])
def test_alpha_dropout_has_the_constants_of_torch(p):
    """The value of dropped elements, and the slope and the shift of those kept."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    for value in (0.0, 1.0):
        found = np.unique(pm.to_numpy(run("alpha_dropout", pm.full(1000, value, dtype=pm.float64), p)))
        t = torch.nn.functional.alpha_dropout(torch.full((1000,), value, dtype=torch.float64), p, True)
        np.testing.assert_allclose(found, np.unique(t.numpy()), rtol=1e-12)


def test_axes():
    for name, shape in (("dropout1d", (3,)), ("dropout1d", (2, 3, 4, 5))):
        with pytest.raises(pm.ShapeError, match=r"\(N, C, L\) or \(C, L\)"):
            run(name, pm.ones(shape), 0.5)
    with pytest.raises(pm.ShapeError, match=r"2 axes or more, received shape \(3,\)"):
        run("feature_alpha_dropout", pm.ones(3), 0.5)
    for name, shape in (("dropout2d", (20, 30, 5)), ("dropout2d", (20, 30)), ("dropout3d", (600, 2, 3))):
        with pytest.warns(UserWarning, match=name):
            y = pm.to_numpy(run(name, pm.ones(shape), 0.5))
        rows = y.reshape(600, -1)
        assert (rows == rows[:, :1]).all()
        assert 0 < (rows[:, 0] == 0).sum() < 600
    with warnings.catch_warnings(), pytest.raises(pm.ShapeError, match="2 axes or more"):
        warnings.simplefilter("ignore")
        run("dropout2d", pm.ones(3), 0.5)
    assert run("alpha_dropout", pm.ones(()), 0.5).shape == ()


@pytest.mark.parametrize("name", layers)
def test_layers(name):
    torch = pytest.importorskip("torch")
    function = functions[layers.index(name)]
    for more in ({}, {"p": 0.2}, {"p": 0.3, "inplace": True}):
        layer = getattr(nn, name)(**more)
        assert repr(layer) == repr(getattr(torch.nn, name)(**more))
        x = pm.ones(SHAPES.get(function, (6, 4, 5)))
        pm.manual_seed(5)
        y = layer(input=x)
        np.testing.assert_array_equal(pm.to_numpy(x), 1)
        np.testing.assert_array_equal(pm.to_numpy(y), pm.to_numpy(run(function, x, layer.p, seed=5)))
        assert layer.eval()(x) is x
        assert layer.output_shape(x.shape) == x.shape
