"""Pooling over one to three spatial axes, forward and backward, without atomic sums."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import cupy
import numpy as np

from polymod.rules.pooling import lowest
from polymod.rules.windows import Pairs, Sizes, output_size

from .fold import SMALL, index_type, run, served, windows
from .launch import CTYPES, textbook

WARP = 32  # with so many elements or more in a sum, and few sums, each sum is made by a warp
FEW = 1 << 16


def _geometry(x: cupy.ndarray, size: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes) -> tuple[Sizes, np.void]:
    """The result's spatial shape, and the kernels' `Windows`."""
    spatial = tuple(x.shape[2:])
    outputs = output_size(spatial, size, stride, padding, dilation)
    return outputs, windows(spatial, outputs, size, stride, padding, dilation)


def max_pool(x: cupy.ndarray, **how: Any) -> cupy.ndarray:
    if not served(x):
        return textbook("max_pool", x, **how)
    with x.device:
        x = cupy.ascontiguousarray(x)
        outputs, geometry = _geometry(x, **how)
        y = cupy.empty((*x.shape[:2], *outputs), x.dtype)
        types = CTYPES[x.dtype.name], index_type(x.size, y.size)
        run("pooling", "max_pool", types, (x, y), y.size, geometry, x.dtype.type(lowest(x)))
        return y


def max_pool_positions(x: cupy.ndarray, **how: Any) -> cupy.ndarray:
    if not served(x):
        return textbook("max_pool_positions", x, **how)
    with x.device:
        return _positions(cupy.ascontiguousarray(x), np.int64, **how)


def _positions(x: cupy.ndarray, dtype: Any, **how: Any) -> cupy.ndarray:
    outputs, geometry = _geometry(x, **how)
    positions = cupy.empty((*x.shape[:2], *outputs), dtype)
    types = CTYPES[x.dtype.name], index_type(x.size, positions.size), CTYPES[positions.dtype.name]
    run("pooling", "max_pool_positions", types, (x, positions), positions.size, geometry)
    return positions


def max_pool_back(g: cupy.ndarray, x: cupy.ndarray, y: cupy.ndarray, **how: Any) -> cupy.ndarray:
    if not served(x, g):
        return textbook("max_pool_back", g, x, y, **how)
    with x.device:
        small = prod(x.shape[2:]) < SMALL
        positions = _positions(cupy.ascontiguousarray(x), np.int32 if small else np.int64, **how)
        g, dx = cupy.ascontiguousarray(g), cupy.empty(x.shape, g.dtype)
        types = CTYPES[g.dtype.name], index_type(x.size, g.size), CTYPES[positions.dtype.name]
        run("pooling", "max_pool_gather", types, (g, positions, dx), dx.size, _geometry(x, **how)[1])
        return dx


def max_pool_select(v: cupy.ndarray, x: cupy.ndarray, y: cupy.ndarray, **how: Any) -> cupy.ndarray:
    if not served(x, v):
        return textbook("max_pool_select", v, x, y, **how)
    with x.device:
        v, x = cupy.ascontiguousarray(v), cupy.ascontiguousarray(x)
        outputs, geometry = _geometry(x, **how)
        result = cupy.empty((*x.shape[:2], *outputs), v.dtype)
        types = CTYPES[x.dtype.name], index_type(x.size, result.size), CTYPES[v.dtype.name]
        run("pooling", "max_pool_select", types, (v, x, result), result.size, geometry)
        return result


def _box_sums(x: cupy.ndarray, outputs: Sizes, geometry: np.void, which: str, largest: int) -> cupy.ndarray:
    """The sums of at most `largest` elements each."""
    with x.device:
        x = cupy.ascontiguousarray(x)
        y = cupy.empty((*x.shape[:2], *outputs), x.dtype)
        types = CTYPES[x.dtype.name], index_type(x.size, y.size), which
        warps = largest >= WARP and y.size < FEW
        name, per = ("large_box_sums", WARP) if warps else ("box_sums", 1)
        run("pooling", name, types, (x, y), y.size, geometry, per=per)
        return y


def sum_pool(x: cupy.ndarray, *, size: Sizes, stride: Sizes, padding: Pairs) -> cupy.ndarray:
    if not served(x):
        return textbook("sum_pool", x, size=size, stride=stride, padding=padding)
    outputs, geometry = _geometry(x, size, stride, padding, (1,) * len(size))
    return _box_sums(x, outputs, geometry, "Pool", prod(size))


def sum_pool_back(g: cupy.ndarray, *, size: Sizes, stride: Sizes, padding: Pairs, shape: Sizes) -> cupy.ndarray:
    if not served(g):
        return textbook("sum_pool_back", g, size=size, stride=stride, padding=padding, shape=shape)
    shape = tuple(shape)
    geometry = windows(tuple(g.shape[2:]), shape, size, stride, padding)
    largest = prod(-(-k // s) for k, s in zip(size, stride, strict=True))
    return _box_sums(g, shape, geometry, "PoolBack", largest)


def adaptive_sum(x: cupy.ndarray, *, outputs: Sizes) -> cupy.ndarray:
    spatial, outputs = tuple(x.shape[2:]), tuple(outputs)
    if not served(x) or not prod(spatial) * prod(outputs):
        return textbook("adaptive_sum", x, outputs=outputs)
    largest = prod(-(-n // o) for n, o in zip(spatial, outputs, strict=True))
    return _box_sums(x, outputs, windows(spatial, outputs), "Adaptive", largest)


def unpool(x: cupy.ndarray, *, indices: cupy.ndarray, length: int) -> cupy.ndarray:
    if x.dtype.name not in CTYPES or indices.dtype.kind not in "iu" or indices.shape != x.shape or not x.ndim:
        return textbook("unpool", x, indices=indices, length=length)
    with x.device:
        x, indices = cupy.ascontiguousarray(x), cupy.ascontiguousarray(indices)
        y = cupy.zeros((*x.shape[:-1], length), x.dtype)
        types = CTYPES[x.dtype.name], CTYPES[indices.dtype.name]
        run("pooling", "unpool", types, (x, indices, y), x.size, x.shape[-1], length)
        return y


kernels: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        *(max_pool, max_pool_positions, max_pool_back, max_pool_select),
        *(sum_pool, sum_pool_back, adaptive_sum, unpool),
    )
}
