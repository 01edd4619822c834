"""The windows of the poolings: their sizes, where they lie, and how many elements they have."""

from __future__ import annotations

from math import prod
from typing import Any

from ...errors import ShapeError
from ...ops import ops
from ...rules.windows import Pairs, Sizes, output_size
from ...tensor import Tensor, raw
from .conv import per_axis

__all__: list[str] = []


def sizes(value: Any, axes: int, name: str, least: int) -> Sizes:
    """`value`, an integer, one in a tuple, or one for each of `axes`, as a tuple.

    Raises:
        TypeError, ValueError: it is none of these, or one is below `least`.
    """
    alone = isinstance(value, tuple | list) and len(value) == 1
    return per_axis(value[0] if alone else value, axes, name, least)


def geometry(axes: int, kernel_size: Any, stride: Any, padding: Any) -> tuple[Sizes, Sizes, Sizes]:
    """The window's size, stride and padding, each with an entry per axis.

    Raises:
        TypeError, ValueError: they are not what a pooling takes.
    """
    size = sizes(kernel_size, axes, "kernel_size", 1)
    stride = size if stride is None or stride in ((), []) else sizes(stride, axes, "stride", 1)
    pads = sizes(padding, axes, "padding", 0)
    if any(2 * p > k for p, k in zip(pads, size, strict=True)):
        raise ValueError(f"padding can be at most half of kernel_size; received padding {pads}, kernel_size {size}")
    return size, stride, pads


def check_divisor(divisor_override: Any) -> None:
    """Raise ValueError where nothing can be divided by it."""
    if divisor_override == 0:
        raise ValueError("divisor_override must not be 0")


def batched(name: str, axes: int, input: Any) -> tuple[Any, bool]:
    """The input with a batch axis, and whether it had none.

    Raises:
        ShapeError: it has not `axes` spatial axes.
    """
    shape = tuple(raw(input).shape)
    if len(shape) not in (axes + 1, axes + 2):
        spatial = ("L", "H, W", "D, H, W")[axes - 1]
        raise ShapeError(f"{name} needs an input (N, C, {spatial}) or (C, {spatial}), received shape {shape}")
    return (ops.expand_dims(input, axis=0), True) if len(shape) == axes + 1 else (input, False)


def unbatched(y: Tensor, single: bool) -> Tensor:
    """`y` without its batch axis, if the input had none."""
    return ops.squeeze(y, axis=0) if single else y


def windows(
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
            f"received spatial axes {spatial}"
        )
    return padded


def divisors(lengths: list[list[int]], like: Tensor) -> Any:
    """How many elements the windows have, of which there are lengths[i] along axis i: a number if it is the same for
    all, else a Tensor with an axis for each."""
    if all(len(set(along)) == 1 for along in lengths):
        return prod(along[0] for along in lengths)
    product = 1
    for i, along in enumerate(lengths):
        view = tuple(len(along) if i == j else 1 for j in range(len(lengths)))
        product = product * ops.reshape(ops.asarray(along, dtype=like.dtype, device=like.device), view)
    return product


def counts(n: int, outputs: int, k: int, s: int, p: int, include_pad: bool) -> list[int]:
    """How many elements each window along one axis has; what overhangs the padding never counts."""
    along = []
    for start in (i * s - p for i in range(outputs)):
        stop = min(start + k, n + p)
        along.append(stop - start if include_pad else min(stop, n) - max(start, 0))
    return along
