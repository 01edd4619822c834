"""Random numbers made on the GPU, bit by bit those of `polymod.philox`, and dropout that keeps no mask."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import cupy
import numpy as np

import polymod.draws  # noqa: F401 the portable definitions
from polymod.philox import Shape, largest_below, threshold

from .launch import CTYPES, TYPES, kernel, launch, textbook
from .scatter import sorted_order

THREADS = 256
BLOCKS = 132 * 16  # a few for each multiprocessor of a large GPU; the threads go on from there
UNIT = 1 << 64


def _run(
    name: str, types: tuple[str, ...], first: tuple, per: int, seed: int, draw: int, offset: Any, *more: Any
) -> None:
    """Launch a kernel that makes `per` elements of each block of words; `first` are its arrays, then the count."""
    count = first[0].size
    if count:
        blocks = -(-count // (per * THREADS))
        words = np.uint64(seed), np.uint64(draw), 0 if offset is None else offset
        launch(kernel("random", name, *types), min(blocks, BLOCKS), THREADS, *first, count, *words, *more)


def uniform_draw(
    seed: int, draw: int, shape: Shape, dtype: Any, low: float, high: float, *, device: Any, offset: Any = None
) -> Any:
    dtype = np.dtype(dtype)
    if dtype == np.float32 and (_tiny(high - low) or _tiny(low)):
        return textbook("uniform_draw", seed, draw, shape, dtype, low, high, device=device, offset=offset)
    with device:
        out = cupy.empty(shape, dtype)
        types, per = (TYPES[dtype.name],), 2 if dtype == np.float64 else 4
        if (low, high) == (0.0, 1.0):
            _run("uniform01", types, (out,), per, seed, draw, offset)
        else:
            most = float(largest_below(high, dtype)) if low < high else np.inf
            _run("uniform", types, (out,), per, seed, draw, offset, *map(np.float64, (low, high - low, most)))
        return out


def normal_draw(
    seed: int, draw: int, shape: Shape, dtype: Any, mean: float, std: float, *, device: Any, offset: Any = None
) -> Any:
    dtype = np.dtype(dtype)
    if dtype == np.float32 and (_tiny(mean) or _tiny(std)):
        return textbook("normal_draw", seed, draw, shape, dtype, mean, std, device=device, offset=offset)
    with device:
        out = cupy.empty(shape, dtype)
        per = 2 if dtype == np.float64 else 4
        _run("normal", (TYPES[dtype.name],), (out,), per, seed, draw, offset, np.float64(mean), np.float64(std))
        return out


def integers_draw(
    seed: int, draw: int, low: int, high: int, shape: Shape, dtype: Any, *, device: Any, offset: Any = None
) -> Any:
    n = high - low
    with device:
        out = cupy.empty(shape, dtype)
        name, per = ("integers", 2) if n <= 1 << 32 else ("large_integers", 1)
        bounds = np.uint64(low % UNIT), np.uint64(n % UNIT)
        _run(name, (CTYPES[out.dtype.name],), (out,), per, seed, draw, offset, *bounds)
        return out


def seed_draw(seed: int, draw: int, *, device: Any, offset: Any = None) -> Any:
    with device:
        pair = cupy.empty(1, np.uint64)
        _run("pairs", (), (pair,), 2, seed, draw, offset)
        return pair


def permutation_draw(seed: int, draw: int, n: int, *, device: Any, offset: Any = None) -> Any:
    with device:
        pairs = cupy.empty(n, np.uint64)
        _run("pairs", (), (pairs,), 2, seed, draw, offset)
        return sorted_order(pairs, UNIT)[1].astype(np.int64)


def bernoulli_draw(seed: int, draw: int, shape: Shape, p: float, *, device: Any, offset: Any = None) -> Any:
    t = threshold(p)
    with device:
        out = cupy.empty(shape, np.bool_)
        _run("bernoulli", (), (out,), 8, seed, draw, offset, np.uint32(t >> 16), np.uint32(t & 0xFFFF))
        return out


def random_dropout(
    x: cupy.ndarray, *, seed: int, draw: int, p: float, axes: int, scale: float, offset: Any = None
) -> Any:
    if x.dtype.name not in TYPES or prod(x.shape[axes:]) != 1:  # of channels: the mask is small
        how = {"seed": seed, "draw": draw, "p": p, "axes": axes, "scale": scale, "offset": offset}
        return textbook("random_dropout", x, **how)
    t = threshold(1 - p)
    with x.device:
        x = cupy.ascontiguousarray(x)
        if x.data.ptr % 16:
            x = x.copy()
        y = cupy.empty(x.shape, x.dtype)
        bits = np.uint32(t >> 16), np.uint32(t & 0xFFFF)
        rounded = float(x.dtype.type(scale))  # as the array libraries do with numbers
        factor = (np.float64 if x.dtype == np.float64 else np.float32)(rounded)
        _run("random_dropout", (TYPES[x.dtype.name],), (x, y), 8, seed, draw, offset, *bits, factor)
        return y


def _tiny(x: float) -> bool:
    """Whether the GPU, which takes numbers below float32's normal ones for 0, may do so with multiples of `x`."""
    return 0 < abs(x) < 2.0**-60


kernels: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (uniform_draw, normal_draw, integers_draw, seed_draw, permutation_draw, bernoulli_draw, random_dropout)
}
