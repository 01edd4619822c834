"""Padding as torch.nn.functional has it."""

from __future__ import annotations

from typing import Any

from ...errors import ShapeError
from ...ops import ops
from ...rules import primitives
from ...tensor import Tensor, raw

__all__ = ["pad"]

MODES = ("constant", "reflect", "replicate", "circular")
_zero_pad = primitives["zero_pad"]


def pad(input: Any, pad: tuple[int, ...], mode: str = "constant", value: float | None = None) -> Tensor:
    """Add elements before and after the last axes.

    Args:
        input: of any shape.
        pad: (before, after) for the last axis, then for the one before it, and so on. With "constant", negative
            numbers take elements away.
        mode: "constant" adds `value` (default 0), "reflect" mirrors without repeating the edge, "replicate"
            repeats the edge, "circular" continues with the other end.

    Raises:
        ShapeError: `pad` names more axes than there are, or more elements than an axis has to offer.
        ValueError: an unknown mode, an odd number of entries, or a value for a mode that has none.
    """
    shape = tuple(raw(input).shape)
    if len(pad) % 2 or not all(isinstance(n, int) for n in pad):
        raise ValueError(f"pad must be pairs of integers (before, after), received {pad!r}")
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, received {mode!r}")
    if mode != "constant" and (value is not None or min(pad, default=0) < 0):
        raise ValueError(f"mode {mode!r} takes no value and no negative widths, received pad {pad}, value {value}")
    if len(pad) > 2 * len(shape):
        raise ShapeError(f"pad names {len(pad) // 2} axes, the input has shape {shape}")
    pairs = tuple(reversed([(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]))
    widths = ((0, 0),) * (len(shape) - len(pairs)) + pairs
    if mode == "constant":
        return _with_constant(input, widths, value or 0)
    most = {"reflect": -1, "replicate": None, "circular": 0}[mode]
    for n, width in zip(shape, widths, strict=True):
        if any(width) and (n == 0 or (most is not None and max(width) > n + most)):
            raise ShapeError(f"an axis of {n} elements can't be padded by {width} in mode {mode!r}; input {shape}")
    for axis, width in enumerate(widths):
        if any(width):
            input = _extended(input, axis, width, mode)
    return input if isinstance(input, Tensor) else ops.asarray(input)


def _with_constant(x: Any, widths: tuple[tuple[int, int], ...], value: float) -> Tensor:
    shape = tuple(raw(x).shape)
    if any(n + before + after < 0 for n, (before, after) in zip(shape, widths, strict=True)):
        raise ShapeError(f"padding by {widths} takes away more than the input of shape {shape} has")
    if any(n < 0 for width in widths for n in width):
        kept = tuple(
            slice(max(0, -before), n - max(0, -after)) for n, (before, after) in zip(shape, widths, strict=True)
        )
        x = ops.getitem(x, kept)
        widths = tuple((max(0, before), max(0, after)) for before, after in widths)
    if not value or not any(map(any, widths)):
        return _zero_pad(x, widths=widths)
    x = x if isinstance(x, Tensor) else ops.asarray(x)
    inner = tuple(slice(before, before + n) for n, (before, _) in zip(x.shape, widths, strict=True))
    sizes = tuple(n + before + after for n, (before, after) in zip(x.shape, widths, strict=True))
    return ops.setitem(ops.full(sizes, value, dtype=x.dtype, device=x.device), inner, x)


def _extended(x: Any, axis: int, width: tuple[int, int], mode: str) -> Tensor:
    """`x` with more elements before and after `axis`, taken from itself."""
    before, after = width
    shape = tuple(raw(x).shape)
    n = shape[axis]

    def part(start: int, stop: int) -> Tensor:
        return ops.getitem(x, (*(slice(None),) * axis, slice(start, stop), ...))

    def edge(at: int, count: int) -> Tensor:
        return ops.broadcast_to(part(at, at + 1), (*shape[:axis], count, *shape[axis + 1 :]))

    if mode == "reflect":
        ends = (
            lambda: ops.flip(part(1, before + 1), axis=axis),
            lambda: ops.flip(part(n - 1 - after, n - 1), axis=axis),
        )
    elif mode == "replicate":
        ends = (lambda: edge(0, before), lambda: edge(n - 1, after))
    else:
        ends = (lambda: part(n - before, n), lambda: part(0, after))
    pieces = [ends[0]()] if before else []
    pieces.append(x)
    pieces += [ends[1]()] if after else []
    return ops.concat(pieces, axis=axis)
