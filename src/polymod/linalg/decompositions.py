"""Decompositions of matrices. What their derivatives mean where vectors are free up to a phase, or values are equal,
is written at the top of `rules/decompositions.py`."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from ..ops import ops
from ..rules import primitives
from ..tensor import Tensor
from .inputs import floating, matrices


class QRResult(NamedTuple):
    Q: Tensor
    R: Tensor


class EigResult(NamedTuple):
    eigenvalues: Tensor
    eigenvectors: Tensor


class EighResult(NamedTuple):
    eigenvalues: Tensor
    eigenvectors: Tensor


class SVDResult(NamedTuple):
    U: Tensor
    S: Tensor
    Vh: Tensor


def cholesky(x: Any, /, *, upper: bool = False) -> Tensor:
    """The lower triangular L with x = L L^H, or the upper triangular U = L^H, of positive definite matrices.

    The Hermitian part of `x` is what is decomposed. Where it is not positive definite, the engine raises its error or
    gives NaN.
    """
    factor = primitives["cholesky"](matrices("cholesky", floating(x), square=True))
    if not upper:
        return factor
    factor = ops.matrix_transpose(factor)
    return ops.conj(factor) if factor.dtype.kind == "c" else factor


def qr(x: Any, /, *, mode: Literal["reduced", "complete"] = "reduced") -> QRResult:
    """x = Q R with orthonormal columns in Q and R upper triangular; x (..., m, n).

    Q is (..., m, k) and R (..., k, n), with k = min(m, n), or m where mode is "complete". The derivative needs the
    first k columns of `x` to be independent; it is an error of the engine (or inf) where they are not.
    """
    if mode not in ("reduced", "complete"):
        raise ValueError(f"mode must be 'reduced' or 'complete', received {mode!r}")
    return QRResult(*primitives["qr"](matrices("qr", floating(x)), mode=mode))


def eig(x: Any, /) -> EigResult:
    """Eigenvalues (..., n), in no order, and eigenvectors of length one (in columns) of matrices (..., n, n).

    Both are complex. Derivatives hold for functions that don't depend on the phases of the eigenvectors, at matrices
    with distinct eigenvalues.

    Raises:
        BackendError: the engine has no such function.
    """
    return EigResult(*primitives["eig"](matrices("eig", floating(x), square=True)))


def eigvals(x: Any, /) -> Tensor:
    """The eigenvalues (..., n), complex and in no order, of matrices (..., n, n).

    Raises:
        BackendError: the engine has no such function.
    """
    x = matrices("eigvals", floating(x), square=True)
    return primitives["eig"](x)[0]  # computed alone they may come in another order than with the vectors of the rule


def eigh(x: Any, /) -> EighResult:
    """Eigenvalues (..., n), real and ascending, and orthonormal eigenvectors (in columns) of the Hermitian part of
    matrices (..., n, n)."""
    return EighResult(*primitives["eigh"](matrices("eigh", floating(x), square=True)))


def eigvalsh(x: Any, /) -> Tensor:
    """The eigenvalues (..., n), real and ascending, of the Hermitian part of matrices (..., n, n)."""
    return primitives["eigvalsh"](matrices("eigvalsh", floating(x), square=True))


def svd(x: Any, /, *, full_matrices: bool = True) -> SVDResult:
    """x = U diag(S) Vh with orthonormal columns in U, orthonormal rows in Vh and S real and descending; x (..., m, n).

    U is (..., m, m) and Vh (..., n, n), or (..., m, k) and (..., k, n) with k = min(m, n) without `full_matrices`;
    S is (..., k).
    """
    return SVDResult(*primitives["svd"](matrices("svd", floating(x)), full_matrices=full_matrices))


def svdvals(x: Any, /) -> Tensor:
    """The singular values (..., min(m, n)), real and descending, of matrices (..., m, n). Where one is 0, so is its
    derivative."""
    return primitives["svdvals"](matrices("svdvals", floating(x)))
