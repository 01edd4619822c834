"""The CTC loss: values and gradients as torch's for every form of targets and lengths; second derivatives."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from parity import close

import polymod as pm
from polymod import nn
from polymod.nn import functional as F

T, N, C, S = 7, 3, 5, 3
INPUTS, TARGETS = (7, 4, 5), (3, 1, 2)


def log_probs(rng: np.random.Generator, *shape: int) -> np.ndarray:
    x = rng.normal(size=shape)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def labels(rng: np.random.Generator, blank: int) -> np.ndarray:
    return rng.integers(0, C - 1, (N, S)) + (blank == 0)


def as_torch(x: np.ndarray, *arguments: Any, **how: Any) -> None:
    """Value and gradient, NaN where torch has NaN."""
    torch = pytest.importorskip("torch")

    def given(make: Any) -> list[Any]:
        return [make(a) if isinstance(a, np.ndarray) else a for a in arguments]

    v, t = pm.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, e = F.ctc_loss(v, *given(pm.tensor), **how), torch.nn.functional.ctc_loss(t, *given(torch.tensor), **how)
    close(y, e, "float64")
    y.sum().backward()
    e.sum().backward()
    np.testing.assert_allclose(pm.to_numpy(v.grad), t.grad.numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("blank", [0, C - 1])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_every_form_of_targets_and_lengths(blank: int, reduction: str, rng: np.random.Generator):
    x, padded = log_probs(rng, T, N, C), labels(rng, blank)
    one_after_the_other = np.concatenate([t[:n] for t, n in zip(padded, TARGETS, strict=True)])
    how = {"blank": blank, "reduction": reduction}
    for targets in (padded, one_after_the_other):
        as_torch(x, targets, INPUTS, TARGETS, **how)
        as_torch(x, targets, np.asarray(INPUTS), np.asarray(TARGETS, "int32"), **how)
    for lengths in (((7,), (3,)), (np.asarray([7]), np.asarray([3])), (np.asarray(7), np.asarray(3))):
        as_torch(x[:, 0], padded[0], *lengths, **how)
    junk = padded.copy()
    junk[1, 1:] = -1  # what lies beyond a target is not looked at
    y = F.ctc_loss(pm.tensor(x), pm.tensor(junk), INPUTS, TARGETS, **how)
    np.testing.assert_array_equal(
        pm.to_numpy(y), pm.to_numpy(F.ctc_loss(pm.tensor(x), pm.tensor(padded), INPUTS, TARGETS, **how))
    )


@pytest.mark.parametrize("zero_infinity", [False, True])
def test_impossible_and_empty_targets(zero_infinity: bool, rng: np.random.Generator):
    """Too few steps, no steps, no labels, and equal labels side by side, which need a blank between them."""
    x = log_probs(rng, T, N, C)
    repeated = np.asarray([[1, 1, 1], [2, 2, 1], [3, 3, 3]])
    for inputs, targets in product([(5, 4, 3), (4, 0, 2), (0, 7, 7)], [(3, 3, 3), (0, 0, 0), (1, 0, 2)]):
        for reduction in ("none", "mean"):
            as_torch(x, repeated, inputs, targets, reduction=reduction, zero_infinity=zero_infinity)


def test_equals_the_sum_over_all_alignments(rng: np.random.Generator):
    x, target = log_probs(rng, 5, 1, 3), (1, 1, 2)

    def collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(p for i, p in enumerate(path) if p and (i == 0 or p != path[i - 1]))

    found = [
        sum(x[t, 0, p] for t, p in enumerate(path)) for path in product(range(3), repeat=5) if collapsed(path) == target
    ]
    loss = F.ctc_loss(pm.tensor(x), pm.tensor([target]), (5,), (3,), reduction="sum")
    assert float(loss) == pytest.approx(-math.log(sum(map(math.exp, found))), rel=1e-12)


def test_derivatives_of_log_softmax_against_differences(rng: np.random.Generator):
    """To order two and in forward mode; torch has no second ones."""
    targets = pm.tensor(labels(rng, 0))

    def loss(x: pm.Tensor) -> pm.Tensor:
        return F.ctc_loss(F.log_softmax(x, 2), targets, (4, 3, 4), (1, 1, 2))

    x, u, v = (rng.normal(size=(4, N, C)) for _ in range(3))
    h = 1e-5

    def gradient(at: np.ndarray) -> np.ndarray:
        return pm.to_numpy(pm.grad(loss)(pm.tensor(at)))

    slope = (float(loss(pm.tensor(x + h * u))) - float(loss(pm.tensor(x - h * u)))) / (2 * h)
    assert float((gradient(x) * u).sum()) == pytest.approx(slope, rel=1e-7)
    assert float(pm.jvp(loss, (pm.tensor(x),), (pm.tensor(u),))[1]) == pytest.approx(slope, rel=1e-7)
    curvature = (gradient(x + h * u) - gradient(x - h * u)) / (2 * h)
    second = pm.grad(lambda a: (pm.grad(loss)(a) * pm.tensor(v)).sum())(pm.tensor(x))
    assert float((pm.to_numpy(second) * u).sum()) == pytest.approx(float((curvature * v).sum()), rel=1e-6)


def test_excluded_labels_and_long_sequences(rng: np.random.Generator):
    x = log_probs(rng, 6, 1, 4)
    x[2, 0, 1] = -math.inf
    v = pm.tensor(x, requires_grad=True)
    loss = F.ctc_loss(v, pm.tensor([[1, 2]]), (6,), (2,))
    loss.backward()
    assert math.isfinite(float(loss)) and np.isfinite(pm.to_numpy(v.grad)).all()
    sharp = np.full((40, 1, 3), -80.0, "float32")
    sharp[:, :, 0] = 0.0  # a label costs 80, where probabilities would be lost in float32
    assert float(F.ctc_loss(pm.tensor(sharp), pm.tensor([[1, 2]]), (40,), (2,), reduction="sum")) == pytest.approx(
        160 - math.log(math.comb(40, 2)), rel=1e-5
    )


def test_wrong_arguments(engine: pm.Device, rng: np.random.Generator):
    x, targets = pm.tensor(log_probs(rng, T, N, C)), pm.tensor(labels(rng, 0))
    for error, text, arguments in (
        (pm.ShapeError, r"\(T, N, C\) or \(T, C\), received \(5,\)", (x[0, 0], targets, INPUTS, TARGETS)),
        (pm.ShapeError, r"shape \(3, S\).*received \(2, 3\)", (x, targets[:2], INPUTS, TARGETS)),
        (pm.ShapeError, r"6 targets.*received \(3,\)", (x, targets[0], INPUTS, TARGETS)),
        (pm.ShapeError, r"input_lengths for a batch of 3, received shape \(2,\)", (x, targets, (7, 7), TARGETS)),
        (pm.ShapeError, r"target_lengths for a batch of 3", (x, targets, INPUTS, (1, 1, 1, 1))),
        (TypeError, "input_lengths must be integers", (x, targets, pm.ones(3), TARGETS)),
        (TypeError, "targets must be integers", (x, targets * 1.0, INPUTS, TARGETS)),
        (ValueError, "blank must be one of the 5 labels, received 5", (x, targets, INPUTS, TARGETS, 5)),
        (ValueError, "reduction", (x, targets, INPUTS, TARGETS, 0, "average")),
    ):
        with pytest.raises(error, match=text):
            F.ctc_loss(*arguments)
    with pytest.raises(ValueError, match="reduction"):
        nn.CTCLoss(reduction="average")
    if not engine.backend.capabilities.host_access or str(engine) in ("strict:device1", "strict:device2"):
        return
    for text, arguments in (
        ("input length 8", (x, targets, (8, 7, 7), TARGETS)),
        ("target length 4", (x, targets, INPUTS, (4, 1, 1))),
        (r"target label \d at position \(0, 0\)", (x, targets + 4, INPUTS, (1, 1, 1))),
    ):
        with pytest.raises(IndexError, match=text):
            F.ctc_loss(*arguments)


def test_module_and_shape_without_data(rng: np.random.Generator):
    x, targets = pm.tensor(log_probs(rng, T, N, C)), pm.tensor(labels(rng, 4))
    module = nn.CTCLoss(blank=4, reduction="none", zero_infinity=True)
    expected = F.ctc_loss(x, targets, INPUTS, TARGETS, 4, "none", True)
    np.testing.assert_array_equal(pm.to_numpy(module(x, targets, INPUTS, TARGETS)), pm.to_numpy(expected))
    assert repr(module) == "CTCLoss()"
