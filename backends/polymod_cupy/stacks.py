"""Products of stacks of matrices by cuBLAS, with transposed and repeated matrices as they lie in memory.

CuPy copies every stack that is not contiguous, takes arrays of pointers where one is repeated, and in version 14.2
has no stacks of bfloat16. cuBLAS needs none of that where the matrices of a stack lie at even distances.
"""

from __future__ import annotations

import os
from itertools import product
from math import prod
from typing import Any

import cupy
import numpy as np
from cupy.cuda import cublas, runtime

Array = Any
Sizes = tuple[int, ...]

LOOPS = 8  # stacks of stacks are multiplied one by one, up to so many
KINDS = {"float16": "CUDA_R_16F", "bfloat16": "CUDA_R_16BF", "float32": "CUDA_R_32F", "float64": "CUDA_R_64F"}


def steps(x: Array, shape: Sizes) -> Sizes:
    """The steps, in elements, of `x` broadcast to `shape`."""
    missing = len(shape) - x.ndim
    found = (*(0,) * missing, *(s // x.itemsize for s in x.strides))
    sizes = (*(1,) * missing, *x.shape)
    return tuple(0 if n == 1 else s for n, s in zip(sizes, found, strict=True))


def merged(shape: Sizes, arrays: list[Sizes]) -> tuple[list[int], list[list[int]]]:
    """Axes of size 1 left out, and neighbours taken as one where the steps of all arrays allow it."""
    sizes: list[int] = []
    found: list[list[int]] = [[] for _ in arrays]
    for axis, n in enumerate(shape):
        if n == 1:
            continue
        if sizes and all(own[-1] == n * x[axis] for own, x in zip(found, arrays, strict=True)):
            sizes[-1] *= n
            for own, x in zip(found, arrays, strict=True):
                own[-1] = x[axis]
        else:
            sizes.append(n)
            for own, x in zip(found, arrays, strict=True):
                own.append(x[axis])
    return sizes, found


def layout(x: Array) -> tuple[Array, int, int]:
    """The matrices of `x` as cuBLAS takes them, copied only if there is no other way; whether they are transposed; and
    the distance of their rows (columns, if transposed)."""
    while True:
        (rows, columns), (down, across) = x.shape[-2:], (s // x.itemsize for s in x.strides[-2:])
        if (across == 1 or columns == 1) and (down >= columns or rows == 1):
            return x, 0, max(down if rows > 1 else 0, columns)
        if (down == 1 or rows == 1) and (across >= rows or columns == 1):
            return x, 1, max(across if columns > 1 else 0, rows)
        x = cupy.ascontiguousarray(x)


def multiply(a: Array, b: Array, out: Array | None = None, *, alpha: float = 1.0, beta: float = 0.0) -> Array:
    """alpha * a @ b + beta * out for arrays (..., m, k) and (..., k, n) of one real dtype, in `out`, which is
    contiguous and may be float32 where a and b are float16 or bfloat16. Sums are in float or double."""
    (m, k), n = a.shape[-2:], b.shape[-1]
    if b.shape[-2] != k:
        raise ValueError(f"matmul: the shapes {a.shape} and {b.shape} do not fit: {k} columns and {b.shape[-2]} rows")
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    if out is None:
        out = cupy.empty((*batch, m, n), a.dtype)
    if not out.size:
        return out
    if not k:
        return cupy.multiply(out, beta, out=out) if beta else _zeroed(out)
    a, a_turned, a_row = layout(a)
    b, b_turned, b_row = layout(b)
    sizes, (along_a, along_b, along_out) = _even(batch, a, b, out)
    if sizes is None:
        a, b = (cupy.ascontiguousarray(cupy.broadcast_to(x, (*batch, *x.shape[-2:]))) for x in (a, b))
        return multiply(a, b, out, alpha=alpha, beta=beta)
    *outer, count = sizes or [1]
    handle = cupy.cuda.device.get_cublas_handle()
    scalars = np.array([alpha, beta], "float64" if a.dtype.char == "d" else "float32")
    pointers = scalars.ctypes.data, scalars.ctypes.data + scalars.itemsize
    kind, kind_out = (getattr(runtime, KINDS[x.dtype.name]) for x in (a, out))
    for at in product(*map(range, outer)):  # our rows are cuBLAS's columns: it computes the transpose, b.T @ a.T
        start_a, start_b, start_out = (
            x.data.ptr + x.itemsize * sum(i * s for i, s in zip(at, along, strict=False))
            for x, along in ((a, along_a), (b, along_b), (out, along_out))
        )
        cublas.gemmStridedBatchedEx(
            *(handle, b_turned, a_turned, n, m, k, pointers[0]),
            *(start_b, kind, b_row, along_b[-1] if along_b else 0),
            *(start_a, kind, a_row, along_a[-1] if along_a else 0),
            *(pointers[1], start_out, kind_out, n, along_out[-1] if along_out else 0),
            *(count, computed_in(a.dtype), cublas.CUBLAS_GEMM_DEFAULT),
        )
    return out


def computed_in(dtype: Any) -> int:
    if dtype.char == "d":
        return int(cublas.CUBLAS_COMPUTE_64F)
    if dtype.char == "f" and os.environ.get("CUPY_TF32") == "1":
        return int(cublas.CUBLAS_COMPUTE_32F_FAST_TF32)
    return int(cublas.CUBLAS_COMPUTE_32F)


def _zeroed(out: Array) -> Array:
    out.fill(0)
    return out


def _even(batch: Sizes, *arrays: Array) -> tuple[list[int] | None, list[list[int]]]:
    """Leading axes and the steps along them, of which the last is cuBLAS's; None if too many are left."""
    sizes, along = merged(batch, [steps(x, (*batch, *x.shape[-2:]))[:-2] for x in arrays])
    return (None if prod(sizes[:-1]) > LOOPS else sizes), along
