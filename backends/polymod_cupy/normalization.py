"""Layer norm, RMS norm and group norm: rows of up to some thousand elements are read once. The cotangents of weights
are summed by blocks first and then over blocks, always in the same order."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import cupy

from .launch import TYPES, WIDE, kernel, launch, or_null, served, textbook, threads_for
from .rows import Lines, contiguous, in_registers, neighbours, power_of_two

Axes = tuple[int, ...]
Optional = cupy.ndarray | None

LAYER, RMS, GROUP = "LAYER", "RMS", "GROUP"
IN_WARP, IN_BLOCK = 32, 16  # elements that a thread keeps of a row; half as many where they are twice as long
SUMMING_THREADS = 2**16  # of the blocks that sum over rows as they go: half of what an A100 or an H100 runs at once
LONG_THREADS = 256


def _normalized(kind: str, x: Any, weight: Optional, bias: Optional, n: int, eps: float, *parts: int) -> cupy.ndarray:
    """Normalise rows of `n`; `parts` are the groups, channels of a group and pixels of a channel."""
    x, weight, bias = contiguous(x, weight, bias)
    y = cupy.empty(x.shape, x.dtype)
    lines = Lines(x.size // n, n, 1)
    beside = [a for a in (weight, bias) if a is not None and kind != GROUP]
    vec = neighbours(parts[2] if kind == GROUP else n, x, *beside)
    types = [TYPES[x.dtype.name], kind, str(vec)]
    long = x.itemsize // 8 + 1
    kept = in_registers(lines, vec, IN_WARP // long, IN_BLOCK // long)
    arguments = (x, or_null(weight), or_null(bias), y, lines.count, n, float(eps), *parts)
    if kept:
        items, how = kept
        function = kernel("normalization", "in_registers", *types, str(items))
        launch(function, how.blocks, how.threads, *arguments, how.lanes)
    else:
        launch(kernel("normalization", "by_blocks", *types), lines.count, 512, *arguments)
    return y


def _back(
    kind: str, g: Any, x: Any, weight: Optional, axes: Axes, eps: float
) -> tuple[cupy.ndarray, Optional, cupy.ndarray]:
    """The cotangents of x, of the weight and, where there is a mean, of the shift."""
    shape = x.shape[x.ndim - len(axes) :]
    n = prod(shape)
    g, x, weight = contiguous(g, x, weight)
    dx = cupy.empty(x.shape, x.dtype)
    lines, wide = Lines(x.size // n, n, 1), WIDE[x.dtype.name]
    vec = neighbours(n, g, x, *([] if weight is None else [weight]))
    types, width = [TYPES[x.dtype.name], kind, str(vec)], n if kind == RMS else 2 * n
    most = IN_BLOCK // (x.itemsize // 8 + 1)  # there are four such arrays
    kept = in_registers(lines, vec, most, most)
    arguments = (g, x, or_null(weight), dx)
    if kept:
        items, how = kept
        blocks = min(how.blocks, SUMMING_THREADS // how.threads)
        parts = cupy.empty((blocks, width), wide)
        function = kernel("normalization", "back_in_registers", *types, str(items))
        launch(function, blocks, how.threads, *arguments, parts, lines.count, n, float(eps), how.lanes)
    else:
        found = cupy.empty((lines.count, 2), wide)
        function = kernel("normalization", "back_by_blocks", *types)
        launch(function, lines.count, 512, *arguments, found, lines.count, n, float(eps))
        tiles, lanes = -(-n // 32), LONG_THREADS // 32
        rows_of_part = max(64, -(-lines.count * tiles // 1024))
        parts = cupy.empty((-(-lines.count // rows_of_part), width), wide)
        function = kernel("normalization", "columns", TYPES[x.dtype.name], kind)
        arguments = (g, x, found, parts, lines.count, n, rows_of_part, lanes)
        launch(function, tiles * len(parts), LONG_THREADS, *arguments)
    sums = sum_lines(parts, x.dtype).reshape(-1, *shape)
    return dx, None if weight is None else sums[0], sums[-1]


def sum_lines(parts: cupy.ndarray, dtype: Any) -> cupy.ndarray:
    """The sum of each column of `parts`, which is of the type that sums of `dtype` are kept in."""
    count, width = parts.shape
    y = cupy.empty(width, dtype)
    threads = 512 if count > 64 else 128
    function = kernel("normalization", "sum_lines", TYPES[y.dtype.name])
    launch(function, -(-width // 32), threads, parts, y, count, width, threads // 32)
    return y


def layer_norm(
    x: cupy.ndarray, weight: Optional = None, bias: Optional = None, *, axes: Axes, eps: float
) -> cupy.ndarray:
    if not served(x, weight, bias):
        return textbook("layer_norm", x, weight, bias, axes=axes, eps=eps)
    with x.device:
        return _normalized(LAYER, x, weight, bias, prod(x.shape[a] for a in axes), eps, 1, 1, 1)


def layer_norm_back(
    g: cupy.ndarray, x: cupy.ndarray, weight: Optional, *, axes: Axes, eps: float
) -> tuple[cupy.ndarray, Optional, cupy.ndarray]:
    if not served(g, x, weight):
        return textbook("layer_norm_back", g, x, weight, axes=axes, eps=eps)
    with x.device:
        return _back(LAYER, g, x, weight, axes, eps)


def rms_norm(x: cupy.ndarray, weight: Optional = None, *, axes: Axes, eps: float) -> cupy.ndarray:
    if not served(x, weight):
        return textbook("rms_norm", x, weight, axes=axes, eps=eps)
    with x.device:
        return _normalized(RMS, x, weight, None, prod(x.shape[a] for a in axes), eps, 1, 1, 1)


def rms_norm_back(
    g: cupy.ndarray, x: cupy.ndarray, weight: Optional, *, axes: Axes, eps: float
) -> tuple[cupy.ndarray, Optional]:
    if not served(g, x, weight):
        return textbook("rms_norm_back", g, x, weight, axes=axes, eps=eps)
    with x.device:
        return _back(RMS, g, x, weight, axes, eps)[:2]


# ------------------------------------------------------------------------------------- groups of channels


def _groups(x: cupy.ndarray, groups: int) -> tuple[int, int, int]:
    """How many groups, how many channels each has, and how many pixels a channel has."""
    return groups, x.shape[1] // groups, prod(x.shape[2:])


def _small(x: cupy.ndarray, groups: int) -> bool:
    """Whether places in a group fit 32 bits."""
    return x.size // (x.shape[0] * groups) < 2**31


def group_norm(
    x: cupy.ndarray, weight: Optional = None, bias: Optional = None, *, groups: int, eps: float
) -> cupy.ndarray:
    if not (served(x, weight, bias) and _small(x, groups)):
        return textbook("group_norm", x, weight, bias, groups=groups, eps=eps)
    with x.device:
        parts = _groups(x, groups)
        return _normalized(GROUP, x, weight, bias, parts[1] * parts[2], eps, *parts)


def group_norm_back(
    g: cupy.ndarray, x: cupy.ndarray, weight: Optional, *, groups: int, eps: float
) -> tuple[cupy.ndarray, Optional, cupy.ndarray]:
    if not (served(g, x, weight) and _small(x, groups)):
        return textbook("group_norm_back", g, x, weight, groups=groups, eps=eps)
    with x.device:
        g, x, weight = contiguous(g, x, weight)
        _, channels, pixels = parts = _groups(x, groups)
        n, examples = channels * pixels, x.shape[0]
        dx, planes = cupy.empty(x.shape, x.dtype), cupy.empty((examples, 2 * x.shape[1]), WIDE[x.dtype.name])
        vec = neighbours(pixels, g, x)
        lanes = min(32, power_of_two(-(-pixels // vec)))
        function = kernel("normalization", "group_back", TYPES[x.dtype.name], str(vec))
        arguments = (g, x, or_null(weight), dx, planes, examples * groups, n, float(eps), *parts, lanes)
        launch(function, examples * groups, threads_for(-(-n // vec)), *arguments)
        dweight, dbias = sum_lines(planes, x.dtype).reshape(2, -1)
    return dx, None if weight is None else dweight, dbias


kernels: dict[str, Callable[..., Any]] = {
    f.__name__: f for f in (layer_norm, layer_norm_back, rms_norm, rms_norm_back, group_norm, group_norm_back)
}
