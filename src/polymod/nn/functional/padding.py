"""Padding as torch.nn.functional has it."""

from __future__ import annotations

import operator
from typing import Any

from ...errors import ShapeError
from ...ops import ops
from ...rules import primitives
from ...tensor import Tensor, raw

__all__ = ["pad"]

MODES = ("constant", "reflect", "replicate", "circular")
Widths = tuple[tuple[int, int], ...]
_zero_pad = primitives["zero_pad"]


def pad(input: Any, pad: tuple[int, ...], mode: str = "constant", value: float | None = None) -> Tensor:
    """Add elements before and after the last axes, or take some away.

    Args:
        input: of any shape.
        pad: (before, after) for the last axis, then for the one before it, and so on. Negative numbers take elements
            away.
        mode: "constant" adds `value` (default 0), "reflect" mirrors without repeating the edge, "replicate"
            repeats the edge, "circular" continues with the other end of what is left.

    Raises:
        ShapeError: `pad` names more axes than there are, or more elements than an axis has to offer.
        ValueError: an unknown mode, an odd number of entries, or a value for a mode that has none.
    """
    shape = tuple(raw(input).shape)
    widths = _widths(pad, shape)
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, received {mode!r}")
    if mode != "constant" and value:
        raise ValueError(f"mode {mode!r} takes no value, received {value}")
    if any(n + before + after < 0 for n, (before, after) in zip(shape, widths, strict=True)):
        raise ShapeError(f"padding by {widths} takes away more than the input of shape {shape} has")
    x = input if isinstance(input, Tensor) else ops.asarray(input)
    added = tuple((max(0, before), max(0, after)) for before, after in widths)
    taken = tuple((max(0, -before), max(0, -after)) for before, after in widths)
    if mode == "constant":
        x = _cut(x, taken)
        return _framed(x, added, value) if value else _zero_pad(x, widths=added)
    if mode == "circular":
        return _extended(_cut(x, taken), added, mode)
    return _cut(_extended(x, added, mode), taken)


def _widths(pad: Any, shape: tuple[int, ...]) -> Widths:
    """`pad` as a pair for each axis."""
    try:
        entries = tuple(map(operator.index, pad))
    except TypeError:
        raise ValueError(f"pad must be pairs of integers (before, after), received {pad!r}") from None
    if len(entries) % 2:
        raise ValueError(f"pad must be pairs of integers (before, after), received {pad!r}")
    if len(entries) > 2 * len(shape):
        raise ShapeError(f"pad names {len(entries) // 2} axes, the input has shape {shape}")
    pairs = tuple(zip(entries[-2::-2], entries[-1::-2], strict=True))
    return ((0, 0),) * (len(shape) - len(pairs)) + pairs


def _cut(x: Tensor, widths: Widths) -> Tensor:
    """`x` without as many elements before and after each axis."""
    if not any(map(any, widths)):
        return x
    return ops.getitem(x, tuple(slice(before, n - after) for n, (before, after) in zip(x.shape, widths, strict=True)))


def _framed(x: Tensor, widths: Widths, value: Any) -> Tensor:
    """`x` within a frame of `value`."""
    inner = tuple(slice(before, before + n) for n, (before, _) in zip(x.shape, widths, strict=True))
    sizes = tuple(before + n + after for n, (before, after) in zip(x.shape, widths, strict=True))
    value = bool(value) if x.dtype.kind == "b" else int(value) if x.dtype.kind in "iu" else value
    return ops.setitem(ops.full(sizes, value, dtype=x.dtype, device=x.device), inner, x)


def _extended(x: Tensor, widths: Widths, mode: str) -> Tensor:
    """`x` with more elements before and after its axes, taken from itself."""
    for axis, width in enumerate(widths):
        if not any(width):
            continue
        n = x.shape[axis]
        most = {"reflect": n - 1, "replicate": max(width) if n else 0, "circular": n}[mode]
        if max(width) > most:
            raise ShapeError(f"an axis of {n} elements can't be padded by {width} in mode {mode!r}")
        x = _extended_along(x, axis, *width, mode)
    return x


def _extended_along(x: Tensor, axis: int, before: int, after: int, mode: str) -> Tensor:
    n = x.shape[axis]

    def part(start: int, stop: int) -> Tensor:
        return ops.getitem(x, (*(slice(None),) * axis, slice(start, stop), ...))

    def edge(at: int, count: int) -> Tensor:
        return ops.broadcast_to(part(at, at + 1), (*x.shape[:axis], count, *x.shape[axis + 1 :]))

    if mode == "reflect":
        first = ops.flip(part(1, before + 1), axis=axis)
        last = ops.flip(part(n - 1 - after, n - 1), axis=axis)
    elif mode == "replicate":
        first, last = edge(0, before), edge(n - 1, after)
    else:
        first, last = part(n - before, n), part(0, after)
    pieces = [first] * (before > 0) + [x] + [last] * (after > 0)
    return ops.concat(pieces, axis=axis)
