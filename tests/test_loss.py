"""Losses: values, gradients and second derivatives as torch's; the errors that keep wrong targets out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from parity import compare

import polymod as pm
from polymod import nn
from polymod.backend import portable
from polymod.nn import functional as F

REDUCTIONS = ["none", "sum", "mean"]
quiet = pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:divide by zero:RuntimeWarning")


def torch_functional() -> Any:
    return pytest.importorskip("torch").nn.functional


def scores_and_targets(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    axis = 0 if len(shape) == 1 else 1
    target = rng.integers(0, shape[axis], shape[:axis] + shape[axis + 1 :])
    return 3 * rng.normal(size=shape), np.asarray(target)


# ------------------------------------------------------------------------------------------------ cross entropy


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(5,), (6, 5), (2, 5, 3, 2)])
def test_cross_entropy_as_torch(
    reduction: str, smoothing: float, weighted: bool, shape: tuple, rng: np.random.Generator
):
    x, target = scores_and_targets(rng, shape)
    if len(shape) > 1:
        target.flat[::3] = 2
    weight = [rng.uniform(0.5, 2, 5)] if weighted else []
    for ignored in (-100, 2):
        how = {"reduction": reduction, "label_smoothing": smoothing, "ignore_index": ignored}
        if len(shape) == 1 and ignored == int(target):
            continue  # all ignored: see below
        compare(
            lambda v, t, *w, how=how: F.cross_entropy(v, t, *w, **how),
            lambda v, t, *w, how=how: torch_functional().cross_entropy(v, t, *w, **how),
            *(x, target, *weight),
            constant=(2,),
        )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(5,), (2, 5, 3)])
def test_cross_entropy_of_probabilities_as_torch(
    reduction: str, smoothing: float, weighted: bool, shape: tuple, rng: np.random.Generator
):
    target = rng.uniform(size=shape)
    target /= target.sum(0 if len(shape) == 1 else 1, keepdims=True)
    weight = [rng.uniform(0.5, 2, 5)] if weighted else []
    how = {"reduction": reduction, "label_smoothing": smoothing}
    compare(
        lambda v, t, *w: F.cross_entropy(v, t, *w, **how),
        lambda v, t, *w: torch_functional().cross_entropy(v, t, *w, **how),
        *(3 * rng.normal(size=shape), target, *weight),
        constant=(2,),
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(5,), (6, 5), (2, 5, 3)])
def test_nll_loss_as_torch(reduction: str, weighted: bool, shape: tuple, rng: np.random.Generator):
    x, target = scores_and_targets(rng, shape)
    weight = [rng.uniform(0.5, 2, 5)] if weighted else []
    how = {"reduction": reduction, "ignore_index": 2 if len(shape) > 1 else -100}
    compare(
        lambda v, t, *w: F.nll_loss(v, t, *w, **how),
        lambda v, t, *w: torch_functional().nll_loss(v, t, *w, **how),
        *(x, target, *weight),
        constant=(2,),
    )


@quiet
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_all_ignored_gives_nan_and_no_gradient_as_torch(smoothing: float, rng: np.random.Generator):
    torch = pytest.importorskip("torch")
    host = rng.normal(size=(3, 4))
    for reduction, expected in (("mean", math.nan), ("sum", 0.0)):
        x = pm.tensor(host, requires_grad=True)
        t = torch.tensor(host, requires_grad=True)
        how = {"reduction": reduction, "label_smoothing": smoothing}
        y = F.cross_entropy(x, pm.tensor([-100, -100, -100]), **how)
        e = torch.nn.functional.cross_entropy(t, torch.tensor([-100] * 3), **how)
        np.testing.assert_array_equal(pm.to_numpy(y), expected)
        np.testing.assert_array_equal(e.detach().numpy(), expected)
        y.backward()
        e.backward()
        np.testing.assert_array_equal(pm.to_numpy(x.grad), t.grad.numpy())
        np.testing.assert_array_equal(pm.to_numpy(x.grad), 0)


def test_ignored_rows_may_hold_anything_finite_and_excluded_classes_minus_inf(rng: np.random.Generator):
    host = rng.normal(size=(3, 4))
    host[:, 1] = -math.inf
    host[2] = 1e300
    x = pm.tensor(host, requires_grad=True)
    loss = F.cross_entropy(x, pm.tensor([0, 3, -100]))
    loss.backward()
    kept = host[:2, [0, 2, 3]]
    lse = np.log(np.exp(kept).sum(1))
    np.testing.assert_allclose(pm.to_numpy(loss), np.mean(lse - [kept[0, 0], kept[1, 2]]), rtol=1e-12)
    g = pm.to_numpy(x.grad)
    assert np.isfinite(g).all() and (g[2] == 0).all() and (g[:, 1] == 0).all()


def test_large_scores():
    x = pm.tensor([[1e4, -1e4], [-1e4, 1e4]], dtype=pm.float32, requires_grad=True)
    loss = F.cross_entropy(x, pm.tensor([0, 0]), reduction="none")
    np.testing.assert_array_equal(pm.to_numpy(loss), [0, 2e4])
    loss.sum().backward()
    np.testing.assert_array_equal(pm.to_numpy(x.grad), [[0, 0], [-1, 1]])


def test_index_out_of_range(engine: pm.Device):
    x = pm.zeros((2, 3), requires_grad=True)
    checked = engine.backend.capabilities.host_access and str(engine) not in ("strict:device1", "strict:device2")
    for bad in (3, -1, -101):
        for f in (F.cross_entropy, F.nll_loss):
            target = pm.tensor([0, bad])
            if checked:
                with pytest.raises(
                    IndexError, match=rf"target class {bad} at position \(1,\) is out of range: expected 0 to 2"
                ):
                    f(x, target)
            else:  # to look would mean to wait for the device
                assert math.isnan(float(f(x, target)))
                assert math.isnan(float(f(x, target, reduction="sum")))


@pytest.mark.parametrize("dtype", [pm.int8, pm.uint8, pm.int32, pm.int64])
def test_targets_of_any_integer_dtype(dtype: pm.dtypes.DType, rng: np.random.Generator):
    x = pm.tensor(rng.normal(size=(4, 3)))
    t = [0, 2, 1, 1]
    expected = pm.to_numpy(F.cross_entropy(x, pm.tensor(t)))
    np.testing.assert_array_equal(pm.to_numpy(F.cross_entropy(x, pm.tensor(t, dtype=dtype))), expected)
    np.testing.assert_array_equal(pm.to_numpy(F.cross_entropy(x, t)), expected)


def test_wrong_shapes_and_arguments():
    x = pm.zeros((2, 3))
    with pytest.raises(
        pm.ShapeError, match=r"target of shape \(2,\) is expected, received \(3,\).*weight of shape \(3,\)"
    ):
        F.cross_entropy(x, pm.tensor([0, 1, 2]), pm.ones(2))
    with pytest.raises(pm.ShapeError, match="class numbers are integers"):
        F.cross_entropy(x, pm.zeros(2))
    with pytest.raises(pm.ShapeError, match="class numbers are integers"):
        F.nll_loss(x, pm.zeros((2, 3)))
    with pytest.raises(TypeError, match="bool"):
        F.cross_entropy(x, pm.tensor([True, False]))
    with pytest.raises(ValueError, match="reduction must be 'none', 'mean' or 'sum', received 'avg'"):
        F.cross_entropy(x, pm.tensor([0, 1]), reduction="avg")
    with pytest.raises(ValueError, match="label_smoothing"):
        nn.CrossEntropyLoss(label_smoothing=1.5)
    with pytest.raises(ValueError, match="reduction"):
        nn.MSELoss(reduction="average")
    with pytest.raises(pm.ShapeError, match=r"received \(\)"):
        F.cross_entropy(pm.tensor(1.0), pm.tensor(0))
    w = pm.ones(3, requires_grad=True)
    with pytest.raises(pm.GradientError, match="input 2"):
        F.cross_entropy(x, pm.tensor([0, 1]), w)


@pytest.mark.parametrize("name", ["cross_entropy", "cross_entropy_back"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_kernels_equal_the_portable_definitions(
    name: str, dtype: str, reduction: str, engine: pm.Device, rng: np.random.Generator
):
    if name not in engine.backend.kernels:
        pytest.skip(f"{engine.backend.name} has no kernel {name}")
    xp = engine.backend.namespace
    x, target = scores_and_targets(rng, (50, 10))
    for ignored in (-100, 3):
        for weight in (None, pm.tensor(rng.uniform(0.5, 2, 10).astype(dtype)).array):
            how = {"ignore_index": ignored, "reduction": reduction, "label_smoothing": 0.0}
            arrays = [pm.tensor(x.astype(dtype)).array, pm.tensor(target).array, weight]
            if name.endswith("back"):
                g = rng.normal(size=(50,) if reduction == "none" else ()).astype(dtype)
                arrays.insert(0, pm.tensor(g).array)
            found, expected = (
                pm.to_numpy(f(*arrays, **how)) for f in (getattr(xp, name), lambda *a, **h: portable[name](xp, *a, **h))
            )
            assert found.dtype == expected.dtype and found.shape == expected.shape
            np.testing.assert_allclose(found, expected, rtol=1e-5 if dtype == "float32" else 1e-12, atol=1e-7)


# ------------------------------------------------------------------------------------------------- other losses


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_mse_loss_as_torch(reduction: str, rng: np.random.Generator):
    for shape in ((3, 4), (), (0,)):
        if shape == (0,) and reduction == "mean":
            continue  # the mean of nothing is NaN
        compare(
            lambda a, b: F.mse_loss(a, b, reduction=reduction),
            lambda a, b: torch_functional().mse_loss(a, b, reduction=reduction),
            *(np.asarray(rng.normal(size=shape)), np.asarray(rng.normal(size=shape))),
        )
    compare(
        lambda a, b, w: F.mse_loss(a, b, reduction=reduction, weight=w),
        lambda a, b, w: torch_functional().mse_loss(a, b, reduction=reduction, weight=w),
        *(rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), rng.uniform(0.5, 2, (3, 4))),
    )


def test_mse_loss_warns_of_broadcasting():
    x, t = pm.tensor([[1.0], [2.0]], requires_grad=True), pm.tensor([1.0, 2.0])
    with pytest.warns(UserWarning, match=r"\(2, 1\) and target \(2,\) are broadcast to \(2, 2\)"):
        loss = F.mse_loss(x, t)
    assert float(loss) == 0.5
    loss.backward()
    np.testing.assert_allclose(pm.to_numpy(x.grad), [[-0.5], [0.5]])
    with pytest.raises(pm.ShapeError, match=r"input \(2,\) and target \(3,\)"):
        F.mse_loss(pm.zeros(2), pm.zeros(3))
    assert float(F.mse_loss(pm.tensor([1.0, 2.0]), pm.tensor([1, 1]))) == 0.5


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("positive", [None, (3,)])
def test_binary_cross_entropy_with_logits_as_torch(
    reduction: str, weighted: bool, positive: tuple | None, rng: np.random.Generator
):
    hosts = [4 * rng.normal(size=(4, 3)), rng.uniform(size=(4, 3))]
    hosts[0][0, 0] = 0.0  # where abs(x) has its kink
    names = []
    if weighted:
        names.append("weight")
        hosts.append(rng.uniform(0.5, 2, (4, 1)))
    if positive is not None:
        names.append("pos_weight")
        hosts.append(np.asarray(rng.uniform(0.5, 2, positive)))
    compare(
        lambda x, t, *w: F.binary_cross_entropy_with_logits(
            x, t, reduction=reduction, **dict(zip(names, w, strict=True))
        ),
        lambda x, t, *w: torch_functional().binary_cross_entropy_with_logits(
            x, t, reduction=reduction, **dict(zip(names, w, strict=True))
        ),
        *hosts,
        constant=(2, 3),  # torch does not differentiate with respect to the weights
    )


def test_binary_cross_entropy_with_logits_traps():
    x = pm.tensor([1e4, -1e4, 1e4, -1e4], requires_grad=True)
    loss = F.binary_cross_entropy_with_logits(x, pm.tensor([1, 0, 0, 1]), reduction="none")
    np.testing.assert_array_equal(pm.to_numpy(loss), [0, 0, 1e4, 1e4])
    loss.sum().backward()
    np.testing.assert_array_equal(pm.to_numpy(x.grad), [0, 0, 1, -1])
    assert float(F.binary_cross_entropy_with_logits(x, pm.tensor([True, False, True, False]))) == 0
    with pytest.raises(pm.ShapeError, match=r"expects a target of that shape, received \(4, 1\)"):
        F.binary_cross_entropy_with_logits(x, pm.zeros((4, 1)))
    with pytest.raises(pm.ShapeError, match=r"a weight that broadcasts.*\(2, 4\).*a pos_weight.*\(3,\)"):
        F.binary_cross_entropy_with_logits(x, pm.zeros(4), pm.ones((2, 4)), pos_weight=pm.ones(3))


def test_modules(rng: np.random.Generator):
    x, t = pm.tensor(rng.normal(size=(4, 3))), pm.tensor([0, 2, 1, 1])
    w = pm.tensor([1.0, 2.0, 0.5], dtype=pm.float64)
    same = [
        (
            nn.CrossEntropyLoss(w, ignore_index=1, label_smoothing=0.1),
            F.cross_entropy(x, t, w, ignore_index=1, label_smoothing=0.1),
            t,
        ),
        (nn.NLLLoss(w, reduction="sum"), F.nll_loss(x, t, w, reduction="sum"), t),
        (nn.MSELoss(), F.mse_loss(x, x * 2), x * 2),
        (
            nn.BCEWithLogitsLoss(pos_weight=w, reduction="none"),
            F.binary_cross_entropy_with_logits(x, x * 0 + 0.5, pos_weight=w, reduction="none"),
            x * 0 + 0.5,
        ),
    ]
    for module, expected, target in same:
        np.testing.assert_array_equal(pm.to_numpy(module(x, target)), pm.to_numpy(expected))
    assert list(same[0][0].state_dict()) == ["weight"]
    assert list(same[3][0].state_dict()) == ["pos_weight"]
    assert repr(nn.CrossEntropyLoss()) == "CrossEntropyLoss()"
    assert not list(same[0][0].parameters())
