"""Writing to a view reaches the Tensor that it was taken from, in value and in gradient, as in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import polymod as pm


def slices(x: Any) -> Any:
    a, b = x[:2], x[1:, 1:3]
    a += 1.5
    b *= x[:2, 2:]
    return x


def slice_of_slice(x: Any) -> Any:
    x[1:][0][1:] -= 2
    row = x[2]
    row[::2] = row[1::2] * 3
    return x


def permuted(x: Any) -> Any:
    t = x.transpose(1, 0)
    t[0] *= t[1]
    t[2:, :1] = 0.5
    return x


def stretched(x: Any) -> Any:
    wide = x[:, None, 1:]
    wide /= 4 + x[:, :1, None] ** 2
    return x


def masked(x: Any) -> Any:
    half = x[:, :2]
    half[half > 0] = 0.25
    return x


def written_through_two(x: Any) -> Any:
    a, b = x[0], x[:, 0]
    a += 1
    b += a[0]  # reads its first element as `a` left it
    a *= 2
    return x


programs = [slices, slice_of_slice, permuted, stretched, masked, written_through_two]
X = np.array([[0.5, -1.25, 2.0, 0.75], [1.5, 0.3, -0.6, 1.1], [-0.9, 1.7, 0.4, -2.2]])
W = np.arange(1.0, 13.0).reshape(3, 4) / 7


@pytest.mark.parametrize("program", programs, ids=lambda p: p.__name__)
def test_values_and_gradients_are_numpys(program: Any):
    x, w = (pm.tensor(v) for v in (X, W))
    np.testing.assert_allclose(pm.to_numpy(program(pm.tensor(X))), program(X.copy()), rtol=1e-12)
    found = pm.to_numpy(pm.grad(lambda x: pm.sum(program(x) * w))(x))
    expected = np.zeros_like(X)
    for at in np.ndindex(X.shape):
        h = np.zeros_like(X)
        h[at] = 1e-5
        expected[at] = np.sum((program(X + h) - program(X - h)) * W) / 2e-5
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-8)
    np.testing.assert_array_equal(pm.to_numpy(x), X)  # the argument itself stays


def test_reading_a_view_gives_the_old_values():
    x = pm.tensor(X)
    row = x[0]
    x[0] = 0.0
    np.testing.assert_array_equal(pm.to_numpy(row), X[0])
    row += 1.0  # it is x's row that gets one more
    np.testing.assert_array_equal(pm.to_numpy(x[0]), np.ones(4))


def test_elements_and_copies_are_no_views():
    x = pm.tensor(X)
    element, copy, chosen = x[0, 1], x[0].copy(), x[pm.asarray([0, 1], device=x.device)]
    element += 1
    copy += 1
    chosen += 1
    np.testing.assert_array_equal(pm.to_numpy(x), X)


def test_writing_to_a_view_of_a_leaf_is_refused_and_changes_nothing():
    x = pm.tensor(X, requires_grad=True)
    row = x[0]
    with pytest.raises(pm.GradientError, match="leaf that requires grad"):
        row += 1
    np.testing.assert_array_equal(pm.to_numpy(row), X[0])
    with pm.no_grad():
        row += 1
    np.testing.assert_array_equal(pm.to_numpy(x)[0], X[0] + 1)
    assert x.is_leaf
    assert x.requires_grad


def test_an_owner_without_another_reference_is_let_go():
    import gc
    import weakref

    x = pm.tensor(X)
    dead = weakref.ref(x)
    row = x[0]
    del x
    gc.collect()
    assert dead() is None
    row += 1
    np.testing.assert_array_equal(pm.to_numpy(row), X[0] + 1)
