"""Integer arrays that name classes or rows of a table, and the check that they name existing ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import dtypes
from ...backend import backend_of
from ...ops import ops
from ...tensor import Tensor, raw, wrap

_as_they_are = (dtypes.int64, dtypes.int32)


def integers(x: Any, name: str, like: Any = None) -> Tensor:
    """`x`, integers of any dtype or nested lists of them, as a Tensor of int64 or int32; lists go where `like` is.

    Raises:
        TypeError: they are not integers.
    """
    if isinstance(x, int | list | tuple):
        x = ops.asarray(x, device=None if like is None else wrap(raw(like)).device)
    tensor = x if isinstance(x, Tensor) else wrap(x)
    dtype = tensor.dtype
    if dtype in _as_they_are:
        return tensor
    if dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, received {dtype}; convert with .astype(polymod.int64)")
    return ops.astype(tensor, dtypes.int64)


def check_range(x: Tensor, count: int, name: str, besides: int | None = None) -> None:
    """Raise IndexError where an element is neither in [0, count) nor equal to `besides`.

    Only where the engine's arrays are in host memory: on a GPU, to look at the values would mean to wait for them.
    """
    values = on_host(x)
    if values is None or not values.size or (values.min() >= 0 and values.max() < count):
        return
    outside = (values < 0) | (values >= count)
    if besides is not None:
        outside &= values != besides
    if outside.any():
        first = tuple(int(i) for i in np.argwhere(outside)[0])
        also = "" if besides is None else f" or {besides} (ignored)"
        raise IndexError(
            f"{name} {int(values[first])} at position {first} is out of range: expected 0 to {count - 1}{also}"
        )


def on_host(x: Any) -> np.ndarray | None:
    """The values of `x`, a Tensor or an engine's array, where reading them means waiting for no device; else None."""
    array = raw(x)
    if not backend_of(array).capabilities.host_access:
        return None
    try:
        return np.asarray(array)
    except (TypeError, RuntimeError):  # this one is not in host memory, or is still being traced
        return None
