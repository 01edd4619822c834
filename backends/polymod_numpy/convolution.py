"""Convolution and its transposes: columns of a few images at a time, small enough for the processor's cache, and
one matrix product for each such block."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from polymod.rules.windows import Pairs, Sizes, output_size, spread, window_keys

BLOCK_BYTES = 2**20  # of columns; an image that needs more is a block by itself
KEPT_BYTES = 2**26  # working memory that is kept for the next call

_kept = threading.local()


def working_memory(name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An uninitialised array that the next call of the same name gets again: fresh memory from the operating
    system would cost more than to fill it."""
    size = prod(shape) * np.dtype(dtype).itemsize
    held = getattr(_kept, name, None)
    if held is None or held.nbytes < size:
        held = np.empty(size, np.uint8)
        if size <= KEPT_BYTES:
            setattr(_kept, name, held)
    return held[:size].view(dtype).reshape(shape)


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
                product = np.matmul(matrix, columns).reshape(*y.shape[1:3], count, pixels)
                y[images] = product.transpose(2, 0, 1, 3)
    y = y.reshape(n, n_out, *outputs)
    if bias is not None:
        column = bias.reshape(-1, *(1,) * len(outputs))
        return np.add(y, column, out=y) if bias.dtype == y.dtype else y + column
    return y


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
    dx = np.zeros((n, groups * n_in, *padded), g.dtype)
    back = np.ascontiguousarray(weight.reshape(groups, n_out, -1).swapaxes(1, 2))
    keys = list(window_keys(kernel, stride, dilation, outputs))
    image = prod(outputs) * groups * n_in * prod(kernel) * g.itemsize
    step = max(1, min(n, BLOCK_BYTES // max(image, 1)))
    for start in range(0, n, step):
        images = slice(start, min(start + step, n))
        count = images.stop - start
        products = np.matmul(back, channels_first(g[images]).reshape(groups, n_out, -1))
        products = products.reshape(groups * n_in, prod(kernel), count, *outputs)
        target = dx[images].swapaxes(0, 1)
        for k, key in enumerate(keys):
            target[(slice(None), slice(None), *key)] += products[:, k]
    inner = tuple(slice(before, before + s) for s, (before, _) in zip(size, padding, strict=True))
    return np.ascontiguousarray(dx[(slice(None), slice(None), *inner)])


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
        part = channels_first(g[images]).reshape(groups, n_out // groups, -1)
        total += np.matmul(part, columns.swapaxes(1, 2))
    return total.reshape(n_out, x.shape[1] // groups, *size)


def pointwise(kernel: Sizes, stride: Sizes, padding: Pairs) -> bool:
    """True where each output sees just the one input at its place."""
    return max(kernel) == 1 == max(stride) and not any(map(any, padding))


def channels_first(g: np.ndarray) -> np.ndarray:
    """(N, C, ...) -> (C, N, ...), without a copy for one image."""
    return g[0][:, None] if g.shape[0] == 1 else np.ascontiguousarray(g.swapaxes(0, 1))


def blocks(
    x: np.ndarray, kernel: Sizes, outputs: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int
) -> Iterator[tuple[slice, np.ndarray]]:
    """A slice of the batch at a time, and its columns (groups, C / groups * prod(kernel), images * prod(outputs)),
    in memory that the next block overwrites."""
    n, c = x.shape[:2]
    x = framed(x, padding)
    spatial = x.strides[2:]
    seen = as_strided(
        x,
        (c, *kernel, n, *outputs),
        (
            x.strides[1],
            *(a * d for a, d in zip(spatial, dilation, strict=True)),
            x.strides[0],
            *(a * s for a, s in zip(spatial, stride, strict=True)),
        ),
        writeable=False,
    )
    axis = 1 + len(kernel)
    image = x.itemsize * c * prod(kernel) * prod(outputs)
    step = max(1, min(n, BLOCK_BYTES // max(image, 1)))
    for start in range(0, n, step):
        count = min(step, n - start)
        columns = working_memory("columns", (c, *kernel, count, *outputs), x.dtype)
        np.copyto(columns, seen[(slice(None),) * axis + (slice(start, start + count),)])
        yield slice(start, start + count), columns.reshape(groups, -1, count * prod(outputs))


def framed(x: np.ndarray, padding: Pairs) -> np.ndarray:
    """`x` with zeros around its spatial axes, in memory that the next call overwrites."""
    if not any(map(any, padding)):
        return x
    shape = tuple(n + before + after for n, (before, after) in zip(x.shape[2:], padding, strict=True))
    inner = tuple(slice(before, before + n) for n, (before, _) in zip(x.shape[2:], padding, strict=True))
    result = working_memory("framed", (*x.shape[:2], *shape), x.dtype)
    for axis, (before, n) in enumerate(((p[0], n) for p, n in zip(padding, x.shape[2:], strict=True)), start=2):
        whole = (slice(None),) * axis
        result[(*whole, slice(0, before))] = 0
        result[(*whole, slice(before + n, None))] = 0
    result[(slice(None), slice(None), *inner)] = x
    return result


def of_one_dtype(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if a.dtype == b.dtype:
        return a, b
    common = np.result_type(a, b)
    return a.astype(common, copy=False), b.astype(common, copy=False)


def _namespace() -> Any:
    from . import backend  # it is made after its kernels

    return backend.namespace
