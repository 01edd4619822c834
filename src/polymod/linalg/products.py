"""Products of vectors and matrices, powers, diagonals and traces. All are made of operations with derivatives."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..ops import ops
from ..rules import primitives
from ..tensor import Tensor
from .inputs import array, floating, matrices


def outer(x1: Any, x2: Any, /) -> Tensor:
    """x1[i] * x2[j] of two vectors, (m,) and (n,) -> (m, n); nothing is conjugated.

    Raises:
        ShapeError: an input is no vector.
    """
    x1, x2 = array(x1), array(x2)
    if x1.ndim != 1 or x2.ndim != 1:
        raise ShapeError(f"linalg.outer takes two vectors (n,), received {x1.shape} and {x2.shape}")
    return x1[:, None] * x2[None, :]


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Tensor:
    """The cross product of vectors of three elements along `axis`; the other axes broadcast.

    Raises:
        ShapeError: an input has not three elements along `axis`.
    """
    x1, x2 = array(x1), array(x2)
    for x in (x1, x2):
        if not -x.ndim <= axis < x.ndim or x.shape[axis] != 3:
            raise ShapeError(f"linalg.cross takes 3 elements along axis {axis}, received {x1.shape} and {x2.shape}")
    if axis != -1:
        x1, x2 = ops.moveaxis(x1, axis, -1), ops.moveaxis(x2, axis, -1)
    product = ops.roll(x1 * ops.roll(x2, -1, axis=-1) - ops.roll(x1, -1, axis=-1) * x2, -1, axis=-1)
    return product if axis == -1 else ops.moveaxis(product, -1, axis)


def matrix_power(x: Any, n: int, /) -> Tensor:
    """The n-th power of square matrices (..., m, m); of the inverse if n is negative; the identity if n is 0.

    Raises:
        ShapeError: `x` is not square.
        TypeError: `n` is no integer.
    """
    if not isinstance(n, int):
        raise TypeError(f"the power must be an integer, received {n!r}")
    x = matrices("matrix_power", array(x), square=True)
    if n == 0:
        unit = ops.eye(x.shape[-1], dtype=x.dtype, device=x.device)
        return ops.where(ops.asarray(True, device=x.device), unit, x)  # a function of x with derivative 0
    if n < 0:
        x = primitives["inv"](floating(x))
    power, result = abs(n), None
    while power:
        if power & 1:
            result = x if result is None else result @ x
        power >>= 1
        x = x @ x if power else x
    return ops.copy(result) if n == 1 else result  # type: ignore[return-value]


def diagonal(x: Any, /, *, offset: int = 0) -> Tensor:
    """The elements x[..., i, i + offset]: (..., m, n) -> (..., length)."""
    return primitives["diagonal"](matrices("diagonal", array(x)), offset=offset)


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Tensor:
    """The sum of the elements x[..., i, i + offset]: (..., m, n) -> (...). Sums as `sum` does, in `dtype`."""
    return ops.sum(primitives["diagonal"](matrices("trace", array(x)), offset=offset), axis=-1, dtype=dtype)
