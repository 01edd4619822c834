"""Sums of values by the element that they belong to, in an order that is always the same.

Nothing is copied to the host or waited for: the keys are sorted on the GPU, whatever they are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cupy
import numpy as np

from .launch import CTYPES, kernel, launch

THREADS, TILE, RUN = 256, 2048, 32  # as in cuda/scatter.cu
BLOCKS = 132 * 16
AXES = 3  # that the kernel takes a number apart into

Axis = tuple[int, int]  # the length of an axis and its stride, in elements


class Target(NamedTuple):
    """Which elements of a contiguous array the keys stand for.

    Attributes:
        base: the position of the first one.
        named: the axes that a key counts, in C order.
        inner: the other axes, all of whose elements each key stands for.
        post: how many of these elements are behind the keys' axes in the array of values; the others are before.
    """

    base: int
    named: list[Axis]
    inner: list[Axis]
    post: int


def sorted_order(keys: cupy.ndarray, limit: int) -> tuple[cupy.ndarray, cupy.ndarray]:
    """`keys`, unsigned and below `limit`, in ascending order, and the number that each had before, as uint32.

    Equal keys stay in their order. There are fewer than 2**31 keys.
    """
    count, ktype = keys.size, CTYPES[keys.dtype.name]
    tiles = max(1, -(-count // TILE))
    counts, totals = cupy.empty((256, tiles), np.uint32), cupy.empty(256, np.uint32)
    order: Any = 0
    for shift in range(0, max(1, (limit - 1).bit_length()), 8):
        if tiles > 1:
            launch(kernel("scatter", "count_digits", ktype), tiles, THREADS, keys, counts, count, np.int32(shift))
            launch(kernel("scatter", "sum_counts"), 256, THREADS, counts, totals, tiles)
        found = cupy.empty_like(keys), cupy.empty(count, np.uint32)
        if count:
            arrays = keys, order, *found, counts, totals
            launch(kernel("scatter", "place", ktype), tiles, THREADS, *arrays, count, np.int32(shift))
        keys, order = found
    return keys, order


def fits(target: Target, count: int, dtype: Any) -> bool:
    """Whether `add_sorted` can do it for `count` keys."""
    inner = len(merged(target.inner)) + (dtype.kind == "c")
    return count < 1 << 31 and len(merged(target.named)) <= AXES and inner <= AXES


def add_sorted(out: cupy.ndarray, target: Target, keys: cupy.ndarray, values: cupy.ndarray, skipped: int = -1) -> None:
    """Add `values`, contiguous and of the dtype of `out`, to the elements of `out` that `keys` stand for.

    The key `skipped` is left out.
    """
    if out.dtype.kind == "c":  # two real numbers: an axis more, the last one
        part = np.float64 if out.dtype == np.complex128 else np.float32
        doubled = [[(n, 2 * stride) for n, stride in axes] for axes in target[1:3]]
        target = Target(2 * target.base, doubled[0], [*doubled[1], (2, 1)], 2 * target.post)
        return add_sorted(out.reshape(-1).view(part), target, keys, values.reshape(-1).view(part), skipped)
    limit, inner = _length(target.named), _length(target.inner)
    named = keys.size
    sorted_keys, order = sorted_order(keys.reshape(-1), limit)
    flat = out.reshape(-1)[target.base :]
    layout = *_numbers(target.named), *_numbers(target.inner)
    ctype, ktype = CTYPES[out.dtype.name], CTYPES[keys.dtype.name]
    wide = {"f": np.float32, "V": np.float32}.get(out.dtype.kind, np.int64)
    wide = np.dtype(np.float64 if out.dtype == np.float64 else wide)
    types, live, count, post = (ctype, ctype, ktype), 0, named, target.post
    while True:
        runs = -(-count // RUN)
        parts: tuple[Any, ...] = (0, 0, 0)
        if runs > 1:  # runs of equal keys may go on from one RUN to the next
            shape = (2 * runs,)
            parts = cupy.empty((*shape, inner), wide), cupy.empty(shape, keys.dtype), cupy.empty(shape, np.uint8)
        function, blocks = kernel("scatter", "sum_runs", *types), min(-(-runs * inner // THREADS), BLOCKS)
        sizes = count, inner, named, post, *layout, skipped
        launch(function, blocks, THREADS, values, sorted_keys, order, live, flat, *parts, *sizes)
        if runs == 1:
            return None
        values, sorted_keys, live = parts
        order, count, named, post = 0, 2 * runs, 2 * runs, inner
        types = CTYPES[wide.name], ctype, ktype


def merged(axes: list[Axis]) -> list[Axis]:
    """The same positions by fewer axes."""
    found: list[Axis] = []
    for n, stride in axes:
        if n == 1:
            continue
        if found and found[-1][1] == n * stride:
            found[-1] = found[-1][0] * n, stride
        else:
            found.append((n, stride))
    return found


def _length(axes: list[Axis]) -> int:
    return int(np.prod([n for n, _ in axes], dtype=object)) if axes else 1


def _numbers(axes: list[Axis]) -> tuple[int, ...]:
    """(n0, s0, n1, s1, s2) of the kernel's `Axes`, whose first is the last axis."""
    (n0, s0), (n1, s1), (_, s2) = [*merged(axes)[::-1], (1, 0), (1, 0), (1, 0)][:AXES]
    return n0, s0, n1, s1, s2
