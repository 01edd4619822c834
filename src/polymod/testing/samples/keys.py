"""Keys of every kind, for reading elements, writing them and adding to them."""

from __future__ import annotations

from typing import Any

import numpy as np

X = np.arange(120.0).reshape(2, 3, 4, 5)
MASK = X[:, :, 0, 0] % 40 != 20

KEYS: dict[str, Any] = {
    "integer": 0,
    "negative integer": (-1, -2),
    "slice": slice(1, None),
    "slices": (slice(None), slice(0, 99), slice(None, None, 2), slice(3, 1)),
    "negative steps": (slice(None, None, -1), slice(5, None, -2), ..., slice(3, 0, -1)),
    "ellipsis": (..., -1),
    "everything": ...,
    "nothing": (),
    "newaxis": (None, slice(None), None, 1),
    "one array": np.array([0, 1, 0, 0]),
    "negative indices": np.array([-1, 0, -2]),
    "uint8 array": np.array([0, 1, 1], np.uint8),
    "int16 array": np.array([[1], [0]], np.int16),
    "array of two axes": np.array([[0, 1], [1, 1]]),
    "0-d array": np.array(1),
    "empty array": np.array([], np.int64),
    "two arrays": (np.array([0, 1, 0]), np.array([2, 2, 2])),
    "broadcast arrays": (np.array([[0], [1]]), np.array([0, 2, 0])),
    "array after slice": (slice(None), np.array([0, 2, 2])),
    "arrays apart": (slice(None), np.array([0, 2, 0]), slice(None), np.array([1, 1, 1])),
    "arrays around newaxis": (np.array([1, 0]), None, np.array([1, 0])),
    "integer, slice, array": (0, slice(None), np.array([0, 1, 1])),
    "0-d array, slice, array": (np.array(1), slice(None), np.array([0, 1])),
    "array and integer": (np.array([1, 1]), 0, slice(None, None, -2)),
    "array, ellipsis, array": (np.array([1, 1]), ..., np.array([4, 4])),
    "negative step and array": (slice(None, None, -1), slice(None), np.array([1, 0, 1])),
    "mask": MASK,
    "mask of all axes": X % 7 == 3,
    "mask of nothing": X < 0,
    "mask and integer": (MASK, 0),
    "mask after slice": (slice(None), np.array([True, False, True])),
    "mask and array": (np.array([1, 0]), np.array([True, False, True])),
    "mask, ellipsis, array": (np.array([True, False]), ..., np.array([1, 1, 1])),
    "True": True,
    "0-d mask": np.array(False),
}
OUT_OF_RANGE: list[Any] = [2, -3, (0, 3), (..., 5), (None, 2), (MASK, 4), (slice(None), -4)]


def random_key(rng: np.random.Generator) -> tuple[Any, ...]:
    """A key put together at random; not all of its index arrays need broadcast together."""
    parts: list[Any] = []
    for n in X.shape[: rng.integers(0, 5)]:
        kind = rng.integers(0, 6)
        if kind == 0:
            parts.append(int(rng.integers(-n, n)))
        elif kind == 1:
            parts.append(rng.integers(-n, n, size=(3,)))
        elif kind == 2:
            parts.append(rng.integers(-n, n, size=(2, 1)))
        elif kind == 3:
            parts.append(rng.integers(0, 2, size=n) == 1)
        else:
            a, b = rng.integers(-n - 1, n + 2, size=2)
            parts.append(slice(int(a), int(b), int(rng.choice([-2, -1, 1, 2]))))
    for extra in (None, ...):
        if rng.random() < 0.3:
            parts.insert(int(rng.integers(0, len(parts) + 1)) if extra is None else len(parts), extra)
    return tuple(parts)
