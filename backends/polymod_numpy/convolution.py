"""Convolution and its transposes: columns of a few images or of a part of one, small enough for the processor's cache,
and one matrix product for each such block.

Within a block the images are the last axis, so that copies run over long stretches of memory however small an image
is. Channels that are convolved each by itself (`depthwise`) and 3 x 3 kernels of many channels (`winograd`) have
methods of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from polymod.rules.windows import Pairs, Sizes, output_size, spread, window_keys

from . import depthwise, winograd
from .memory import working_memory

BLOCK_BYTES = 2**20  # of columns; an image that needs more is a block by itself


def conv(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    stride: Sizes,
    padding: Pairs,
    dilation: Sizes,
    groups: int,
) -> np.ndarray:
    x, weight = of_one_dtype(x, weight)
    n, n_out, kernel = x.shape[0], weight.shape[0], weight.shape[2:]
    if separate(weight.shape[1], n_out // groups, groups, x.dtype):
        return biased(depthwise.conv(x, weight, stride, padding, dilation), bias)
    outputs = output_size(x.shape[2:], kernel, stride, padding, dilation)
    if groups == 1 and winograd.serves(x, n_out, kernel, outputs, stride, dilation):
        return biased(winograd.conv(x, weight, padding), bias)
    pixels = prod(outputs)
    y = np.empty((n, groups, n_out // groups, pixels), x.dtype)
    if pointwise(kernel, stride, padding):
        np.matmul(weight.reshape(groups, n_out // groups, -1), x.reshape(n, groups, -1, pixels), out=y)
    elif by_rows(weight, outputs, stride, dilation, groups):
        rows_of_windows(x, weight, y.reshape(*y.shape[:3], outputs[0], -1), outputs, stride, padding, dilation)
    else:
        matrix = weight.reshape(groups, n_out // groups, -1)
        for images, seen, columns in blocks(x, kernel, outputs, stride, padding, dilation, groups):
            count = images.stop - images.start
            if count == 1:
                np.matmul(matrix, columns, out=y[images.start, ..., seen])
            else:
                product = np.matmul(matrix, columns).reshape(*y.shape[1:3], -1, count)
                y[images, ..., seen] = np.moveaxis(product, -1, 0)
    return biased(y.reshape(n, n_out, *outputs), bias)


def by_rows(weight: np.ndarray, outputs: Sizes, stride: Sizes, dilation: Sizes, groups: int) -> bool:
    """Whether windows overlap along the first axis and copying them, not multiplying, is what takes long."""
    overlap = weight.shape[2] > stride[0] and dilation[0] == 1 and len(outputs) > 1
    return overlap and weight.shape[1] >= 8 and weight.shape[0] <= 48 * groups and prod(outputs[1:]) >= 32


def rows_of_windows(
    x: np.ndarray, weight: np.ndarray, y: np.ndarray, outputs: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes
) -> None:
    """Write the convolution into y (N, groups, O / groups, OH, OW), columns made for each row of the input only.

    The row goes first, then channels and the other axes of the kernel: what the windows of one row of outputs see is
    then a stretch of memory, which overlaps with the next row's.
    """
    n, groups, n_out = y.shape[:3]
    c, tall, kernel, rest = weight.shape[1], weight.shape[2], weight.shape[3:], y.shape[-1]
    matrix = weight.reshape(groups, n_out, c, tall, -1).swapaxes(2, 3).reshape(groups, 1, n_out, -1)
    row = c * prod(kernel) * rest  # elements of the columns of a row
    step = max(1, (BLOCK_BYTES // (row * groups * x.itemsize) - tall) // stride[0] + 1)
    for image in range(n):
        block = framed(x[image][..., None], padding)[..., 0]
        channel, down, *spatial = block.strides
        for start in range(0, outputs[0], step):
            count = min(step, outputs[0] - start)
            height = (count - 1) * stride[0] + tall
            seen = as_strided(
                block[:, start * stride[0] :],
                (groups, height, c, *kernel, *outputs[1:]),
                (
                    channel * c,
                    down,
                    channel,
                    *(a * d for a, d in zip(spatial, dilation[1:], strict=True)),
                    *(a * s for a, s in zip(spatial, stride[1:], strict=True)),
                ),
                writeable=False,
            )
            rows = working_memory("columns", seen.shape, x.dtype)
            np.copyto(rows, seen)
            item = x.itemsize
            windows = as_strided(
                rows,
                (groups, count, tall * c * prod(kernel), rest),
                (height * row * item, stride[0] * row * item, rest * item, item),
                writeable=False,
            )
            np.matmul(matrix, windows, out=y[image, :, :, start : start + count].swapaxes(1, 2))


def biased(y: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    if bias is None:
        return y
    column = bias.reshape(-1, *(1,) * (y.ndim - 2))
    return np.add(y, column, out=y) if bias.dtype == y.dtype else y + column


def conv_input_back(
    g: np.ndarray,
    weight: np.ndarray,
    *,
    size: Sizes,
    stride: Sizes,
    padding: Pairs,
    dilation: Sizes,
    groups: int,
) -> np.ndarray:
    g, weight = of_one_dtype(g, weight)
    n, outputs = g.shape[0], g.shape[2:]
    n_out, n_in, kernel = weight.shape[0] // groups, weight.shape[1], weight.shape[2:]
    if separate(n_in, n_out, groups, g.dtype) and outputs == output_size(size, kernel, stride, padding, dilation):
        return depthwise.conv_input_back(g, weight, size, stride, padding, dilation, groups)
    if pointwise(kernel, stride, padding):
        turned = weight.reshape(groups, n_out, n_in).swapaxes(1, 2)
        return np.matmul(turned, g.reshape(n, groups, n_out, -1)).reshape(n, -1, *size)
    if all(s == 1 for s in stride):  # the convolution with the weight turned round, as in the portable definition
        axes = tuple(range(2, weight.ndim))
        turned = np.flip(weight, axes).reshape(groups, n_out, n_in, *kernel).swapaxes(1, 2)
        turned = turned.reshape(groups * n_in, n_out, *kernel)
        frame = tuple(
            (d * (k - 1) - before, s + before - o)
            for s, o, k, (before, _), d in zip(size, outputs, kernel, padding, dilation, strict=True)
        )
        how: dict[str, Any] = {"stride": stride, "dilation": dilation, "groups": groups}
        if all(before >= 0 and after >= 0 for before, after in frame):
            return conv(g, turned, padding=frame, **how)
        g = spread(_namespace(), g, size, kernel, stride, padding, dilation)
        return conv(g, turned, padding=((0, 0),) * len(size), **how)
    return scattered(g, weight, size, stride, padding, dilation, groups)


def scattered(
    g: np.ndarray, weight: np.ndarray, size: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int
) -> np.ndarray:
    """`conv_input_back` where windows leave gaps: the products, added where each came from."""
    n, outputs, kernel = g.shape[0], g.shape[2:], weight.shape[2:]
    n_out, n_in = weight.shape[0] // groups, weight.shape[1]
    padded = tuple(s + before + after for s, (before, after) in zip(size, padding, strict=True))
    inner = tuple(slice(before, before + s) for s, (before, _) in zip(size, padding, strict=True))
    dx = np.empty((n, groups, n_in, *size), g.dtype)
    back = np.ascontiguousarray(weight.reshape(groups, n_out, n_in, -1).transpose(0, 2, 3, 1))
    keys = list(window_keys(kernel, stride, dilation, outputs))
    channel = prod(outputs) * groups * prod(kernel) * g.itemsize
    for images in batches(n, channel * n_in):
        count = images.stop - images.start
        part = images_last(g[images]).reshape(groups, n_out, -1)
        step = max(1, min(n_in, BLOCK_BYTES // (channel * count)))
        for start in range(0, n_in, step):  # channels of the input
            some = back[:, start : start + step].reshape(groups, -1, n_out)
            products = np.matmul(some, part, out=working_memory("columns", (*some.shape[:2], part.shape[2]), g.dtype))
            products = products.reshape(groups, -1, len(keys), *outputs, count)
            target = working_memory("framed", (*products.shape[:2], *padded, count), g.dtype)
            target[...] = 0
            for k, key in enumerate(keys):
                target[(slice(None), slice(None), *key)] += products[:, :, k]
            dx[images, :, start : start + step] = np.moveaxis(target[(slice(None), slice(None), *inner)], -1, 0)
    return dx.reshape(n, -1, *size)


def conv_weight_back(
    x: np.ndarray,
    g: np.ndarray,
    *,
    size: Sizes,
    stride: Sizes,
    padding: Pairs,
    dilation: Sizes,
    groups: int,
) -> np.ndarray:
    x, g = of_one_dtype(x, g)
    outputs, n_out, n_in = g.shape[2:], g.shape[1], x.shape[1] // groups
    if separate(n_in, n_out // groups, groups, x.dtype):
        return depthwise.conv_weight_back(x, g, size, stride, padding, dilation)
    if groups == 1 and winograd.serves(x, n_out, size, outputs, stride, dilation):
        return winograd.conv_weight_back(x, g, padding)
    total = np.zeros((groups, n_out // groups, n_in * prod(size)), x.dtype)
    flat = g.reshape(*g.shape[:2], -1)
    for images, seen, columns in blocks(x, size, outputs, stride, padding, dilation, groups):
        part = images_last(flat[images, :, seen]).reshape(groups, n_out // groups, -1)
        total += np.matmul(part, columns.swapaxes(1, 2))
    return total.reshape(n_out, n_in, *size)


def separate(n_in: int, n_out: int, groups: int, dtype: np.dtype) -> bool:
    """True where each channel is convolved by itself, with few kernels; `n_in` and `n_out` are a group's channels."""
    return groups > 1 and n_in == 1 and n_out <= 4 and dtype.kind == "f"


