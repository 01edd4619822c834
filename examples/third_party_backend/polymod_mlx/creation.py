"""Creation functions with the standard's arguments. They ignore `device`: see `host`."""

from typing import Any

import mlx.core as mx
import numpy as np

from .host import NUMPY, from_numpy, scalar


def zeros(shape: Any, *, dtype: Any = mx.float32, device: Any = None) -> mx.array:
    return mx.zeros(shape, dtype=dtype or mx.float32)


def ones(shape: Any, *, dtype: Any = mx.float32, device: Any = None) -> mx.array:
    return mx.ones(shape, dtype=dtype or mx.float32)


def full(shape: Any, value: Any, *, dtype: Any = None, device: Any = None) -> mx.array:
    return mx.full(shape, value if dtype is None or isinstance(value, mx.array) else scalar(value, dtype), dtype=dtype)


def arange(start: Any, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None) -> mx.array:
    """On the host where numbers are not whole: MLX adds the step up in the dtype's precision, NumPy multiplies."""
    if stop is None:
        start, stop = 0, start
    whole = all(isinstance(number, int) for number in (start, stop, step))
    dtype = dtype or (mx.int64 if whole else mx.float32)
    if whole and dtype in (mx.int32, mx.int64):
        return mx.arange(start, stop, step, dtype=dtype)
    return from_numpy(np.arange(start, stop, step).astype(NUMPY.get(dtype, np.float32))).astype(dtype)


def linspace(
    start: Any, stop: Any, n: int, *, dtype: Any = None, device: Any = None, endpoint: bool = True
) -> mx.array:
    """On the host: MLX knows no `endpoint`."""
    dtype = dtype or mx.float32
    values = np.linspace(start, stop, n, endpoint=endpoint)
    return from_numpy(values.astype(NUMPY.get(dtype, np.float32))).astype(dtype)


def eye(rows: int, columns: int | None = None, *, k: int = 0, dtype: Any = None, device: Any = None) -> mx.array:
    """By comparison: `mlx.core.eye` does not take empty matrices and diagonals outside of them."""
    columns = rows if columns is None else columns
    return (mx.arange(columns)[None, :] - mx.arange(rows)[:, None] == k).astype(dtype or mx.float32)


def asarray(x: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> mx.array:
    if isinstance(x, np.ndarray):
        # NumPy casts, as its array may be of a dtype that MLX lacks; bfloat16 is what NumPy lacks
        x = from_numpy(x if dtype not in NUMPY else x.astype(NUMPY[dtype], copy=False))
    elif not isinstance(x, mx.array):
        x = mx.array(x, dtype=dtype)
    elif copy:
        x = mx.array(x)
    return x if dtype is None or x.dtype == dtype else x.astype(dtype)


def zeros_like(x: mx.array, *, dtype: Any = None, device: Any = None) -> mx.array:
    return mx.zeros(x.shape, dtype=dtype or x.dtype)


def ones_like(x: mx.array, *, dtype: Any = None, device: Any = None) -> mx.array:
    return mx.ones(x.shape, dtype=dtype or x.dtype)


def full_like(x: mx.array, value: Any, *, dtype: Any = None, device: Any = None) -> mx.array:
    return full(x.shape, value, dtype=dtype or x.dtype)
