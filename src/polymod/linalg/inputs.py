"""What the functions of this package make of their arguments before they compute."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..errors import ShapeError
from ..ops import ops
from ..tensor import Tensor


def array(x: Any) -> Tensor:
    """`x`, a Tensor or an engine's array, as a Tensor."""
    return x if isinstance(x, Tensor) else ops.asarray(x)


def floating(x: Any) -> Tensor:
    """`x` as a Tensor of a floating dtype: its own, or the default for whole numbers and booleans."""
    x = array(x)
    return x if x.dtype.kind in "fc" else ops.astype(x, dtypes.default_float())


def together(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Both as Tensors of their common floating dtype."""
    a, b = floating(a), floating(b)
    if a.dtype == b.dtype:
        return a, b
    common = ops.result_type(a, b)
    return ops.astype(a, common, copy=False), ops.astype(b, common, copy=False)


def matrices(name: str, x: Tensor, *, square: bool = False) -> Tensor:
    """`x`, which `linalg.<name>` takes, if it holds matrices.

    Raises:
        ShapeError: it has fewer than two axes, or, where `square`, the last two differ in length.
    """
    if x.ndim < 2 or (square and x.shape[-1] != x.shape[-2]):
        expected = "(..., n, n)" if square else "(..., m, n)"
        raise ShapeError(f"linalg.{name} takes {'square ' if square else ''}matrices {expected}, received {x.shape}")
    return x