def pointwise(kernel: Sizes, stride: Sizes, padding: Pairs) -> bool:
    """True where each output sees just the one input at its place."""
    return max(kernel) == 1 == max(stride) and not any(map(any, padding))


def images_last(x: np.ndarray) -> np.ndarray:
    """(N, ...) -> (..., N), without a copy for one image."""
    return x[0][..., None] if x.shape[0] == 1 else np.ascontiguousarray(np.moveaxis(x, 0, -1))


def batches(n: int, image_bytes: int) -> Iterator[slice]:
    """Slices of `n` images whose columns take about BLOCK_BYTES."""
    step = max(1, min(n, BLOCK_BYTES // max(image_bytes, 1)))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def blocks(
    x: np.ndarray, kernel: Sizes, outputs: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int
) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Slices of the batch and of the flattened outputs, and their columns (groups, C / groups * prod(kernel),
    outputs * images), in memory that the next block overwrites. Large images are taken in parts of the first axis."""
    n, c = x.shape[:2]
    rest = prod(outputs[1:])
    row = x.itemsize * c * prod(kernel) * rest
    for images in batches(n, row * outputs[0]):
        block = framed(images_last(x[images]), padding)
        spatial = block.strides[1:-1]
        step = max(1, BLOCK_BYTES // max(row * block.shape[-1], 1))
        for start in range(0, outputs[0], step):
            rows = min(step, outputs[0] - start)
            seen = as_strided(
                block[:, start * stride[0] :],
                (c, *kernel, rows, *outputs[1:], block.shape[-1]),
                (
                    block.strides[0],
                    *(a * d for a, d in zip(spatial, dilation, strict=True)),
                    *(a * s for a, s in zip(spatial, stride, strict=True)),
                    block.strides[-1],
                ),
                writeable=False,
            )
            columns = working_memory("columns", seen.shape, x.dtype)
            np.copyto(columns, seen)
            pixels = slice(start * rest, (start + rows) * rest)
            yield images, pixels, columns.reshape(groups, -1, rows * rest * block.shape[-1])


def framed(x: np.ndarray, padding: Pairs) -> np.ndarray:
    """`x` (C, *S, N) with zeros around its spatial axes, in memory that the next call overwrites."""
    if not any(map(any, padding)):
        return x
    sizes = x.shape[1:-1]
    shape = tuple(n + before + after for n, (before, after) in zip(sizes, padding, strict=True))
    result = working_memory("framed", (x.shape[0], *shape, x.shape[-1]), x.dtype)
    for axis, ((before, _), n) in enumerate(zip(padding, sizes, strict=True), start=1):
        whole = (slice(None),) * axis
        result[(*whole, slice(0, before))] = 0
        result[(*whole, slice(before + n, None))] = 0
    result[(slice(None), *(slice(before, before + n) for n, (before, _) in zip(sizes, padding, strict=True)))] = x
    return result


def of_one_dtype(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if a.dtype == b.dtype:
        return a, b
    common = np.result_type(a, b)
    return a.astype(common, copy=False), b.astype(common, copy=False)


def _namespace() -> Any:
    from . import backend  # it is made after its kernels

    return backend.namespace
