"""Layer norm and batch norm, a block of rows or images at a time so that each stays in the processor's cache."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

BLOCK_BYTES = 2**18


def blocks(x: np.ndarray) -> Iterator[slice]:
    """Slices of the first axis of about BLOCK_BYTES."""
    step = max(1, BLOCK_BYTES // max(1, x.itemsize * prod(x.shape[1:])))
    for start in range(0, x.shape[0], step):
        yield slice(start, start + step)


def wide(x: np.ndarray) -> Any:
    """The dtype to compute in: sums of float16 need more."""
    return np.float32 if x.dtype == np.float16 else x.dtype


def standardized(rows: np.ndarray, eps: float, out: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Each row with mean 0 and variance 1, and the factors 1 / sqrt(var + eps)."""
    size = rows.shape[1]
    mean = np.add.reduce(rows, axis=1, keepdims=True)
    mean /= size
    v = np.subtract(rows, mean, out=out)
    scale = np.vecdot(v, v)[:, None]
    scale /= size
    scale += eps
    np.sqrt(scale, out=scale)
    np.reciprocal(scale, out=scale)
    v *= scale
    return v, scale


def layer_norm(
    x: np.ndarray,
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    *,
    axes: tuple[int, ...],
    eps: float,
) -> np.ndarray:
    rows = x.reshape(-1, prod(x.shape[a] for a in axes))
    y = np.empty(rows.shape, np.result_type(*(a for a in (x, weight, bias) if a is not None)))
    direct = y.dtype == wide(x)
    for part in blocks(rows):
        v, _ = standardized(rows[part].astype(wide(x), copy=False), eps, y[part] if direct else None)
        if weight is not None:
            v = np.multiply(v, weight.ravel(), out=v if direct else None)
        if bias is not None:
            v = np.add(v, bias.ravel(), out=v if direct else None)
        if not direct:
            y[part] = v
    return y.reshape(x.shape)


def layer_norm_back(
    g: np.ndarray, x: np.ndarray, weight: np.ndarray | None, *, axes: tuple[int, ...], eps: float
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    size = prod(x.shape[a] for a in axes)
    shape = x.shape[x.ndim - len(axes) :]
    rows, cotangents = x.reshape(-1, size), g.reshape(-1, size)
    dx = np.empty(rows.shape, g.dtype)
    dweight, dbias = np.zeros((2, size), wide(g))
    ones = np.ones(size, wide(g))
    for part in blocks(rows):
        v, scale = standardized(rows[part].astype(wide(x), copy=False), eps)
        h = cotangents[part].astype(wide(g), copy=False)
        dbias += np.add.reduce(h, axis=0)
        dweight += np.einsum("ij,ij->j", h, v)
        if weight is not None:
            h = h * weight.ravel()
        v *= np.vecdot(h, v)[:, None] / size
        v += np.vecdot(h, ones)[:, None] / size
        np.subtract(h, v, out=v)
        np.multiply(v, scale, out=dx[part], casting="same_kind")
    dweight, dbias = (d.reshape(shape).astype(g.dtype, copy=False) for d in (dweight, dbias))
    return dx.reshape(x.shape), None if weight is None else dweight, dbias


def by_channel(x: np.ndarray) -> np.ndarray:
    """(N, C, ...) -> (N, C, pixels)"""
    return x.reshape(x.shape[0], x.shape[1], -1)


def moments(x: np.ndarray) -> np.ndarray:
    images = by_channel(x)
    count = images.shape[0] * images.shape[2]
    result = np.zeros((2, x.shape[1]), wide(x))
    mean, var = result
    np.add.reduce(images, axis=(0, 2), dtype=result.dtype, out=mean)
    mean /= count
    for part in blocks(images):
        distance = images[part] - mean[:, None]
        distance *= distance
        var += np.add.reduce(distance, axis=(0, 2))
    var /= count
    return result.astype(x.dtype, copy=False)


def batch_norm(
    x: np.ndarray,
    statistics: np.ndarray,
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    *,
    eps: float,
) -> np.ndarray:
    images = by_channel(x)
    mean, scale = statistics[0], 1 / np.sqrt(statistics[1] + eps)
    if weight is not None:
        scale = scale * weight
    common = np.result_type(*(a for a in (x, scale, bias) if a is not None))
    y = np.empty(images.shape, common)
    for part in blocks(images):
        np.subtract(images[part], mean[:, None], out=y[part])
        y[part] *= scale[:, None]
        if bias is not None:
            y[part] += bias[:, None]
    return y.reshape(x.shape)


def batch_norm_back(
    g: np.ndarray, x: np.ndarray, statistics: np.ndarray, weight: np.ndarray | None, *, eps: float
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    images, cotangents = by_channel(x), by_channel(g)
    count = images.shape[0] * images.shape[2]
    mean = statistics[0][:, None]
    scale = (1 / np.sqrt(statistics[1] + eps))[:, None]
    dweight, dbias = np.zeros((2, x.shape[1]), wide(g))
    for part in blocks(images):
        h = cotangents[part]
        v = images[part] - mean
        v *= scale
        v *= h
        dbias += np.add.reduce(h, axis=(0, 2), dtype=dbias.dtype)
        dweight += np.add.reduce(v, axis=(0, 2), dtype=dweight.dtype)
    slope = scale * scale * (dweight[:, None] / count)
    offset = scale * (dbias[:, None] / count)
    if weight is not None:
        scale, slope, offset = (v * weight[:, None] for v in (scale, slope, offset))
    dx = np.empty(images.shape, g.dtype)
    for part in blocks(images):
        v = images[part] - mean
        v *= slope
        v += offset
        out = dx[part]
        np.multiply(cotangents[part], scale, out=out, casting="same_kind")
        np.subtract(out, v, out=out, casting="same_kind")
    dweight, dbias = (d.astype(g.dtype, copy=False) for d in (dweight, dbias))
    return dx.reshape(x.shape), None if weight is None else dweight, dbias
