"""Pooling over sliding windows, as torch.nn.functional has it: the maximum, the mean or the power sum of each.

Each function is for inputs with the number of spatial axes in its name; `max_pool2d` and its neighbours say what all
of them do.
"""

from __future__ import annotations

from math import inf, prod
from typing import Any

from ...ops import ops
from ...rules import primitives
from ...tensor import Tensor, raw, wrap
from .conv import Size
from .pooling_windows import batched, check_divisor, counts, divisors, geometry, sizes, unbatched, windows

__all__ = [
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
]

_max_pool, _max_pool_positions, _sum_pool, _power = (
    primitives[n] for n in ("max_pool", "max_pool_positions", "sum_pool", "window_power")
)


# ----------------------------------------------------------------------------------------------------- maxima


def max_pool1d(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of (N, C, L) or (C, L). See `max_pool2d`."""
    return _largest(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size, stride, padding, dilation: an integer or one per axis; stride None means kernel_size. The
            padding counts as -inf.
        ceil_mode: whether a last window that overhangs the padded input counts, if it begins inside.
        return_indices: also return where each maximum lies in the flattened spatial axes, as int64.

    The derivative goes to the first largest element of a window, in row-major order. A NaN in a window is its
    maximum.

    Raises:
        ShapeError: the input has another number of axes, or is smaller than the window.
        TypeError, ValueError: an argument has a value that no pooling has.
    """
    return _largest(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window of (N, C, D, H, W) or (C, D, H, W). See `max_pool2d`."""
    return _largest(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool1d_with_indices(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool1d` with return_indices=True, whatever `return_indices` says."""
    y, indices = _largest(1, input, kernel_size, stride, padding, dilation, ceil_mode, True)
    return y, indices


def max_pool2d_with_indices(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool2d` with return_indices=True, whatever `return_indices` says."""
    y, indices = _largest(2, input, kernel_size, stride, padding, dilation, ceil_mode, True)
    return y, indices


def max_pool3d_with_indices(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool3d` with return_indices=True, whatever `return_indices` says."""
    y, indices = _largest(3, input, kernel_size, stride, padding, dilation, ceil_mode, True)
    return y, indices


def _largest(
    axes: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    name = f"max_pool{axes}d"
    size, stride, pads = geometry(axes, kernel_size, stride, padding)
    dilation = sizes(dilation, axes, "dilation", 1)
    batch, single = batched(name, axes, input)
    pairs = windows(name, raw(batch).shape[2:], size, stride, pads, dilation, ceil_mode)
    how = {"size": size, "stride": stride, "padding": pairs, "dilation": dilation}
    y = unbatched(_max_pool(batch, **how), single)
    return (y, unbatched(_max_pool_positions(batch, **how), single)) if return_indices else y


# ------------------------------------------------------------------------------------------------------ means


def avg_pool1d(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of (N, C, L) or (C, L). See `avg_pool2d`."""
    return _mean(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window; of whole numbers rounded towards 0.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size, stride, padding, ceil_mode: as for `max_pool2d`; the padding counts as 0.
        count_include_pad: whether the padding counts among the elements that the sum is divided by.
        divisor_override: divide by this number instead.

    Raises:
        ShapeError: the input has another number of axes, or is smaller than the window.
        TypeError, ValueError: an argument has a value that no pooling has.
    """
    return _mean(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window of (N, C, D, H, W) or (C, D, H, W). See `avg_pool2d`."""
    return _mean(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def _mean(
    axes: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    name = f"avg_pool{axes}d"
    size, stride, pads = geometry(axes, kernel_size, stride, padding)
    check_divisor(divisor_override)
    batch, single = batched(name, axes, input)
    spatial = tuple(raw(batch).shape[2:])
    pairs = windows(name, spatial, size, stride, pads, (1,) * axes, ceil_mode)
    total = _sum_pool(batch, size=size, stride=stride, padding=pairs)
    divisor: Any = divisor_override
    if divisor is None:
        geometries = zip(spatial, total.shape[2:], size, stride, pads, strict=True)
        divisor = divisors([counts(*g, count_include_pad) for g in geometries], like=total)
    return unbatched(_divided(total, divisor), single)


def _divided(total: Tensor, divisor: Any) -> Tensor:
    if total.dtype.kind not in "iu":
        return total / divisor
    return ops.where((total < 0) != (divisor < 0), -(-total // divisor), total // divisor)


# ------------------------------------------------------------------------------------------------- power sums


def lp_pool1d(
    input: Any, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of (N, C, L) or (C, L). See `lp_pool2d`."""
    return _norm(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Any, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False
) -> Tensor:
    """sum(x**p)**(1 / p) over each window, with p = `norm_type`; for p = inf the largest magnitude.

    It is no magnitude that is raised to p: an odd p gives NaN where the sum is negative. A last window that overhangs
    the input, with `ceil_mode`, counts as if it had as many elements as the others, with their mean. The derivative
    is 0 where the sum is.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size, stride, ceil_mode: as for `max_pool2d`.

    Raises:
        ShapeError: the input has another number of axes, or is smaller than the window.
        TypeError, ValueError: an argument has a value that no pooling has.
    """
    return _norm(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Any, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window of (N, C, D, H, W) or (C, D, H, W). See `lp_pool2d`."""
    return _norm(3, input, norm_type, kernel_size, stride, ceil_mode)


def _norm(axes: int, input: Any, p: float, kernel_size: Any, stride: Any, ceil_mode: bool) -> Tensor:
    if p == 0:
        raise ValueError("norm_type must not be 0")
    if p in (inf, -inf):
        sign = 1 if p > 0 else -1
        return sign * _largest(axes, sign * ops.abs(input), kernel_size, stride, 0, 1, ceil_mode, False)
    powers = input**p if wrap(raw(input)).dtype.kind in "iu" else _power(input, exponent=p)
    mean = _mean(axes, powers, kernel_size, stride, 0, ceil_mode, True, None)
    mean = ops.where(mean == 0, 0, mean)  # which has no derivative at 0, where that of the root is infinite
    return (mean * prod(sizes(kernel_size, axes, "kernel_size", 1))) ** (1 / p)
