"""Distances, cosines and vectors of length one: values and derivatives as torch's, also at zeros."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from parity import compare, compare_layers

import polymod as pm
from polymod import nn
from polymod.nn import functional as F

NORMS = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, math.inf]


def theirs() -> Any:
    return pytest.importorskip("torch").nn


def distinct(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Without ties of absolute values, where subgradients differ."""
    return rng.permutation(np.arange(1, math.prod(shape) + 1) * rng.choice([-0.1, 0.1], math.prod(shape))).reshape(
        shape
    )


@pytest.mark.parametrize(
    ("a", "b", "dim"),
    [
        ((4, 5), (4, 5), 1),
        ((4, 5), (4, 5), 0),
        ((2, 3, 4), (3, 1), -1),
        ((3,), (3,), 0),
        ((), (), 0),
        ((2, 1), (3,), 1),
    ],
)
def test_cosine_similarity_as_torch(a: tuple, b: tuple, dim: int, rng: np.random.Generator):
    hosts = np.asarray(rng.normal(size=a)), np.asarray(rng.normal(size=b))
    second = bool(a)  # torch's is NaN for numbers
    compare(
        lambda x, y: F.cosine_similarity(x, y, dim),
        lambda x, y: theirs().functional.cosine_similarity(x, y, dim),
        *hosts,
        second=second,
    )


@pytest.mark.parametrize("eps", [1e-8, 5.0])
def test_cosine_similarity_of_short_vectors_as_torch(eps: float, rng: np.random.Generator):
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    x[1], y[2] = 0, 0
    compare(
        lambda a, b: F.cosine_similarity(a, b, eps=eps),
        lambda a, b: theirs().functional.cosine_similarity(a, b, eps=eps),
        x,
        y,
        second=False,
    )
    if eps == 1e-8:
        compare_layers(nn.CosineSimilarity(), theirs().CosineSimilarity(), x, y)


@pytest.mark.parametrize("p", NORMS[1:])
@pytest.mark.parametrize("keepdim", [False, True])
def test_pairwise_distance_as_torch(p: float, keepdim: bool, rng: np.random.Generator):
    for a, b in (((4, 5), (4, 5)), ((5,), (5,)), ((2, 3, 5), (3, 1))):
        compare(
            lambda x, y: F.pairwise_distance(x, y, p, 1e-3, keepdim),
            lambda x, y: theirs().functional.pairwise_distance(x, y, p, 1e-3, keepdim),
            distinct(rng, *a),
            np.pi * distinct(rng, *b),
            second=p not in (1.0, math.inf),  # where it is 0
        )


def test_pairwise_distance_by_count():
    x = pm.tensor([[1.0, 2.0, 3.0], [4.0, 4.0, 4.0]])
    np.testing.assert_array_equal(pm.to_numpy(F.pairwise_distance(x, pm.tensor([1.0, 2.0, 5.0]), 0.0, 0.0)), [1, 3])


def test_pairwise_distance_of_equal_vectors_is_finite(rng: np.random.Generator):
    x = rng.normal(size=(3, 4))
    compare_layers(nn.PairwiseDistance(keepdim=True), theirs().PairwiseDistance(keepdim=True), x, x)
    compare_layers(nn.PairwiseDistance(1.0, 0.0), theirs().PairwiseDistance(1.0, 0.0), x, x)


@pytest.mark.parametrize("p", NORMS)
@pytest.mark.parametrize("shape", [(5, 3), (2, 4)])
def test_pdist_as_torch(p: float, shape: tuple, rng: np.random.Generator):
    compare(lambda x: F.pdist(x, p), lambda x: theirs().functional.pdist(x, p), distinct(rng, *shape), second=False)


@pytest.mark.parametrize(("shape", "count"), [((1, 4), 0), ((0, 4), 0), ((3, 0), 3)])
def test_pdist_of_nothing(shape: tuple, count: int):
    x = pm.zeros(shape, requires_grad=True)
    y = F.pdist(x)
    assert y.shape == (count,) and (pm.to_numpy(y) == 0).all()
    y.sum().backward()
    assert x.grad.shape == shape


