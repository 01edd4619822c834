"""Dense layers, embeddings, flattening and dropout."""

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


# --------------------------------------------------------------------------------------------------- embedding


@pytest.mark.parametrize("options", [{}, {"padding_idx": 2}, {"padding_idx": -1}, {"scale_grad_by_freq": True}])
@pytest.mark.parametrize("shape", [(), (6,), (3, 4), (0,)])
def test_embedding_as_torch(options: dict, shape: tuple, rng: np.random.Generator):
    ids = np.asarray(rng.integers(0, 7, shape))
    if "scale_grad_by_freq" in options and shape == ():
        ids = ids.reshape(1)
    theirs = torch_module().nn.functional.embedding
    compare(
        lambda w, i: F.embedding(i, w, **options), lambda w, i: theirs(i, w, **options), rng.normal(size=(7, 3)), ids
    )
    if ids.size:
        compare_layers(nn.Embedding(7, 3, **options), torch_module().nn.Embedding(7, 3, **options), ids)


@pytest.mark.parametrize("norm", [1.0, 2.0, 3.0, math.inf])
def test_max_norm_as_torch(norm: float, rng: np.random.Generator):
    torch = torch_module()
    host, ids = 2 * rng.normal(size=(7, 3)), np.asarray([[0, 2], [2, 5]])
    ours = nn.Embedding(7, 3, max_norm=1.5, norm_type=norm, _weight=pm.tensor(host))
    theirs = torch.nn.Embedding(7, 3, max_norm=1.5, norm_type=norm, _weight=torch.tensor(host))
    y, t = ours(pm.tensor(ids)), theirs(torch.tensor(ids))
    np.testing.assert_allclose(pm.to_numpy(y), t.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(pm.to_numpy(ours.weight), theirs.weight.detach().numpy(), rtol=1e-12)
    y.sum().backward()
    t.sum().backward()
    np.testing.assert_allclose(pm.to_numpy(ours.weight.grad), theirs.weight.grad.numpy())


@pytest.mark.parametrize("dtype", [pm.int8, pm.uint8, pm.int32, pm.int64])
def test_ids_of_any_integer_dtype(dtype: pm.dtypes.DType):
    layer = nn.Embedding(5, 2)
    expected = pm.to_numpy(layer.weight)[[[0, 4], [4, 1]]]
    np.testing.assert_array_equal(pm.to_numpy(layer(pm.tensor([[0, 4], [4, 1]], dtype=dtype))), expected)


def test_embedding_errors(engine: pm.Device):
    layer = nn.Embedding(5, 2)
    if engine.backend.capabilities.host_access and str(engine) != "strict:device1":
        for bad in (5, -1):
            with pytest.raises(IndexError, match=rf"input {bad} at position \(1, 0\) is out of range: expected 0 to 4"):
                layer(pm.tensor([[0], [bad]]))
    with pytest.raises(TypeError, match=r"must be integers, received polymod\.float32"):
        layer(pm.ones(2))
    with pytest.raises(ValueError, match="padding_idx must be one of the 5 rows, received 5"):
        nn.Embedding(5, 2, padding_idx=5)
    with pytest.raises(ValueError, match="dense"):
        nn.Embedding(5, 2, sparse=True)
    with pytest.raises(pm.ShapeError, match=r"_weight of shape \(5, 2\), received \(2, 5\)"):
        nn.Embedding(5, 2, _weight=pm.zeros((2, 5)))
    with pytest.raises(pm.ShapeError, match=r"received \(5,\)"):
        F.embedding(pm.tensor([1]), pm.zeros(5))


def test_embedding_layer():
    pm.random.manual_seed(0)
    layer = nn.Embedding(500, 20, padding_idx=3)
    w = pm.to_numpy(layer.weight)
    assert (w[3] == 0).all() and abs(np.delete(w, 3, 0).std() - 1) < 0.05 and layer.weight.requires_grad
    assert repr(layer) == "Embedding(500, 20, padding_idx=3)"
    frozen = nn.Embedding.from_pretrained(pm.ones((4, 2)))
    assert not frozen.weight.requires_grad and frozen(pm.tensor([1])).shape == (1, 2)
    assert list(frozen.state_dict()) == ["weight"]


def test_one_hot_as_torch(rng: np.random.Generator):
    torch = torch_module()
    ids = rng.integers(0, 5, (2, 3))
    for count in (-1, 6):
        found = F.one_hot(pm.tensor(ids), count)
        assert found.dtype == pm.int64
        np.testing.assert_array_equal(pm.to_numpy(found), torch.nn.functional.one_hot(torch.tensor(ids), count).numpy())
    with pytest.raises(ValueError, match="num_classes"):
        F.one_hot(pm.tensor([0]), 0)
    with pytest.raises(TypeError, match="float32"):
        F.one_hot(pm.tensor([0.0]))


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
