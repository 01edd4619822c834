"""Packing and padding beside torch's, and recurrent layers on packed sequences."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import polymod as pm
from polymod import nn
from polymod.nn.utils import rnn

torch = pytest.importorskip("torch")
theirs = torch.nn.utils.rnn

LENGTHS = {"sorted": [5, 3, 3, 1], "unsorted": [3, 5, 1, 3], "one": [2], "even": [4, 4]}
each = pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)


def host(x: Any) -> Any:
    return x if x is None or isinstance(x, np.ndarray) else pm.to_numpy(x) if isinstance(x, pm.Tensor) else x.numpy()


def same(found: Any, expected: Any) -> None:
    for a, b in zip(found, expected, strict=True):
        a, b = host(a), host(b.detach() if hasattr(b, "detach") else b)
        assert (a is None) == (b is None)
        if a is not None:
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, atol=1e-12)


def sequences(lengths: list[int], rng: np.random.Generator, *rest: int) -> list[np.ndarray]:
    return [rng.normal(size=(n, *rest)) for n in lengths]


@each
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("rest", [(), (2,), (2, 3)])
def test_packing_padding_and_back(lengths, batch_first, rest, rng):
    x = rng.normal(size=(len(lengths), max(lengths) + 1, *rest))
    x = x if batch_first else x.swapaxes(0, 1).copy()
    packed = rnn.pack_padded_sequence(pm.tensor(x), lengths, batch_first, enforce_sorted=False)
    expected = theirs.pack_padded_sequence(torch.tensor(x), torch.tensor(lengths), batch_first, enforce_sorted=False)
    same(packed, expected)
    for options in ({}, {"padding_value": -1.5}, {"total_length": 7}):
        found = rnn.pad_packed_sequence(packed, batch_first, **options)
        same(found, theirs.pad_packed_sequence(expected, batch_first, **options))
    same(rnn.unpack_sequence(packed), theirs.unpack_sequence(expected))
    same(rnn.unpad_sequence(*found, batch_first), rnn.unpack_sequence(packed))


@each
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("side", ["left", "right"])
def test_sequences_of_several_lengths(lengths, batch_first, side, rng):
    given = sequences(lengths, rng, 2)
    ours, others = [pm.tensor(s) for s in given], [torch.tensor(s) for s in given]
    found = rnn.pad_sequence(ours, batch_first, 2.0, side)
    same([found], [theirs.pad_sequence(others, batch_first, 2.0, side)])
    same(rnn.pack_sequence(ours, enforce_sorted=False), theirs.pack_sequence(others, enforce_sorted=False))


def test_lengths_in_any_form(rng):
    x = pm.tensor(rng.normal(size=(3, 2, 4)))
    forms = [[3, 2], (3, 2), np.asarray([3, 2], np.int32), pm.tensor(np.asarray([3, 2]))]
    packed = [rnn.pack_padded_sequence(x, lengths) for lengths in forms]
    for p in packed:
        assert isinstance(p.batch_sizes, np.ndarray)
        assert p.batch_sizes.tolist() == [2, 2, 1]
        assert p.sorted_indices is None and p.unsorted_indices is None


def test_numbers_of_whole_kind_and_permutations():
    ids = rnn.pack_sequence([pm.tensor([1, 2, 3]), pm.tensor([4, 5]), pm.tensor([6])])
    assert pm.to_numpy(ids.data).tolist() == [1, 4, 6, 2, 5, 3]
    padded, _ = rnn.pad_packed_sequence(ids, batch_first=True, padding_value=9)
    assert pm.to_numpy(padded).tolist() == [[1, 2, 3], [4, 5, 9], [6, 9, 9]]
    inverse = rnn.invert_permutation(pm.tensor([2, 0, 1]))
    assert pm.to_numpy(inverse).tolist() == [1, 2, 0]
    assert rnn.invert_permutation(None) is None


def test_a_packed_sequence_moves_and_is_pickled(rng):
    packed = rnn.pack_sequence([pm.tensor(s) for s in sequences([2, 4], rng, 3)], enforce_sorted=False)
    single = packed.to(pm.float32)
    assert single.data.dtype == pm.float32 and isinstance(single, rnn.PackedSequence)
    same(pickle.loads(pickle.dumps(packed)), packed)
    pair = rnn.PackedSequence((packed.data, packed.batch_sizes))
    same(pair[:2], packed[:2])


def test_gradients_through_packing(rng):
    x = pm.tensor(rng.normal(size=(4, 3, 2)), requires_grad=True)
    packed = rnn.pack_padded_sequence(x, [2, 4, 1], enforce_sorted=False)
    padded, _ = rnn.pad_packed_sequence(packed, padding_value=3.0)
    weights = rng.normal(size=(4, 3, 2))
    (padded * pm.tensor(weights)).sum().backward()
    inside = np.arange(4)[:, None] < np.asarray([2, 4, 1])
    np.testing.assert_allclose(pm.to_numpy(x.grad), weights * inside[:, :, None])


# ------------------------------------------------------------------------------------------------------- layers


@each
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("RNN", {"nonlinearity": "relu", "num_layers": 2}),
        ("RNN", {"bidirectional": True}),
        ("LSTM", {"num_layers": 2, "bidirectional": True}),
        ("LSTM", {"num_layers": 2, "bidirectional": True, "proj_size": 2, "bias": False}),
        ("GRU", {"num_layers": 2, "bidirectional": True}),
        ("GRU", {"batch_first": True}),
    ],
)
def test_layers_on_packed_sequences(kind, options, given, lengths, rng):
    """Output, final states and the gradients of everything."""
    ours, other = (getattr(n, kind)(3, 4, **options) for n in (nn, torch.nn))
    other = other.double()
    ours.to(pm.float64).load_state_dict({k: v.numpy() for k, v in other.state_dict().items()})
    data = sequences(lengths, rng, 3)
    runs = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    h = rng.normal(size=(runs, len(lengths), options.get("proj_size", 4)))
    c = rng.normal(size=(runs, len(lengths), 4))
    leaves = {}

    def run(module, tensor, package):
        xs, states = [tensor(s, requires_grad=True) for s in data], [tensor(s, requires_grad=True) for s in (h, c)]
        states = states if kind == "LSTM" else states[:1]
        hx = None if not given else tuple(states) if kind == "LSTM" else states[0]
        packed, final = module(package.pack_sequence(xs, enforce_sorted=False), hx)
        finals = final if isinstance(final, tuple) else (final,)
        draw = np.random.default_rng(3)
        sum((y * tensor(draw.normal(size=tuple(y.shape)))).sum() for y in (packed.data, *finals)).backward()
        leaves[package] = [*xs, *(states if given else []), *module.parameters()]
        return [*packed, *finals]

    same(run(ours, pm.tensor, rnn), run(other, torch.tensor, theirs))
    same([x.grad for x in leaves[rnn]], [x.grad for x in leaves[theirs]])


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_packed_sequences_are_sequences_one_by_one(kind, rng):
    layer = getattr(nn, kind)(3, 4, bidirectional=True, dtype=pm.float64)
    data = [pm.tensor(s) for s in sequences([2, 5, 3], rng, 3)]
    packed, _ = layer(rnn.pack_sequence(data, enforce_sorted=False))
    same(rnn.unpack_sequence(packed), [layer(s)[0] for s in data])


# ------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda x: rnn.pack_padded_sequence(x, [2, 3]), ValueError, r"must not grow, received \[2, 3\]"),
        (lambda x: rnn.pack_padded_sequence(x, [3, 0]), ValueError, r"in \[1, 3\], received \[3, 0\]"),
        (lambda x: rnn.pack_padded_sequence(x, [4, 3]), ValueError, r"in \[1, 3\], received \[4, 3\]"),
        (lambda x: rnn.pack_padded_sequence(x, [3]), pm.ShapeError, "each of the 2 sequences.* 1 lengths"),
        (lambda x: rnn.pack_padded_sequence(x, [3.0, 2.0]), TypeError, "vector of whole numbers"),
        (lambda x: rnn.pack_padded_sequence(x[0, :, 0], [3, 2]), pm.ShapeError, "two axes or more"),
        (lambda x: rnn.pad_packed_sequence(rnn.pack_padded_sequence(x, [3, 2]), total_length=2), ValueError, "least"),
        (lambda x: rnn.pad_sequence([]), ValueError, "at least one sequence"),
        (lambda x: rnn.pad_sequence(3), TypeError, "a list of Tensors"),
        (lambda x: rnn.pad_sequence([x, x[:, :1]]), pm.ShapeError, "first axis only"),
        (lambda x: rnn.pad_sequence([x], padding_side="top"), ValueError, "'left' or 'right'"),
        (lambda x: rnn.unpad_sequence(x, [3]), pm.ShapeError, "a length for each sequence"),
        (lambda x: rnn.PackedSequence(x), TypeError, "a pair"),
        (lambda x: nn.LSTM(4, 3)(rnn.pack_padded_sequence(x, [3, 2])), pm.ShapeError, "input_size=4"),
        (lambda x: nn.LSTM(2, 3)(rnn.PackedSequence(x, [2, 1])), pm.ShapeError, "2 axes"),
        (lambda x: nn.LSTM(2, 3)(rnn.PackedSequence(x[0], [2, 1])), pm.ShapeError, r"2 rows, received \[2, 1\]"),
        (lambda x: nn.LSTM(2, 3)(rnn.PackedSequence(x[:, 0], [1, 2])), pm.ShapeError, "do not grow"),
    ],
)
def test_errors(make, error, text):
    with pytest.raises(error, match=text):
        make(pm.zeros((3, 2, 2)))
