"""Reductions over axes: sums, products, extrema, and running sums.

`axis` is None (all axes), an integer or a tuple; the public functions have made it one of these.
"""

import math
from typing import Any

from ..autograd.families import General, Linear
from ..autograd.operands import conj
from ..autograd.primitive import Constant
from ..backend import define


def restore(xp, g, shape, axis, keepdims):
    """Give `g`, the cotangent of a reduction over `axis`, its reduced axes back with length one."""
    if keepdims or g.ndim == len(shape):
        return g
    if axis is None:
        return xp.reshape(g, (1,) * len(shape))
    axes = {a % len(shape) for a in ((axis,) if isinstance(axis, int) else axis)}
    return xp.reshape(g, tuple(1 if i in axes else n for i, n in enumerate(shape)))


def spread(xp, g, shape, axis, keepdims):
    """The transpose of a sum over `axis`."""
    return xp.broadcast_to(restore(xp, g, shape, axis, keepdims), shape)


def count(shape: Any, axis: Any) -> int:
    """How many elements a reduction over `axis` takes together."""
    return math.prod(shape if axis is None else [shape[a] for a in ((axis,) if isinstance(axis, int) else axis)])


def winners(xp, g, y, x, axis, keepdims):
    """The cotangent of max and min: shared equally by the elements that attain them."""
    y = restore(xp, y, x.shape, axis, keepdims)
    attains = xp.astype((x == y) | ((x != x) & (y != y)), g.dtype)
    share = attains / xp.sum(attains, axis=axis, keepdims=True)
    return restore(xp, g, x.shape, axis, keepdims) * share


sum = Linear(lambda xp, g, _x, axis=None, keepdims=False: spread(xp, g, _x.shape, axis, keepdims))
mean = Linear(
    lambda xp, g, _x, axis=None, keepdims=False: spread(xp, g / (count(_x.shape, axis) or 1), _x.shape, axis, keepdims)
)
max = General(lambda xp, g, y, x, axis=None, keepdims=False: winners(xp, g, y, x, axis, keepdims))
min = General(lambda xp, g, y, x, axis=None, keepdims=False: winners(xp, g, y, x, axis, keepdims))
prod = General(lambda xp, g, _y, x, axis=None, keepdims=False: products_of_others(xp, g, x, axis, keepdims))


def products_of_others(xp, g, x, axis, keepdims):
    """d prod / d x_i is the product of all other elements, computed without dividing, so zeros are no exception."""
    ndim = x.ndim
    axes = tuple(range(ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    axes = tuple(a % ndim for a in axes)
    if count(x.shape, axes) == 0:
        return xp.zeros_like(x)
    rest = tuple(a for a in range(ndim) if a not in axes)
    moved = xp.permute_dims(x, rest + axes)
    flat = xp.reshape(moved, (*moved.shape[: len(rest)], count(x.shape, axes)))
    ones = xp.ones_like(flat[..., :1])
    before = xp.concat([ones, cumulative_product(xp, flat[..., :-1])], axis=-1)
    after = xp.flip(xp.concat([ones, cumulative_product(xp, xp.flip(flat, axis=-1)[..., :-1])], axis=-1), axis=-1)
    others = xp.reshape(before * after, moved.shape)
    back = tuple((rest + axes).index(i) for i in range(ndim))
    return restore(xp, g, x.shape, axes, keepdims) * conj(xp, xp.permute_dims(others, back))


def cumulative_product(xp, x):
    """Running product along the last axis, by doubling: log2(n) multiplications of whole arrays."""
    n, step = x.shape[-1], 1
    while step < n:
        x = xp.concat([x[..., :step], x[..., step:] * x[..., :-step]], axis=-1)
        step *= 2
    return x


cumulative_sum = Linear(lambda xp, g, _x, axis: xp.flip(xp.cumulative_sum(xp.flip(g, axis=axis), axis=axis), axis=axis))
cumulative_prod = General(lambda xp, g, y, x, axis: products_but_one(xp, g, y, x, axis))


def products_but_one(xp, g, y, x, axis):
    """The cotangent of a running product y, without dividing, so zeros are no exception.

    y_k contains x_i for k >= i, so it is y_(i-1) r_i with r_i = sum over k >= i of g_k x_(i+1) ... x_k. The r follow
    from the last to the first by r_i = g_i + x_(i+1) r_(i+1), here by doubling, in log2(n) steps.
    """
    n, axis = x.shape[axis], axis % x.ndim
    before = (slice(None),) * axis

    def part(a, start, stop):
        return xp.index(a, key=(*before, slice(start, stop), ...))

    if n == 0:
        return g
    edge = part(xp.ones_like(x), 0, 1)
    r, factor = g, conj(xp, xp.concat([part(x, 1, n), edge], axis=axis))
    step = 1
    while step < n:
        r = xp.concat(
            [part(r, 0, n - step) + part(factor, 0, n - step) * part(r, step, n), part(r, n - step, n)], axis=axis
        )
        factor = xp.concat([part(factor, 0, n - step) * part(factor, step, n), part(factor, n - step, n)], axis=axis)
        step *= 2
    return r * conj(xp, xp.concat([edge, part(y, 0, n - 1)], axis=axis))


@define
def logsumexp(xp, x, *, axis=None, keepdims=False):
    """log(sum(exp(x))) without overflow; -inf where every element is -inf, or there is none."""
    if 0 in x.shape:
        return xp.log(xp.sum(xp.exp(x), axis=axis, keepdims=keepdims))
    top = xp.max(xp.real(x) if xp.isdtype(x.dtype, "complex floating") else x, axis=axis, keepdims=True)
    top = xp.where(xp.isfinite(top), top, xp.zeros_like(top))
    total = xp.log(xp.sum(xp.exp(x - top), axis=axis, keepdims=True)) + top
    if keepdims:
        return total
    axes = tuple(range(x.ndim)) if axis is None else axis
    return xp.squeeze(total, axis=axes)


logsumexp = General(
    lambda xp, g, y, x, axis=None, keepdims=False: (
        restore(xp, g, x.shape, axis, keepdims) * conj(xp, xp.exp(x - restore(xp, y, x.shape, axis, keepdims)))
    )
)

max.masks = min.masks = True
argmax, argmin = Constant(), Constant()
all, any = Constant(), Constant()
count_nonzero = Constant()
