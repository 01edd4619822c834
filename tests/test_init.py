"""Initial values: exact structure where there is one, statistics where they are drawn, and torch's errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import polymod as pm
from polymod.nn import init

GAINS = ["linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]
GAINS += ["sigmoid", "tanh", "relu", "leaky_relu", "selu"]


def torch_init() -> Any:
    return pytest.importorskip("torch").nn.init


def filled(fill: Any, *shape: int, dtype: Any = pm.float64) -> np.ndarray:
    """What `fill` makes of a parameter of this shape, which stays the same object with the same dtype."""
    pm.random.manual_seed(11)
    parameter = pm.nn.Parameter(pm.zeros(shape, dtype=dtype))
    assert fill(parameter) is parameter and parameter.requires_grad and parameter.dtype == dtype
    return pm.to_numpy(parameter)


def test_every_function_of_torch_is_here():
    ours = {n for n in dir(init) if n.endswith("_") and not n.startswith("_")} | {"calculate_gain"}
    theirs = {n for n in torch_init().__all__ if n.endswith("_")} | {"calculate_gain"}
    assert theirs <= ours and theirs <= set(init.__all__)


@pytest.mark.parametrize("nonlinearity", GAINS)
@pytest.mark.parametrize("param", [None, 0.3])
def test_gains_as_torch(nonlinearity: str, param: float | None):
    assert init.calculate_gain(nonlinearity, param) == torch_init().calculate_gain(nonlinearity, param)


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (5, 2), (0, 2)])
def test_eye_as_torch(shape: tuple):
    torch = pytest.importorskip("torch")
    np.testing.assert_array_equal(filled(init.eye_, *shape), torch_init().eye_(torch.ones(shape)).numpy())


@pytest.mark.parametrize("shape", [(4, 2, 3), (2, 4, 4), (6, 3, 3, 5), (4, 4, 1, 2, 3)])
@pytest.mark.parametrize("groups", [1, 2])
def test_dirac_as_torch(shape: tuple, groups: int):
    torch = pytest.importorskip("torch")
    found = filled(lambda p: init.dirac_(p, groups), *shape)
    np.testing.assert_array_equal(found, torch_init().dirac_(torch.ones(shape), groups).numpy())


def test_dirac_gives_the_input_back(rng: np.random.Generator):
    layer = pm.nn.Conv2d(4, 4, 3, padding=1, groups=2, bias=False)
    init.dirac_(layer.weight, 2)
    x = pm.tensor(rng.normal(size=(2, 4, 5, 6)), dtype=pm.float32)
    np.testing.assert_array_equal(pm.to_numpy(layer(x)), pm.to_numpy(x))


def test_constants():
    assert (filled(init.ones_, 2, 3) == 1).all() and (filled(init.zeros_, 2) == 0).all()
    assert (filled(lambda p: init.constant_(p, 0.3), 2, 3) == 0.3).all()


@pytest.mark.parametrize("shape", [(40, 40), (30, 50), (50, 30), (20, 4, 3, 2), (1, 5), (0, 3)])
def test_orthogonal(shape: tuple):
    q = filled(lambda p: init.orthogonal_(p, 2.0), *shape).reshape(shape[0], math.prod(shape[1:]))
    product = q @ q.T if q.shape[0] <= q.shape[1] else q.T @ q
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-12)


def test_orthogonal_matrices_are_uniformly_distributed():
    """Of any direction: first rows have mean 0, and the determinant is -1 as often as 1."""
    pm.random.manual_seed(3)
    many = [pm.to_numpy(init.orthogonal_(pm.zeros((3, 3), dtype=pm.float64))) for _ in range(2000)]
    assert np.abs(np.mean(many, 0)).max() < 0.045  # 3.5 standard deviations
    assert abs(np.mean([np.linalg.det(q) for q in many])) < 0.07


@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.55, 1.0])
def test_sparse(sparsity: float):
    values = filled(lambda p: init.sparse_(p, sparsity, std=0.2), 25, 400)
    zeros = values == 0
    assert (zeros.sum(0) == math.ceil(sparsity * 25)).all()
    assert np.abs(zeros.mean(1) - math.ceil(sparsity * 25) / 25).max() < 0.1  # no row is preferred
    if sparsity < 1:
        assert abs(values[~zeros].std() - 0.2) < 0.008


def test_uniform_and_normal():
    u = filled(lambda p: init.uniform_(p, -1.0, 3.0), 300, 200)
    assert -1 <= u.min() < -0.999 and 2.999 < u.max() < 3 and abs(u.mean() - 1) < 0.02
    n = filled(lambda p: init.normal_(p, 2.0, 0.5), 300, 200)
    assert abs(n.mean() - 2) < 0.01 and abs(n.std() - 0.5) < 0.005
    np.testing.assert_array_equal(n, filled(lambda p: init.normal_(p, 2.0, 0.5), 300, 200))


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"),
    [(0, 1, -2, 2), (0, 0.02, -2, 2), (1, 2, 0, 1.5), (0, 1, 4, 9), (0, 1, -9, -5), (3, 1, -math.inf, math.inf)],
)
@pytest.mark.parametrize("dtype", [pm.float32, pm.float64])
def test_trunc_normal(mean: float, std: float, a: float, b: float, dtype: Any):
    values = filled(lambda p: init.trunc_normal_(p, mean, std, a, b), 200, 200, dtype=dtype)
    assert a <= values.min() and values.max() <= b
    stats = pytest.importorskip("scipy").stats
    law = stats.truncnorm((a - mean) / std, (b - mean) / std, mean, std)
    assert stats.kstest(values.ravel(), law.cdf).pvalue > 1e-3


@pytest.mark.parametrize("shape", [(300, 200), (60, 40, 3, 5)])
def test_fans(shape: tuple):
    receptive = math.prod(shape[2:])
    fan_in, fan_out = shape[1] * receptive, shape[0] * receptive
    for fill, std, uniform in (
        (init.xavier_uniform_, math.sqrt(2 / (fan_in + fan_out)), True),
        (init.xavier_normal_, math.sqrt(2 / (fan_in + fan_out)), False),
        (lambda p: init.xavier_normal_(p, 3.0), 3 * math.sqrt(2 / (fan_in + fan_out)), False),
        (init.kaiming_uniform_, math.sqrt(2 / fan_in), True),
        (lambda p: init.kaiming_uniform_(p, math.sqrt(5)), math.sqrt(1 / (3 * fan_in)), True),
        (lambda p: init.kaiming_normal_(p, mode="fan_out", nonlinearity="relu"), math.sqrt(2 / fan_out), False),
        (lambda p: init.kaiming_normal_(p, nonlinearity="tanh"), 5 / 3 / math.sqrt(fan_in), False),
    ):
        values = filled(fill, *shape)
        assert abs(values.std() / std - 1) < 0.02 and abs(values.mean()) < 0.02 * std
        largest = np.abs(values).max() / std
        assert largest <= math.sqrt(3) if uniform else largest > 3


def test_errors():
    for call, said in (
        (lambda: init.eye_(pm.ones(3)), r"eye_ needs a matrix, received shape \(3,\)"),
        (lambda: init.dirac_(pm.ones((2, 3))), r"3 to 5 axes, received shape \(2, 3\)"),
        (lambda: init.dirac_(pm.ones((4, 3, 1)), 3), "must divide the 4 output channels, received 3"),
        (lambda: init.orthogonal_(pm.ones(3)), r"two or more axes, received shape \(3,\)"),
        (lambda: init.sparse_(pm.ones(3), 0.1), r"sparse_ needs a matrix"),
        (lambda: init.sparse_(pm.ones((3, 3)), 1.1), r"in \[0, 1\], received 1.1"),
        (lambda: init.trunc_normal_(pm.ones(3), a=1, b=1), "a < b, received a=1, b=1"),
        (lambda: init.trunc_normal_(pm.ones(3), std=0), "std > 0, received 0"),
        (lambda: init.xavier_uniform_(pm.ones(3)), r"two or more axes, received shape \(3,\)"),
        (lambda: init.kaiming_normal_(pm.ones((3, 3)), mode="in"), "mode must be 'fan_in' or 'fan_out', received 'in'"),
        (lambda: init.calculate_gain("reul"), "unknown nonlinearity 'reul'"),
    ):
        with pytest.raises(ValueError, match=said):
            call()


def test_a_failed_call_leaves_the_values():
    x = pm.ones((2, 2))
    with pytest.raises(ValueError, match="sparsity"):
        init.sparse_(x, 2.0)
    np.testing.assert_array_equal(pm.to_numpy(x), 1)


def test_the_same_values_on_every_engine():
    for fill in (init.orthogonal_, init.trunc_normal_, lambda p: init.sparse_(p, 0.3), init.kaiming_normal_):
        pm.random.manual_seed(7)
        here = pm.to_numpy(fill(pm.zeros((6, 4))))
        pm.random.manual_seed(7)
        np.testing.assert_array_equal(here, pm.to_numpy(fill(pm.zeros((6, 4), device="numpy"))))
