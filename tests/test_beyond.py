"""Functions beyond the standard: against NumPy's, and their derivatives against finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from against import against_differences, against_torch

import polymod as pm

# ------------------------------------------------------------------------------------------------------ padding

widths = [0, 1, (1, 2), ((1, 2), (0, 3)), [(2, 0), (1, 1)], {1: 2}, {0: (1, 2), -1: 3}]


@pytest.mark.parametrize("width", widths, ids=str)
@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric", "wrap"])
def test_pad_is_numpys(width: Any, mode: str, rng: np.random.Generator) -> None:
    x = rng.normal(size=(3, 4))
    pairs = width
    if isinstance(width, dict):
        pairs = [(0, 0), (0, 0)]
        for axis, w in width.items():
            pairs[axis] = w if isinstance(w, tuple) else (w, w)
    np.testing.assert_array_equal(pm.to_numpy(pm.pad(pm.tensor(x), width, mode)), np.pad(x, pairs, mode))
    against_differences(lambda t: pm.pad(t, width, mode), [x], rng)


def test_pad_with_a_constant(rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 3))
    expected = np.pad(x, 1, constant_values=2.5)
    np.testing.assert_array_equal(pm.to_numpy(pm.pad(pm.tensor(x), 1, constant_values=2.5)), expected)
    against_differences(lambda t: pm.pad(t, 1, constant_values=2.5), [x], rng)
    n = pm.pad(pm.tensor(np.asarray([1, 2], np.int32)), 1, constant_values=7)
    assert n.dtype == pm.int32
    np.testing.assert_array_equal(pm.to_numpy(n), [7, 1, 2, 7])


def test_pad_further_than_the_array_is_long() -> None:
    x = np.arange(3.0)
    for mode in ("reflect", "symmetric", "wrap"):
        np.testing.assert_array_equal(pm.to_numpy(pm.pad(pm.tensor(x), (7, 8), mode)), np.pad(x, (7, 8), mode))
    for ours, theirs in (("replicate", "edge"), ("circular", "wrap")):
        np.testing.assert_array_equal(pm.to_numpy(pm.pad(pm.tensor(x), 2, ours)), np.pad(x, 2, theirs))


def test_pad_refuses() -> None:
    x = pm.zeros((2, 3))
    with pytest.raises(ValueError, match="unknown mode 'mirror'"):
        pm.pad(x, 1, "mirror")
    with pytest.raises(ValueError, match="negative"):
        pm.pad(x, -1)
    with pytest.raises(ValueError):
        pm.pad(x, ((1, 2), (3, 4), (5, 6)))
    with pytest.raises(ValueError, match="no elements to pad with"):
        pm.pad(pm.zeros((0,)), 1, "edge")


# ------------------------------------------------------------------------------------------------------ windows


@pytest.mark.parametrize(
    ("shape", "window", "axis"),
    [
        *(((6,), 3, None), ((4, 5), (2, 3), None), ((4, 5), 2, 0), ((4, 5), (2,), (-1,))),
        *(((2, 4, 5), (3, 2), (2, 1)), ((7,), (2, 3), (0, 0)), ((5,), 5, None), ((3,), 1, 0)),
    ],
)
def test_sliding_windows_are_numpys(shape: Any, window: Any, axis: Any, rng: np.random.Generator) -> None:
    x = rng.normal(size=shape)
    expected = np.lib.stride_tricks.sliding_window_view(x, window, axis)
    np.testing.assert_array_equal(pm.to_numpy(pm.sliding_window_view(pm.tensor(x), window, axis)), expected)
    against_differences(lambda t: pm.sliding_window_view(t, window, axis), [x], rng)


def test_sliding_windows_are_torchs_unfold(rng: np.random.Generator) -> None:
    x = rng.normal(size=(3, 8))
    against_torch(lambda t: pm.sliding_window_view(t, 3, axis=1), lambda t: t.unfold(1, 3, 1), [x], "float64", rng)


def test_sliding_windows_refuse() -> None:
    x = pm.zeros((2, 3))
    with pytest.raises(ValueError, match="does not fit"):
        pm.sliding_window_view(x, (3, 1))
    with pytest.raises(ValueError, match="lengths for 2 axes"):
        pm.sliding_window_view(x, 2)


# ------------------------------------------------------------------------------------------------------ one-hot


def test_one_hot(engine: pm.Device) -> None:
    x = pm.tensor(np.asarray([[0, 2], [1, -1]]))
    found = pm.one_hot(x, 3)
    assert found.dtype == pm.float32 and found.device == engine
    np.testing.assert_array_equal(pm.to_numpy(found), [[[1, 0, 0], [0, 0, 1]], [[0, 1, 0], [0, 0, 0]]])
    first = pm.one_hot(x, 3, dtype=pm.int32, axis=0)
    assert first.shape == (3, 2, 2) and first.dtype == pm.int32
    np.testing.assert_array_equal(pm.to_numpy(first), np.moveaxis(pm.to_numpy(found), -1, 0))
    assert pm.one_hot(pm.tensor(np.asarray(1)), 4).shape == (4,)
    with pytest.raises(TypeError, match="whole numbers"):
        pm.one_hot(pm.tensor([1.0]), 2)


# --------------------------------------------------------------------------------------------- order statistics

axes = [None, 0, -1, (0, 2), (1, 2)]


@pytest.mark.parametrize("axis", axes, ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
def test_quantiles_are_numpys(axis: Any, keepdims: bool, rng: np.random.Generator) -> None:
    x = 0.1 * rng.permutation(60).reshape(3, 4, 5) - 2.0  # no small step changes their order
    for q in (0, 0.3, 0.5, 1.0, [0.1, 0.9]):
        found = pm.quantile(pm.tensor(x), q, axis=axis, keepdims=keepdims)
        expected = np.quantile(x, q, axis=axis, keepdims=keepdims)
        assert found.shape == expected.shape
        np.testing.assert_allclose(pm.to_numpy(found), expected, rtol=1e-13)
    np.testing.assert_allclose(
        pm.to_numpy(pm.median(pm.tensor(x), axis=axis, keepdims=keepdims)), np.median(x, axis=axis, keepdims=keepdims)
    )
    against_differences(lambda t: pm.quantile(t, [0.3, 0.5], axis=axis, keepdims=keepdims), [x], rng)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_quantiles_of_unusual_values() -> None:
    x = np.asarray([[1.0, np.nan, 3.0], [2.0, 5.0, 3.0], [np.inf, np.inf, 1.0]])
    np.testing.assert_array_equal(pm.to_numpy(pm.median(pm.tensor(x), axis=1)), [np.nan, 3, np.inf])
    np.testing.assert_array_equal(pm.to_numpy(pm.quantile(pm.tensor(x[2]), 0.75)), np.inf)
    assert pm.median(pm.tensor(np.asarray([1, 2]))).dtype == pm.float32
    assert float(pm.median(pm.tensor(np.asarray([1, 2])))) == 1.5
    with pytest.raises(ValueError, match="between 0 and 1"):
        pm.quantile(pm.tensor(x), 1.5)
    with pytest.raises(ValueError, match="no element"):
        pm.median(pm.zeros((0, 3)))


def test_gradient_of_a_median_with_ties() -> None:
    """Equal elements: the derivatives of all of them together are 1."""
    x = pm.tensor(np.asarray([2.0, 2.0, 2.0, 1.0]), requires_grad=True)
    pm.median(x).backward()
    assert pm.to_numpy(x.grad).sum() == 1 and pm.to_numpy(x.grad)[3] == 0


# --------------------------------------------------------------------------------------------------- comparison


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_allclose_is_numpys() -> None:
    values = [1.0, 1.0 + 1e-6, 1.1, -1.0, 0.0, 1e-9, np.inf, -np.inf, np.nan]
    for a in values:
        for b in values:
            for equal_nan in (False, True):
                found = pm.allclose(pm.tensor(np.asarray([a])), pm.tensor(np.asarray([b])), equal_nan=equal_nan)
                assert bool(found) == np.allclose(a, b, equal_nan=equal_nan), (a, b, equal_nan)
    assert bool(pm.allclose(pm.zeros((0,)), pm.zeros((0,))))
    assert not bool(pm.allclose(pm.ones((2, 3)), pm.ones(3) * 2, rtol=0.1))
    assert bool(pm.allclose(pm.tensor(np.asarray([1, 2])), pm.tensor(np.asarray([1, 2]))))


def test_arrays_of_the_engine_are_taken(rng: np.random.Generator) -> None:
    x = pm.tensor(rng.normal(size=(2, 3))).array
    for y in (
        pm.pad(x, 0),
        pm.pad(x, 0, "edge"),
        pm.sliding_window_view(x, (), ()),
        pm.median(x),
        pm.einsum("ij->i", x),
    ):
        assert isinstance(y, pm.Tensor)
