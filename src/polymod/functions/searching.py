"""Positions of elements, and choosing between arrays by a condition."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..backend import backend_of
from ..ops import ops
from ..rules import primitives
from ..tensor import Tensor, raw, wrap
from .data_types import astype, result_type

__all__ = ["argmax", "argmin", "count_nonzero", "nonzero", "searchsorted", "where"]

_number = int | float | complex


@ops.publish
def argmax(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The position of the (first) largest element along `axis`, or in the flattened array; int64."""
    return primitives["argmax"](x, axis=axis, keepdims=keepdims)


@ops.publish
def argmin(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The position of the (first) smallest element along `axis`, or in the flattened array; int64."""
    return primitives["argmin"](x, axis=axis, keepdims=keepdims)


@ops.publish
def count_nonzero(x: Any, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
    """How many elements over `axis` are not zero; int64."""
    return primitives["count_nonzero"](x, axis=axis, keepdims=keepdims)


@ops.publish
def nonzero(x: Any, /) -> tuple[Tensor, ...]:
    """The positions of the elements that are not zero, an int64 array per axis."""
    array = raw(x)
    return tuple(wrap(i) for i in backend_of(array).namespace.nonzero(array))


@ops.publish
def searchsorted(x1: Any, x2: Any, /, *, side: str = "left", sorter: Any = None) -> Tensor:
    """Where each element of `x2` would go in `x1` so that it stays sorted; int64, of the shape of `x2`.

    Args:
        x1: (n,), in ascending order, or put in that order by `sorter`.
        x2: values of any shape, or a number.
        side: "left" for the place before elements equal to the value, "right" for the one behind them.
        sorter: (n,) integers, as from argsort.
    """
    if side not in ("left", "right"):
        raise ValueError(f'side must be "left" or "right", received {side!r}')
    if isinstance(x2, _number):
        x2 = ops.asarray(x2, dtype=result_type(x1, x2), device=wrap(raw(x1)).device)
    if sorter is not None:
        x1 = ops.take(x1, sorter, axis=0)
    common = result_type(x1, x2)
    x1, x2 = astype(x1, common, copy=False), astype(x2, common, copy=False)
    return astype(primitives["searchsorted"](x1, x2, side=side), dtypes.int64, copy=False)


@ops.publish
def where(condition: Any, x1: Any, x2: Any, /) -> Tensor:
    """`x1` where `condition` holds, else `x2`. The derivative of the branch not taken is exactly 0."""
    if isinstance(x1, _number) or isinstance(x2, _number):
        x1, x2 = _with_array(condition, x1, x2)
    return primitives["where"](condition, x1, x2)


def _with_array(condition: Any, x1: Any, x2: Any) -> tuple[Any, Any]:
    """The branches of `where`, one of them a number, with an array among them whose dtype is the result's."""
    both = isinstance(x1, _number) and isinstance(x2, _number)
    array, number = (x1 + x2, x1 + x2) if both else (x2, x1) if isinstance(x1, _number) else (x1, x2)
    if not both and (dtypes.dtype(raw(array).dtype).kind in "fc" or not isinstance(number, float | complex)):
        return x1, x2
    if both and isinstance(x1, bool) and isinstance(x2, bool):
        number = True
    dtype = dtypes.dtype(type(number))
    if both:
        return ops.full((), x1, dtype=dtype, device=wrap(raw(condition)).device), x2
    whole = astype(array, dtype)
    return (x1, whole) if array is x2 else (whole, x2)
