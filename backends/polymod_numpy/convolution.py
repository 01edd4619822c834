"""Convolution and its transposes: columns of a few images at a time, small enough for the processor's cache, and
one matrix product for each such block.

Within a block the images are the last axis, so that copies run over long stretches of memory however small an image
is.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from polymod.rules.windows import Pairs, Sizes, output_size, spread, window_keys

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
    outputs = output_size(x.shape[2:], kernel, stride, padding, dilation)
    pixels = prod(outputs)
    matrix = weight.reshape(groups, n_out // groups, -1)
    y = np.empty((n, groups, n_out // groups, pixels), x.dtype)
    if pointwise(kernel, stride, padding):
        np.matmul(matrix, x.reshape(n, groups, -1, pixels), out=y)
    else:
        for images, columns in blocks(x, kernel, outputs, stride, padding, dilation, groups):
            count = images.stop - images.start
            if count == 1:
                np.matmul(matrix, columns, out=y[images.start])
            else:
                product = np.matmul(matrix, columns).reshape(*y.shape[1:], count)
                y[images] = np.moveaxis(product, -1, 0)
    return biased(y.reshape(n, n_out, *outputs), bias)


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
    dx = np.empty((n, groups * n_in, *size), g.dtype)
    back = np.ascontiguousarray(weight.reshape(groups, n_out, -1).swapaxes(1, 2))
    keys = list(window_keys(kernel, stride, dilation, outputs))
    for images in batches(n, prod(outputs) * groups * n_in * prod(kernel) * g.itemsize):
        count = images.stop - images.start
        products = np.matmul(back, images_last(g[images]).reshape(groups, n_out, -1))
        products = products.reshape(groups * n_in, prod(kernel), *outputs, count)
        target = working_memory("framed", (groups * n_in, *padded, count), g.dtype)
        target[...] = 0
        for k, key in enumerate(keys):
            target[(slice(None), *key)] += products[:, k]
        dx[images] = np.moveaxis(target[(slice(None), *inner)], -1, 0)
    return dx


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
    outputs, n_out = g.shape[2:], g.shape[1]
    total = np.zeros((groups, n_out // groups, x.shape[1] // groups * prod(size)), x.dtype)
    for images, columns in blocks(x, size, outputs, stride, padding, dilation, groups):
        part = images_last(g[images]).reshape(groups, n_out // groups, -1)
        total += np.matmul(part, columns.swapaxes(1, 2))
    return total.reshape(n_out, x.shape[1] // groups, *size)


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
) -> Iterator[tuple[slice, np.ndarray]]:
    """A slice of the batch at a time, and its columns (groups, C / groups * prod(kernel), prod(outputs) * images), in
    memory that the next block overwrites."""
    n, c = x.shape[:2]
    for images in batches(n, x.itemsize * c * prod(kernel) * prod(outputs)):
        block = framed(images_last(x[images]), padding)
        spatial = block.strides[1:-1]
        seen = as_strided(
            block,
            (c, *kernel, *outputs, block.shape[-1]),
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
        yield images, columns.reshape(groups, -1, prod(outputs) * block.shape[-1])


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
