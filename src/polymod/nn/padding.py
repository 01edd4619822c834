"""Padding layers: `F.pad` with fixed widths over the last axes."""

from __future__ import annotations

import operator
from typing import Any

from ..errors import ShapeError
from ..tensor import Tensor, raw
from . import functional as F
from .module import Module

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _Pad(Module):
    """Adds elements before and after the last axes; negative widths take some away.

    Args:
        padding: one width for all sides, or (before, after) for the last axis, then for the one before it, and so on.

    Shapes: input (N, C, *spatial) or (C, *spatial); ConstantPad and ZeroPad take any with as many axes as they pad.

    Raises:
        TypeError, ValueError: at construction, `padding` is no integer and not as many as there are sides.
        ShapeError: at the call, the input has another number of axes, or an axis has too few elements.
    """

    axes: int
    mode = "constant"
    value: float = 0.0

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__()
        sides = 2 * self.axes
        try:
            given = tuple(padding) if isinstance(padding, tuple | list) else (padding,) * sides
            self.padding = tuple(map(operator.index, given))
        except TypeError:
            raise TypeError(f"padding must be an integer or {sides} of them, received {padding!r}") from None
        if len(self.padding) != sides:
            raise ValueError(f"padding must be an integer or {sides} of them, received {padding!r}")

    def forward(self, input: Any) -> Tensor:
        shape = tuple(raw(input).shape)
        if self.mode != "constant" and len(shape) not in (self.axes + 1, self.axes + 2):
            raise ShapeError(
                f"{type(self).__name__} expects an input with {self.axes + 1} or {self.axes + 2} axes, received "
                f"shape {shape}"
            )
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    def __init__(self, padding: int | tuple[int, ...], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """Elements equal to `value` before and after the last axis. See `F.pad`."""

    axes = 1


class ConstantPad2d(_ConstantPad):
    """Elements equal to `value` around the last two axes. See `F.pad`."""

    axes = 2


class ConstantPad3d(_ConstantPad):
    """Elements equal to `value` around the last three axes. See `F.pad`."""

    axes = 3


class ZeroPad1d(_Pad):
    """Zeros before and after the last axis. See `F.pad`."""

    axes = 1


class ZeroPad2d(_Pad):
    """Zeros around the last two axes. See `F.pad`."""

    axes = 2


class ZeroPad3d(_Pad):
    """Zeros around the last three axes. See `F.pad`."""

    axes = 3


class ReflectionPad1d(_Pad):
    """The sequence mirrored at both ends, the ends themselves not repeated: (N, C, L) or (C, L). See `F.pad`."""

    axes, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """The image mirrored at its edges, the edges themselves not repeated: (N, C, H, W) or (C, H, W). See `F.pad`."""

    axes, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """The volume mirrored at its faces, the faces themselves not repeated: (N, C, D, H, W) or (C, D, H, W). See
    `F.pad`."""

    axes, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """The first and the last element repeated: (N, C, L) or (C, L). See `F.pad`."""

    axes, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """The edges repeated: (N, C, H, W) or (C, H, W). See `F.pad`."""

    axes, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """The faces repeated: (N, C, D, H, W) or (C, D, H, W). See `F.pad`."""

    axes, mode = 3, "replicate"


class CircularPad1d(_Pad):
    """The sequence continued with its other end: (N, C, L) or (C, L). See `F.pad`."""

    axes, mode = 1, "circular"


class CircularPad2d(_Pad):
    """The image continued with its other side: (N, C, H, W) or (C, H, W). See `F.pad`."""

    axes, mode = 2, "circular"


class CircularPad3d(_Pad):
    """The volume continued with its other side: (N, C, D, H, W) or (C, D, H, W). See `F.pad`."""

    axes, mode = 3, "circular"
