"""The windows of images side by side, and back."""

from __future__ import annotations

from math import prod
from typing import Any

from ...errors import ShapeError
from ...ops import ops
from ...rules import primitives
from ...rules.windows import output_size as count_windows
from ...tensor import Tensor, raw
from .conv import Size, per_axis

__all__ = ["fold", "unfold"]

_im2col, _col2im = primitives["im2col"], primitives["col2im"]


def unfold(input: Any, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1) -> Tensor:
    """What each sliding window sees of an image, as a column.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: of the window.
        dilation: the distance of neighbouring elements of a window.
        padding: zeros around the image.
        stride: the distance of neighbouring windows.

    Returns:
        (N, C KH KW, L), or (C KH KW, L), for L windows, row by row.

    Raises:
        ShapeError: the input has another number of axes, or the window does not fit into it.
        TypeError, ValueError: an argument is not an integer, or two, in its range.
    """
    shape = tuple(raw(input).shape)
    if len(shape) not in (3, 4):
        raise ShapeError(f"unfold expects an input (N, C, H, W) or (C, H, W), received shape {shape}")
    how = _geometry(kernel_size, dilation, padding, stride)
    if min(count_windows(shape[-2:], **how)) < 1:
        raise ShapeError(f"no window of {how} fits into an input of shape {shape}")
    how["size"] = how.pop("kernel")
    if len(shape) == 4:
        return _im2col(input, **how)
    return ops.squeeze(_im2col(ops.expand_dims(input, axis=0), **how), axis=0)


def fold(
    input: Any, output_size: Size, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
) -> Tensor:
    """The transpose of `unfold`: an image to which every column is added where its window would see it.

    Args:
        input: (N, C KH KW, L) or (C KH KW, L).
        output_size: (H, W), the size of the image.
        kernel_size, dilation, padding, stride: as in `unfold`.

    Returns:
        (N, C, H, W) or (C, H, W).

    Raises:
        ShapeError: the input has another number of axes, its columns are no multiple of the window's size, or L is
            not the number of windows.
        TypeError, ValueError: an argument is not an integer, or two, in its range.
    """
    shape = tuple(raw(input).shape)
    if len(shape) not in (2, 3):
        raise ShapeError(f"fold expects an input (N, C * prod(kernel), L) or without N, received shape {shape}")
    size = per_axis(output_size, 2, "output_size", 1)
    how = _geometry(kernel_size, dilation, padding, stride)
    windows, kernel = count_windows(size, **how), how.pop("kernel")
    if min(windows) < 1 or shape[-1] != prod(windows):
        raise ShapeError(
            f"fold with output_size {size} and kernel_size {kernel} needs {windows} windows in the last axis, received "
            f"shape {shape}"
        )
    if shape[-2] % prod(kernel):
        raise ShapeError(f"columns of {shape[-2]} elements are no multiple of a window of {kernel}; input {shape}")
    if len(shape) == 3:
        return _col2im(input, shape=size, size=kernel, **how)
    return ops.squeeze(_col2im(ops.expand_dims(input, axis=0), shape=size, size=kernel, **how), axis=0)


def _geometry(kernel_size: Size, dilation: Size, padding: Size, stride: Size) -> dict[str, Any]:
    return {
        "kernel": per_axis(kernel_size, 2, "kernel_size", 1),
        "stride": per_axis(stride, 2, "stride", 1),
        "padding": tuple((p, p) for p in per_axis(padding, 2, "padding", 0)),
        "dilation": per_axis(dilation, 2, "dilation", 1),
    }
