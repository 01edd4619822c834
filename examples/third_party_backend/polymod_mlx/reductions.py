"""Reductions, sorting and searching, whose indices are int64 (MLX's are uint32)."""

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np

from .host import on_host


def arg_reduction(function: Callable[..., mx.array]) -> Callable[..., mx.array]:
    def run(x: mx.array, *, axis: int | None = None, keepdims: bool = False) -> mx.array:
        if axis is None:  # MLX's result has one axis then, if keepdims, and not all of them
            result = function(x.reshape(-1)).astype(mx.int64)
            return result.reshape((1,) * x.ndim) if keepdims else result
        return function(x, axis=axis, keepdims=keepdims).astype(mx.int64)

    return run


def of_nothing(function: Callable[..., mx.array], value: Any) -> Callable[..., mx.array]:
    """`function` with the result for an empty array filled in: MLX at times never ends for shape (0, 3) and axis 0."""

    def run(x: mx.array, *, axis: Any = None, keepdims: bool = False) -> mx.array:
        if x.size:
            return function(x, axis=axis, keepdims=keepdims)
        shape = np.empty(x.shape, bool).any(axis=axis, keepdims=keepdims).shape
        return mx.full(shape, value, dtype=mx.bool_ if isinstance(value, bool) else x.dtype)

    return run


def widened(function: Callable[..., mx.array]) -> Callable[..., mx.array]:
    """Small whole numbers add up to 64 bits in the standard, to 32 in MLX."""

    def run(x: mx.array, *, axis: Any = None, dtype: Any = None, **options: Any) -> mx.array:
        if dtype is None and not mx.issubdtype(x.dtype, mx.inexact):
            dtype = mx.uint64 if mx.issubdtype(x.dtype, mx.unsignedinteger) else mx.int64
        return function(x if dtype is None else x.astype(dtype), axis=axis, **options)

    return run


def count_nonzero(x: mx.array, *, axis: Any = None, keepdims: bool = False) -> mx.array:
    return of_nothing(mx.sum, 0)((x != 0).astype(mx.int64), axis=axis, keepdims=keepdims)


def argsort(x: mx.array, *, axis: int = -1, descending: bool = False, stable: bool = True) -> mx.array:
    """MLX sorts stably, but upwards only: downwards is upwards of the reversed array, read in reverse."""
    if not x.ndim:
        return mx.zeros((), dtype=mx.int64)
    if not x.size:
        return mx.zeros(x.shape, dtype=mx.int64)
    if not descending:
        return mx.argsort(x, axis=axis).astype(mx.int64)
    reverse = mx.argsort(mx.flip(x, axis), axis=axis).astype(mx.int64)
    return mx.flip(x.shape[axis] - 1 - reverse, axis)


def sort(x: mx.array, *, axis: int = -1, descending: bool = False, stable: bool = True) -> mx.array:
    if not x.ndim or not x.size:
        return x
    result = mx.sort(x, axis=axis)
    return mx.flip(result, axis) if descending else result


def searchsorted(x: mx.array, values: mx.array, *, side: str = "left") -> mx.array:
    return mx.searchsorted(x, values, side=side).astype(mx.int64)


def nonzero(x: mx.array) -> tuple[mx.array, ...]:
    """On the host: the shape depends on the values, which MLX does not do."""
    return on_host(np.nonzero)(x != 0)  # as NumPy can't read bfloat16


reductions: dict[str, Callable[..., Any]] = {name: getattr(mx, name) for name in ("all", "any", "max", "mean", "min")}
reductions |= {
    "all": of_nothing(mx.all, True),
    "any": of_nothing(mx.any, False),
    "mean": of_nothing(mx.mean, float("nan")),
    "argmax": arg_reduction(mx.argmax),
    "argmin": arg_reduction(mx.argmin),
    "argsort": argsort,
    "count_nonzero": count_nonzero,
    "cumulative_prod": widened(mx.cumprod),
    "cumulative_sum": widened(mx.cumsum),
    "isin": on_host(np.isin),
    "nonzero": nonzero,
    "searchsorted": searchsorted,
    "prod": widened(of_nothing(mx.prod, 1)),
    "sort": sort,
    "sum": widened(of_nothing(mx.sum, 0)),
}
