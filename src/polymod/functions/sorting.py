"""Sorting."""

from __future__ import annotations

from typing import Any

from ..ops import ops
from ..rules import primitives
from ..tensor import Tensor, raw
from .manipulation import axes_tuple

__all__ = ["argsort", "sort"]


@ops.publish
def sort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The elements of `x` in ascending (or descending) order along `axis`.

    Each element carries its derivative to the place it came from; of equal elements the first in `x` counts as the
    first of the result, whether `stable` or not. Where NaNs go is the engine's choice.
    """
    (axis,) = axes_tuple(axis, raw(x).ndim)
    return primitives["sort"](x, axis=axis, descending=descending, stable=stable)


@ops.publish
def argsort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The positions along `axis` that put `x` in order; equal elements keep theirs if `stable`. Integers (int64)."""
    (axis,) = axes_tuple(axis, raw(x).ndim)
    return primitives["argsort"](x, axis=axis, descending=descending, stable=stable)