def test_pdist_of_equal_rows(rng: np.random.Generator):
    x = pm.tensor(np.ones((3, 2)), requires_grad=True)
    y = F.pdist(x)
    np.testing.assert_array_equal(pm.to_numpy(y), 0)
    y.sum().backward()
    np.testing.assert_array_equal(pm.to_numpy(x.grad), 0)
    host = rng.normal(size=(6, 3))

    def energy(v: pm.Tensor) -> pm.Tensor:
        return (F.pdist(v) ** 2).sum()

    hessian = pm.to_numpy(pm.hessian(energy)(pm.tensor(host))).reshape(18, 18)  # torch has no second derivative
    expected = np.kron(2 * (6 * np.eye(6) - 1), np.eye(3))
    np.testing.assert_allclose(hessian, expected, atol=1e-10)


@pytest.mark.parametrize("p", NORMS)
@pytest.mark.parametrize(("shape", "dim"), [((4, 5), 1), ((4, 5), 0), ((2, 3, 4), -1), ((2, 3, 4), (1, 2)), ((3,), 0)])
def test_normalize_as_torch(p: float, shape: tuple, dim: Any, rng: np.random.Generator):
    compare(lambda x: F.normalize(x, p, dim), lambda x: theirs().functional.normalize(x, p, dim), distinct(rng, *shape))


def test_normalize_zeros_and_short_vectors_as_torch():
    x = np.asarray([[0.0, 0.0], [0.3, 0.4], [3.0, 4.0]])
    compare(lambda v: F.normalize(v, eps=1.0), lambda v: theirs().functional.normalize(v, eps=1.0), x, second=False)
    out = pm.zeros((3, 2), dtype=pm.float64)
    assert F.normalize(pm.tensor(x), out=out) is out
    np.testing.assert_allclose(pm.to_numpy(out), [[0, 0], [0.6, 0.8], [0.6, 0.8]])


def test_normalize_complex_as_torch(rng: np.random.Generator):
    torch = pytest.importorskip("torch")
    x = rng.normal(size=(2, 3)) + 1j * rng.normal(size=(2, 3))
    np.testing.assert_allclose(
        pm.to_numpy(F.normalize(pm.tensor(x))), torch.nn.functional.normalize(torch.tensor(x)).numpy(), rtol=1e-12
    )


def test_modules():
    assert repr(nn.PairwiseDistance()) == "PairwiseDistance()" and repr(nn.CosineSimilarity()) == "CosineSimilarity()"
    assert nn.PairwiseDistance().output_shape((4, 5), (4, 5)) == (4,)
    assert nn.CosineSimilarity(dim=2).output_shape((4, 5, 6), (4, 5, 6)) == (4, 5)
    assert nn.PairwiseDistance()(x1=pm.ones((2, 3)), x2=pm.ones(3)).dtype == pm.float32


def test_errors():
    for make, error, said in (
        (lambda: F.cosine_similarity(pm.ones((2, 3)), pm.ones(2)), pm.ShapeError, r"received \(2, 3\) and \(2,\)"),
        (lambda: F.cosine_similarity(pm.ones(3), pm.ones(3)), pm.ShapeError, r"an axis 1, received shape \(3,\)"),
        (lambda: F.pairwise_distance(pm.ones((2, 3)), pm.ones(2)), pm.ShapeError, r"received \(2, 3\) and \(2,\)"),
        (lambda: F.pdist(pm.ones(3)), pm.ShapeError, r"a matrix \(N, M\), received shape \(3,\)"),
        (lambda: F.pdist(pm.ones((3, 2)), -1.0), ValueError, "received -1.0"),
        (lambda: F.normalize(pm.ones(3)), pm.ShapeError, r"an axis 1, received shape \(3,\)"),
        (lambda: nn.PairwiseDistance("2"), TypeError, "p must be a number, received '2'"),
    ):
        with pytest.raises(error, match=said):
            make()
