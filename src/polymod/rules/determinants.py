"""Determinants, and cofactors as their derivative."""

from typing import Any

import numpy as np

from ..autograd.families import General, Joint
from ..autograd.operands import conj
from ..autograd.primitive import Constant
from ..backend import define
from ..dtypes import dtype as dtype_of
from .linalg import adjoint


def identity(xp, x):
    """The identity matrix of the size, dtype and device of the square matrices `x`."""
    return xp.eye(x.shape[-1], dtype=x.dtype, device=x.device)


def rounding(x: Any) -> float:
    """The distance from 1 to the next larger number in the precision of `x`."""
    return float(np.finfo(dtype_of(x.dtype).dtype).eps)


def each(xp, c):
    """A number per matrix, ready to multiply the matrices."""
    return xp.expand_dims(xp.expand_dims(c, axis=-1), axis=-1)


@define
def det(xp, x):
    """`linalg.det` of the standard."""
    return xp.linalg.det(x)


MOST_ZEROS = 6  # of the derivatives of a determinant of a matrix with k zero singular values the first k - 1 are 0


@define
def border(xp, x):
    """What, added to x in the upper left corner, makes a regular matrix of twice the size: [[0, U D], [D V^H, D - I]]
    where x = U S V^H and D is a diagonal matrix with 1 where S is zero or next to it, and 0 elsewhere."""
    u, s, vh = xp.svd(xp.where(xp.isfinite(x), x, 0), full_matrices=False)  # engines refuse NaN
    zero = xp.astype(s <= rounding(x) ** 0.5 * s[..., :1], x.dtype)
    top = u * xp.expand_dims(zero, axis=-2)
    left = xp.expand_dims(zero, axis=-1) * vh
    corner = xp.expand_dims(zero - 1, axis=-1) * identity(xp, x)
    return xp.concat(
        [xp.concat([xp.zeros_like(x), top], axis=-1), xp.concat([left, corner], axis=-1)],
        axis=-2,
    )


border = Constant()


def cofactor(xp, x):
    """The matrix of cofactors, d det(x) / d x_ij: det(x) x^-T where x is invertible, and right where it is not.

    It is computed so that its own derivatives are right, too. With the regular M = [[x, U D], [D V^H, D - I]] and
    N = M^-1, Jacobi's theorem on complementary minors (Horn and Johnson, "Matrix analysis", 0.8.4) says that
    det(x) = det(M) det(N22). The lower right block N22 has -1 on its diagonal and 0 beside it, but for the k rows and
    columns where D is 1: there stands a block Z, which is zero where x is singular. So det(N22) = (-1)^(n - k) e_k(Z),
    the elementary symmetric polynomial of Z's eigenvalues, and the adjugate of Z is the polynomial B_(k-1) of Faddeev
    and LeVerrier: B_0 = D, e_j = tr(Z B_(j-1)) / j, B_j = e_j D - Z B_(j-1). None of this divides by what may be zero,
    and it holds whatever U, V and D are, so these count as constants.
    """
    n = x.shape[-1]
    if n == 0:
        return x
    widths = ((0, 0),) * (x.ndim - 2) + ((0, n), (0, n))
    edge = xp.border(x)
    m = edge + xp.zero_pad(x, widths=widths)
    inverse = xp.inv(m)
    zero = 1 + xp.diagonal(edge[..., n:, n:])
    d = xp.expand_dims(zero, axis=-1) * identity(xp, x)
    z = xp.matmul(d, xp.matmul(inverse[..., n:, n:], d))
    k = xp.sum(xp.real(zero) if xp.isdtype(x.dtype, "complex floating") else zero, axis=-1)

    power, b = xp.ones_like(zero[..., 0]), xp.zeros_like(d)  # e_0 and B_-1
    symmetric, adjugate = xp.where(k == 0, power, 0), b
    for j in range(1, min(n, MOST_ZEROS) + 1):
        b = each(xp, power) * d - xp.matmul(z, b)
        power = xp.sum(xp.diagonal(xp.matmul(z, b)), axis=-1) / j
        symmetric = xp.where(k == j, power, symmetric)
        adjugate = xp.where(each(xp, k == j), b, adjugate)
    corner = xp.matmul(inverse[..., :n, n:], xp.matmul(adjugate, inverse[..., n:, :n]))
    result = each(xp, symmetric) * inverse[..., :n, :n] - corner
    odd = xp.remainder(n - k, 2) == 1
    factor = xp.det(m)
    return each(xp, xp.where(odd, -factor, factor)) * xp.matrix_transpose(result)


det = General(lambda xp, g, _y, x: each(xp, g) * conj(xp, cofactor(xp, x)))


@define
def slogdet(xp, x):
    """`linalg.slogdet` of the standard: the sign (of modulus 1 where complex) and log|det|; 0 and -inf if singular."""
    return tuple(xp.linalg.slogdet(x))


def slogdet_cotangent(xp, g, y, x):
    """d log det X = tr(X^-1 dX) (Giles 2008, 2.2.4), whose real part is d log|det X| and whose imaginary part turns the
    sign of a complex matrix. Singular matrices get NaN, except where the cotangent is 0."""
    sign, logarithm = y
    at_sign, at_logarithm = g.get(0), g.get(1)
    c = xp.zeros_like(sign) if at_logarithm is None else xp.astype(at_logarithm, sign.dtype, copy=False)
    if at_sign is not None and sign.dtype != logarithm.dtype:
        turned = at_sign * conj(xp, sign)
        c = c + 0.5 * (turned - conj(xp, turned))  # its imaginary part
    singular = sign == 0
    c = xp.where(singular & (c != 0), xp.nan, c)
    inverse = xp.inv(xp.where(each(xp, singular), identity(xp, x), x))
    return each(xp, c) * adjoint(xp, inverse)


slogdet = Joint(lambda xp, g, y, x: [slogdet_cotangent(xp, g, y, x)])
