"""Convolution and its two transposes, for which CuPy 14 has no library.

Which way is the fastest depends on how many output channels O a group has. The columns of `cuda/columns.cu`, which
cuBLAS multiplies, are written and read once: 2 b bytes for each of their elements of b bytes, which takes part in 2 O
operations. The implicit product leaves that out, but multiplies with plain cores at about two thirds of their speed,
while cuBLAS comes near their speed, and multiplies float16 and bfloat16 by tensor cores. With 1.5 TB/s, 19.5 TFLOP/s of
plain float and about 200 TFLOP/s of tensor cores (A100), columns pay

    float32   from O = 8 / 1.5 / (2 / 12 - 2 / 18) = 96 on, and on an H100 (3.3 TB/s, 67 TFLOP/s) from about 180 on
    float16   from O = 4 / 1.5 / (2 / 12 - 2 / 200) = 17 on

COLUMNS_FROM has these numbers, which are reckoned from data sheets. 1 x 1 kernels are plain products of the images as
they lie; groups of few channels have kernels of their own, since most of a tile would be empty.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import prod
from typing import Any

import cupy
import numpy as np

from polymod.rules.windows import Pairs, Sizes, output_size

from . import cudnn, linear
from .launch import TYPES, WIDE, kernel, launch, served, textbook

COLUMNS_FROM = {"float16": 17, "bfloat16": 17, "float32": 128, "float64": 64}  # output channels of a group
COLUMN_BYTES = 2**28  # images are taken together as long as their columns need no more
COLUMN_GROUPS = 8  # groups at most whose columns are made
FEW = 8  # channels of a group below which tiles are too empty
ENOUGH = 264  # blocks that fill a GPU: two for each multiprocessor
PARTS = 512  # blocks wanted for a weight's cotangent
PART_BYTES = 2**26

Array = Any
Geometry = tuple[Sizes, Sizes, Sizes, Sizes, Pairs, Sizes]  # image, output, kernel, stride, padding, dilation

_axis = np.dtype([(name, "i4") for name in ("image", "output", "kernel", "stride", "before", "dilation")])
_shape = np.dtype(
    [(name, "i4") for name in ("batch", "groups", "image_channels", "output_channels")] + [("axes", _axis, (3,))]
)


class Problem:
    """One convolution: its numbers, and as the struct `Convolution` that kernels take."""

    def __init__(
        self, batch: int, groups: int, n_in: int, n_out: int, image: Sizes, output: Sizes, kernel: Sizes, stride: Sizes,
        padding: Pairs, dilation: Sizes,
    ) -> None:  # fmt: skip
        self.batch, self.groups, self.n_in, self.n_out = batch, groups, n_in, n_out
        self.image, self.output, self.kernel, self.stride = image, output, kernel, stride
        self.rank, self.plane, self.pixels, self.taps = len(image), prod(image), prod(output), prod(kernel)
        before = tuple(a for a, _ in padding)
        self.pointwise = self.taps == 1 and prod(stride) == 1 and not any(map(any, padding)) and image == output
        # what the kernels count in 32 bits
        largest = max(n_in * self.plane, n_out * self.pixels, n_in * n_out * self.taps, n_in * self.taps)
        reach = max(n + max(0, b) + d * k for n, b, d, k in zip(image, before, dilation, kernel, strict=True))
        self.fits = self.rank <= 3 and largest < 2**31 and reach < 2**29 and max(output) < 2**29
        if self.fits:
            axes = [(1, 1, 1, 1, 0, 1)] * (3 - self.rank)
            axes += zip(image, output, kernel, stride, before, dilation, strict=True)
            self.struct = np.array((batch, groups, n_in, n_out, axes), _shape)


problem = lru_cache(maxsize=512)(Problem)


def posed(x_shape: Sizes, output: Sizes, n_out: int, kernel: Sizes, groups: int, how: dict[str, Any]) -> Problem:
    sizes = tuple(x_shape[2:]), tuple(output), tuple(kernel)
    return problem(x_shape[0], groups, x_shape[1] // groups, n_out // groups, *sizes, **how)


def pays(p: Problem, dtype: Any) -> bool:
    """Whether columns and cuBLAS are the faster way."""
    return p.n_out >= COLUMNS_FROM[dtype.name] and p.groups <= COLUMN_GROUPS


def tiles(rows: int, columns: int, times: int, dtype: Any) -> tuple[int, int]:
    """Rows and columns of the result that a block makes: many, for it then reads little, if enough blocks remain."""
    height = 128 if rows > 64 else 64 if rows > 32 else 32
    if dtype.char != "d" and -(-rows // height) * -(-columns // 128) * times >= ENOUGH:
        return height, 128
    return min(height, 64), 64


# ------------------------------------------------------------------------------------------ the operations


def conv(
    x: Array, weight: Array, bias: Array | None = None, *, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int
) -> Array:
    how: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    if not served(x, weight, bias):
        return textbook("conv", x, weight, bias, **how, groups=groups)
    output = output_size(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    p = posed(x.shape, output, weight.shape[0], weight.shape[2:], groups, how)
    if not p.fits or min(output) < 1:
        return textbook("conv", x, weight, bias, **how, groups=groups)
    with x.device:
        x, weight, bias = contiguous(x, weight, bias)
        y = cudnn.conv(x, weight, output, how) if cudnn.takes(x) else None
        if y is None and p.pointwise:
            y = by_image(weight.reshape(1, groups, p.n_out, p.n_in), x, p).reshape(x.shape[0], -1, *output)
        if y is not None:
            return y if bias is None else biased(y, bias)
        if pays(p, x.dtype):
            return conv_by_columns(x, weight, bias, p)
        return gathered(x, weight, bias, p, back=False)


def conv_input_back(
    g: Array, weight: Array, *, size: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int
) -> Array:
    how: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    x_shape = (g.shape[0], weight.shape[1] * groups, *size)
    p = posed(x_shape, g.shape[2:], weight.shape[0], weight.shape[2:], groups, how) if served(g, weight) else None
    if p is None or not p.fits or not prod(size):
        return textbook("conv_input_back", g, weight, size=size, **how, groups=groups)
    with g.device:
        g, weight = contiguous(g, weight)
        dx = cudnn.conv_input_back(g, weight, x_shape, how) if cudnn.takes(g) else None
        if dx is not None:
            return dx
        if p.pointwise:
            turned = weight.reshape(1, groups, p.n_out, p.n_in).swapaxes(2, 3)
            return by_image(turned, g, p).reshape(x_shape)
        if pays(p, g.dtype):
            return conv_input_back_by_columns(g, weight, p)
        return gathered(g, weight, None, p, back=True)


def conv_weight_back(
    x: Array, g: Array, *, size: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int
) -> Array:
    how: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    p = posed(x.shape, g.shape[2:], g.shape[1], size, groups, how) if served(x, g) else None
    if p is None or not p.fits or not prod(size):
        return textbook("conv_weight_back", x, g, size=size, **how, groups=groups)
    with x.device:
        x, g = contiguous(x, g)
        shape = (g.shape[1], p.n_in, *size)
        dw = cudnn.conv_weight_back(x, g, shape, how) if cudnn.takes(x) else None
        if dw is not None:
            return dw
        if pays(p, x.dtype):
            return conv_weight_back_by_columns(x, g, p)
        return gathered_weight(x, g, p)


def contiguous(*arrays: Array | None) -> list[Array]:
    return [a if a is None else cupy.ascontiguousarray(a) for a in arrays]


def by_image(matrix: Array, x: Array, p: Problem) -> Array:
    """The same matrices (1, groups, m, k) times every image (N, groups * k, pixels)."""
    x = x.reshape(p.batch, p.groups, -1, p.plane)
    if p.groups == 1:
        matrix, x = matrix[:, 0], x[:, 0]
    return linear.gemm(matrix, x)


def biased(y: Array, bias: Array) -> Array:
    linear.add_bias(y.reshape(y.shape[0] * y.shape[1], -1), bias, by_row=True)
    return y


# ---------------------------------------------------------------------------------------- implicit products


def gathered(source: Array, weight: Array, bias: Array | None, p: Problem, *, back: bool) -> Array:
    """`conv`, or `conv_input_back`, of contiguous arrays."""
    made, extents = (p.n_in, p.image) if back else (p.n_out, p.output)
    to = cupy.empty((p.batch, p.groups * made, *extents), source.dtype)
    types = TYPES[source.dtype.name], str(p.rank), "true" if back else "false"
    bias = np.uintp(0) if bias is None else bias
    if made < FEW:
        threads = 256
        function = kernel("convolution_each", "convolve_each", *types)
        launch(function, -(-to.size // threads), threads, source, weight, bias, to, p.struct, to.size)
        return to
    classes = prod(p.stride) if back else 1
    columns = p.batch * prod(-(-n // s) for n, s in zip(extents, p.stride, strict=True)) if back else to.size // made
    columns = columns if back else columns // p.groups
    height, width = tiles(made, columns, classes * p.groups, source.dtype)
    row_tiles = -(-made // height)
    blocks = row_tiles * classes * p.groups * -(-columns // width)
    function = kernel("convolution", "convolve", *types, str(height), str(width))
    launch(function, blocks, 256, source, weight, bias, to, p.struct, row_tiles, classes)
    return to


def gathered_weight(x: Array, g: Array, p: Problem) -> Array:
    shape = (p.groups * p.n_out, p.n_in, *p.kernel)
    to, wide = cupy.empty(shape, x.dtype), WIDE[x.dtype.name]
    name, seen = TYPES[x.dtype.name], p.batch * p.pixels
    if p.n_out * p.n_in < FEW and seen < 2**31:
        threads = min(256, max(32, -(-seen // 32) * 32))
        launch(
            kernel("convolution_each", "convolve_weight_each", name, str(p.rank)), to.size, threads, x, g, to, p.struct
        )
        return to
    columns = p.n_in * p.taps
    height, width = tiles(p.n_out, columns, max(1, seen // 512) * p.groups, x.dtype)
    row_tiles, column_tiles = -(-p.n_out // height), -(-columns // width)
    blocks = row_tiles * column_tiles * p.groups
    parts = min(-(-PARTS // blocks), -(-seen // 512), max(1, PART_BYTES // (to.size * to.itemsize)))
    step = -(-seen // max(parts, -(-seen // 2**30)) // 8) * 8
    parts = -(-seen // step)
    direct = parts == 1
    sums = to if direct else cupy.empty((parts, to.size), wide)
    types = name, TYPES[sums.dtype.name], str(p.rank), str(height), str(width)
    function = kernel("convolution", "convolve_weight", *types)
    launch(function, blocks * parts, 256, x, g, sums, p.struct, row_tiles, column_tiles, step)
    if not direct:
        add_parts(sums, to)
    return to


def add_parts(parts: Array, to: Array) -> None:
    function = kernel("convolution", "add_parts", TYPES[parts.dtype.name], TYPES[to.dtype.name])
    launch(function, -(-to.size // 256), 256, parts, to, to.size, parts.shape[0])


# ------------------------------------------------------------------------------------------ by columns


def batches(p: Problem, itemsize: int) -> list[tuple[int, int]]:
    """The first image, and how many, of parts whose columns fit into COLUMN_BYTES, or which are one image."""
    image = itemsize * p.groups * p.n_in * p.taps * p.pixels
    step = min(max(1, COLUMN_BYTES // image), p.batch)
    return [(start, min(step, p.batch - start)) for start in range(0, p.batch, step)]


def columns(x: Array, p: Problem, first: int, images: int) -> Array:
    """What the windows of some images see: (groups, C * taps, images * pixels)."""
    length = images * p.pixels
    seen = cupy.empty((p.groups, p.n_in * p.taps, length), x.dtype)
    strips = -(-length // 1024)  # a block writes 1024 elements of a row, four a thread
    function = kernel("columns", "make_columns", TYPES[x.dtype.name], str(p.rank))
    launch(function, p.groups * p.n_in * p.taps * strips, 256, x, seen, p.struct, first, images, strips)
    return seen


def transposed(source: Array, to: Array, bias: Any, first: int, images: int, channels: int, reverse: bool) -> None:
    """Between (channels, images, pixels) and a part of (N, channels, pixels)."""
    pixels = (to.size if reverse else source.size) // (channels * images)
    function = kernel("columns", "images_first", TYPES[source.dtype.name], "true" if reverse else "false")
    threads = min(256, max(32, -(-pixels // 32) * 32))
    bias = np.uintp(0) if bias is None else bias
    launch(function, images * channels, threads, source, bias, to, first, images, channels, pixels)


def by_group(g: Array, p: Problem, first: int, images: int) -> Array:
    """Some images of (N, groups * O, pixels) as (groups, O, images * pixels), which multiplies with columns."""
    flat = cupy.empty((p.groups, p.n_out, images * p.pixels), g.dtype)
    transposed(g, flat, None, first, images, p.groups * p.n_out, reverse=True)
    return flat


def conv_by_columns(x: Array, weight: Array, bias: Array | None, p: Problem) -> Array:
    y = cupy.empty((p.batch, p.groups * p.n_out, *p.output), x.dtype)
    matrix = weight.reshape(p.groups, p.n_out, -1)
    for first, images in batches(p, x.itemsize):
        product = linear.gemm(matrix, columns(x, p, first, images))
        transposed(product, y, bias, first, images, p.groups * p.n_out, reverse=False)
    return y


def conv_input_back_by_columns(g: Array, weight: Array, p: Problem) -> Array:
    dx = cupy.empty((p.batch, p.groups * p.n_in, *p.image), g.dtype)
    turned = weight.reshape(p.groups, p.n_out, -1).swapaxes(1, 2)
    function = kernel("columns", "from_columns", TYPES[g.dtype.name], str(p.rank))
    for first, images in batches(p, g.itemsize):
        seen = linear.gemm(turned, by_group(g, p, first, images))
        size = images * p.groups * p.n_in * p.plane
        launch(function, -(-size // 256), 256, seen, dx, p.struct, first, images)
    return dx


def conv_weight_back_by_columns(x: Array, g: Array, p: Problem) -> Array:
    found = batches(p, x.itemsize)
    sums = cupy.empty((len(found), p.groups, p.n_out, p.n_in * p.taps), x.dtype)
    for total, (first, images) in zip(sums, found, strict=True):
        seen, flat = columns(x, p, first, images), by_group(g, p, first, images)
        linear.gemm(flat, seen.swapaxes(1, 2), out=total)
    shape = (p.groups * p.n_out, p.n_in, *p.kernel)
    if len(found) == 1:
        return sums.reshape(shape)
    to = cupy.empty(shape, x.dtype)
    if x.dtype.name != WIDE[x.dtype.name]:
        sums = sums.astype(WIDE[x.dtype.name])
    add_parts(sums, to)
    return to


kernels: dict[str, Callable[..., Any]] = {f.__name__: f for f in (conv, conv_input_back, conv_weight_back)}
