"""Losses with margins where torch's databases don't look: kinks, ties, shapes, wrong arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parity import compare

import polymod as pm
from polymod import nn
from polymod.nn import functional as F

REDUCTIONS = ["none", "sum", "mean"]
zeros = np.zeros


def as_torch(name: str, *hosts: np.ndarray, constant: tuple[int, ...] = (), second: bool = True, **how: Any) -> None:
    functional = pytest.importorskip("torch").nn.functional
    compare(
        lambda *x: getattr(F, name)(*x, **how),
        lambda *x: getattr(functional, name)(*x, **how),
        *hosts,
        constant=constant,
        second=second,
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_at_kinks(reduction: str):
    """Where a margin is met exactly the derivative is torch's: 1 for two scores or distances, 0 for classes."""
    ones = np.asarray([1.0, -1.0, 1.0, -1.0])
    x = np.asarray([1.0, 1.0, -2.0, 0.5])
    as_torch("hinge_embedding_loss", x, ones, constant=(1,), reduction=reduction)
    as_torch("margin_ranking_loss", x, zeros(4), ones, constant=(2,), margin=1.0, reduction=reduction)
    scores = np.asarray([[1.0, 0.0, 2.0, 3.0], [0.0, 1.0, 1.0, 0.5]])
    for p in (1, 2):
        as_torch("multi_margin_loss", scores, np.asarray([0, 1]), p=p, reduction=reduction, second=False)
    target = np.asarray([[0, 2, -1, 3], [1, 1, 2, -1]])  # one ends early, one names a class twice
    as_torch("multilabel_margin_loss", scores, target, reduction=reduction, second=False)
    as_torch("multilabel_margin_loss", scores, np.full((2, 4), -1), reduction=reduction, second=False)  # no class
    anchor = np.eye(3)
    for swap in (False, True):
        as_torch("triplet_margin_loss", anchor, anchor, anchor[::-1].copy(), margin=0.5, swap=swap, reduction=reduction)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_single_rows(reduction: str, rng: np.random.Generator):
    x, one = rng.normal(size=(5,)), np.asarray(2)
    for target in (one, one[None]):
        as_torch("multi_margin_loss", x, target, reduction=reduction, second=False)
    as_torch("multilabel_margin_loss", x, np.asarray([1, 4, -1, 0, 0]), reduction=reduction, second=False)
    as_torch("multilabel_soft_margin_loss", x, rng.uniform(size=5), constant=(1,), reduction=reduction)
    as_torch("cosine_embedding_loss", x, rng.normal(size=5), np.asarray(-1.0), constant=(2,), reduction=reduction)
    as_torch("triplet_margin_loss", x, rng.normal(size=5), rng.normal(size=5), p=3, reduction=reduction)


def test_norms_and_distances(rng: np.random.Generator):
    a, b, c = (rng.normal(size=(4, 3)) for _ in range(3))
    for p in (1, 2, 2.5, float("inf")):
        as_torch("triplet_margin_loss", a, b, c, p=p, margin=3.0, swap=True)
    found = F.triplet_margin_with_distance_loss(
        *map(pm.tensor, (a, b, c)), distance_function=lambda x, y: pm.sum((x - y) ** 2, axis=1), margin=2.0
    )
    expected = np.maximum(2 + ((a - b) ** 2).sum(1) - ((a - c) ** 2).sum(1), 0).mean()
    np.testing.assert_allclose(float(found), expected, rtol=1e-12)
    for vector in (zeros((2, 3)), rng.normal(size=(2, 3))):
        as_torch("cosine_embedding_loss", vector, rng.normal(size=(2, 3)), np.asarray([1.0, -1.0]), constant=(2,))


def test_soft_margins_do_not_overflow():
    x = pm.tensor([1e4, -1e4, 1e4, -1e4], requires_grad=True)
    loss = F.soft_margin_loss(x, pm.tensor([1, 1, -1, -1]), reduction="none")
    np.testing.assert_array_equal(pm.to_numpy(loss), [0, 1e4, 1e4, 0])
    loss.sum().backward()
    np.testing.assert_array_equal(pm.to_numpy(x.grad), [0, -1, 1, 0])


def test_whole_numbers_and_other_precisions():
    """Whole numbers become the default float dtype; targets take the input's."""
    whole = pm.tensor([[1, 2], [3, 5]])
    assert F.triplet_margin_loss(whole, whole, whole).dtype is pm.float32
    assert F.cosine_embedding_loss(whole, whole, pm.tensor([1, -1])).dtype is pm.float32
    for dtype in (pm.float32, pm.float64):
        x = pm.ones((2, 2), dtype=dtype)
        assert F.soft_margin_loss(x, whole).dtype is dtype
        assert F.margin_ranking_loss(x, x, whole).dtype is dtype
        assert F.multi_margin_loss(x, pm.tensor([0, 1])).dtype is dtype


