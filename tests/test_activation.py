"""Activations: values, gradients and second derivatives as torch's; large values; accuracy of erf."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest
from parity import compare, compare_layers

import polymod as pm
from polymod import nn
from polymod.backend import Namespace, portable
from polymod.nn import functional as F

NAMES = (
    "relu relu6 leaky_relu hardtanh hardswish hardshrink softshrink elu celu selu sigmoid logsigmoid tanh tanhshrink "
    "softplus softsign silu mish gelu"
).split()
STRAIGHT = {  # and where their kinks are
    "relu": [0.0],
    "relu6": [0.0, 6.0],
    "leaky_relu": [0.0],
    "hardtanh": [-1.0, 1.0],
    "hardsigmoid": [-3.0, 3.0],
    "hardswish": [-3.0, 3.0],
    "hardshrink": [-0.5, 0.5],
    "softshrink": [-0.5, 0.5],
    "elu": [0.0],
    "celu": [0.0],
    "selu": [0.0],
    "softsign": [0.0],
    "rrelu": [0.0],
}


def torch_functional() -> Any:
    return pytest.importorskip("torch").nn.functional


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(), (7,), (2, 0), (3, 4, 5)])
def test_as_torch(name: str, shape: tuple, rng: np.random.Generator):
    compare(getattr(F, name), getattr(torch_functional(), name), np.asarray(3 * rng.normal(size=shape)))


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("leaky_relu", (0.3,)),
        ("leaky_relu", (-0.3,)),
        ("leaky_relu", (1.5,)),
        ("threshold", (0.5, -7.0)),
        ("hardtanh", (-0.4, 2.0)),
        ("hardshrink", (1.2,)),
        ("hardshrink", (-1.0,)),
        ("softshrink", (0.0,)),
        ("elu", (0.6,)),
        ("celu", (2.5,)),
        ("celu", (-1.5,)),
        ("rrelu", (0.1, 0.7)),
        ("softplus", (2.0, 3.0)),
        ("softplus", (0.3,)),
        ("softplus", (-1.0,)),
        ("glu", ()),
        ("glu", (0,)),
        ("glu", (-2,)),
    ],
)
def test_arguments_as_torch(name: str, args: tuple, rng: np.random.Generator):
    ours, theirs = getattr(F, name), getattr(torch_functional(), name)
    compare(lambda x: ours(x, *args), lambda x: theirs(x, *args), 3 * rng.normal(size=(4, 6, 10)))


@pytest.mark.parametrize("name", STRAIGHT)
def test_kinks_as_torch(name: str):
    second = name not in ("hardsigmoid", "hardswish")  # torch has none, or another one at the kinks
    compare(getattr(F, name), getattr(torch_functional(), name), np.asarray(STRAIGHT[name]), second=second)


def test_threshold_at_its_kink_as_torch():
    compare(lambda x: F.threshold(x, 2.0, 9.0), lambda x: torch_functional().threshold(x, 2.0, 9.0), np.asarray([2.0]))


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("relu6", "hardtanh")])
def test_float32_far_out_as_torch(name: str):
    """Relative to each value, not to the largest."""
    torch = pytest.importorskip("torch")
    host = np.concatenate([np.linspace(-100, 100, 401), [-1e30, -1e4, 1e4, 1e30]]).astype(np.float32)
    x, t = pm.tensor(host, requires_grad=True), torch.tensor(host, requires_grad=True)
    y, u = getattr(F, name)(x), getattr(torch.nn.functional, name)(t)
    y.sum().backward()
    u.sum().backward()
    size = 1e-5 if name in ("gelu", "tanhshrink", "elu", "celu", "selu") else 0  # these subtract, in torch as here
    np.testing.assert_allclose(pm.to_numpy(y), u.detach().numpy(), rtol=3e-5, atol=max(size, 1e-30))
    np.testing.assert_allclose(pm.to_numpy(x.grad), t.grad.numpy(), rtol=3e-5, atol=1e-5)


@pytest.mark.parametrize(("shape", "weight"), [((5, 3), 3), ((2, 3, 4, 2), 3), ((2, 3, 4), 1), ((6,), 1), ((), 1)])
def test_prelu_as_torch(shape: tuple, weight: int, rng: np.random.Generator):
    compare(F.prelu, torch_functional().prelu, np.asarray(rng.normal(size=shape)), rng.normal(size=weight))
    if shape:
        layer = nn.PReLU(weight, 0.4)
        compare_layers(layer, pytest.importorskip("torch").nn.PReLU(weight, 0.4), rng.normal(size=shape))


def test_rrelu_in_training(rng: np.random.Generator):
    x = pm.tensor(rng.normal(size=(100, 200)), dtype=pm.float64, requires_grad=True)
    pm.random.manual_seed(1)
    layer = nn.RReLU(0.2, 0.6)
    y = layer(x)
    host, values = pm.to_numpy(x), pm.to_numpy(y)
    slopes = values[host < 0] / host[host < 0]
    assert 0.2 <= slopes.min() < 0.201 and 0.599 < slopes.max() <= 0.6 and abs(slopes.mean() - 0.4) < 0.005
    np.testing.assert_array_equal(values[host > 0], host[host > 0])
    (g,) = pm.autograd.grad(y.sum(), x)
    np.testing.assert_allclose(pm.to_numpy(g), np.where(host > 0, 1, values / host), rtol=1e-12)
    np.testing.assert_allclose(pm.to_numpy(layer.eval()(x)), np.where(host > 0, host, 0.4 * host), rtol=1e-12)
    again = F.rrelu(x, 0.2, 0.6, True, generator=pm.random.Generator(3))
    np.testing.assert_array_equal(
        pm.to_numpy(again), pm.to_numpy(F.rrelu(x, 0.2, 0.6, True, generator=pm.random.Generator(3)))
    )


def test_gumbel_softmax_draws_from_its_distribution():
    p = np.asarray([0.1, 0.6, 0.3])
    logits = pm.tensor(np.log(p) + np.zeros((20000, 1)), dtype=pm.float64, requires_grad=True)
    pm.random.manual_seed(2)
    hard = F.gumbel_softmax(logits, hard=True)
    values = pm.to_numpy(hard)
    assert set(values.ravel()) == {0.0, 1.0} and (values.sum(1) == 1).all()
    np.testing.assert_allclose(values.mean(0), p, atol=0.012)  # three standard deviations of the largest
    w = pm.tensor([1.0, 2.0, 4.0], dtype=pm.float64)
    (g,) = pm.autograd.grad((hard * w).sum(), logits)
    pm.random.manual_seed(2)
    soft = F.gumbel_softmax(logits, tau=1)
    np.testing.assert_allclose(pm.to_numpy(soft).sum(1), 1)
    np.testing.assert_array_equal(pm.to_numpy(soft).argmax(1), values.argmax(1))
    (e,) = pm.autograd.grad((soft * w).sum(), logits)
    np.testing.assert_allclose(pm.to_numpy(g), pm.to_numpy(e), rtol=1e-12)  # straight through
    first = F.gumbel_softmax(pm.ones((4, 3, 5)), tau=0.5, hard=True, dim=1)
    np.testing.assert_array_equal(pm.to_numpy(first).sum(1), 1)
    assert first.dtype == pm.float32 and first.shape == (4, 3, 5)


IN_PLACE = {
    "relu_": (),
    "elu_": (0.7,),
    "celu_": (0.7,),
    "selu_": (),
    "leaky_relu_": (0.3,),
    "hardtanh_": (-0.5, 0.2),
    "threshold_": (0.1, 3.0),
    "rrelu_": (0.1, 0.3),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place(name: str, rng: np.random.Generator):
    host, args = rng.normal(size=(3, 4)), IN_PLACE[name]
    expected = pm.to_numpy(getattr(F, name[:-1])(pm.tensor(host), *args))
    x = pm.tensor(host)
    row = x[1]
    assert getattr(F, name)(x, *args) is x
    np.testing.assert_array_equal(pm.to_numpy(x), expected)
    x = pm.tensor(host)
    row = x[1]
    getattr(F, name)(row, *args)  # a view writes to its owner
    np.testing.assert_array_equal(pm.to_numpy(x)[1], expected[1])
    np.testing.assert_array_equal(pm.to_numpy(x)[0], host[0])
    leaf = pm.tensor(host, requires_grad=True)
    with pytest.raises(pm.GradientError, match=f"{name} on a leaf that requires grad"):
        getattr(F, name)(leaf, *args)
    y = leaf * 1
    getattr(F, name)(y, *args)
    (g,) = pm.autograd.grad(y.sum(), leaf)
    (e,) = pm.autograd.grad(getattr(F, name[:-1])(leaf, *args).sum(), leaf)
    np.testing.assert_array_equal(pm.to_numpy(g), pm.to_numpy(e))
    with pytest.raises(TypeError, match="changes a Tensor, received list"):
        getattr(F, name)([1.0], *args)


def test_in_place_keeps_the_dtype():
    with pytest.raises(TypeError, match=r"elu_ of polymod\.int64 gives polymod\.float32"):
        F.elu_(pm.tensor([1, 2]))
    whole = pm.tensor([-1, 9])
    assert F.hardtanh_(whole).dtype == pm.int64 and pm.to_numpy(whole).tolist() == [-1, 1]


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "tanhshrink", "softsign", "relu", "relu6", "hardtanh"])
def test_whole_numbers_as_torch(name: str):
    torch = pytest.importorskip("torch")
    expected = getattr(torch.nn.functional, name)(torch.tensor([-3, 0, 2, 9]))
    found = getattr(F, name)(pm.tensor([-3, 0, 2, 9]))
    assert found.dtype.name == str(expected.dtype).removeprefix("torch.")
    np.testing.assert_allclose(pm.to_numpy(found), expected.numpy(), rtol=1e-6)


def test_softmin_and_softmax2d_as_torch(rng: np.random.Generator):
    theirs = pytest.importorskip("torch").nn
    compare(lambda x: F.softmin(x, 1), lambda x: theirs.functional.softmin(x, 1), rng.normal(size=(2, 3)))
    for shape in ((2, 3, 4, 5), (3, 4, 5)):
        compare_layers(nn.Softmax2d(), theirs.Softmax2d(), rng.normal(size=shape))
    with pytest.raises(pm.ShapeError, match=r"received shape \(2, 3\)"):
        nn.Softmax2d()(pm.ones((2, 3)))
    assert F.softmax(pm.ones((2, 0)), 1).shape == (2, 0)


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
        ("silu", {}),
        ("silu_slope", {}),
        ("relu", {}),
        ("leaky_relu", {"negative_slope": 0.01}),
        ("leaky_relu", {"negative_slope": 0.0}),
        ("leaky_relu", {"negative_slope": -0.5}),
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


MODULES: list[tuple[str, tuple]] = [
    ("CELU", ()),
    ("CELU", (0.5, True)),
    ("ELU", ()),
    ("ELU", (0.5, True)),
    ("GELU", ()),
    ("GELU", ("tanh",)),
    ("GLU", ()),
    ("GLU", (1,)),
    ("Hardshrink", (0.3,)),
    ("Hardsigmoid", (True,)),
    ("Hardswish", (True,)),
    ("Hardtanh", ()),
    ("Hardtanh", (-2, 3, True)),
    ("LeakyReLU", ()),
    ("LeakyReLU", (0.3, True)),
    ("LogSigmoid", ()),
    ("LogSoftmax", (1,)),
    ("Mish", ()),
    ("Mish", (True,)),
    ("PReLU", ()),
    ("PReLU", (4, 0.1)),
    ("RReLU", ()),
    ("RReLU", (0.1, 0.2, True)),
    ("ReLU", (True,)),
    ("ReLU", ()),
    ("ReLU6", ()),
    ("ReLU6", (True,)),
    ("SELU", ()),
    ("SELU", (True,)),
    ("SiLU", ()),
    ("SiLU", (True,)),
    ("Sigmoid", ()),
    ("Softmax", (1,)),
    ("Softmax2d", ()),
    ("Softmin", (-1,)),
    ("Softplus", ()),
    ("Softplus", (2, 5.0)),
    ("Softshrink", (0.3,)),
    ("Softsign", ()),
    ("Tanh", ()),
    ("Tanhshrink", ()),
    ("Threshold", (0.1, 20)),
    ("Threshold", (0.1, 20, True)),
]


@pytest.mark.parametrize(("name", "args"), MODULES)
def test_modules_as_torch(name: str, args: tuple, rng: np.random.Generator):
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(nn, name)(*args).eval(), getattr(torch.nn, name)(*args).eval()
    assert repr(ours) == repr(theirs)
    assert list(inspect.signature(type(ours)).parameters) in (list(inspect.signature(type(theirs)).parameters), [])
    x = pm.tensor(rng.normal(size=(3, 4, 2, 2)), dtype=pm.float32)
    expected = theirs(torch.tensor(pm.to_numpy(x))).detach().numpy()
    np.testing.assert_allclose(pm.to_numpy(ours(input=x)), expected, rtol=1e-5, atol=1e-6)
    assert ours.output_shape((3, 4, 2, 2)) == expected.shape
    theirs.inplace = False  # which torch refuses for a leaf
    compare_layers(ours, theirs, rng.normal(size=(3, 4, 2, 2)))


def test_wrong_arguments():
    for make, error, said in (
        (lambda: nn.GELU("sigmoid"), ValueError, "approximate"),
        (lambda: nn.Softmax(dim="1"), TypeError, "dim must be an integer"),
        (lambda: nn.GLU(0.5), TypeError, "dim must be an integer"),
        (lambda: nn.LeakyReLU("a"), TypeError, "negative_slope must be a number, received 'a'"),
        (lambda: nn.Threshold(None, 1), TypeError, "threshold must be a number"),
        (lambda: nn.Hardtanh(1, 1), ValueError, "min_val must be below max_val, received 1 and 1"),
        (lambda: nn.RReLU(0.4, 0.3), ValueError, "lower must not be above upper, received 0.4 and 0.3"),
        (lambda: nn.CELU(0), ValueError, "alpha must not be 0"),
        (lambda: nn.Softshrink(-1), ValueError, "must not be negative, received -1"),
        (lambda: nn.PReLU(2.5), TypeError, "num_parameters must be a whole number"),
        (lambda: F.hardtanh(pm.ones(2), 2, 1), ValueError, "min_val must not be above max_val"),
        (lambda: F.glu(pm.ones((2, 3))), pm.ShapeError, r"axis -1 of even length, received shape \(2, 3\)"),
        (lambda: F.glu(pm.ones(2), 1), pm.ShapeError, r"axis 1 of even length, received shape \(2,\)"),
        (lambda: nn.PReLU(2)(pm.ones((2, 3))), pm.ShapeError, r"\(channels,\) is expected, received \(2,\)"),
    ):
        with pytest.raises(error, match=said):
            make()
    with pytest.warns(FutureWarning, match="now min_val and max_val"):
        assert nn.Hardtanh(min_value=-2, max_value=2).max_val == 2


def test_a_module_without_dim_warns_where_it_is_called():
    with pytest.warns(UserWarning, match="softmin without dim") as caught:
        nn.Softmin()(pm.ones((2, 3)))
    assert caught[0].filename == __file__
