"""Functions of an array's shape."""

from collections.abc import Callable
from math import prod
from typing import Any

import mlx.core as mx


def reshape(x: mx.array, shape: Any) -> mx.array:
    """MLX can't infer the -1 of an empty array."""
    shape = tuple(shape)
    if -1 in shape and not x.size:
        others = prod(size for size in shape if size != -1)
        shape = tuple((0 if not others else x.size // others) if size == -1 else size for size in shape)
    return mx.reshape(x, shape)


def take(x: mx.array, indices: mx.array, *, axis: int) -> mx.array:
    """MLX can't take from or to nothing."""
    shape = x.shape[: axis % x.ndim] + indices.shape + x.shape[axis % x.ndim + 1 :]
    return mx.take(x, indices, axis=axis) if prod(shape) else mx.zeros(shape, dtype=x.dtype)


def take_along_axis(x: mx.array, indices: mx.array, *, axis: int = -1) -> mx.array:
    if not indices.size:
        return mx.zeros(indices.shape, dtype=x.dtype)
    return mx.take_along_axis(x, indices, axis=axis)


shapes: dict[str, Callable[..., mx.array]] = {
    name: getattr(mx, name)
    for name in """broadcast_to concat expand_dims flip matrix_transpose permute_dims roll squeeze stack tril
        triu""".split()
}
shapes |= {"reshape": reshape, "take": take, "take_along_axis": take_along_axis}
