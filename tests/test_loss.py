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
    with pytest.raises(ValueError, match="reduction must be one of 'none', 'mean', 'sum', received 'avg'"):
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


def as_torch(name: str, *hosts: np.ndarray, constant: tuple[int, ...] = (), **how: Any) -> None:
    compare(
        lambda *x: getattr(F, name)(*x, **how),
        lambda *x: getattr(torch_functional(), name)(*x, **how),
        *hosts,
        constant=constant,
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_differences_at_kinks(reduction: str):
    x, target = np.asarray([0.0, 0.5, -0.5, 2.0, -3.0]), np.zeros(5)
    as_torch("l1_loss", x, target, reduction=reduction)
    for size in (0.5, 2):
        as_torch("smooth_l1_loss", x, target, reduction=reduction, beta=size)
        as_torch("huber_loss", x, target, reduction=reduction, delta=size)
    as_torch("smooth_l1_loss", x, target, reduction=reduction, beta=0)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", ["l1_loss", "mse_loss", "huber_loss"])
def test_weighted_differences(name: str, reduction: str, rng: np.random.Generator):
    hosts = rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), rng.uniform(0.5, 2, (3, 4))
    compare(
        lambda a, b, w: getattr(F, name)(a, b, reduction=reduction, weight=w),
        lambda a, b, w: getattr(torch_functional(), name)(a, b, reduction=reduction, weight=w),
        *hosts,
    )
    with pytest.raises(pm.ShapeError, match=r"weight of shape \(3, 4\), received \(4,\)"):
        getattr(F, name)(pm.ones((3, 4)), pm.ones((3, 4)), weight=pm.ones(4))


@pytest.mark.parametrize("name", ["l1_loss", "smooth_l1_loss", "huber_loss"])
def test_differences_broadcast_with_a_warning(name: str, rng: np.random.Generator):
    with pytest.warns(UserWarning, match=r"\(2, 1\) and target \(3,\) are broadcast to \(2, 3\)"):
        as_torch(name, rng.normal(size=(2, 1)), rng.normal(size=3))


@quiet
def test_binary_cross_entropy_at_the_ends():
    """At 0 and 1 logarithms count as -100, and the derivative is finite; its own derivative is torch's inside."""
    x, target = np.asarray([0.0, 1.0, 0.0, 1.0, 0.5]), np.asarray([0.0, 1.0, 1.0, 0.0, 0.3])
    torch = pytest.importorskip("torch")
    v, t = pm.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y = F.binary_cross_entropy(v, pm.tensor(target), reduction="none")
    e = torch.nn.functional.binary_cross_entropy(t, torch.tensor(target), reduction="none")
    np.testing.assert_allclose(pm.to_numpy(y), e.detach().numpy(), rtol=1e-12)
    y.sum().backward()
    e.sum().backward()
    np.testing.assert_allclose(pm.to_numpy(v.grad), t.grad.numpy(), rtol=1e-12)


def test_values_out_of_their_range(engine: pm.Device):
    if not engine.backend.capabilities.host_access or str(engine) in ("strict:device1", "strict:device2"):
        pytest.skip("to look at the values would mean to wait for the device")
    half = pm.tensor([0.5, 0.5])
    for text, call in (
        (r"input must be in \[0, 1\], received 1\.5", lambda: F.binary_cross_entropy(half * 3, half)),
        (r"target must be in \[0, 1\], received -0\.5", lambda: F.binary_cross_entropy(half, -half)),
        (r"var must be not negative, received -0\.5", lambda: F.gaussian_nll_loss(half, half, -half)),
    ):
        with pytest.raises(ValueError, match=text):
            call()


def test_gaussian_variances(rng: np.random.Generator):
    """Every shape of them; those below eps are raised to it and keep their derivative, as torch has it."""
    x, target = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    for shape in ((3, 4), (3, 1), (1, 4), (3,)):
        var = rng.uniform(0.5, 2, shape)
        var.flat[0] = 0.01
        as_torch("gaussian_nll_loss", x, target, var, eps=0.1, full=True)
    as_torch("gaussian_nll_loss", x, target, var=2.0)
    with pytest.raises(pm.ShapeError, match=r"input of shape \(3, 4\).*received \(4,\)"):
        F.gaussian_nll_loss(pm.tensor(x), pm.tensor(target), pm.ones(4))


def test_kl_div_and_poisson(rng: np.random.Generator):
    x, p = np.log(rng.uniform(0.1, 1, (3, 4))), rng.uniform(0.1, 1, (3, 4))
    for reduction in (*REDUCTIONS, "batchmean"):
        as_torch("kl_div", x, p, reduction=reduction)
        as_torch("kl_div", x, np.log(p), reduction=reduction, log_target=True)
    with pytest.warns(UserWarning, match="batchmean"):
        F.kl_div(pm.tensor(x), pm.tensor(p))
    zero = F.kl_div(pm.tensor([-1.0]), pm.tensor([0.0]), reduction="sum")
    assert float(zero) == 0
    counts = np.asarray([[0.0, 1.0, 2.0, 7.0]] * 3)
    for log_input in (True, False):
        as_torch("poisson_nll_loss", p, counts, constant=(1,), log_input=log_input, full=True)


