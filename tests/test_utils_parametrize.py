"""nn.utils.parametrize, parametrizations, and the norms of weights: held to torch's."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from parity import close

import polymod as pm
from polymod import nn
from polymod.nn.utils import parametrizations, parametrize


class Symmetric(nn.Module):
    """The symmetric matrix with the upper triangle of another."""

    def forward(self, x):
        return pm.triu(x) + pm.matrix_transpose(pm.triu(x, k=1))

    def right_inverse(self, x):
        return pm.triu(x)


class Scaled(nn.Module):
    def forward(self, x):
        return 2 * x


class Pair(nn.Module):
    """The product of a column and a row."""

    def forward(self, x, y):
        return x[:, None] * y

    def right_inverse(self, z):
        return z[:, 0], z[0, :]


class Wider(nn.Module):
    def forward(self, x):
        return pm.concat([x, x])


def values(tensor):
    return pm.to_numpy(tensor.detach())


def test_a_parameter_is_computed_and_learned():
    layer = nn.Linear(3, 3)
    weight = layer.weight
    assert parametrize.register_parametrization(layer, "weight", Symmetric()) is layer
    assert type(layer).__name__ == "ParametrizedLinear"
    assert isinstance(layer, nn.Linear)
    assert parametrize.type_before_parametrizations(layer) is nn.Linear
    assert parametrize.is_parametrized(layer)
    assert parametrize.is_parametrized(layer, "weight")
    assert not parametrize.is_parametrized(layer, "bias")
    assert list(layer.state_dict()) == ["bias", "parametrizations.weight.original"]
    assert [n for n, _ in layer.named_parameters()] == ["bias", "parametrizations.weight.original"]
    assert layer.parametrizations.weight.original is weight
    assert isinstance(layer.parametrizations.weight[0], Symmetric)
    np.testing.assert_array_equal(values(layer.weight), values(layer.weight).T)
    layer(pm.ones((2, 3))).sum().backward()
    np.testing.assert_array_equal(values(weight.grad), np.triu(np.full((3, 3), 4.0), 1) + 2 * np.eye(3))
    layer.weight = pm.ones((3, 3))
    np.testing.assert_array_equal(values(weight), np.triu(np.ones((3, 3))))
    parametrize.register_parametrization(layer, "weight", Scaled())
    np.testing.assert_array_equal(values(layer.weight), np.full((3, 3), 2.0))
    with pytest.raises(RuntimeError, match="Scaled has no right_inverse"):
        layer.weight = pm.ones((3, 3))
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear
    assert layer.weight is weight
    assert list(layer.state_dict()) == ["bias", "weight"]
    np.testing.assert_array_equal(values(layer.weight), np.full((3, 3), 2.0))


def test_originals_in_several_parts():
    layer = nn.Linear(3, 2, bias=False)
    parametrize.register_parametrization(layer, "weight", Pair())
    assert list(layer.state_dict()) == ["parametrizations.weight.original0", "parametrizations.weight.original1"]
    with pytest.raises(ValueError, match="2 originals"):
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    held = values(layer.weight)
    other = parametrize.transfer_parametrizations_and_params(layer, nn.Linear(3, 2, bias=False))
    assert other.parametrizations.weight.original1 is layer.parametrizations.weight.original1
    parametrize.remove_parametrizations(layer, "weight")
    np.testing.assert_array_equal(values(layer.weight), held)
    assert isinstance(layer.weight, nn.Parameter)


def test_original_back():
    layer = nn.Linear(2, 2)
    before = values(layer.weight)
    parametrize.register_parametrization(layer, "weight", Scaled())
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
    np.testing.assert_array_equal(values(layer.weight), before)


def test_buffers_too():
    norm = nn.BatchNorm1d(2)
    parametrize.register_parametrization(norm, "running_mean", Scaled())
    assert "parametrizations.running_mean.original" in dict(norm.named_buffers())
    parametrize.remove_parametrizations(norm, "running_mean")
    assert "running_mean" in dict(norm.named_buffers())


def test_what_does_not_fit_changes_nothing():
    layer = nn.Linear(2, 2)
    state = {k: values(v) for k, v in layer.state_dict().items()}
    with pytest.raises(ValueError, match="must keep dtype and shape"):
        parametrize.register_parametrization(layer, "weight", Wider())
    with pytest.raises(ValueError, match="no parameter or buffer 'other'"):
        parametrize.register_parametrization(layer, "other", Scaled())
    with pytest.raises(ValueError, match="not parametrized"):
        parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear
    for name, value in layer.state_dict().items():
        np.testing.assert_array_equal(values(value), state[name])
    parametrize.register_parametrization(layer, "weight", Wider(), unsafe=True)
    assert layer.weight.shape == (4, 2)


def test_caching():
    class Counting(nn.Module):
        calls = 0

        def forward(self, x):
            Counting.calls += 1
            return x + 0

    layer = nn.Linear(2, 2)
    parametrize.register_parametrization(layer, "weight", Counting())
    Counting.calls = 0
    with parametrize.cached():
        assert layer.weight is layer.weight
        layer(pm.ones((1, 2)))
        with parametrize.cached():
            layer(pm.ones((1, 2)))
        layer.parametrizations.weight[0]
    assert Counting.calls == 1
    assert layer.weight is not layer.weight
    Counting.calls = 0
    layer(pm.ones((1, 2)))
    assert Counting.calls == 1


@pytest.mark.parametrize("twin_of", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["copy", "pickle"])
@pytest.mark.parametrize(
    "change",
    [
        lambda m: parametrize.register_parametrization(m, "weight", Symmetric()),
        parametrizations.weight_norm,
        parametrizations.spectral_norm,
        parametrizations.orthogonal,
        nn.utils.weight_norm,
        nn.utils.spectral_norm,
        lambda m: nn.utils.weight_norm(parametrizations.orthogonal(m), "bias"),
    ],
)
def test_copies_are_independent(twin_of, change, rng):
    layer = change(nn.Linear(3, 3)).eval()
    x = pm.tensor(rng.normal(size=(2, 3)).astype("float32"))
    twin = twin_of(layer)
    y = values(layer(x))
    np.testing.assert_array_equal(values(twin(x)), y)
    assert type(twin) is type(layer)
    fresh = change(nn.Linear(3, 3)).eval()
    fresh.load_state_dict(layer.state_dict())
    np.testing.assert_allclose(values(fresh(x)), y, rtol=1e-6)
    for parameter in twin.parameters():
        parameter.array = (parameter.detach() * 2).array
    np.testing.assert_array_equal(values(layer(x)), y)
    assert layer.output_shape((5, 3)) == (5, 3)


# -------------------------------------------------------------------------------------------------- held to torch's

LAYERS = {
    "Linear": ((4, 3), (2, 4)),
    "Conv2d": ((2, 3, 2), (2, 2, 4, 4)),
    "ConvTranspose1d": ((2, 3, 2), (2, 2, 4)),
}
CHANGES = [
    ("parametrizations.weight_norm", {}),
    ("parametrizations.weight_norm", {"dim": None}),
    ("parametrizations.weight_norm", {"dim": 1}),
    ("parametrizations.spectral_norm", {}),
    ("parametrizations.spectral_norm", {"n_power_iterations": 3, "dim": 1}),
    ("weight_norm", {}),
    ("weight_norm", {"dim": None}),
    ("spectral_norm", {}),
    ("spectral_norm", {"n_power_iterations": 2}),
]


def function(utils, path):
    for name in path.split("."):
        utils = getattr(utils, name)
    return utils


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("path", "more"), CHANGES)
@pytest.mark.parametrize("name", LAYERS)
def test_normed_layers_are_those_of_torch(name, path, more, training, rng):
    torch = pytest.importorskip("torch")
    args, shape = LAYERS[name]
    ours = function(nn.utils, path)(getattr(nn, name)(*args).to(pm.float64), **more).train(training)
    theirs = function(torch.nn.utils, path)(getattr(torch.nn, name)(*args).double(), **more).train(training)
    hold(torch, ours, theirs, shape, rng)
    removing = f"remove_{path}"
    if "." in path:
        parametrize.remove_parametrizations(ours.eval(), "weight")
        torch.nn.utils.parametrize.remove_parametrizations(theirs.eval(), "weight")
    else:
        function(nn.utils, removing)(ours)
        function(torch.nn.utils, removing)(theirs)
    assert type(ours) is getattr(nn, name)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for key, value in theirs.state_dict().items():
        close(ours.state_dict()[key], value, "float64", key)


def hold(torch, ours, theirs, shape, rng):
    state = theirs.state_dict()
    found = [(k, tuple(v.shape)) for k, v in ours.state_dict().items()]
    assert found == [(k, tuple(v.shape)) for k, v in state.items()]
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    ours.load_state_dict({k: v.numpy() for k, v in state.items()})
    for _ in range(2):
        x = rng.normal(size=shape)
        y, t = ours(pm.tensor(x)), theirs(torch.tensor(x))
        close(y, t, "float64", "value")
        w = rng.normal(size=tuple(t.shape))
        (y * pm.tensor(w)).sum().backward()
        (t * torch.tensor(w)).sum().backward()
    for (key, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        close(a.grad, b.grad, "float64", f"gradient of {key}")
    for key, value in theirs.state_dict().items():  # buffers have moved the same way
        close(ours.state_dict()[key], value, "float64", key)


@pytest.mark.parametrize("trivial", [True, False])
@pytest.mark.parametrize("kind", ["householder", "cayley", "matrix_exp", None])
@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5)])
def test_orthogonal_is_that_of_torch(kind, shape, trivial, rng):
    torch = pytest.importorskip("torch")
    ours, theirs = nn.Linear(*shape).to(pm.float64), torch.nn.Linear(*shape).double()
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    parametrizations.orthogonal(ours, orthogonal_map=kind, use_trivialization=trivial)
    torch.nn.utils.parametrizations.orthogonal(theirs, orthogonal_map=kind, use_trivialization=trivial)
    if trivial or (kind or "householder") == "householder":  # else the start depends on nothing but the map
        close(ours.weight, theirs.weight, "float64", "the value to begin with")
    state = {k: v.numpy().copy() for k, v in theirs.state_dict().items()}
    original = "parametrizations.weight.original"
    state[original] = state[original] + 0.3 * np.tril(rng.normal(size=state[original].shape), -1)
    theirs.load_state_dict({k: torch.tensor(v) for k, v in state.items()})
    ours.load_state_dict(state)
    hold(torch, ours, theirs, (2, shape[0]), rng)
    w = values(ours.weight)
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(product, np.eye(min(w.shape)), atol=1e-12)


def test_exponentials_of_large_matrices(rng):
    torch = pytest.importorskip("torch")
    for scale in (1e-9, 1.0, 300.0):
        a = np.tril(rng.normal(size=(2, 6, 6)), -1)
        a = scale * (a - np.swapaxes(a, -1, -2))
        close(parametrizations._matrix_exp(pm.tensor(a)), torch.matrix_exp(torch.tensor(a)), "float64", str(scale))


def test_assigning_a_normed_weight(rng):
    layer = parametrizations.weight_norm(nn.Linear(3, 2).to(pm.float64))
    w = rng.normal(size=(2, 3))
    layer.weight = pm.tensor(w)
    np.testing.assert_allclose(values(layer.weight), w, rtol=1e-12)
    square = parametrizations.orthogonal(nn.Linear(3, 3).to(pm.float64))
    q = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    square.weight = pm.tensor(q)
    np.testing.assert_allclose(values(square.weight), q, atol=1e-12)


def test_errors():
    layer = nn.Linear(3, 2)
    with pytest.raises(ValueError, match="n_power_iterations"):
        parametrizations.spectral_norm(layer, n_power_iterations=0)
    with pytest.raises(ValueError, match="n_power_iterations"):
        nn.utils.spectral_norm(layer, n_power_iterations=0)
    with pytest.raises(IndexError, match="dim 2"):
        parametrizations.spectral_norm(layer, dim=2)
    with pytest.raises(ValueError, match="orthogonal_map must be one of"):
        parametrizations.orthogonal(layer, orthogonal_map="qr")
    with pytest.raises(ValueError, match="matrix or a batch"):
        parametrizations.orthogonal(layer, "bias")
    with pytest.raises(ValueError, match="no parameter 'other'"):
        nn.utils.weight_norm(layer, "other")
    with pytest.raises(ValueError, match="no weight_norm"):
        nn.utils.remove_weight_norm(layer)
    with pytest.raises(ValueError, match="no spectral_norm"):
        nn.utils.remove_spectral_norm(layer)
    with pytest.raises(pm.StateError, match="no values"):
        nn.utils.weight_norm(nn.Linear(None, 2))
    nn.utils.weight_norm(layer)
    with pytest.raises(pm.StateError, match="already"):
        nn.utils.weight_norm(layer)
    with pytest.raises(AttributeError, match="computed"):
        layer.weight = nn.Parameter(pm.ones((2, 3)))
    assert type(layer).__name__ == "Linear"
