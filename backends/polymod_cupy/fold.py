"""The columns of a convolution and their transpose, by one kernel each."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import prod
from typing import Any

import cupy
import numpy as np

from polymod.rules.windows import Pairs, Sizes, output_size

from .launch import CTYPES, kernel, launch, textbook

THREADS = 256
AXES = 3  # that the kernels are made for
SMALL = 1 << 31


@lru_cache(maxsize=1024)
def windows(
    inputs: Sizes, outputs: Sizes, size: Sizes = (), stride: Sizes = (), padding: Pairs = (), dilation: Sizes = ()
) -> np.void:
    """The kernels' `Windows`, for up to three axes."""
    before = tuple(a for a, _ in padding)
    parts = ((inputs, 1), (outputs, 1), (size, 1), (stride, 1), (before, 0), (dilation, 1))
    numbers = [n for given, rest in parts for n in (*(rest,) * (AXES - len(given)), *given)]
    return np.array(numbers, np.int32).view("V72")[0]


def index_type(*counts: int) -> str:
    """The type for positions in arrays of so many elements."""
    return "int" if max(counts) < SMALL else "index_t"


def served(*arrays: Any) -> bool:
    """Whether the kernels are made for these arrays."""
    return all(a.dtype.name in CTYPES and a.dtype.name != "bool" for a in arrays) and arrays[0].ndim - 2 <= AXES


def run(file: str, name: str, types: tuple[str, ...], arrays: tuple, count: int, *more: Any, per: int = 1) -> None:
    """Launch a kernel of `count` elements, each made by `per` threads."""
    if count:
        launch(kernel(file, name, *types), -(-count * per // THREADS), THREADS, *arrays, count, *more)


def im2col(x: cupy.ndarray, *, size: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes) -> cupy.ndarray:
    if not served(x) or x.ndim < 3:
        return textbook("im2col", x, size=size, stride=stride, padding=padding, dilation=dilation)
    n, c, *spatial = x.shape
    outputs = output_size(tuple(spatial), size, stride, padding, dilation)
    with x.device:
        x = cupy.ascontiguousarray(x)
        columns = cupy.empty((n, c * prod(size), prod(outputs)), x.dtype)
        types = CTYPES[x.dtype.name], index_type(x.size, columns.size)
        geometry = windows(tuple(spatial), outputs, size, stride, padding, dilation)
        run("fold", "im2col", types, (x, columns), n * c * prod(outputs), geometry)
        return columns


def col2im(
    columns: cupy.ndarray, *, shape: Sizes, size: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes
) -> cupy.ndarray:
    if not served(columns) or not 1 <= len(shape) <= AXES:
        how: dict[str, Any] = {"size": size, "stride": stride, "padding": padding, "dilation": dilation}
        return textbook("col2im", columns, shape=shape, **how)
    shape = tuple(shape)
    outputs = output_size(shape, size, stride, padding, dilation)
    with columns.device:
        columns = cupy.ascontiguousarray(columns)
        x = cupy.empty((columns.shape[0], columns.shape[1] // prod(size), *shape), columns.dtype)
        types = CTYPES[x.dtype.name], index_type(x.size, columns.size)
        geometry = windows(shape, outputs, size, stride, padding, dilation)
        run("fold", "col2im", types, (columns, x), x.size, geometry)
        return x


kernels: dict[str, Callable[..., Any]] = {f.__name__: f for f in (im2col, col2im)}
