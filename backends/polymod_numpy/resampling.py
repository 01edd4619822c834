"""Resampling along an axis as products with small matrices, since NumPy gathers elements slowly."""

from __future__ import annotations

from typing import Any

import numpy as np

from polymod.rules.resampling import Taps

from .neural import textbook

BLOCK = 64  # elements or results of one product: so many that it is fast, so few that its matrix is mostly filled
_FAST = ("float32", "float64", "complex64", "complex128")


def resample(x: np.ndarray, *, axis: int, taps: Taps) -> np.ndarray:
    with np.errstate(all="ignore"):
        fast = taps.weights is not None and x.dtype in _FAST and np.isfinite(x.sum())  # else NaN would spread
    if not fast:
        return textbook("resample", x, axis=axis, taps=taps)
    shape = x.shape
    after = int(np.prod(shape[x.ndim + axis + 1 :]))
    y: Any
    if after == 1:
        x = x.reshape(-1, taps.size)
        y = np.empty((x.shape[0], taps.outputs), x.dtype)
        for results, elements, matrix in blocks(taps, x.dtype):
            np.matmul(x[:, elements], matrix.T, out=y[:, results])
    else:
        x = x.reshape(-1, taps.size, after)
        y = np.empty((x.shape[0], taps.outputs, after), x.dtype)
        for results, elements, matrix in blocks(taps, x.dtype):
            np.matmul(matrix, x[:, elements], out=y[:, results])
    return y.reshape(*shape[:axis], taps.outputs, *shape[len(shape) + axis + 1 :])


def blocks(taps: Taps, dtype: Any) -> list[tuple[slice, slice, np.ndarray]]:
    """Which results come from which elements, by which matrix; remembered with the taps."""
    known = taps.__dict__.setdefault("blocks", {})
    if dtype not in known:
        step = max(8, min(BLOCK, BLOCK * taps.outputs // taps.size))
        known[dtype] = [_block(taps, start, start + step, dtype) for start in range(0, taps.outputs, step)]
    return known[dtype]


def _block(taps: Taps, start: int, stop: int, dtype: Any) -> tuple[slice, slice, np.ndarray]:
    results = slice(start, min(stop, taps.outputs))
    indices = taps.indices[:, results]
    first, last = int(indices.min()), int(indices.max()) + 1
    matrix = np.zeros((indices.shape[1], last - first))
    assert taps.weights is not None
    np.add.at(matrix, (np.arange(indices.shape[1]), indices - first), taps.weights[:, results])
    return results, slice(first, last), matrix.astype(dtype)
