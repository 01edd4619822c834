"""Arrays and comparisons that the tests of Tensors and of their gradients share."""

from __future__ import annotations

from typing import Any

import numpy as np

import polymod as pm

engine_name = pm.current_device().backend.name
compiling = engine_name in ("jax", "cupy")  # engines that compile a kernel per shape or dtype

A = np.array([[1.5, -2.0, 0.5], [4.0, -0.25, 3.0]], np.float32)
B = np.array([2.0, -1.5, 0.75], np.float32)
M = np.array([[5, -7, 2], [0, 3, -1]], np.int64)
N = np.array([3, 2, 5], np.int64)


def leaf(values: Any = B, dtype: Any = None) -> pm.Tensor:
    return pm.tensor(values, dtype=dtype, requires_grad=True)


def same(t: Any, expected: Any, dtype: Any = None) -> None:
    """`t` is a Tensor of the engine with the values, the shape and the dtype of `expected`."""
    expected = np.asarray(expected) if dtype is None else np.asarray(expected, dtype)
    near(t, expected, atol=0)
    assert pm.to_numpy(t).dtype == expected.dtype


def near(t: Any, expected: Any, rtol: float = 1e-6, atol: float = 1e-7) -> None:
    """`t` is a Tensor of the engine with the shape and about the values of `expected`, of any dtype."""
    assert isinstance(t, pm.Tensor)
    assert t.device == pm.current_device()
    found = pm.to_numpy(t)
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


def examples(number: int, compiled: int) -> Any:
    """Hypothesis settings: so many examples, or the second number of them where an engine compiles each."""
    from hypothesis import settings

    return settings(max_examples=compiled if compiling else number, deadline=None, derandomize=True, database=None)
