"""Reading and writing elements by an index expression, and gathering by positions."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

from .. import dtypes
from ..autograd.operands import with_examples_of
from ..backend import backend_of, find_owner
from ..errors import MixedDevicesError
from ..ops import ops
from ..rules import primitives
from ..tensor import Tensor, raw, wrap
from ..views import View

__all__ = [
    "getitem",
    "index_add",
    "setitem",
    "take",
    "take_along_axis",
]

_index, _index_set, _scatter_add = primitives["index"], primitives["index_set"], primitives["scatter_add"]


def _key(x: Any, key: Any) -> tuple[Any, bool]:
    """An index expression with engine arrays in it, completed to name every axis, and whether it has arrays."""
    parts = key if type(key) is tuple else tuple(key) if isinstance(key, tuple) else (key,)
    whole = []
    used = 0
    complete = has_arrays = False
    for k in parts:
        kind = type(k)
        if kind is slice:
            k = _slice(k)
            used += 1
        elif kind is int:
            used += 1
        elif k is Ellipsis:
            complete = True
        elif k is not None:
            k = _array_or_number(x, k)
            has_arrays = has_arrays or type(k) is not int
            used += k.ndim if _is_mask(k) else 1
        whole.append(k)
    if used > x.ndim:
        raise IndexError(f"too many indices: {used} for an array of shape {tuple(x.shape)}")
    if used < x.ndim and not complete:
        whole.append(Ellipsis)
    return whole[0] if len(whole) == 1 else tuple(whole), has_arrays


def _slice(k: slice) -> slice:
    """A slice whose bounds are Python integers; Tensors and NumPy integers become that."""
    bounds = (k.start, k.stop, k.step)
    if all(v is None or type(v) is int for v in bounds):
        return k
    return slice(*(None if v is None else index(v) for v in bounds))


def _is_mask(k: Any) -> bool:
    return hasattr(k, "dtype") and dtypes.dtype(k.dtype) is dtypes.bool_


def _array_or_number(x: Any, k: Any) -> Any:
    """What an index expression holds besides slices: an integer, or an engine's array of integers or booleans."""
    if isinstance(k, Tensor):
        k = k.array
    elif isinstance(k, np.integer):
        return int(k)
    elif isinstance(k, list | bool | np.bool):
        values = ops.asarray(k, device=wrap(x).device)
        k = raw(values if values.size else ops.astype(values, dtypes.int64))
    elif isinstance(k, int):
        return int(k)
    owner = find_owner(type(k))
    if owner is None:
        if hasattr(k, "__index__"):
            return index(k)
        raise TypeError(
            f"an index is an integer, slice, None, Ellipsis, integer array or boolean mask; received {type(k).__name__}"
        )
    if dtypes.dtype(k.dtype).kind not in "iub":
        raise IndexError(f"arrays in an index must be integers or booleans, received {dtypes.dtype(k.dtype)}")
    if owner is not backend_of(x) and owner.precedence <= backend_of(x).precedence == 0:
        raise MixedDevicesError(
            f"an array on {wrap(x).device} is indexed with one on {wrap(k).device}; move one of them"
        )
    return k


@ops.publish
def getitem(x: Any, key: Any) -> Tensor:
    """x[key]; trailing axes that are not named are taken whole."""
    whole, has_arrays = _key(raw(x), key)
    if has_arrays:
        return _index(_beside(x, whole), key=whole)
    result = _index(x, key=whole)
    if isinstance(x, Tensor) and result.array.ndim:
        result.view_of = View(x, key)
    return result


def _beside(x: Any, key: Any) -> Any:
    """`x` with the examples of `vmap` that index arrays have and it has not."""
    return with_examples_of(x, key if type(key) is tuple else (key,))


@ops.publish
def setitem(x: Any, key: Any, values: Any) -> Tensor:
    """A copy of `x` with `values` (cast to its dtype) at `key`."""
    array = raw(x)
    if not isinstance(values, Tensor):
        values = ops.asarray(
            values, dtype=array.dtype, device=wrap(array).device if not hasattr(values, "dtype") else None
        )
    if dtypes.dtype(values.array.dtype) is not dtypes.dtype(array.dtype):
        values = ops.astype(values, array.dtype)
    key, has_arrays = _key(array, key)
    return _index_set(_beside(x, key) if has_arrays else x, values, key=key)


@ops.publish
def index_add(x: Any, key: Any, values: Any) -> Tensor:
    """A copy of `x` with `values` added at x[key]; an element that is named several times gets every value."""
    key, has_arrays = _key(raw(x), key)
    return _scatter_add(_beside(x, key) if has_arrays else x, values, key=key)


@ops.publish
def take(x: Any, indices: Any, /, *, axis: int | None = None) -> Tensor:
    """The slices of `x` at the one-dimensional `indices` along `axis`."""
    if axis is None:
        if raw(x).ndim != 1:
            raise ValueError(f"axis must be given for an array of shape {tuple(raw(x).shape)}")
        axis = 0
    return primitives["take"](x, indices, axis=axis)


@ops.publish
def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Tensor:
    """For each position of `indices`, the element of `x` at that index along `axis`; other axes broadcast."""
    array, index = raw(x), raw(indices)
    ndim = array.ndim
    shape = [
        n if i == axis % ndim else max(n, m) if n and m else 0
        for i, (n, m) in enumerate(zip(array.shape, index.shape, strict=True))
    ]
    x = ops.broadcast_to(x, shape) if tuple(shape) != tuple(array.shape) else x
    shape[axis % ndim] = index.shape[axis]
    indices = ops.broadcast_to(indices, shape) if tuple(shape) != tuple(index.shape) else indices
    return primitives["take_along_axis"](x, indices, axis=axis)
