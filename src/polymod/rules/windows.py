"""The geometry of sliding windows over the spatial axes of (N, C, *S) arrays, for any number of axes.

All arguments are tuples with an entry per spatial axis; `padding` holds pairs (before, after).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

Sizes = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]


def output_size(size: Sizes, kernel: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes) -> Sizes:
    """How many windows fit along each axis."""
    return tuple(
        (n + before + after - d * (k - 1) - 1) // s + 1
        for n, k, s, (before, after), d in zip(size, kernel, stride, padding, dilation, strict=True)
    )


def even_windows(n: int, outputs: int) -> list[tuple[int, int]]:
    """Where each of `outputs` windows that divide `n` elements evenly begins and ends; neighbours may share one."""
    return [(i * n // outputs, -(-(i + 1) * n // outputs)) for i in range(outputs)]


def window_keys(kernel: Sizes, stride: Sizes, dilation: Sizes, outputs: Sizes) -> Iterator[tuple[slice, ...]]:
    """For each position within the kernel, in row-major order, the slices of a padded array that all windows see
    there."""
    for offset in product(*map(range, kernel)):
        yield tuple(
            slice(i * d, i * d + (o - 1) * s + 1, s)
            for i, s, d, o in zip(offset, stride, dilation, outputs, strict=True)
        )


def framed(xp: Any, x: Any, padding: Pairs) -> Any:
    """`x` with zeros around its spatial axes."""
    if not any(map(any, padding)):
        return x
    return xp.zero_pad(x, widths=((0, 0),) * (x.ndim - len(padding)) + tuple(padding))


def spread(xp: Any, g: Any, size: Sizes, kernel: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes) -> Any:
    """Put `stride - 1` zeros between the elements of `g` and a frame around them.

    Windows of the flipped kernel, sliding by one over the result, are the transpose of windows of the kernel over
    an array of `size`: this is how each transpose below becomes the operation itself.
    """
    lengths, to, kept = [], [], []
    for n, o, k, s, (before, _), d in zip(size, g.shape[2:], kernel, stride, padding, dilation, strict=True):
        length = n + d * (k - 1)
        start = d * (k - 1) - before  # where the first element goes; padding beyond the kernel's reach is cut off
        first = max(0, -(start // s))
        last = max(first, min(o, (length - start + s - 1) // s))
        lengths.append(length)
        kept.append(slice(first, last))
        to.append(slice(start + first * s, start + (last - 1) * s + 1, s) if last > first else slice(0, 0))
    shape = (*g.shape[:2], *lengths)
    if shape == tuple(g.shape) and all(s == 1 for s in stride) and all(t.start == 0 for t in to):
        return g
    both = (slice(None), slice(None))
    zeros = xp.zeros(shape, dtype=g.dtype, device=g.device)
    return xp.index_set(zeros, xp.index(g, key=(*both, *kept)), key=(*both, *to))
