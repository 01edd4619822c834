"""Max unpooling, as torch.nn.functional has it: what max pooling found, put back where it was."""

from __future__ import annotations

from math import prod
from typing import Any

from ...errors import ShapeError
from ...ops import ops
from ...rules import primitives
from ...tensor import Tensor, raw
from .conv import Size
from .indices import check_range, integers
from .pooling_windows import batched, sizes, unbatched

__all__ = ["max_unpool1d", "max_unpool2d", "max_unpool3d"]

_unpool = primitives["unpool"]


def max_unpool1d(
    input: Any,
    indices: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Any = None,
) -> Tensor:
    """The elements of (N, C, L) or (C, L) at the places `indices`, and 0 elsewhere. See `max_unpool2d`."""
    return _unpooled(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Any,
    indices: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Any = None,
) -> Tensor:
    """The elements of `input` at the places `indices` of a larger array, and 0 elsewhere.

    Args:
        input: (N, C, H, W) or (C, H, W).
        indices: integers of the same shape, places in the flattened spatial axes of the result, as `max_pool2d` gives
            them. Where several elements have the same place one of them stays, and each gets the cotangent of that
            place.
        kernel_size, stride, padding: those of the pooling; they say how large the result is:
            (H - 1) stride + kernel_size - 2 padding.
        output_size: another size, by less than the stride; also the pooled input's whole shape.

    Raises:
        ShapeError: the input has another number of axes, or `indices` another shape.
        IndexError: an index lies outside the result.
        TypeError, ValueError: an argument has a value that no pooling has.
    """
    return _unpooled(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Any,
    indices: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Any = None,
) -> Tensor:
    """The elements of (N, C, D, H, W) or (C, D, H, W) at the places `indices`, and 0 elsewhere. See
    `max_unpool2d`."""
    return _unpooled(3, input, indices, kernel_size, stride, padding, output_size)


def _unpooled(
    axes: int, input: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> Tensor:
    name = f"max_unpool{axes}d"
    size, stride, pads = unpool_geometry(axes, kernel_size, stride, padding)
    indices = integers(indices, "indices", like=input)
    if tuple(indices.shape) != tuple(raw(input).shape):
        raise ShapeError(f"{name}: indices {tuple(indices.shape)} must have the input's shape {raw(input).shape}")
    batch, single = batched(name, axes, input)
    n, c, *spatial = raw(batch).shape
    default = [(m - 1) * s + k - 2 * p for m, k, s, p in zip(spatial, size, stride, pads, strict=True)]
    shape = _size(name, default, stride, output_size)
    check_range(indices, prod(shape), f"{name}: an index")
    flat = (n, c, prod(spatial))
    y = _unpool(ops.reshape(batch, flat), indices=raw(ops.reshape(indices, flat)), length=prod(shape))
    return unbatched(ops.reshape(y, (n, c, *shape)), single)


def unpool_geometry(axes: int, kernel_size: Any, stride: Any, padding: Any) -> tuple[Any, Any, Any]:
    """The pooling's window size, stride and padding, each with an entry per axis.

    Raises:
        TypeError, ValueError: they are not what a pooling takes.
    """
    size = sizes(kernel_size, axes, "kernel_size", 1)
    return size, size if stride is None else sizes(stride, axes, "stride", 1), sizes(padding, axes, "padding", 0)


def _size(name: str, default: list[int], stride: tuple[int, ...], wanted: Any) -> tuple[int, ...]:
    """The spatial axes of the result."""
    axes = len(default)
    if wanted is None:
        shape = tuple(default)
    else:
        shape = (wanted,) if isinstance(wanted, int) else tuple(wanted)
        shape = shape[2:] if len(shape) == axes + 2 else shape
        if len(shape) != axes:
            raise ValueError(f"{name}: output_size must have {axes} or {axes + 2} entries, received {wanted!r}")
        if not all(d - s < n < d + s for n, d, s in zip(shape, default, stride, strict=True)):
            raise ValueError(
                f"{name}: output_size must differ from {tuple(default)} by less than the stride {stride}, "
                f"received {shape}"
            )
    if min(shape) < 0:
        raise ShapeError(f"{name}: the input is too small for this padding: the result would have the size {shape}")
    return shape
