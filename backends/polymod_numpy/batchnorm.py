"""Batch norm, some images at a time so that they stay in the processor's cache."""

from __future__ import annotations

from math import prod

import numpy as np

from .normalization import SHORT, Optional, blocks, by_channel, wide


def moments(x: np.ndarray) -> np.ndarray:
    count = x.shape[0] * prod(x.shape[2:])
    work = wide(x)
    mean, var = result = np.zeros((2, x.shape[1]), np.float64)  # the few sums of sums are added in full
    images = by_channel(x)
    for part in blocks(images):
        mean += channel_sums(images[part].astype(work, copy=False))
    mean /= count
    spread_images, middle = spread(images, mean.astype(work))
    for part in blocks(images):
        distance = spread_images[part] - middle
        distance *= distance
        var += channel_sums(distance.reshape(images[part].shape))
    var /= count
    return result.astype(x.dtype, copy=False)


def channel_sums(images: np.ndarray) -> np.ndarray:
    """The sum of each channel: (N, C, pixels) -> (C,)."""
    n, channels, pixels = images.shape
    if pixels >= SHORT:
        return (images.reshape(n * channels, pixels) @ np.ones(pixels, images.dtype)).reshape(n, channels).sum(axis=0)
    return (np.ones(n, images.dtype) @ images.reshape(n, channels * pixels)).reshape(channels, pixels).sum(axis=1)


def channel_affine(x: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    images, scale, shift = spread(by_channel(x), scale, shift)
    y = np.empty(images.shape, np.result_type(x, scale, shift))
    for part in blocks(images):
        out = np.multiply(images[part], scale, out=y[part])
        out += shift
    return y.reshape(x.shape)


def spread(images: np.ndarray, *vectors: np.ndarray) -> tuple[np.ndarray, ...]:
    """Images, and vectors (C,) that broadcast over them; a number per element where channels have few, for then one
    loop over an image is faster than one over each channel."""
    n, channels, pixels = images.shape
    if pixels >= SHORT:
        return images, *(v[:, None] for v in vectors)
    return images.reshape(n, channels * pixels), *(np.repeat(v, pixels) for v in vectors)


def batch_norm(
    x: np.ndarray, statistics: np.ndarray, weight: Optional = None, bias: Optional = None, *, eps: float
) -> np.ndarray:
    work = wide(x, weight, bias)
    mean, scale = statistics[0].astype(work), 1 / np.sqrt(statistics[1].astype(work) + eps)
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    dtype = np.result_type(*(a for a in (x, weight, bias) if a is not None))
    return channel_affine(x, scale, shift).astype(dtype, copy=False)


def batch_norm_back(
    g: np.ndarray, x: np.ndarray, statistics: np.ndarray, weight: Optional, *, eps: float
) -> tuple[np.ndarray, Optional, np.ndarray]:
    work = wide(g, x, weight)
    count = x.shape[0] * prod(x.shape[2:])
    mean, var = statistics.astype(work)
    scale = 1 / np.sqrt(var + eps)
    dproduct, dbias = product_sums(g, x, mean)
    dweight = dproduct * scale
    factor = scale if weight is None else scale * weight
    slope = factor * scale * dweight / count
    images, factor, slope, offset = spread(by_channel(x), factor, slope, factor * dbias / count - mean * slope)
    cotangents = g.reshape(images.shape)
    dx = np.empty(images.shape, g.dtype)
    for part in blocks(images):
        v = images[part] * slope
        v += offset
        np.subtract(cotangents[part] * factor, v, out=dx[part], casting="same_kind")
    dweight, dbias = (d.astype(g.dtype, copy=False) for d in (dweight, dbias))
    return dx.reshape(x.shape), None if weight is None else dweight, dbias


def channel_affine_back(g: np.ndarray, x: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    dscale, dshift = product_sums(g, x, np.zeros_like(scale))
    images, factor = spread(by_channel(g), scale)
    dx = np.empty(images.shape, g.dtype)
    for part in blocks(images):
        np.multiply(images[part], factor, out=dx[part], casting="same_kind")
    return dx.reshape(g.shape), dscale.astype(g.dtype, copy=False), dshift.astype(g.dtype, copy=False)


def product_sums(g: np.ndarray, x: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each channel the sums of g * (x - mean) and of g."""
    work = wide(g, x)
    cotangents = by_channel(g)
    images, middle = spread(by_channel(x), mean.astype(work, copy=False))
    products, sums = np.zeros((2, x.shape[1]), work)
    for part in blocks(images):
        h = cotangents[part].astype(work, copy=False)
        v = (images[part] - middle).reshape(h.shape)
        v *= h
        products += channel_sums(v)
        sums += channel_sums(h)
    return products, sums