def test_modules_pass_their_arguments_on(rng: np.random.Generator):
    x, y, z = (pm.tensor(rng.normal(size=(4, 3))) for _ in range(3))
    signs, classes = pm.tensor([1.0, -1.0, -1.0, 1.0], dtype=pm.float64), pm.tensor([0, 2, 1, 1])
    columns = pm.reshape(signs, (4, 1))
    w = pm.tensor([1.0, 2.0, 0.5], dtype=pm.float64)
    sets = pm.tensor([[0, -1, 0], [1, 2, -1], [-1, 0, 0], [2, 1, 0]])
    triplet = {"margin": 0.3, "swap": True, "reduction": "sum"}
    for module, function, arguments, how in (
        (nn.HingeEmbeddingLoss, F.hinge_embedding_loss, (x, columns), {"margin": 0.3, "reduction": "sum"}),
        (nn.SoftMarginLoss, F.soft_margin_loss, (x, columns), {"reduction": "none"}),
        (nn.MultiLabelSoftMarginLoss, F.multilabel_soft_margin_loss, (x, y), {"weight": w, "reduction": "none"}),
        (nn.MarginRankingLoss, F.margin_ranking_loss, (x, y, columns), {"margin": 0.3, "reduction": "none"}),
        (nn.CosineEmbeddingLoss, F.cosine_embedding_loss, (x, y, signs), {"margin": -0.3, "reduction": "none"}),
        (nn.MultiLabelMarginLoss, F.multilabel_margin_loss, (x, sets), {"reduction": "none"}),
        (nn.MultiMarginLoss, F.multi_margin_loss, (x, classes), {"p": 2, "margin": 0.3, "weight": w}),
        (nn.TripletMarginLoss, F.triplet_margin_loss, (x, y, z), {"p": 3, "eps": 0.1, **triplet}),
        (nn.TripletMarginWithDistanceLoss, F.triplet_margin_with_distance_loss, (x, y, z), triplet),
    ):
        layer = module(**how)
        np.testing.assert_array_equal(pm.to_numpy(layer(*arguments)), pm.to_numpy(function(*arguments, **how)))
        assert list(layer.state_dict()) == (["weight"] if "weight" in how else [])
    assert repr(nn.TripletMarginWithDistanceLoss()) == (
        "TripletMarginWithDistanceLoss(\n  (distance_function): PairwiseDistance()\n)"
    )


def test_wrong_arguments(engine: pm.Device):
    x = pm.ones((2, 3))
    for error, text, call in (
        (
            pm.ShapeError,
            r"equally many axes.*\(2, 3\), \(2, 3\) and \(2,\)",
            lambda: F.margin_ranking_loss(x, x, x[:, 0]),
        ),
        (pm.ShapeError, r"input \(2, 3\) and target \(2,\)", lambda: F.hinge_embedding_loss(x, x[:, 0])),
        (pm.ShapeError, r"inputs \(N, D\) and a target \(N,\)", lambda: F.cosine_embedding_loss(x, x, x)),
        (pm.ShapeError, r"\(N, C\) and a target \(N,\)", lambda: F.multi_margin_loss(x, pm.tensor([0, 1, 2]))),
        (
            pm.ShapeError,
            r"weight of shape \(3,\)",
            lambda: F.multi_margin_loss(x, pm.tensor([0, 1]), weight=pm.ones(2)),
        ),
        (pm.ShapeError, "a target of its shape", lambda: F.multilabel_margin_loss(x, pm.tensor([0, 1]))),
        (pm.ShapeError, r"received \(\)", lambda: F.multilabel_soft_margin_loss(pm.tensor(1.0), pm.tensor(1.0))),
        (pm.ShapeError, "equally many axes", lambda: F.triplet_margin_loss(x, x, x[0])),
        (TypeError, "must be integers", lambda: F.multi_margin_loss(x, x[:, 0])),
        (ValueError, "p must be 1 or 2, received 3", lambda: nn.MultiMarginLoss(p=3)),
        (ValueError, r"weight of shape \(C,\)", lambda: nn.MultiMarginLoss(weight=x)),
        (ValueError, "margin must be positive, received 0", lambda: nn.TripletMarginLoss(margin=0)),
        (ValueError, "margin must be positive", lambda: nn.TripletMarginWithDistanceLoss(margin=-1.0)),
        (ValueError, "margin must be positive", lambda: F.triplet_margin_loss(x, x, x, margin=0)),
        (ValueError, "reduction", lambda: nn.HingeEmbeddingLoss(reduction="batchmean")),
    ):
        with pytest.raises(error, match=text):
            call()
    if engine.backend.capabilities.host_access and str(engine) not in ("strict:device1", "strict:device2"):
        for f, target in ((F.multi_margin_loss, [0, 3]), (F.multilabel_margin_loss, [[0, 3, 1], [-1, 9, 9]])):
            with pytest.raises(IndexError, match="target class 3"):
                f(x, pm.tensor(target))
