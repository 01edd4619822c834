"""Pooling: a pass over the input for each position within the window, in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from polymod.rules.pooling import lowest
from polymod.rules.windows import Pairs, Sizes, output_size, window_keys

from .basic import masked

BOTH = (slice(None), slice(None))


def max_pool(x: np.ndarray, *, size: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes) -> np.ndarray:
    parts = slices(walled(x, padding), size, stride, dilation)
    if len(parts) == 1:
        return np.array(parts[0])
    y = np.maximum(parts[0], parts[1])
    for part in parts[2:]:
        np.maximum(y, part, out=y)
    return y


def max_pool_back(
    g: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    *,
    size: Sizes,
    stride: Sizes,
    padding: Pairs,
    dilation: Sizes,
) -> np.ndarray:
    dx = np.zeros(framed_shape(x, padding), g.dtype)
    parts = slices(walled(x, padding), size, stride, dilation)
    targets = slices(dx, size, stride, dilation)
    waiting = np.ones(y.shape, np.bool_)  # windows whose winner is not found yet
    wins = np.empty(y.shape, np.bool_)
    for part, target in zip(parts, targets, strict=True):
        np.equal(part, y, out=wins)
        wins &= waiting
        waiting ^= wins
        target += masked(g, wins)
    if waiting.any():  # a NaN equals nothing; the last one of its window counts
        for part, target in zip(reversed(parts), reversed(targets), strict=True):
            np.not_equal(part, part, out=wins)
            wins &= waiting
            waiting ^= wins
            target += masked(g, wins)
    return unframed(dx, x, padding)


def sum_pool(x: np.ndarray, *, size: Sizes, stride: Sizes, padding: Pairs) -> np.ndarray:
    parts = slices(walled(x, padding, 0), size, stride, (1,) * len(size))
    if len(parts) == 1:
        return np.array(parts[0])
    y = np.add(parts[0], parts[1])
    for part in parts[2:]:
        y += part
    return y


def sum_pool_back(g: np.ndarray, *, size: Sizes, stride: Sizes, padding: Pairs, shape: Sizes) -> np.ndarray:
    dx = np.zeros((*g.shape[:2], *(n + a + b for n, (a, b) in zip(shape, padding, strict=True))), g.dtype)
    for target in slices(dx, size, stride, (1,) * len(size)):
        target += g
    return dx[(*BOTH, *(slice(a, a + n) for n, (a, _) in zip(shape, padding, strict=True)))]


def slices(x: np.ndarray, size: Sizes, stride: Sizes, dilation: Sizes) -> list[np.ndarray]:
    """For each position within the window, the view that all windows have of `x` there."""
    outputs = output_size(x.shape[2:], size, stride, ((0, 0),) * len(size), dilation)
    return [x[(*BOTH, *key)] for key in window_keys(size, stride, dilation, outputs)]


def framed_shape(x: np.ndarray, padding: Pairs) -> tuple[int, ...]:
    return (*x.shape[:2], *(n + a + b for n, (a, b) in zip(x.shape[2:], padding, strict=True)))


def walled(x: np.ndarray, padding: Pairs, value: Any = None) -> np.ndarray:
    """`x` with `value` (by default the lowest) around its spatial axes."""
    if not any(map(any, padding)):
        return x
    framed = np.full(framed_shape(x, padding), lowest(x) if value is None else value, x.dtype)
    unframed(framed, x, padding)[...] = x
    return framed


def unframed(framed: np.ndarray, x: np.ndarray, padding: Pairs) -> np.ndarray:
    """The part of `framed` that is not padding."""
    return framed[(*BOTH, *(slice(a, a + n) for n, (a, _) in zip(x.shape[2:], padding, strict=True)))]
