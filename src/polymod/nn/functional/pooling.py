"""Pooling as torch.nn.functional has it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ShapeError
from ...ops import ops
from ...rules import primitives
from ...rules.windows import Pairs, Sizes, output_size
from ...tensor import Tensor, raw, wrap
from .conv import Size, per_axis

__all__ = ["adaptive_avg_pool2d", "avg_pool2d", "max_pool2d"]

_max_pool, _max_pool_positions, _sum_pool = (primitives[n] for n in ("max_pool", "max_pool_positions", "sum_pool"))


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
        return_indices: also return where each maximum lies in the flattened H x W plane, as int64.

    The derivative goes to the first largest element of a window, in row-major order. A NaN in a window is its
    maximum.

    Raises:
        ShapeError: the input has another number of axes, or is smaller than the window.
        ValueError: an argument has a value that no pooling has.
    """
    size, stride, pads = geometry(kernel_size, stride, padding)
    dilation = per_axis(dilation, 2, "dilation", 1)
    batch, single = _batch("max_pool2d", input)
    pairs = _windows("max_pool2d", raw(batch).shape[2:], size, stride, pads, dilation, ceil_mode)
    how = {"size": size, "stride": stride, "padding": pairs, "dilation": dilation}
    y = _max_pool(batch, **how)
    if not return_indices:
        return _unbatch(y, single)
    return _unbatch(y, single), _unbatch(_max_pool_positions(batch, **how), single)


