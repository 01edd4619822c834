"""Reading and writing parts of a Tensor, against NumPy, on the engine under test."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from helpers import B, M, examples, same
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import polymod as pm

few = examples(50, 3)

X = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
keys = {
    "integer": 1,
    "negative": -1,
    "integers": (1, -2),
    "all": (0, 1, 2),
    "slice": slice(1, None),
    "steps": (slice(None, None, 2), slice(None, None, -1)),
    "beyond the end": slice(1, 99),
    "empty": slice(2, 1),
    "trailing axes": (slice(None), 0),
    "last": (..., -1),
    "ellipsis": (0, ..., 1),
    "everything": ...,
    "nothing": (),
    "newaxis": (None, 1, None),
    "list": [0, 2, 0],
    "list of negatives": [-1, -3],
    "empty list": [],
    "list beside slice": (slice(None), [0, 3]),
    "two lists": ([0, 1, 2], [3, 2, 1]),
    "lists apart": ([0, 1], slice(None), [3, 4]),
    "integer array": np.array([[0, 1], [2, 2]]),
    "small integers": np.array([0, 2], np.int8),
    "unsigned": np.array([0, 2], np.uint8),
    "broadcast arrays": (np.array([[0], [1]]), np.array([1, 2])),
    "array and newaxis": (np.array([0, 1]), None),
    "mask": X > 30,
    "mask of the first axis": np.array([True, False, True]),
    "mask of two axes": X[:, :, 0] > 20,
    "mask after slice": (slice(None), np.array([True, False, True, True])),
    "mask of nothing": X < 0,
    "list of booleans": [True, False, True],
    "NumPy integer": np.int64(2),
    "NumPy integers": (np.int32(1), slice(np.int64(0), np.int64(2))),
    "boolean": True,
}
writable = [k for k in keys if k not in ("list", "integer array")]  # which of several values wins is open


def native(key: Any) -> Any:
    if isinstance(key, tuple):
        return tuple(map(native, key))
    return pm.tensor(key) if isinstance(key, np.ndarray) else key


@pytest.mark.parametrize("name", keys)
def test_reading(name: str):
    same(pm.tensor(X)[native(keys[name])], X[keys[name]])


@pytest.mark.parametrize("name", keys)
def test_reading_with_engine_arrays(name: str):
    key = keys[name]
    key = (
        tuple(getattr(native(k), "array", k) for k in key)
        if isinstance(key, tuple)
        else getattr(native(key), "array", key)
    )
    same(pm.tensor(X)[key], X[keys[name]])


@pytest.mark.parametrize("name", writable)
def test_writing(name: str):
    key = keys[name]
    for values in (7, -1.5, np.float32(3), np.arange(X[key].size, dtype=np.float32).reshape(X[key].shape)):
        expected = X.copy()
        expected[key] = values
        t = pm.tensor(X)
        t[native(key)] = native(values) if isinstance(values, np.ndarray) else values
        same(t, expected)


def test_writing_casts_and_broadcasts():
    t = before = pm.tensor(X)
    row = t[0]
    t[1] = [1, 2, 3, 4, 5]
    t[:, 0] = pm.tensor(np.arange(5.0))  # float64
    t[2, 1:3] += 10
    expected = X.copy()
    expected[1] = [1, 2, 3, 4, 5]
    expected[:, 0] = np.arange(5)
    expected[2, 1:3] += 10
    assert t is before and t.dtype == pm.float32
    same(t, expected)
    same(row, X[0])  # what was read before keeps its values
    n = pm.tensor(M)
    n[0] = pm.tensor([1, 2, 3], dtype=pm.int8)
    same(n[0], [1, 2, 3], np.int64)
    t[...] = 0
    same(t, np.zeros_like(X))


def test_writing_is_differentiable():
    x = pm.tensor(B, requires_grad=True)
    v = pm.tensor([5.0, 6.0], requires_grad=True)
    y = x * 2
    y[1:] = v * v
    (y * y).sum().backward()
    same(x.grad, [8 * B[0], 0, 0], np.float32)
    same(v.grad, 4 * np.array([125.0, 216.0]), np.float32)
    c = pm.zeros(3)
    c[0] = x[1]
    assert c.requires_grad and not c.is_leaf
    (g,) = pm.autograd.grad(c.sum(), x)
    same(g, [0, 1, 0], np.float32)


def test_writing_to_a_leaf():
    x = pm.tensor(B, requires_grad=True)
    for write in (lambda: x.__setitem__(0, 1.0), lambda: x.__iadd__(1)):
        with pytest.raises(pm.GradientError, match="no_grad"):
            write()
    same(x.detach(), B)
    with pm.no_grad():
        x[0] = 9
        x *= 2
    assert x.requires_grad and x.is_leaf
    same(x.detach(), [18, *(2 * B[1:])], np.float32)


def test_index_errors(engine: pm.Device):
    t = pm.tensor(X)
    with pytest.raises(IndexError, match=r"too many indices: 4 .*\(3, 4, 5\)"):
        t[0, 0, 0, 0]
    for key in (3, -4, (0, 4), (slice(None), -5)):
        with pytest.raises(IndexError):
            t[key]
        with pytest.raises(IndexError):
            t[key] = 0
    with pytest.raises(IndexError, match="float32"):
        t[pm.tensor([0.0])]
    with pytest.raises(TypeError, match="str"):
        t["x"]
    with pytest.raises(TypeError, match="float"):
        t[1.5]
    with pytest.raises(Exception, match=r"mask|boolean|shape|mismatch|match|dimension|broadcast|size"):
        t[pm.tensor([True, False])]
    with pytest.raises(Exception):  # noqa: B017 each engine's own error
        t[0] = pm.zeros((7,))
    same(t, X)
    if engine.backend.name != "numpy":
        with pytest.raises(pm.MixedDevicesError, match="cpu"):
            t[np.array([0, 1])]


@few
@given(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4), st.data())
def test_basic_keys_as_numpy(shape: tuple, data: st.DataObject):
    x = np.arange(math.prod(shape), dtype=np.float32).reshape(shape)
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    same(pm.tensor(x)[key], x[key])
    expected = x.copy()
    expected[key] = -1
    t = pm.tensor(x)
    t[key] = -1
    same(t, expected)


@few
@given(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4), st.data())
def test_integer_keys_as_numpy(shape: tuple, data: st.DataObject):
    x = np.arange(math.prod(shape), dtype=np.float32).reshape(shape)
    key = data.draw(hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, max_side=3)))
    same(pm.tensor(x)[native(key)], x[key])
