"""Layer norm, RMS norm and group norm, some rows or images at a time so that they stay in the processor's cache.

Sums along rows and columns are products with a vector of ones: BLAS adds faster than `numpy.add.reduce`.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

BLOCK_BYTES = 2**18
SHORT = 128  # rows below this length have their squares summed without BLAS, which is called once a row

Axes = tuple[int, ...]
Optional = np.ndarray | None


def blocks(x: np.ndarray) -> Iterator[slice]:
    """Slices of the first axis of about BLOCK_BYTES."""
    step = max(1, BLOCK_BYTES // max(1, x.itemsize * prod(x.shape[1:])))
    for start in range(0, x.shape[0], step):
        yield slice(start, min(start + step, x.shape[0]))


def wide(*arrays: Optional) -> Any:
    """The dtype to compute in: sums of float16 need more."""
    dtype = np.result_type(*(a for a in arrays if a is not None))
    return np.dtype(np.float32) if dtype == np.float16 else dtype


def row_means(rows: np.ndarray) -> np.ndarray:
    """The mean of each row, as a column."""
    return (rows @ np.ones(rows.shape[1], rows.dtype))[:, None] / rows.dtype.type(rows.shape[1])


def row_products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The sum of the products along each row."""
    return np.vecdot(a, b) if a.shape[1] >= SHORT else np.einsum("ij,ij->i", a, b)


def scales(rows: np.ndarray, eps: float) -> np.ndarray:
    """The factors 1 / sqrt(mean(row * row) + eps), as a column."""
    scale = row_products(rows, rows)[:, None]
    scale /= rows.shape[1]
    scale += eps
    np.sqrt(scale, out=scale)
    return np.reciprocal(scale, out=scale)


def normalized(x: np.ndarray, weight: Optional, bias: Optional, axes: Axes, eps: float, centered: bool) -> np.ndarray:
    """RMS norm over the last axes or, if `centered`, layer norm."""
    rows = x.reshape(-1, prod(x.shape[a] for a in axes))
    y = np.empty(rows.shape, np.result_type(*(a for a in (x, weight, bias) if a is not None)))
    work = wide(x, weight, bias)
    for part in blocks(rows):
        v = rows[part].astype(work, copy=False)
        out = y[part] if y.dtype == work else None
        if centered:
            v = np.subtract(v, row_means(v), out=out)
        v = np.multiply(v, scales(v, eps), out=out)
        if weight is not None:
            v *= weight.ravel()
        if bias is not None:
            v += bias.ravel()
        if out is None:
            y[part] = v
    return y.reshape(x.shape)


def normalized_back(
    g: np.ndarray, x: np.ndarray, weight: Optional, axes: Axes, eps: float, centered: bool
) -> tuple[np.ndarray, Optional, np.ndarray]:
    """The cotangents of x, weight and bias in `normalized`."""
    size = prod(x.shape[a] for a in axes)
    rows, cotangents = x.reshape(-1, size), g.reshape(-1, size)
    work = wide(g, x, weight)
    dx = np.empty(rows.shape, g.dtype)
    dweight, dbias = np.zeros((2, size), work)
    factor = np.ones(size, work) if weight is None else weight.ravel().astype(work, copy=False)
    for part in blocks(rows):
        v, h = rows[part].astype(work, copy=False), cotangents[part].astype(work, copy=False)
        v = v - row_means(v) if centered else v
        scale = scales(v, eps)
        product = h * v
        dweight += scale[:, 0] @ product
        slope = (product @ factor)[:, None] * (scale**3 / size)
        v = np.multiply(v, slope, out=product)
        if centered:
            dbias += np.ones(len(h), work) @ h
            v += (h @ factor)[:, None] * (scale / size)
        h = h * scale
        if weight is not None:
            h *= factor
        np.subtract(h, v, out=dx[part], casting="same_kind")
    shape = x.shape[x.ndim - len(axes) :]
    dweight, dbias = (d.reshape(shape).astype(g.dtype, copy=False) for d in (dweight, dbias))
    return dx.reshape(x.shape), None if weight is None else dweight, dbias


def layer_norm(x: np.ndarray, weight: Optional = None, bias: Optional = None, *, axes: Axes, eps: float) -> np.ndarray:
    return normalized(x, weight, bias, axes, eps, centered=True)


