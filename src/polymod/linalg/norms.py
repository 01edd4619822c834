"""Norms of vectors and matrices. At kinks the derivative is a subgradient: 0 where the norm is 0, shared where several
elements, rows, columns or singular values are the largest or the smallest."""

from __future__ import annotations

import math
from typing import Any

from ..ops import ops
from ..rules import primitives
from ..tensor import Tensor
from .inputs import floating, matrices

Axis = int | tuple[int, ...] | None


def vector_norm(x: Any, /, *, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> Tensor:
    """The norm of the vectors along `axis`, real.

    Args:
        x: any shape; complex numbers count with their absolute value.
        axis: the axis or axes whose elements make a vector; None for all.
        keepdims: keep these axes with length one.
        ord: p for sum(|x|**p) ** (1/p), of any sign; inf for the largest, -inf for the smallest absolute value, 0 for
            the number of elements that are not 0 (its derivative is 0).
    """
    x = floating(x)
    over: dict[str, Any] = {"axis": axis, "keepdims": keepdims}
    if ord == 2:
        return ops.flat_sqrt(ops.sum(_squares(x), **over))
    size = ops.abs(x)
    if ord == 0:
        return ops.sum(ops.sign(size), **over)
    if ord == 1:
        return ops.sum(size, **over)
    if ord == math.inf:
        return ops.max(size, **over)
    if ord == -math.inf:
        return ops.min(size, **over)
    # where an element is 0 its power has derivative 0, and so has the root where the sum is
    zero = size == 0
    total = ops.sum(ops.where(zero, 0.0 if ord > 0 else math.inf, ops.where(zero, 1.0, size) ** ord), **over)
    zero = total == 0
    return ops.where(zero, 0.0 if ord > 0 else math.inf, ops.where(zero, 1.0, total) ** (1 / ord))


def _squares(x: Tensor) -> Tensor:
    if x.dtype.kind == "f":
        return x * x
    a, b = ops.real(x), ops.imag(x)
    return a * a + b * b


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Tensor:
    """The norm of matrices (..., m, n) -> (...), real.

    Args:
        x: matrices, real or complex.
        keepdims: keep the last two axes with length one.
        ord: "fro" (or None) for the root of the sum of squares; "nuc" for the sum, 2 for the largest and -2 for the
            smallest of the singular values; 1 and -1 for the largest and the smallest sum of absolute values of a
            column, inf and -inf of a row.

    Raises:
        ShapeError: `x` has fewer than two axes.
        ValueError: `ord` is none of these.
    """
    x = matrices("matrix_norm", floating(x))
    if ord in ("fro", None):
        return vector_norm(x, axis=(-2, -1), keepdims=keepdims)
    if ord in ("nuc", 2, -2):
        s = primitives["svdvals"](x)
        pick = {"nuc": ops.sum, 2: ops.max, -2: ops.min}[ord]
        return ops.expand_dims(pick(s, axis=-1, keepdims=True), axis=-1) if keepdims else pick(s, axis=-1)
    if ord in (1, -1, math.inf, -math.inf):
        summed, picked = (-2, -1) if abs(ord) == 1 else (-1, -2)
        sums = ops.sum(ops.abs(x), axis=summed, keepdims=True)
        result = (ops.max if ord > 0 else ops.min)(sums, axis=picked, keepdims=True)
        return result if keepdims else ops.squeeze(result, axis=(-2, -1))
    raise ValueError(f"ord must be 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, received {ord!r}")
