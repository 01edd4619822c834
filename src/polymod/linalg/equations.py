"""Systems of linear equations, inverses, determinants and ranks."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..errors import ShapeError
from ..ops import ops
from ..rules import primitives
from ..rules.determinants import rounding
from ..tensor import Tensor, raw
from .inputs import floating, matrices, together


class SlogdetResult(NamedTuple):
    sign: Tensor
    logabsdet: Tensor


def inv(x: Any, /) -> Tensor:
    """The inverse of square matrices (..., n, n). A singular one is the engine's error, or inf."""
    return primitives["inv"](matrices("inv", floating(x), square=True))


def solve(x1: Any, x2: Any, /) -> Tensor:
    """The x of x1 @ x = x2.

    Args:
        x1: square matrices (..., n, n).
        x2: a vector (n,), or matrices (..., n, k) whose leading axes broadcast with those of x1.

    Returns:
        x1^-1 @ x2, (..., n) or (..., n, k).

    Raises:
        ShapeError: the shapes don't fit. A singular matrix is the engine's error, or gives inf.
    """
    a, b = together(x1, x2)
    matrices("solve", a, square=True)
    if b.ndim == 0 or b.shape[-1 if b.ndim == 1 else -2] != a.shape[-1]:
        raise ShapeError(
            f"linalg.solve takes x1 (..., n, n) and x2 (n,) or (..., n, k), received {a.shape} and {b.shape}"
        )
    if b.ndim == 1:
        return ops.squeeze(primitives["solve"](a, ops.expand_dims(b, axis=-1)), axis=-1)
    return primitives["solve"](a, b)


def det(x: Any, /) -> Tensor:
    """The determinant of square matrices (..., n, n) -> (...).

    Its first two derivatives are right for singular matrices, too. They need singular values; where speed matters
    and no matrix is singular, slogdet is cheaper to differentiate.
    """
    return primitives["det"](matrices("det", floating(x), square=True))


def slogdet(x: Any, /) -> SlogdetResult:
    """The sign (a number of modulus 1 where complex) and the logarithm of the modulus of the determinant.

    A singular matrix has sign 0 and logarithm -inf, and its derivative is NaN unless the cotangent is 0.
    """
    return SlogdetResult(*primitives["slogdet"](matrices("slogdet", floating(x), square=True)))


def pinv(x: Any, /, *, rtol: Any = None) -> Tensor:
    """The Moore-Penrose pseudoinverse of matrices (..., m, n) -> (..., n, m).

    Args:
        x: matrices, real or complex.
        rtol: singular values up to rtol times the largest count as 0; a number, or an array with one per matrix. By
            default max(m, n) times the rounding error of the dtype. The derivative is that at constant rank.
    """
    x = matrices("pinv", floating(x))
    return primitives["pinv"](x, rtol=_tolerance(x) if rtol is None else raw(rtol))


def matrix_rank(x: Any, /, *, rtol: Any = None) -> Tensor:
    """How many singular values are greater than rtol (by default as for `pinv`) times the largest; integer."""
    s = primitives["svdvals"](matrices("matrix_rank", floating(x).detach()))
    if s.shape[-1] == 0:
        return ops.zeros(s.shape[:-1], dtype=ops.int64, device=s.device)
    if rtol is None:
        rtol = _tolerance(x)
    elif hasattr(rtol, "dtype"):
        rtol = ops.expand_dims(rtol, axis=-1)
    return ops.count_nonzero(s > rtol * ops.max(s, axis=-1, keepdims=True), axis=-1)


def _tolerance(x: Any) -> float:
    return max(x.shape[-2:]) * rounding(floating(x))
