"""Dense layers, flattening and dropout."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import numpy as np
import pytest
from parity import compare, compare_layers

import polymod as pm
from polymod import nn
from polymod.nn import functional as F


def torch_module() -> Any:
    return pytest.importorskip("torch")


# ------------------------------------------------------------------------------------------------------ linear


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4), (2, 1, 3, 4), (0, 4)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_as_torch(shape: tuple, bias: bool, rng: np.random.Generator):
    hosts = [rng.normal(size=shape), rng.normal(size=(5, 4)), *([rng.normal(size=5)] if bias else [])]
    compare(F.linear, torch_module().nn.functional.linear, *hosts)
    compare_layers(nn.Linear(4, 5, bias), torch_module().nn.Linear(4, 5, bias), hosts[0])


def test_linear_shapes_are_named():
    layer = nn.Linear(4, 5)
    with pytest.raises(
        pm.ShapeError, match=r"weight of shape \(5, 4\) expects an input of shape \(..., 4\), received \(2, 3\)"
    ):
        layer(pm.zeros((2, 3)))
    with pytest.raises(pm.ShapeError, match=r"received \(\)"):
        layer(pm.tensor(1.0))
    for bias in (pm.zeros(1), pm.zeros(()), pm.zeros((2, 5)), pm.zeros(4)):
        with pytest.raises(pm.ShapeError, match=r"expects a bias of shape \(5,\), received"):
            F.linear(pm.zeros((2, 4)), pm.zeros((5, 4)), bias)
    with pytest.raises(pm.ShapeError, match=r"weight of shape \(out, in\) is expected, received \(2, 5, 4\)"):
        F.linear(pm.zeros((2, 3, 4)), pm.zeros((2, 5, 4)))


def test_linear_arguments():
    for args, error in (((4, -1), ValueError), ((4.5, 3), TypeError), (("4", 3), TypeError), ((True, 3), TypeError)):
        with pytest.raises(error, match="features"):
            nn.Linear(*args)
    assert repr(nn.Linear(4, 5, bias=False)) == "Linear(in_features=4, out_features=5, bias=False)"
    layer = nn.Linear(4, 5, dtype=pm.float64)
    assert layer.weight.dtype == layer.bias.dtype == pm.float64
    assert nn.Linear(2, 3, device="numpy").weight.device.backend.name == "numpy"


def test_initial_values_of_linear():
    pm.random.manual_seed(1)
    layer = nn.Linear(100, 200)
    for p in layer.parameters():
        values = pm.to_numpy(p)
        assert 0.09 < np.abs(values).max() <= 0.1 and abs(values.std() - 0.1 / math.sqrt(3)) < 0.005
    pm.random.manual_seed(1)
    np.testing.assert_array_equal(pm.to_numpy(nn.Linear(100, 200).weight), pm.to_numpy(layer.weight))


def test_lazy_linear_finds_its_width():
    lazy = nn.Linear(None, 3)
    with pytest.raises(pm.StateError):
        lazy.state_dict()
    with pytest.raises(pm.ShapeError):
        lazy(pm.tensor(1.0))
    assert lazy.in_features is None  # a failed call leaves it as it was
    weight = lazy.weight
    pm.random.manual_seed(2)
    y = lazy(pm.ones((2, 4)))
    assert (y.shape, lazy.in_features, lazy.weight is weight) == ((2, 3), 4, True)
    pm.random.manual_seed(2)
    fixed = nn.Linear(4, 3)
    for a, b in zip(lazy.parameters(), fixed.parameters(), strict=True):
        np.testing.assert_array_equal(pm.to_numpy(a), pm.to_numpy(b))
    y.sum().backward()
    np.testing.assert_array_equal(pm.to_numpy(lazy.weight.grad), 2)
    with pytest.raises(pm.ShapeError, match=r"\(..., 4\), received \(2, 5\)"):
        lazy(pm.ones((2, 5)))
    loaded = nn.Linear(None, 3)
    loaded.load_state_dict(fixed.state_dict())
    np.testing.assert_array_equal(pm.to_numpy(loaded(pm.ones((2, 4)))), pm.to_numpy(fixed(pm.ones((2, 4)))))
    assert loaded.in_features == 4


def test_lazy_linear_becomes_a_linear():
    pm.random.manual_seed(2)
    lazy = nn.LazyLinear(3, bias=False, dtype=pm.float64)
    assert isinstance(lazy, nn.Linear) and "LazyLinear" in repr(lazy)
    twin = pickle.loads(pickle.dumps(copy.deepcopy(lazy)))
    net = nn.Sequential(twin)
    assert net.output_shape((2, 4)) == (2, 3)
    lazy(pm.ones((2, 4), dtype=pm.float64))
    assert type(lazy) is nn.Linear and repr(lazy) == "Linear(in_features=4, out_features=3, bias=False)"
    assert list(lazy.state_dict()) == ["weight"] and lazy.weight.dtype == pm.float64
    fresh = nn.LazyLinear(3, False)
    fresh.load_state_dict(lazy.state_dict())
    fresh(pm.ones((2, 4)))
    assert type(fresh) is nn.Linear
    np.testing.assert_array_equal(pm.to_numpy(fresh.weight), pm.to_numpy(lazy.weight).astype(np.float32))


# ---------------------------------------------------------------------------------------------------- bilinear


@pytest.mark.parametrize("batch", [(), (3,), (2, 3), (0,)])
@pytest.mark.parametrize("bias", [True, False])
def test_bilinear_as_torch(batch: tuple, bias: bool, rng: np.random.Generator):
    hosts = [rng.normal(size=(*batch, 4)), rng.normal(size=(*batch, 2)), rng.normal(size=(5, 4, 2))]
    compare(F.bilinear, torch_module().nn.functional.bilinear, *hosts, *([rng.normal(size=5)] if bias else []))
    compare_layers(nn.Bilinear(4, 2, 5, bias), torch_module().nn.Bilinear(4, 2, 5, bias), *hosts[:2])


def test_bilinear_layer():
    layer = nn.Bilinear(100, 20, 30, dtype=pm.float64)
    assert repr(layer) == repr(torch_module().nn.Bilinear(100, 20, 30))
    values = pm.to_numpy(layer.weight)
    assert values.dtype == np.float64 and 0.0999 < np.abs(values).max() <= 0.1
    assert abs(values.std() - 0.1 / math.sqrt(3)) < 0.001
    assert layer.output_shape((7, 100), (7, 20)) == (7, 30)
    for first, second in (((7, 100), (7, 21)), ((7, 99), (7, 20)), ((7, 100), (6, 20))):
        with pytest.raises(pm.ShapeError, match=r"bilinear expects .* received"):
            layer(pm.ones(first, dtype=pm.float64), pm.ones(second, dtype=pm.float64))
    with pytest.raises(ValueError, match="in1_features must be at least 1"):
        nn.Bilinear(0, 2, 3)


# ------------------------------------------------------------------------------------------------------- dense


@pytest.mark.parametrize("activation", ["relu", "gelu", "tanh", "sigmoid", "softmax", None, F.relu, nn.GELU()])
def test_dense_is_linear_then_activation(activation: Any, rng: np.random.Generator):
    layer = nn.Dense(3, activation)
    x = pm.tensor(rng.normal(size=(5, 4)), dtype=pm.float32)
    y = layer(x)
    assert list(layer.state_dict()) == ["weight", "bias"] and layer.weight.shape == (3, 4)
    z = F.linear(x, layer.weight, layer.bias)
    if activation == "softmax":
        expected = F.softmax(z, -1)
    elif isinstance(activation, str):
        expected = getattr(F, activation)(z)
    else:
        expected = z if activation is None else activation(z)
    np.testing.assert_array_equal(pm.to_numpy(y), pm.to_numpy(expected))
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(pm.to_numpy(twin(x)), pm.to_numpy(y))


def test_dense_arguments():
    with pytest.raises(ValueError, match="unknown activation 'rleu'; expected one of relu, gelu"):
        nn.Dense(3, "rleu")
    with pytest.raises(TypeError, match=r"give an instance, ReLU\(\)"):
        nn.Dense(3, nn.ReLU)
    with pytest.raises(TypeError, match="received 3"):
        nn.Dense(3, 3)
    with pytest.raises(ValueError, match="units"):
        nn.Dense(-3)
    assert repr(nn.Dense(3, "relu")) == "Dense(3, activation='relu', in_features=None, bias=True)"
    fixed = nn.Dense(3, bias=False, in_features=4)
    assert fixed.weight.shape == (3, 4) and fixed.bias is None
    assert "(activation): GELU" in repr(nn.Dense(3, nn.GELU()))


def test_an_activation_with_parameters_belongs_to_the_layer():
    layer = nn.Dense(3, nn.Linear(3, 2))
    assert layer(pm.ones((1, 4))).shape == (1, 2)
    assert list(layer.state_dict()) == ["weight", "bias", "activation.weight", "activation.bias"]


def test_identity():
    x = pm.ones(3)
    assert nn.Identity(54, unused=True)(x) is x and repr(nn.Identity()) == "Identity()"


# ----------------------------------------------------------------------------------------- flatten and unflatten


@pytest.mark.parametrize("args", [(), (0,), (1, 2), (-2, -1), (2, 2)])
def test_flatten_as_torch(args: tuple, rng: np.random.Generator):
    compare_layers(nn.Flatten(*args), torch_module().nn.Flatten(*args), rng.normal(size=(2, 3, 4, 5)))


@pytest.mark.parametrize("args", [(1, (2, 3)), (-2, (3, -1)), (1, (6,)), (1, (1, 6, 1))])
def test_unflatten_as_torch(args: tuple, rng: np.random.Generator):
    compare_layers(nn.Unflatten(*args), torch_module().nn.Unflatten(*args), rng.normal(size=(2, 6, 4)))


def test_flatten_errors():
    with pytest.raises(pm.ShapeError, match=r"axes 1 to -1, in this order; received shape \(3,\)"):
        nn.Flatten()(pm.ones(3))
    with pytest.raises(pm.ShapeError, match=r"received shape \(2, 3\)"):
        nn.Flatten(1, 0)(pm.ones((2, 3)))
    with pytest.raises(TypeError, match="end_dim"):
        nn.Flatten(1, "2")
    with pytest.raises(pm.ShapeError, match=r"size of \(2, 2\), received shape \(3, 5\)"):
        nn.Unflatten(1, (2, 2))(pm.ones((3, 5)))
    with pytest.raises(ValueError, match="only one"):
        nn.Unflatten(1, (-1, -1))
    assert repr(nn.Flatten()) == "Flatten(start_dim=1, end_dim=-1)"


# ----------------------------------------------------------------------------------------------------- dropout


def test_dropout_keeps_the_mean_and_its_gradient_has_the_same_mask():
    pm.random.manual_seed(5)
    x = pm.ones((200, 100), requires_grad=True)
    y = F.dropout(x, 0.2)
    values = pm.to_numpy(y)
    assert sorted(set(values.ravel())) == [0, np.float32(1.25)] and abs((values == 0).mean() - 0.2) < 0.01
    (g,) = pm.autograd.grad(y.sum(), x)
    np.testing.assert_array_equal(pm.to_numpy(g), values)
    again = pm.to_numpy(F.dropout(x, 0.2))
    assert (again != values).any()
    pm.random.manual_seed(5)
    np.testing.assert_array_equal(pm.to_numpy(F.dropout(x, 0.2)), values)


def test_dropout_drops_the_same_elements_on_every_engine():
    pm.random.manual_seed(5)
    here = pm.to_numpy(F.dropout(pm.ones((50, 10)), 0.3))
    pm.random.manual_seed(5)
    there = pm.to_numpy(F.dropout(pm.ones((50, 10), device="numpy"), 0.3))
    np.testing.assert_array_equal(here, there)


def test_dropout_edges():
    x = pm.tensor([1.0, math.inf, math.nan], requires_grad=True)
    assert F.dropout(x, 0.5, training=False) is x and F.dropout(x, 0) is x
    np.testing.assert_array_equal(pm.to_numpy(F.dropout(x, 1.0)), 0)
    for bad in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="probability"):
            F.dropout(x, bad)
        with pytest.raises(ValueError, match="probability"):
            nn.Dropout(bad)
    layer = nn.Dropout(0.3)
    assert repr(layer) == "Dropout(p=0.3, inplace=False)"
    big = pm.ones(1000)
    assert (pm.to_numpy(layer(big)) == 0).any()
    assert layer.eval()(big) is big
    assert F.dropout(big, 0.5, generator=pm.random.Generator(1)).dtype == pm.float32


def test_dropout_second_derivative(rng: np.random.Generator):
    x = pm.tensor(rng.normal(size=30), requires_grad=True)
    y = F.dropout(x, 0.5, generator=pm.random.Generator(1))
    scale = pm.to_numpy(y) / pm.to_numpy(x)
    (g,) = pm.autograd.grad((y * y * y).sum(), x, create_graph=True)
    (h,) = pm.autograd.grad(g.sum(), x)
    np.testing.assert_allclose(pm.to_numpy(h), 6 * pm.to_numpy(x) * scale**3, rtol=1e-12)
