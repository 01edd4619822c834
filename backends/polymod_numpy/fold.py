"""Columns of windows, and their transpose."""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.lib.stride_tricks import as_strided

from polymod.rules.windows import Pairs, Sizes, output_size, window_keys

BOTH = (slice(None), slice(None))  # the whole batch, all channels


def im2col(x: np.ndarray, *, size: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes) -> np.ndarray:
    outputs = output_size(x.shape[2:], size, stride, padding, dilation)
    if any(map(any, padding)):
        x = np.pad(x, ((0, 0), (0, 0), *padding))
    spatial = x.strides[2:]
    windows = as_strided(
        x,
        (*x.shape[:2], *size, *outputs),
        (
            *x.strides[:2],
            *(a * d for a, d in zip(spatial, dilation, strict=True)),
            *(a * s for a, s in zip(spatial, stride, strict=True)),
        ),
        writeable=False,
    )
    return np.array(windows, order="C").reshape(x.shape[0], x.shape[1] * prod(size), prod(outputs))


def col2im(
    columns: np.ndarray, *, shape: Sizes, size: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes
) -> np.ndarray:
    outputs = output_size(shape, size, stride, padding, dilation)
    n, c = columns.shape[0], columns.shape[1] // prod(size)
    columns = columns.reshape(n, c, prod(size), *outputs)
    frame = tuple(before + s + after for s, (before, after) in zip(shape, padding, strict=True))
    total = np.zeros((n, c, *frame), columns.dtype)
    for k, key in enumerate(window_keys(size, stride, dilation, outputs)):
        total[(*BOTH, *key)] += columns[:, :, k]
    return total[(*BOTH, *(slice(before, before + s) for s, (before, _) in zip(shape, padding, strict=True)))]
