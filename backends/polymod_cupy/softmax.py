"""Softmax and its relatives: a line of elements is read once where the registers hold it, and no more than twice
elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import cupy

from .launch import TYPES, WIDE, kernel, launch, served, textbook
from .rows import Lines, contiguous, in_registers, lines_along, neighbours, share

IN_WARP, IN_BLOCK = 32, 16  # elements that a thread keeps; half as many where they are twice as long
PART = 2**14  # elements that a block takes of a line that several share


def _along(which: str, kind: str, arrays: tuple[cupy.ndarray, ...], axis: int) -> cupy.ndarray:
    """Run the kernel `<which>in_registers` or `<which>along_lines` for `kind` on `arrays`, which are of one shape."""
    with arrays[0].device:
        arrays = contiguous(*arrays)
        x, lines = arrays[0], lines_along(arrays[0].shape, axis)
        y = cupy.empty(x.shape, x.dtype)
        vec = neighbours(lines.n, *arrays) if lines.inner == 1 else 1
        types = [TYPES[x.dtype.name], kind, str(vec)]
        long = x.itemsize // 8 + 1
        kept = in_registers(lines, vec, IN_WARP // long // len(arrays), IN_BLOCK // long)
        if kept:
            items, how = kept
            function = kernel("softmax", f"{which}in_registers", *types, str(items))
            launch(function, how.blocks, how.threads, *arrays, y, lines.count, lines.n, how.lanes)
        else:
            how = share(lines, vec)
            function = kernel("softmax", f"{which}along_lines", *types)
            launch(function, how.blocks, how.threads, *arrays, y, lines.count, lines.n, lines.inner, how.lanes)
    return y


def _forward(name: str, kind: str) -> Callable[..., cupy.ndarray]:
    def run(x: cupy.ndarray, *, axis: int) -> cupy.ndarray:
        if x.ndim and served(x):
            return _along("", kind, (x,), axis)
        return textbook(name, x, axis=axis)

    run.__name__ = name
    return run


softmax = _forward("softmax", "Softmax")
masked_softmax = _forward("masked_softmax", "MaskedSoftmax")
log_softmax = _forward("log_softmax", "LogSoftmax")


def _back(name: str, kind: str) -> Callable[..., cupy.ndarray]:
    def run(g: cupy.ndarray, y: cupy.ndarray, *, axis: int) -> cupy.ndarray:
        if y.ndim and g.shape == y.shape and served(g, y):
            return _along("back_", kind, (g, y), axis)
        return textbook(name, g, y, axis=axis)

    run.__name__ = name
    return run


softmax_back = _back("softmax_back", "SoftmaxBack")
log_softmax_back = _back("log_softmax_back", "LogSoftmaxBack")


def logsumexp(x: cupy.ndarray, *, axis: Any = None, keepdims: bool = False) -> cupy.ndarray:
    axes = tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    axes = tuple(sorted(a % x.ndim for a in axes))
    if not axes or not served(x):
        return textbook("logsumexp", x, axis=axis, keepdims=keepdims)
    rest = tuple(a for a in range(x.ndim) if a not in axes)
    kept = tuple(1 if a in axes else n for a, n in enumerate(x.shape))
    with x.device:
        if axes[-1] - axes[0] >= len(axes):  # other axes between them
            x = x.transpose(*rest, *axes)
            axes = tuple(range(len(rest), x.ndim))
        (x,) = contiguous(x)
        first, stop = axes[0], axes[-1] + 1
        lines = Lines(prod(x.shape[:first]), prod(x.shape[first:stop]), prod(x.shape[stop:]))
        y = _logsumexp(x, lines)
    return y.reshape(kept if keepdims else [n for a, n in enumerate(kept) if a in rest])


def _logsumexp(x: cupy.ndarray, lines: Lines) -> cupy.ndarray:
    vec = neighbours(lines.n, x) if lines.inner == 1 else 1
    how = share(lines, vec)
    parts = 1
    if lines.inner == 1 and lines.count < 256:  # few rows: several blocks for each, whose results are joined
        parts = max(1, min(512, lines.n // PART))
    wide = WIDE.get(x.dtype.name, x.dtype.name)
    result = cupy.empty(lines.count * parts, wide if parts > 1 else x.dtype)
    function = kernel("softmax", "logsumexp", TYPES[x.dtype.name], TYPES[result.dtype.name], str(vec))
    launch(function, how.blocks * parts, how.threads, x, result, lines.count, lines.n, lines.inner, how.lanes, parts)
    if parts == 1:
        return result
    return _logsumexp(result, Lines(lines.count, parts, 1)).astype(x.dtype, copy=False)


kernels: dict[str, Callable[..., Any]] = {
    f.__name__: f for f in (softmax, masked_softmax, log_softmax, softmax_back, log_softmax_back, logsumexp)
}