@quiet
def test_second_derivatives_where_all_is_ignored(rng: np.random.Generator):
    """The mean of nothing is 0 / 0 also in the derivative with respect to the cotangent."""
    for name in ("nll_loss", "cross_entropy"):
        as_torch(name, rng.normal(size=(2, 3)), np.asarray([1, 1]), ignore_index=1)
        x = pm.tensor(rng.normal(size=(2, 3)))
        f = lambda a, name=name: getattr(F, name)(a, pm.tensor([1, 1]), ignore_index=1)  # noqa: E731
        assert math.isnan(float(pm.jvp(f, (x,), (x,))[1]))


def test_deprecated_arguments():
    x, t = pm.tensor([1.0, 2.0]), pm.tensor([0.0, 0.0])
    for how, reduction in (
        ({"size_average": True}, "mean"),
        ({"size_average": False}, "sum"),
        ({"reduce": True}, "mean"),
        ({"reduce": False}, "none"),
        ({"size_average": True, "reduce": False}, "none"),
    ):
        with pytest.warns(UserWarning, match=f"give reduction='{reduction}'"):
            assert nn.L1Loss(**how).reduction == reduction
        with pytest.warns(UserWarning, match=f"give reduction='{reduction}'"):
            found = F.mse_loss(x, t, **how)
        expected = F.mse_loss(x, t, reduction=reduction)
        np.testing.assert_array_equal(pm.to_numpy(found), pm.to_numpy(expected))
    assert nn.NLLLoss(None, None, 3).ignore_index == 3
    assert nn.NLLLoss2d(reduction="sum").reduction == "sum"


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_linear_cross_entropy_in_chunks(reduction: str, rng: np.random.Generator):
    """Chunks of any size give what the whole batch gives, and the same derivatives to order two."""
    x, w, b = (pm.tensor(rng.normal(size=s), requires_grad=True) for s in ((7, 4), (6, 4), (6,)))
    target, weight = pm.tensor([0, 5, 2, -100, 1, 1, 3]), pm.tensor(rng.uniform(0.5, 2, 6))
    results = []
    for options in (None, *(F.LinearCrossEntropyOptions(batch_chunk_size=n) for n in (1, 2, 7))):
        y = F.linear_cross_entropy(x, w, target, linear_bias=b, weight=weight, reduction=reduction, options=options)
        first = pm.autograd.grad(y.sum(), [x, w, b], create_graph=True)
        second = pm.autograd.grad(sum((g * g).sum() for g in first), [x, w, b])
        results.append([pm.to_numpy(a) for a in (y, *first, *second)])
    for other in results[1:]:
        for found, expected in zip(other, results[0], strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_rows_of_a_chunk():
    options = F.LinearCrossEntropyOptions(chunking_method="aspect_ratio")
    assert options.rows(1024, 64, 4096) == 16  # scores of 16 rows take as much as the whole input
    assert F.LinearCrossEntropyOptions().rows(1024, 64, 4096) == 8
    assert F.LinearCrossEntropyOptions(batch_chunk_size=5).rows(3, 64, 4096) == 3
    with pytest.raises(ValueError, match="differ"):
        F.LinearCrossEntropyOptions(batch_chunk_size=5, chunking_method="aspect_ratio").rows(1024, 64, 4096)
    for how in ({"chunking_method": "halves"}, {"chunking_method": "aspect_ratio:0"}, {"batch_chunk_size": 0}):
        with pytest.raises(ValueError):
            nn.LinearCrossEntropyOptions(**how)
    with pytest.raises(ValueError, match="acc_policy"):
        nn.LinearCrossEntropyOptions(acc_policy="wild")


def test_linear_cross_entropy_wrong_arguments():
    x, w = pm.ones((2, 3)), pm.ones((4, 3))
    for text, call in (
        (r"input of shape \(N, 3\)", lambda: F.linear_cross_entropy(pm.ones((2, 5)), w, pm.tensor([0, 1]))),
        (r"linear_weight of shape \(C, ..., in\)", lambda: F.linear_cross_entropy(x, w[0], pm.tensor([0, 1]))),
        (
            r"linear_bias of shape \(4,\) is expected, received \(3,\)",
            lambda: F.linear_cross_entropy(x, w, pm.tensor([0, 1]), linear_bias=pm.ones(3)),
        ),
        (
            "ignore_index=1 has no meaning",
            lambda: F.linear_cross_entropy(x, w, pm.ones((2, 4)), ignore_index=1),
        ),
        (r"weight of shape \(4,\)", lambda: nn.LinearCrossEntropyLoss(3, 4, weight=pm.ones(3))),
        ("label_smoothing", lambda: nn.LinearCrossEntropyLoss(3, 4, label_smoothing=2.0)),
        ("ignore_index=1 has no meaning", lambda: F.cross_entropy(w, w, ignore_index=1)),
    ):
        with pytest.raises(ValueError, match=text):
            call()
    with pytest.warns(UserWarning, match="options have no effect"):
        F.linear_cross_entropy(x, w, pm.ones((2, 4)), options=nn.LinearCrossEntropyOptions())


def test_wrong_constructor_arguments():
    for error, call in (
        (ValueError, lambda: nn.HuberLoss(delta=0)),
        (TypeError, lambda: nn.HuberLoss(delta="1")),
        (ValueError, lambda: nn.SmoothL1Loss(beta=-1.0)),
        (ValueError, lambda: nn.L1Loss(reduction="batchmean")),
        (ValueError, lambda: nn.KLDivLoss(reduction="median")),
        (ValueError, lambda: nn.GaussianNLLLoss(reduction="")),
        (TypeError, lambda: nn.GaussianNLLLoss(True)),
    ):
        with pytest.raises(error):
            call()
    assert nn.KLDivLoss(reduction="batchmean").reduction == "batchmean"
