"""Tables of vectors, bags of them, and one-hot vectors: as torch's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from parity import close, compare, compare_layers

import polymod as pm
from polymod import nn
from polymod.nn import functional as F


def torch_module() -> Any:
    return pytest.importorskip("torch")


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


def test_sparse_gradients_are_dense_ones():
    for layer in (nn.Embedding(5, 2, sparse=True), nn.EmbeddingBag(5, 2, sparse=True)):
        layer(pm.tensor([[0, 4], [4, 1]])).sum().backward()
        assert layer.weight.grad.shape == (5, 2)
    assert repr(nn.Embedding(5, 2, sparse=True)) == "Embedding(5, 2, sparse=True)"


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
    with pytest.raises(ValueError, match="num_embeddings must be at least 0"):
        nn.Embedding(-1, 2)
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


# ------------------------------------------------------------------------------------------------------------- bags

# offsets, include_last_offset: empty bags at both ends and in the middle, one bag
CUTS = [([0, 3], False), ([0, 0, 3, 3, 8], False), ([0], False), ([0, 2, 8], True), ([0, 0, 8, 8], True)]


def bags(host: np.ndarray, ids: np.ndarray, options: dict, second: bool = True) -> None:
    """Compare embedding_bag with torch's, which has second derivatives for sums and means only."""
    torch = torch_module()

    def on(make: Any) -> dict[str, Any]:
        return {k: make(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}

    compare(
        lambda w, i: F.embedding_bag(i, w, **on(pm.tensor)),
        lambda w, i: torch.nn.functional.embedding_bag(i, w, **on(torch.tensor)),
        host,
        ids,
        second=second and options.get("mode") != "max",
    )


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding_idx", [None, 2])
@pytest.mark.parametrize("cut", [None, *CUTS], ids=str)
def test_bags_as_torch(mode: str, padding_idx: int | None, cut: Any, rng: np.random.Generator):
    ids = rng.integers(0, 5, (3, 4) if cut is None else (8,))
    ids.reshape(-1)[1:3] = 2
    options: dict[str, Any] = {"mode": mode, "padding_idx": padding_idx}
    if cut is not None:
        options |= {"offsets": np.asarray(cut[0]), "include_last_offset": cut[1]}
    bags(rng.normal(size=(5, 3)), ids, options)


@pytest.mark.parametrize("shape", [(6,), (2, 3)])
@pytest.mark.parametrize("padding_idx", [None, -1])
def test_weights_of_samples_as_torch(shape: tuple, padding_idx: int | None, rng: np.random.Generator):
    torch = torch_module()
    ids = np.asarray([0, 4, 4, 1, 1, 4]).reshape(shape)
    offsets = np.asarray([0, 2]) if len(shape) == 1 else None

    def on(f: Any, make: Any) -> Any:
        cut = None if offsets is None else make(offsets)
        return lambda w, s: f(make(ids), w, cut, mode="sum", per_sample_weights=s, padding_idx=padding_idx)

    compare(
        on(F.embedding_bag, pm.tensor),
        on(torch.nn.functional.embedding_bag, torch.tensor),
        rng.normal(size=(5, 3)),
        rng.normal(size=shape),
        second=False,
    )


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_bags_by_frequency(mode: str, rng: np.random.Generator):
    """Not beside torch, whose CPU kernel takes the frequency of another row where rows are named several times."""
    w = pm.tensor(rng.normal(size=(5, 3)), requires_grad=True)
    ids = np.asarray([[0, 4], [4, 1], [4, 0]])
    (whole,) = pm.autograd.grad(F.embedding_bag(pm.tensor(ids), w, mode=mode).sum(), w)
    (scaled,) = pm.autograd.grad(F.embedding_bag(pm.tensor(ids), w, mode=mode, scale_grad_by_freq=True).sum(), w)
    counts = np.asarray([2, 1, 1, 1, 3])[:, None]
    np.testing.assert_allclose(pm.to_numpy(scaled), pm.to_numpy(whole) / counts, rtol=1e-12)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding_idx", [None, 1])
def test_what_is_behind_the_last_bag_is_in_none(mode: str, padding_idx: int | None, rng: np.random.Generator):
    w, ids = pm.tensor(rng.normal(size=(5, 3))), rng.integers(0, 5, 8)
    offsets = pm.tensor(np.asarray([0, 2, 5]))
    how = {"mode": mode, "include_last_offset": True, "padding_idx": padding_idx}
    found, expected = (F.embedding_bag(pm.tensor(i), w, offsets, **how) for i in (ids, ids[:5]))
    np.testing.assert_array_equal(pm.to_numpy(found), pm.to_numpy(expected))


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_max_norm_of_bags_as_torch(mode: str, rng: np.random.Generator):
    torch = torch_module()
    host, ids = 2 * rng.normal(size=(7, 3)), np.asarray([[0, 2], [2, 5]])
    ours = nn.EmbeddingBag(7, 3, 1.5, mode=mode, _weight=pm.tensor(host))
    theirs = torch.nn.EmbeddingBag(7, 3, 1.5, mode=mode, _weight=torch.tensor(host))
    close(ours(pm.tensor(ids)), theirs(torch.tensor(ids)), "float64")
    close(ours.weight, theirs.weight, "float64")


@pytest.mark.parametrize("options", [{}, {"mode": "sum", "padding_idx": 1}, {"mode": "max", "max_norm": 2.0}])
def test_bag_layer_as_torch(options: dict, rng: np.random.Generator):
    torch = torch_module()
    ours, theirs = nn.EmbeddingBag(7, 3, **options), torch.nn.EmbeddingBag(7, 3, **options)
    assert repr(ours) == repr(theirs)
    compare_layers(ours, theirs, rng.integers(0, 7, (4, 5)))
    compare_layers(ours, theirs, rng.integers(0, 7, 9), np.asarray([0, 4, 4]))


def test_bag_layers():
    w = pm.to_numpy(nn.EmbeddingBag(9, 4, padding_idx=-2).weight)
    assert (w[7] == 0).all() and (np.delete(w, 7, 0) != 0).all()
    frozen = nn.EmbeddingBag.from_pretrained(pm.ones((4, 2)), mode="sum")
    assert not frozen.weight.requires_grad
    np.testing.assert_array_equal(pm.to_numpy(frozen(pm.tensor([[1, 0, 1]]))), [[3, 3]])


def test_empty_bags(rng: np.random.Generator):
    w = pm.tensor(rng.normal(size=(5, 3)), requires_grad=True)
    none = pm.tensor(np.zeros((0,), np.int64))
    for mode in ("sum", "mean", "max"):
        y = F.embedding_bag(none, w, pm.tensor(np.asarray([0, 0])), mode=mode)
        np.testing.assert_array_equal(pm.to_numpy(y), np.zeros((2, 3)))
        assert F.embedding_bag(none, w, none, mode=mode).shape == (0, 3)
        assert F.embedding_bag(pm.tensor(np.zeros((2, 0), np.int64)), w, mode=mode).shape == (2, 3)


def test_bag_errors(engine: pm.Device):
    w, ids = pm.ones((5, 2)), pm.tensor([0, 1, 2])
    zero = pm.tensor([0])
    for args, kwargs, message in (
        ((ids, w), {}, "needs offsets"),
        ((pm.tensor([[0]]), w, zero), {}, "takes no offsets"),
        ((ids, w, zero), {"mode": "min"}, '"sum", "mean" or "max", received \'min\''),
        ((ids, w, zero), {"mode": "max", "scale_grad_by_freq": True}, "neither"),
        ((ids, w, zero), {"per_sample_weights": pm.ones(3)}, 'mode="sum" only'),
        ((ids, w, zero), {"per_sample_weights": pm.ones(2), "mode": "sum"}, r"input's shape \(3,\), received \(2,\)"),
        ((pm.tensor([[[0]]]), w), {}, r"received \(1, 1, 1\)"),
        ((ids, w, pm.tensor([[0]])), {}, r"offsets \(B,\), received \(1, 1\)"),
    ):
        with pytest.raises(ValueError, match=message):
            F.embedding_bag(*args, **kwargs)
    if engine.backend.capabilities.host_access and str(engine) != "strict:device1":
        with pytest.raises(ValueError, match="must be 0, received 1"):
            F.embedding_bag(ids, w, pm.tensor([1, 2]))
        with pytest.raises(IndexError, match="offsets 4 at position"):
            F.embedding_bag(ids, w, pm.tensor([0, 4]))
    with pytest.raises(ValueError, match="received 'median'"):
        nn.EmbeddingBag(5, 2, mode="median")


# ---------------------------------------------------------------------------------------------------------- one-hot


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