def layer_norm_back(
    g: np.ndarray, x: np.ndarray, weight: Optional, *, axes: Axes, eps: float
) -> tuple[np.ndarray, Optional, np.ndarray]:
    return normalized_back(g, x, weight, axes, eps, centered=True)


def rms_norm(x: np.ndarray, weight: Optional = None, *, axes: Axes, eps: float) -> np.ndarray:
    return normalized(x, weight, None, axes, eps, centered=False)


def rms_norm_back(
    g: np.ndarray, x: np.ndarray, weight: Optional, *, axes: Axes, eps: float
) -> tuple[np.ndarray, Optional]:
    return normalized_back(g, x, weight, axes, eps, centered=False)[:2]


# ------------------------------------------------------------------------------------- groups of channels


def by_channel(x: np.ndarray) -> np.ndarray:
    """(N, C, ...) -> (N, C, pixels)"""
    return x.reshape(x.shape[0], x.shape[1], prod(x.shape[2:]))


def plane_sums(images: np.ndarray) -> np.ndarray:
    """The sum of each channel of each image: (N, C, pixels) -> (N, C)."""
    n, channels, pixels = images.shape
    return (images.reshape(n * channels, pixels) @ np.ones(pixels, images.dtype)).reshape(n, channels)


def group_norm(x: np.ndarray, weight: Optional = None, bias: Optional = None, *, groups: int, eps: float) -> np.ndarray:
    images = by_channel(x)
    y = np.empty(images.shape, np.result_type(*(a for a in (x, weight, bias) if a is not None)))
    work = wide(x, weight, bias)
    size = prod(x.shape[1:]) // groups
    for part in blocks(images):
        v = images[part].astype(work, copy=False)
        out = y[part] if y.dtype == work else np.empty(v.shape, work)
        rows = v.reshape(-1, size)
        rows = np.subtract(rows, row_means(rows), out=out.reshape(-1, size))
        scale = scales(rows, eps)
        if weight is None:
            rows *= scale
        else:
            out *= per_channel(scale, weight, groups)[:, :, None]
        if bias is not None:
            out += bias[:, None]
        if y.dtype != work:
            y[part] = out
    return y.reshape(x.shape)


def per_channel(scale: np.ndarray, weight: np.ndarray, groups: int) -> np.ndarray:
    """The factor of each group of each image times the weight of each channel: (N, C)."""
    return (scale.reshape(-1, groups, 1) * weight.reshape(1, groups, -1)).reshape(-1, weight.size)


def group_norm_back(
    g: np.ndarray, x: np.ndarray, weight: Optional, *, groups: int, eps: float
) -> tuple[np.ndarray, Optional, np.ndarray]:
    images, cotangents = by_channel(x), by_channel(g)
    work = wide(g, x, weight)
    dx = np.empty(images.shape, g.dtype)
    dweight, dbias = np.zeros((2, x.shape[1]), work)
    size = prod(x.shape[1:]) // groups
    factor = (np.ones(x.shape[1], work) if weight is None else weight).reshape(groups, -1)
    for part in blocks(images):
        v, h = images[part].astype(work, copy=False), cotangents[part].astype(work, copy=False)
        rows = v.reshape(-1, size)
        rows = rows - row_means(rows)
        scale = scales(rows, eps)
        product = h * rows.reshape(h.shape)
        totals, products = (plane_sums(a).reshape(-1, groups, factor.shape[1]) for a in (h, product))
        dbias += totals.sum(axis=0).ravel()
        dweight += (products * scale.reshape(-1, groups, 1)).sum(axis=0).ravel()
        rows *= (products * factor).sum(axis=2).reshape(-1, 1) * (scale**3 / size)
        rows += (totals * factor).sum(axis=2).reshape(-1, 1) * (scale / size)
        np.multiply(h, per_channel(scale, factor, groups)[:, :, None], out=product)
        np.subtract(product, rows.reshape(h.shape), out=dx[part], casting="same_kind")
    dweight, dbias = (d.astype(g.dtype, copy=False) for d in (dweight, dbias))
    return dx.reshape(x.shape), None if weight is None else dweight, dbias