def avg_pool2d(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size, stride, padding, ceil_mode: as for `max_pool2d`; the padding counts as 0.
        count_include_pad: whether the padding counts among the elements that the sum is divided by.
        divisor_override: divide by this number instead.

    Raises:
        ShapeError: the input has another number of axes, or is smaller than the window.
        ValueError: an argument has a value that no pooling has.
    """
    size, stride, pads = geometry(kernel_size, stride, padding)
    if divisor_override == 0:
        raise ValueError("divisor_override must not be 0")
    batch, single = _batch("avg_pool2d", input)
    spatial = tuple(raw(batch).shape[2:])
    pairs = _windows("avg_pool2d", spatial, size, stride, pads, (1, 1), ceil_mode)
    total = _sum_pool(batch, size=size, stride=stride, padding=pairs)
    divisor: Any = divisor_override
    if divisor is None:
        counts = [
            _counts(n, o, k, s, p, count_include_pad)
            for n, o, k, s, p in zip(spatial, total.shape[2:], size, stride, pads, strict=True)
        ]
        if all(c == size[i] for i in (0, 1) for c in counts[i]):
            divisor = size[0] * size[1]
        else:
            divisor = ops.asarray(
                [[a * b for b in counts[1]] for a in counts[0]], dtype=total.dtype, device=total.device
            )
    return _unbatch(total / divisor, single)


def adaptive_avg_pool2d(input: Any, output_size: int | tuple[int | None, int | None] | None) -> Tensor:
    """Means over windows that divide the input evenly into `output_size`.

    Window i of o over n elements goes from floor(i n / o) to ceil((i + 1) n / o).

    Args:
        input: (N, C, H, W) or (C, H, W).
        output_size: an integer, or one per axis; None keeps the input's size.

    Raises:
        ShapeError: the input has another number of axes.
    """
    wanted = adaptive_sizes(output_size)
    batch, single = _batch("adaptive_avg_pool2d", input)
    n, c, *spatial = raw(batch).shape
    outputs = [size if o is None else o for o, size in zip(wanted, spatial, strict=True)]
    if all(size and size % o == 0 for o, size in zip(outputs, spatial, strict=True)):
        (h, w), (oh, ow) = spatial, outputs
        if (oh, ow) == (1, 1):
            return _unbatch(ops.mean(batch, axis=(2, 3), keepdims=True), single)
        parts = ops.reshape(batch, (n, c, oh, h // oh, ow, w // ow))
        return _unbatch(ops.mean(parts, axis=(3, 5)), single)
    left, right = (_averaging(batch, size, o) for o, size in zip(outputs, spatial, strict=True))
    return _unbatch(ops.matmul(left, ops.matmul(batch, ops.matrix_transpose(right))), single)


def adaptive_sizes(output_size: Any) -> tuple[int | None, int | None]:
    """`output_size`, an integer, None or one of these per axis, as a tuple.

    Raises:
        ValueError: it is none of these.
    """
    wanted = tuple(output_size) if isinstance(output_size, tuple | list) else (output_size,) * 2
    if len(wanted) != 2 or not all(o is None or (isinstance(o, int) and o > 0) for o in wanted):
        raise ValueError(f"output_size must be a positive integer, None, or two of these; received {output_size!r}")
    return wanted


def _averaging(x: Any, n: int, outputs: int) -> Tensor:
    """The matrix (outputs, n) whose product takes the mean over each of `outputs` windows."""
    rows = np.zeros((outputs, n))
    for i in range(outputs):
        start, stop = i * n // outputs, -(-(i + 1) * n // outputs)
        rows[i, start:stop] = 1 / (stop - start)
    place = wrap(raw(x))
    return ops.asarray(rows.tolist(), dtype=place.dtype, device=place.device)


def geometry(kernel_size: Any, stride: Any, padding: Any) -> tuple[Sizes, Sizes, Sizes]:
    """The window's size, stride and padding, each with an entry per axis.

    Raises:
        TypeError, ValueError: they are not what a pooling takes.
    """
    size = per_axis(kernel_size, 2, "kernel_size", 1)
    stride = size if stride is None else per_axis(stride, 2, "stride", 1)
    pads = per_axis(padding, 2, "padding", 0)
    if any(2 * p > k for p, k in zip(pads, size, strict=True)):
        raise ValueError(f"padding can be at most half of kernel_size; received padding {pads}, kernel_size {size}")
    return size, stride, pads


def _batch(name: str, input: Any) -> tuple[Any, bool]:
    """The input with a batch axis, and whether it had none."""
    shape = tuple(raw(input).shape)
    if len(shape) not in (3, 4):
        raise ShapeError(f"{name} needs an input (N, C, H, W) or (C, H, W), received shape {shape}")
    return (ops.expand_dims(input, axis=0), True) if len(shape) == 3 else (input, False)


def _unbatch(y: Tensor, single: bool) -> Tensor:
    return ops.squeeze(y, axis=0) if single else y


def _windows(
    name: str, spatial: Any, size: Sizes, stride: Sizes, pads: Sizes, dilation: Sizes, ceil_mode: bool
) -> Pairs:
    """The padding before and after each axis that makes room for exactly the windows that count."""
    spatial = tuple(spatial)
    pairs = []
    for n, k, s, p, d in zip(spatial, size, stride, pads, dilation, strict=True):
        room = n + 2 * p - d * (k - 1) - 1
        outputs = (-(-room // s) if ceil_mode else room // s) + 1
        if ceil_mode and (outputs - 1) * s >= n + p:
            outputs -= 1  # the last window would begin in the padding after the input
        pairs.append((p, max(p, (outputs - 1) * s + d * (k - 1) + 1 - n - p)))
    padded = tuple(pairs)
    if min(output_size(spatial, size, stride, padded, dilation)) < 1:
        raise ShapeError(
            f"{name} with kernel_size {size}, dilation {dilation} and padding {pads} needs a larger input, "
            f"received H x W = {spatial}"
        )
    return padded


def _counts(n: int, outputs: int, k: int, s: int, p: int, include_pad: bool) -> list[int]:
    """How many elements each window along one axis has; what overhangs the padding never counts."""
    counts = []
    for start in (i * s - p for i in range(outputs)):
        stop = min(start + k, n + p)
        counts.append(stop - start if include_pad else min(stop, n) - max(start, 0))
    return counts
