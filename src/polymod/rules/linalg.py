"""Products of matrices and vectors."""

from ..autograd.primitive import Bilinear, Linear, conj, unbroadcast
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
