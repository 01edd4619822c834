"""Convolution with 3 x 3 kernels by Winograd's method: 36 multiplications for 4 x 4 outputs instead of 144.

The input is cut into tiles of 6 x 6 that overlap by 2. With the transforms below, of the outputs y of a tile x and a
kernel w,

    y = A [(G w G^T) * (B x B^T)] A^T

so that summing over channels is a matrix product for each of 36 elements. (Lavin and Gray, "Fast algorithms for
convolutional neural networks", 2016. Their interpolation points 0, 1, -1, 2, -2 lose two digits; with 0, 1, -1, 1/2,
-2 the largest error is about 5e-6 of the largest output in float32, that of a plain sum about 1e-6.) An infinite
input makes NaN of its whole tile.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from polymod.rules.windows import Pairs, Sizes

from .memory import working_memory

TILES = 192  # taken together, so that they stay in the processor's cache

B = np.array(
    [
        [1, -1.5, -2, 1.5, 1, 0],
        [0, -1, 0.5, 2.5, 1, 0],
        [0, 1, -2.5, 0.5, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 0.5, -1, -0.5, 1, 0],
        [0, 1, -1.5, -2, 1.5, 1],
    ]
)
G = np.array(
    [
        [1, 0, 0],
        [1 / 3, 1 / 3, 1 / 3],
        [-1 / 3, 1 / 3, -1 / 3],
        [-16 / 15, -8 / 15, -4 / 15],
        [1 / 15, -2 / 15, 4 / 15],
        [0, 0, 1],
    ]
)
A = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 0.5, -2, 0], [0, 1, 1, 0.25, 4, 0], [0, 1, -1, 0.125, -8, 1]])
BOTH = np.kron(G, G)  # along both axes at once
NONE = ((0, 0), (0, 0))


def serves(x: np.ndarray, n_out: int, kernel: Sizes, outputs: Sizes, stride: Sizes, dilation: Sizes) -> bool:
    """Whether the method can be used, and whether it is worth its transforms, by costs measured in nanoseconds."""
    if kernel != (3, 3) or stride != (1, 1) or dilation != (1, 1) or x.dtype.char not in "fd":
        return False
    n, c = x.shape[:2]
    tiles = n * prod(-(-o // 4) for o in outputs)
    saved = c * n_out * (0.26 * n * prod(outputs) - 1.44 * tiles)
    return saved > tiles * (50 * c + 110 * n_out) + 72 * c * n_out


def conv(x: np.ndarray, weight: np.ndarray, padding: Pairs) -> np.ndarray:
    """x (N, C, H, W), weight (O, C, 3, 3) -> (N, O, OH, OW)"""
    n, n_out, dtype = x.shape[0], weight.shape[0], x.dtype
    outputs = tuple(size + before + after - 2 for size, (before, after) in zip(x.shape[2:], padding, strict=True))
    a, w = A.astype(dtype), transformed(weight)
    y = np.empty((n, n_out, *outputs), dtype)
    for images, first, count, across in blocks(n, outputs):
        m = images.stop - images.start
        tiles = transformed_tiles(x[images], 4 * first, count, across, padding, B.astype(dtype))
        products = working_memory("products", (36, tiles.shape[1], n_out), dtype)
        np.matmul(tiles, w, out=products)
        size = products[0].size
        half = working_memory("term", (4, 6 * size), dtype)
        np.matmul(a, products.reshape(6, 6 * size), out=half)
        whole = working_memory("framed", (4, 4, size), dtype)
        np.matmul(a, half.reshape(4, 6, size), out=whole)

        pixels = working_memory("columns", (count, 4, across, 4, m, n_out), dtype)
        pixels[...] = whole.reshape(4, 4, count, across, m, n_out).transpose(2, 0, 3, 1, 4, 5)
        pixels = pixels.reshape(4 * count, 4 * across, m, n_out)
        last = min(4 * (first + count), outputs[0])
        y[images, :, 4 * first : last] = pixels[: last - 4 * first, : outputs[1]].transpose(2, 3, 0, 1)
    return y


def conv_weight_back(x: np.ndarray, g: np.ndarray, padding: Pairs) -> np.ndarray:
    """x (N, C, H, W), g (N, O, OH, OW) -> (O, C, 3, 3): the transposes of the three steps of `conv`, backwards."""
    c, n_out, dtype = x.shape[1], g.shape[1], x.dtype
    total: Any = None
    for images, first, count, across in blocks(x.shape[0], g.shape[2:]):
        ours = transformed_tiles(x[images], 4 * first, count, across, padding, B.astype(dtype))
        theirs = transformed_tiles(g[images], 4 * first, count, across, NONE, A.T.astype(dtype), "products")
        product = np.matmul(theirs.swapaxes(1, 2), ours)
        total = product if total is None else np.add(total, product, out=total)
    return np.matmul(total.reshape(36, -1).T, BOTH.astype(dtype)).reshape(n_out, c, 3, 3)


def blocks(n: int, outputs: Sizes) -> Iterator[tuple[slice, int, int, int]]:
    """Some images, the first of some rows of tiles, how many rows, and how many tiles there are in a row."""
    down, across = (-(-o // 4) for o in outputs)
    images = max(1, TILES // (down * across))
    rows = max(1, min(down, TILES // across))
    for start in range(0, n, images):
        for first in range(0, down, rows):
            yield slice(start, min(start + images, n)), first, min(rows, down - first), across


def transformed_tiles(
    x: np.ndarray, start: int, count: int, across: int, padding: Pairs, by: np.ndarray, name: str = "columns"
) -> np.ndarray:
    """by @ tile @ by.T of each tile, 4 apart, of x (m, c, H, W) with `padding`, from a row on: (36, tiles, c)

    The image and the channel become the last axes, so that the transforms work on long stretches of memory.
    """
    m, c, height, width = x.shape
    size = by.shape[1]  # of a tile
    (top, _), (left, _) = padding
    tall, wide = 4 * count + size - 4, 4 * across + size - 4
    frame = working_memory("framed", (tall, wide, m, c), x.dtype)
    start -= top
    low, high = min(max(0, start), height), max(0, min(height, start + tall))
    frame[: max(0, low - start)] = 0
    frame[max(0, high - start) :] = 0
    frame[:, :left] = 0
    frame[:, left + width :] = 0
    if high > low:
        frame[low - start : high - start, left : left + width] = x[:, :, low:high].transpose(2, 3, 0, 1)

    pixel, line = m * c, wide * m * c
    half = working_memory("term", (count, 6, line), x.dtype)
    np.matmul(by, view(frame, (count, size, line), (4 * line, line, 1)), out=half)
    tiles = working_memory(name, (6, 6, count, across, pixel), x.dtype)
    columns = view(half, (count, 6, across, size, pixel), (6 * line, line, 4 * pixel, pixel, 1))
    np.matmul(by, columns, out=tiles.transpose(2, 0, 3, 1, 4))
    return tiles.reshape(36, -1, c)


def transformed(weight: np.ndarray) -> np.ndarray:
    """(O, C, 3, 3) -> (36, C, O)"""
    n_out, c = weight.shape[:2]
    result = working_memory("weight", (36, n_out * c), weight.dtype)
    np.matmul(BOTH.astype(weight.dtype), weight.reshape(-1, 9).T, out=result)
    return result.reshape(36, n_out, c).swapaxes(1, 2)


def view(x: np.ndarray, shape: Sizes, elements: Sizes) -> Any:
    return as_strided(x, shape, tuple(x.itemsize * e for e in elements), writeable=False)
