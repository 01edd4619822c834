"""Products of matrices and vectors, diagonals, systems of linear equations and inverses."""

import numpy as np

from ..autograd.families import Bilinear, General, Joint, Linear
from ..autograd.operands import conj, unbroadcast
from ..backend import define


def outer(xp, a, b):
    """a[..., i] * b[..., j]."""
    return xp.expand_dims(a, axis=-1) * xp.expand_dims(b, axis=-2)


def matmul_left(xp, g, _a, b):
    """The cotangent of `a` in a @ b."""
    b = conj(xp, b)
    if b.ndim == 1:
        c = g * b if len(_a.shape) == 1 else outer(xp, g, b)
    elif len(_a.shape) == 1:
        c = xp.squeeze(xp.matmul(xp.expand_dims(g, axis=-2), xp.matrix_transpose(b)), axis=-2)
    else:
        c = xp.matmul(g, xp.matrix_transpose(b))
    return unbroadcast(xp, c, _a.shape)


def matmul_right(xp, g, a, _b):
    """The cotangent of `b` in a @ b."""
    a = conj(xp, a)
    if a.ndim == 1:
        c = g * a if len(_b.shape) == 1 else outer(xp, a, g)
    elif len(_b.shape) == 1:
        c = xp.squeeze(xp.matmul(xp.matrix_transpose(a), xp.expand_dims(g, axis=-1)), axis=-1)
    else:
        c = xp.matmul(xp.matrix_transpose(a), g)
    return unbroadcast(xp, c, _b.shape)


matmul = Bilinear(matmul_left, matmul_right)
matrix_transpose = Linear(lambda xp, g, _x: xp.matrix_transpose(g))
vecdot = Bilinear(  # sum(conj(a) * b): linear in conj(a)
    lambda xp, g, _a, b, axis=-1: unbroadcast(xp, conj(xp, xp.expand_dims(g, axis=axis)) * b, _a.shape),
    lambda xp, g, a, _b, axis=-1: unbroadcast(xp, xp.expand_dims(g, axis=axis) * a, _b.shape),
)


@define
def linear(xp, x, weight, bias=None):
    """x @ weight.T + bias: the affine map of a layer, one operation so that it is recorded once.

    x (..., in), weight (out, in), bias (out,) -> (..., out)
    """
    y = xp.matmul(x, xp.matrix_transpose(weight))
    return y if bias is None else y + bias


@define
def linear_weight_back(xp, g, x):
    """The cotangent of `linear`'s weight: g.T @ x, with all axes but the last taken as one."""
    return xp.matmul(xp.matrix_transpose(rows(xp, g)), conj(xp, rows(xp, x)))


@define
def linear_bias_back(xp, g):
    """The cotangent of `linear`'s bias: g summed over all axes but the last."""
    return xp.sum(rows(xp, g), axis=0)


def rows(xp, x):
    """All axes but the last as one."""
    return x if x.ndim == 2 else xp.reshape(x, (-1, x.shape[-1]))


linear = Bilinear(
    lambda xp, g, _x, weight, *_bias: xp.matmul(g, conj(xp, weight)),
    lambda xp, g, x, _weight, *_bias: xp.linear_weight_back(g, x),
    lambda xp, g, _x, _weight, _bias: xp.linear_bias_back(g),
)


# ------------------------------------------------------------------------------------------------------ diagonals


@define
def diagonal(xp, x, *, offset=0):
    """`linalg.diagonal` of the standard: (..., m, n) -> (..., length)."""
    return xp.linalg.diagonal(x, offset=offset)


@define
def diagonal_back(xp, x, *, offset=0, shape):
    """The transpose of `diagonal`: (..., length) -> zeros (..., m, n) with `x` on the diagonal; shape = (m, n)."""
    m, n = shape
    flat = xp.zeros((*x.shape[:-1], m * n), dtype=x.dtype, device=x.device)
    if x.shape[-1]:
        start = offset if offset >= 0 else -offset * n
        stop = min(start + x.shape[-1] * (n + 1), m * n)
        flat = xp.index_set(flat, x, key=(..., slice(start, stop, n + 1)))
    return xp.reshape(flat, (*x.shape[:-1], m, n))


diagonal = Linear(lambda xp, g, _x, offset=0: xp.diagonal_back(g, offset=offset, shape=tuple(_x.shape[-2:])))
diagonal_back = Linear(lambda xp, g, _x, shape, offset=0: xp.diagonal(g, offset=offset))


# ------------------------------------------------------------------------------------------- equations and inverses


def adjoint(xp, x):
    """The conjugate transpose of the last two axes."""
    return xp.matrix_transpose(conj(xp, x))


@define
def inv(xp, x):
    """`linalg.inv` of the standard."""
    return xp.linalg.inv(x)


@define
def solve(xp, a, b):
    """The x of a @ x = b, of matrices: a (..., m, m), b (..., m, k), the leading axes broadcast."""
    batch = np.broadcast_shapes(tuple(a.shape[:-2]), tuple(b.shape[:-2]))  # not every engine broadcasts here
    if tuple(a.shape[:-2]) != batch:
        a = xp.broadcast_to(a, (*batch, *a.shape[-2:]))
    if tuple(b.shape[:-2]) != batch:
        b = xp.broadcast_to(b, (*batch, *b.shape[-2:]))
    return xp.linalg.solve(a, b)


def solve_cotangents(xp, g, y, a, _b):
    """Giles 2008, 2.2.3, for C = A^-1 B: b gets A^-H g, and a gets -(A^-H g) C^H."""
    at_b = xp.solve(adjoint(xp, a), g)
    at_a = -xp.matmul(at_b, adjoint(xp, y))
    return unbroadcast(xp, at_a, a.shape), unbroadcast(xp, at_b, _b.shape)


# Giles 2008, "Collected matrix derivative results for forward and reverse mode algorithmic differentiation", 2.2.3
inv = General(lambda xp, g, y, _x: -xp.matmul(adjoint(xp, y), xp.matmul(g, adjoint(xp, y))))
solve = Joint(solve_cotangents)


@define
def pinv(xp, x, *, rtol):
    """`linalg.pinv` of the standard; singular values up to rtol times the largest count as zero."""
    return xp.linalg.pinv(x, rtol=rtol)


def pinv_cotangent(xp, g, y, x):
    """Golub and Pereyra 1973, "The differentiation of pseudo-inverses and nonlinear least squares problems whose
    variables separate", eq. 4.12, for matrices of locally constant rank (elsewhere pinv is not even continuous):
    dY = -Y dX Y + Y Y^H dX^H (I - X Y) + (I - Y X) dX^H Y^H Y.
    """
    gh, yh = adjoint(xp, g), adjoint(xp, y)
    left = xp.matmul(xp.matmul(gh, y), yh)
    right = xp.matmul(yh, xp.matmul(y, gh))
    c = left - xp.matmul(x, xp.matmul(y, left)) + right - xp.matmul(xp.matmul(right, y), x)
    return c - xp.matmul(yh, xp.matmul(g, yh))


pinv = General(lambda xp, g, y, x, rtol: pinv_cotangent(xp, g, y, x))
