"""Activations: values, gradients and second derivatives as torch's; large values; accuracy of erf."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from parity import compare

import polymod as pm
from polymod import nn
from polymod.backend import Namespace, portable
from polymod.nn import functional as F

NAMES = ["relu", "gelu", "tanh", "sigmoid"]


def torch_functional() -> Any:
    return pytest.importorskip("torch").nn.functional


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(), (7,), (2, 0), (3, 4, 5)])
def test_as_torch(name: str, shape: tuple, rng: np.random.Generator):
    compare(getattr(F, name), getattr(torch_functional(), name), np.asarray(3 * rng.normal(size=shape)))


def test_gelu_by_tanh_as_torch(rng: np.random.Generator):
    x = np.concatenate([4 * rng.normal(size=50), [0.0, -30.0, 30.0]])
    compare(lambda v: F.gelu(v, "tanh"), lambda v: torch_functional().gelu(v, approximate="tanh"), x)
    with pytest.raises(ValueError, match="'none' or 'tanh', received 'erf'"):
        F.gelu(pm.tensor(x), "erf")


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize(("shape", "dim"), [((5,), 0), ((3, 4), 1), ((3, 4), 0), ((2, 3, 4), -2), ((), 0)])
def test_softmax_as_torch(name: str, shape: tuple, dim: int, rng: np.random.Generator):
    x = np.asarray(5 * rng.normal(size=shape))
    compare(lambda v: getattr(F, name)(v, dim), lambda v: getattr(torch_functional(), name)(v, dim), x)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 3, 4), (2, 3, 4, 2)])
def test_softmax_without_dim_warns_and_follows_torch(shape: tuple, rng: np.random.Generator):
    x = rng.normal(size=shape)
    with pytest.warns(UserWarning, match="dim"):
        y = F.softmax(pm.tensor(x))
    axis = 0 if len(shape) in (1, 3) else 1
    np.testing.assert_allclose(pm.to_numpy(y).sum(axis), 1)


def test_softmax_along_a_missing_axis():
    with pytest.raises(IndexError, match=r"axis 2 of an array of shape \(2, 3\)"):
        F.softmax(pm.ones((2, 3)), 2)


def test_softmax_dtype():
    assert F.softmax(pm.tensor([1, 2]), 0, dtype=pm.float64).dtype == pm.float64
    assert F.log_softmax(pm.ones(2), 0, dtype=pm.float64).dtype == pm.float64


@pytest.mark.parametrize("dtype", [pm.float32, pm.float64])
def test_large_values(dtype: pm.dtypes.DType):
    """Nothing overflows, in the value or in the gradient."""
    top = 1e30 if dtype == pm.float32 else 1e200
    host = np.asarray([-top, -1e3, -50.0, 50.0, 1e3, top])
    step = np.asarray([0, 0, 0, 1, 1, 1])
    for f, value, slope in (
        (F.gelu, np.where(step, host, 0), step),
        (lambda v: F.gelu(v, "tanh"), np.where(step, host, 0), step),
        (F.sigmoid, step, 0 * step),
        (F.tanh, 2 * step - 1, 0 * step),
        (F.relu, np.where(step, host, 0), step),
    ):
        x = pm.tensor(host, dtype=dtype, requires_grad=True)
        y = f(x)
        y.sum().backward()
        np.testing.assert_allclose(pm.to_numpy(y), value.astype(dtype.name), rtol=1e-6, atol=1e-20)
        np.testing.assert_allclose(pm.to_numpy(x.grad), slope, rtol=1e-6, atol=1e-20)
    x = pm.tensor([1e4, -1e4, 1e4], dtype=dtype, requires_grad=True)
    F.log_softmax(x, 0)[1].backward()
    np.testing.assert_allclose(pm.to_numpy(x.grad), [-0.5, 1, -0.5], rtol=1e-6)
    np.testing.assert_allclose(pm.to_numpy(F.softmax(x, 0)), [0.5, 0, 0.5])


def test_sigmoid_keeps_its_digits_far_out():
    y = pm.to_numpy(F.sigmoid(pm.tensor([-20.0, -600.0], dtype=pm.float64)))
    np.testing.assert_allclose(y, [math.exp(-20) / (1 + math.exp(-20)), math.exp(-600)], rtol=1e-14)


def test_nan_and_inf_pass():
    x = pm.tensor([math.nan, math.inf, -math.inf])
    np.testing.assert_array_equal(pm.to_numpy(F.relu(x)), [math.nan, math.inf, 0])
    np.testing.assert_array_equal(pm.to_numpy(F.sigmoid(x)), [math.nan, 1, 0])


@pytest.mark.parametrize(("dtype", "bound"), [(pm.float64, 1e-15), (pm.float32, 5e-7)])
@pytest.mark.parametrize("form", ["engine", "portable"])
def test_erf_is_accurate(dtype: pm.dtypes.DType, bound: float, form: str, engine: pm.Device):
    size = 70000 if form == "engine" and engine.backend.name == "numpy" else 2000  # more than one tile there
    host = np.concatenate([np.linspace(-7, 7, size), np.geomspace(1e-30, 1e-3, 50), [0.46875, 0.469, 3.92, 4.0, 6.0]])
    host = host.astype(dtype.name)
    x = pm.tensor(host)
    xp: Namespace = engine.backend.namespace
    y = pm.ops.erf(x) if form == "engine" else pm.Tensor(portable["erf"](xp, x.array))
    expected = np.asarray([math.erf(v) for v in host.tolist()])
    found = pm.to_numpy(y)
    assert found.dtype == host.dtype
    np.testing.assert_allclose(found, expected, rtol=bound, atol=0)


@pytest.mark.parametrize(
    ("name", "attrs"),
    [
        ("gelu", {"approximate": "none"}),
        ("gelu", {"approximate": "tanh"}),
        ("gelu_slope", {"approximate": "none"}),
        ("gelu_slope", {"approximate": "tanh"}),
        ("sigmoid", {}),
        ("relu", {}),
        ("softmax", {"axis": 0}),
        ("masked_softmax", {"axis": -1}),
        ("log_softmax", {"axis": 1}),
    ],
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_kernels_equal_the_portable_definitions(
    name: str, attrs: dict, dtype: str, engine: pm.Device, rng: np.random.Generator
):
    if name not in engine.backend.kernels:
        pytest.skip(f"{engine.backend.name} has no kernel {name}")
    host = np.concatenate([5 * rng.normal(size=(400, 100)), [[-100.0] * 50 + [100.0] * 50]]).astype(dtype)
    x = pm.tensor(host).array
    xp = engine.backend.namespace
    before = pm.to_numpy(x)
    found = pm.to_numpy(getattr(xp, name)(x, **attrs))
    np.testing.assert_array_equal(pm.to_numpy(x), before)  # kernels leave their input alone
    expected = pm.to_numpy(portable[name](xp, x, **attrs))
    assert found.dtype == expected.dtype
    # a few roundings; the slope of GELU by tanh multiplies those of 1 - tanh**2 by 2 |x| where it is largest
    bound = 16 * np.finfo(dtype).eps * (1 + np.abs(host) + np.abs(expected))
    assert (np.abs(found - expected) <= bound).all()


def test_modules():
    x = pm.tensor([[-1.0, 2.0]])
    for module, function, shown in (
        (nn.ReLU(True), F.relu, "ReLU(inplace=True)"),
        (nn.ReLU(), F.relu, "ReLU()"),
        (nn.GELU(), F.gelu, "GELU(approximate='none')"),
        (nn.GELU("tanh"), lambda v: F.gelu(v, "tanh"), "GELU(approximate='tanh')"),
        (nn.Tanh(), F.tanh, "Tanh()"),
        (nn.Sigmoid(), F.sigmoid, "Sigmoid()"),
        (nn.Softmax(dim=1), lambda v: F.softmax(v, 1), "Softmax(dim=1)"),
        (nn.LogSoftmax(1), lambda v: F.log_softmax(v, 1), "LogSoftmax(dim=1)"),
    ):
        np.testing.assert_array_equal(pm.to_numpy(module(x)), pm.to_numpy(function(x)))
        assert repr(module) == shown
    with pytest.raises(ValueError, match="approximate"):
        nn.GELU("sigmoid")
    with pytest.raises(TypeError, match="dim must be an integer"):
        nn.Softmax(dim="1")
