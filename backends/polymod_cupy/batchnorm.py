"""Batch norm and its parts: arrays are read once for sums over channels, and once to make the result. Sums are made by
blocks first and then over blocks, always in the same order."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import cupy

from .launch import TYPES, WIDE, kernel, launch, or_null, served, textbook
from .rows import contiguous, neighbours

Optional = cupy.ndarray | None

BLOCK = 256
BLOCKS = 1024  # that sum at once
NARROW = 32  # pixels of a channel, below which neighbouring threads take neighbouring channels
NUMBERS = {"Moments": 3, "Products": 2}  # in each of these structs


def _suits(x: cupy.ndarray, *others: Optional) -> bool:
    return served(x, *others) and x.ndim >= 2


def _parts(sums: str, x: Any, g: Optional, center: Optional, apart: int) -> tuple[cupy.ndarray, int, int]:
    """Parts of the sums over each channel, at [k][channel][i], how many k there are and how many i. What `x` is
    counted from lies in `center`, each channel's so far `apart` from the last one's."""
    examples, channels, pixels = x.shape[0], x.shape[1], prod(x.shape[2:])
    name = TYPES[x.dtype.name]
    wide = WIDE[x.dtype.name]
    types = [name, f"{sums}<{TYPES[wide]}>"]
    given = (x, or_null(g), or_null(center), apart)
    if pixels < NARROW:
        width = channels * pixels
        tiles = -(-width // 32)
        length = max(64, -(-examples * tiles // BLOCKS))
        count = -(-examples // length)
        parts = cupy.empty((count, width, NUMBERS[sums]), wide)
        function = kernel("batchnorm", "narrow_channels", *types)
        launch(function, count * tiles, BLOCK, *given, parts, examples, width, pixels, length)
        return parts, count, pixels
    vec = neighbours(pixels, x, *([] if g is None else [g]))
    least = 16 * BLOCK * vec  # a block is not worth its start for less
    length = max(least, -(-examples * channels * pixels // (BLOCKS * least)) * least)
    count = -(-examples * pixels // length)
    parts = cupy.empty((channels, count, NUMBERS[sums]), wide)
    function = kernel("batchnorm", "wide_channels", *types, str(vec))
    launch(function, channels * count, BLOCK, *given, parts, examples, channels, pixels, length, count)
    return parts, 1, count


def _products(
    g: Any, x: Any, center: Optional, variance: Optional, eps: float
) -> tuple[cupy.ndarray, cupy.ndarray, cupy.ndarray]:
    """The sums of g (x - center), times 1 / sqrt(variance + eps), and of g over each channel, in the type of sums and
    in that of the arrays."""
    parts, count, inner = _parts("Products", x, g, center, 1)
    channels = x.shape[1]
    sums, products, totals = cupy.empty((2, channels), WIDE[x.dtype.name]), *cupy.empty((2, channels), x.dtype)
    function = kernel("batchnorm", "finish_products", TYPES[x.dtype.name])
    launch(function, channels, 32, parts, or_null(variance), sums, products, count, channels, inner, float(eps))
    return sums, products, totals


def _elementwise(name: str, arrays: tuple[Any, ...], x: Any, *others: Any) -> None:
    """Run `name` on arrays of which the first is of the shape of `x`, and the last the result."""
    pixels = prod(x.shape[2:])
    vec = neighbours(pixels, *(a for a in arrays if isinstance(a, cupy.ndarray) and a.shape == x.shape))
    places = "unsigned int" if x.size < 2**32 else "unsigned long long"
    function = kernel("batchnorm", name, TYPES[x.dtype.name], str(vec), places)
    launch(function, -(-x.size // (BLOCK * vec)), BLOCK, *arrays, x.size, x.shape[1], pixels, *others)


def moments(x: cupy.ndarray) -> cupy.ndarray:
    if not _suits(x):
        return textbook("moments", x)
    with x.device:
        (x,) = contiguous(x)
        apart = prod(x.shape[2:])  # count from the first element of each channel in the first example
        parts, count, inner = _parts("Moments", x, None, x, apart)
        y = cupy.empty((2, x.shape[1]), x.dtype)
        function = kernel("batchnorm", "finish_moments", TYPES[x.dtype.name])
        launch(function, x.shape[1], 32, parts, x, apart, y, count, x.shape[1], inner)
    return y


def batch_norm(
    x: cupy.ndarray, statistics: cupy.ndarray, weight: Optional = None, bias: Optional = None, *, eps: float
) -> cupy.ndarray:
    if not _suits(x, statistics, weight, bias):
        return textbook("batch_norm", x, statistics, weight, bias, eps=eps)
    with x.device:
        x, statistics, weight, bias = contiguous(x, statistics, weight, bias)
        y = cupy.empty(x.shape, x.dtype)
        _elementwise("normalize", (x, statistics, or_null(weight), or_null(bias), y), x, float(eps))
    return y


def batch_norm_back(
    g: cupy.ndarray, x: cupy.ndarray, statistics: cupy.ndarray, weight: Optional, *, eps: float
) -> tuple[cupy.ndarray, Optional, cupy.ndarray]:
    if not _suits(g, x, statistics, weight):
        return textbook("batch_norm_back", g, x, statistics, weight, eps=eps)
    with x.device:
        g, x, statistics, weight = contiguous(g, x, statistics, weight)
        sums, dweight, dbias = _products(g, x, statistics, statistics[1], eps)
        dx = cupy.empty(x.shape, x.dtype)
        _elementwise("normalize_back", (g, x, statistics, or_null(weight), sums, dx), x, float(eps))
    return dx, None if weight is None else dweight, dbias


def channel_affine(x: cupy.ndarray, scale: cupy.ndarray, shift: cupy.ndarray) -> cupy.ndarray:
    if not _suits(x, scale, shift):
        return textbook("channel_affine", x, scale, shift)
    with x.device:
        x, scale, shift = contiguous(x, scale, shift)
        y = cupy.empty(x.shape, x.dtype)
        _elementwise("affine", (x, scale, shift, y), x)
    return y


def channel_affine_back(
    g: cupy.ndarray, x: cupy.ndarray, scale: cupy.ndarray
) -> tuple[cupy.ndarray, cupy.ndarray, cupy.ndarray]:
    if not _suits(g, x, scale):
        return textbook("channel_affine_back", g, x, scale)
    with x.device:
        g, x, scale = contiguous(g, x, scale)
        _, dscale, dshift = _products(g, x, None, None, 0.0)
        dx = cupy.empty(x.shape, x.dtype)
        _elementwise("affine", (g, scale, 0, dx), x)
    return dx, dscale, dshift


kernels: dict[str, Callable[..., Any]] = {
    f.__name__: f for f in (moments, batch_norm, batch_norm_back, channel_affine, channel_affine_back)
}
