"""Products of matrices by cuBLAS, and what stands beside them in a layer: the bias, and its cotangent.

Every product of this plugin's kernels goes through `gemm`, so that another library or an own kernel takes over in one
place.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import cupy

from polymod.backend import load_backend

from . import nvmath, stacks
from .gemm import own_gemm, own_matmul
from .graph import capturable
from .launch import TYPES, WIDE, kernel, launch, served, textbook

ROWS_A_PART = 512  # of `column_sums`: enough that the sums of the parts are few, and few enough for many blocks

Array = Any


def gemm(a: Array, b: Array, out: Array | None = None) -> Array:
    """a @ b of arrays (..., m, k) and (..., k, n) of one dtype, into `out` (contiguous) if it is given.

    cuBLAS takes a transposed matrix as it lies in memory. float16 and bfloat16 are summed in float; float32 is
    multiplied in float32 unless the environment's CUPY_TF32=1 allows tensor cores to round the factors.
    In a step that is captured, an own kernel does it: CuPy does not call cuBLAS then.
    """
    if capturable():
        return own_gemm(a, b, out)
    if a.ndim == b.ndim == 2:
        return cupy.matmul(a, b, out=out)
    if b.ndim == 2 and out is None and a.flags.c_contiguous:
        return cupy.matmul(rows(a), b).reshape(*a.shape[:-1], b.shape[1])
    return stacks.multiply(a, b, out)


def matmul(a: Array, b: Array, /) -> Array:
    """`matmul` of the standard."""
    if a.ndim > 1 and b.ndim > 1 and a.dtype == b.dtype and a.dtype.name in TYPES:
        with a.device:
            return gemm(a, b)
    if capturable():
        with a.device:
            return own_matmul(a, b)
    return load_backend("cupy").xp.matmul(a, b)


def rows(x: Array) -> Array:
    """All axes but the last as one."""
    return x if x.ndim == 2 else x.reshape(prod(x.shape[:-1]), x.shape[-1])


def add_bias(y: Array, bias: Array, *, by_row: bool = False) -> Array:
    """Add `bias` in place to y (rows, columns): bias[c] to column c, or bias[r % length] to row r."""
    count, columns = y.shape
    bias = cupy.ascontiguousarray(bias)
    shift = min(8, max(0, (columns - 1).bit_length()))
    function = kernel("linear", "add_bias", TYPES[y.dtype.name], "true" if by_row else "false")
    launch(function, -(-count // (256 >> shift)), 256, y, bias, count, columns, bias.size, shift)
    return y


def column_sums(x: Array) -> Array:
    """The sum of x (rows, columns) over its rows: of parts of the rows first, then of the parts."""
    final, x = x.dtype, cupy.ascontiguousarray(x)
    while True:
        count, columns = x.shape
        parts, strips = -(-count // ROWS_A_PART), -(-columns // 32)
        sums = cupy.empty((parts, columns), final if parts == 1 else WIDE[final.name])
        function = kernel("linear", "column_sums", TYPES[x.dtype.name], TYPES[sums.dtype.name])
        launch(function, parts * strips, 256, x, sums, count, columns, ROWS_A_PART, strips)
        if parts == 1:
            return sums[0]
        x = sums


# ------------------------------------------------------------------------------------------------- the operations


def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    if not served(x, weight, bias) or weight.ndim != 2 or x.ndim == 0:
        return textbook("linear", x, weight, bias)
    with x.device:
        flat = rows(x)
        y = nvmath.linear(flat, weight, bias) if bias is not None and nvmath.takes(flat, weight, bias) else None
        if y is None:
            y = gemm(flat, weight.T)
            if bias is not None:
                add_bias(y, bias)
        return y.reshape(*x.shape[:-1], weight.shape[0])


def linear_weight_back(g: Array, x: Array) -> Array:
    if not served(g, x):
        return textbook("linear_weight_back", g, x)
    with g.device:
        return gemm(rows(g).T, rows(x))


def linear_bias_back(g: Array) -> Array:
    if not served(g):
        return textbook("linear_bias_back", g)
    with g.device:
        return column_sums(rows(g))


kernels: dict[str, Callable[..., Any]] = {f.__name__: f for f in (matmul, linear, linear_weight_back, linear_bias_back)}
