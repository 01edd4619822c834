"""Products of matrices by an own kernel: what recorded graphs use instead of cuBLAS (see `cuda/gemm.cu`)."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import cupy
import numpy as np

from polymod.backend import load_backend

from .graph import capturable
from .launch import TYPES, WIDE, kernel, launch

TILES = {
    "large": ("128", "128", "8", "8", "8"),
    "small": ("64", "64", "16", "4", "4"),
    "narrow": ("16", "64", "16", "1", "4"),
}
"""BM, BN, BK, TM, TN; a block has BM / TM * BN / TN threads."""
FULL = 128  # blocks that keep a large GPU busy; with fewer, k is shared among several
LEAST = 256  # of k in a share
_BATCH = np.dtype([(name, np.int64, (4,)) for name in ("size", "a", "b")])


def own_gemm(a: Any, b: Any, out: Any = None) -> Any:
    """a @ b of arrays (..., m, k) and (..., k, n) of one floating dtype, on CuPy's current device, into `out`."""
    (m, k), n = a.shape[-2:], b.shape[-1]
    if b.shape[-2] != k:
        raise ValueError(f"matmul: {a.shape} and {b.shape} do not fit: {k} columns and {b.shape[-2]} rows")
    before = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    if out is None:
        out = cupy.empty((*before, m, n), a.dtype)
    elif not out.flags.c_contiguous:
        out[...] = own_gemm(a, b)
        return out
    if not out.size:
        return out
    if not k:
        out.fill(0)
        return out
    a, b, batch = _batched(a, b, before)
    matrices = prod(before)
    name = (
        "narrow"
        if m <= 16
        else "large"
        if m >= 128 and n >= 128 and _blocks("large", m, n, matrices) >= FULL
        else "small"
    )
    tiles_m, tiles_n = _tiles(name, m, n)
    blocks = tiles_m * tiles_n * matrices
    shares = max(1, min(FULL // blocks, k // LEAST))
    share = -(-k // shares)
    shares = -(-k // share)
    wide = WIDE[a.dtype.name]
    product = out if shares == 1 else cupy.empty((shares, matrices, m, n), wide)
    bm, bn, _, tm, tn = map(int, TILES[name])
    function = kernel("gemm", "gemm", TYPES[a.dtype.name], TYPES[product.dtype.name], *TILES[name])
    steps = [stride // a.itemsize for stride in (*a.strides[-2:], *b.strides[-2:])]
    sizes = (m, n, k, *steps, tiles_m, tiles_n, matrices, share)
    launch(function, blocks * shares, bm // tm * (bn // tn), a, b, product, batch, *map(np.int64, sizes))
    if shares > 1:
        out[...] = product.sum(axis=0).reshape(out.shape)
    return out


def _tiles(name: str, m: int, n: int) -> tuple[int, int]:
    bm, bn = map(int, TILES[name][:2])
    return -(-m // bm), -(-n // bn)


def _blocks(name: str, m: int, n: int, matrices: int) -> int:
    return prod(_tiles(name, m, n)) * matrices


def _batched(a: Any, b: Any, before: tuple[int, ...]) -> tuple[Any, Any, np.ndarray]:
    """The factors and the strides of the axes in front of their matrices, in elements; at most four such axes."""
    a, b = (cupy.broadcast_to(x, (*before, *x.shape[-2:])) for x in (a, b))
    if len(before) > 4:
        before = (prod(before),)
        a, b = (cupy.ascontiguousarray(x).reshape(*before, *x.shape[-2:]) for x in (a, b))
    batch = np.zeros((), _BATCH)
    batch["size"] = 1
    if before:
        batch["size"][-len(before) :] = before
        for name, x in (("a", a), ("b", b)):
            batch[name][-len(before) :] = [stride // x.itemsize for stride in x.strides[:-2]]
    return a, b, batch


def own_matmul(a: Any, b: Any) -> Any:
    """`matmul` of the standard for real floating arrays, of one axis too; CuPy multiplies the others."""
    dtype = cupy.result_type(a, b)
    if dtype.name not in TYPES or not (a.ndim and b.ndim):
        return cupy.matmul(a, b)
    a, b = a.astype(dtype, copy=False), b.astype(dtype, copy=False)
    product = own_gemm(a[None] if a.ndim == 1 else a, b[:, None] if b.ndim == 1 else b)
    if a.ndim == 1:
        product = product[..., 0, :]
    return product[..., 0] if b.ndim == 1 else product


def vecdot(x: Any, y: Any, /, *, axis: int = -1) -> Any:
    if not capturable():
        return load_backend("cupy").xp.vecdot(x, y, axis=axis)
    with x.device:
        return cupy.sum(cupy.conj(x) * y, axis=axis, dtype=cupy.result_type(x, y))


kernels: dict[str, Callable[..., Any]] = {"vecdot": vecdot}
