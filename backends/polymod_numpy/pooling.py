"""Pooling: a pass over the input for each position within the window, in place."""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

import numpy as np

from polymod.backend import portable
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


def max_pool_positions(x: np.ndarray, *, size: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes) -> np.ndarray:
    how = {"size": size, "stride": stride, "padding": padding, "dilation": dilation}
    y = max_pool(x, **how)
    if hidden(x, y, padding):
        return portably("max_pool_positions", x, **how)
    parts = slices(walled(x, padding), size, stride, dilation)
    winner = winners(parts, y)
    spatial = np.cumprod((1, *x.shape[:2:-1]))[::-1].tolist()  # what a step along each spatial axis is in `x` flattened
    table = [sum(map(prod, zip(o, dilation, spatial, strict=True))) for o in product(*map(range, size))]
    position = np.asarray([0, *reversed(table)], np.int64)[winner]
    for axis, (o, s, (before, _), step) in enumerate(zip(y.shape[2:], stride, padding, spatial, strict=True)):
        starts = (np.arange(o, dtype=np.int64) * s - before) * step
        position += starts.reshape(-1, *(1,) * (len(size) - axis - 1))
    return position


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
    if hidden(x, y, padding):
        how = {"size": size, "stride": stride, "padding": padding, "dilation": dilation}
        return portably("max_pool_back", g, x, y, **how)
    dx = np.zeros(framed_shape(x, padding), g.dtype)
    targets = slices(dx, size, stride, dilation)
    winner = winners(slices(walled(x, padding), size, stride, dilation), y)
    for i, target in enumerate(targets):
        target += masked(g, winner == len(targets) - i)
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


def winners(parts: list[np.ndarray], y: np.ndarray) -> np.ndarray:
    """For each window the number of the part that is its maximum `y`, from 1 for the last of `parts` on: the first one
    of several, of NaNs the last."""
    count = len(parts)
    winner = np.zeros(y.shape, np.int8 if count <= 127 else np.int32)
    for i, part in enumerate(parts):
        np.maximum(winner, (part == y).view(np.int8) * winner.dtype.type(count - i), out=winner)
    if y.dtype.kind == "f" and np.isnan(y).any():  # a NaN equals nothing
        for i, part in enumerate(parts):
            np.copyto(winner, count - i, where=np.isnan(part))
    return winner


def hidden(x: np.ndarray, y: np.ndarray, padding: Pairs) -> bool:
    """Whether the largest element of a window may equal the padding, which comes before it."""
    return any(map(any, padding)) and bool((y == lowest(x)).any())


def portably(name: str, *arrays: np.ndarray, **how: Any) -> Any:
    """The portable definition."""
    from . import backend  # it is made after its kernels

    return portable[name](backend.namespace, *arrays, **how)


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
