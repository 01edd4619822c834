"""Reading and writing elements by an index expression, and gathering along an axis.

A `key` is what stands between the brackets of x[key], with the engine's arrays in it; it is an attribute, since
nothing is differentiated with respect to a position.
"""

from math import prod
from typing import Any

from ..autograd.families import Linear
from ..autograd.operands import fit
from ..backend import define
from ..dtypes import dtype as dtype_of


def basic(key: Any) -> bool:
    """True for a key of integers, slices, None and Ellipsis only, which names no element twice."""
    return not any(hasattr(k, "dtype") for k in (key if isinstance(key, tuple) else (key,)))


def may_repeat(key: Any) -> bool:
    """Whether the key has arrays of integers; masks name no element twice."""
    arrays = [k for k in (key if isinstance(key, tuple) else (key,)) if hasattr(k, "dtype")]
    return any(dtype_of(k.dtype).kind != "b" for k in arrays)


@define
def index(xp, x, *, key):
    """x[key]"""
    return x[key]


@define
def index_set(xp, x, values, *, key):
    """A copy of x after x[key] = values."""
    result = xp.copy(x)
    result[key] = values
    return result


@define
def index_back(xp, g, *, key, shape):
    """The transpose of `index`: zeros of `shape` with `g` added at `key`."""
    zeros = xp.zeros(shape, dtype=g.dtype, device=g.device)
    return xp.index_set(zeros, g, key=key) if basic(key) else xp.index_add(zeros, key, g)


index = Linear(lambda xp, g, _x, key: xp.index_back(g, key=key, shape=_x.shape))
index_back = Linear(lambda xp, g, _g, key, shape: xp.index(g, key=key))
index_set = Linear(
    lambda xp, g, _x, _values, key: xp.index_set(g, xp.zeros((), dtype=g.dtype, device=g.device), key=key),
    lambda xp, g, _x, _values, key: value_cotangent(xp, g, key, _values),
)


def value_cotangent(xp, g, key, values):
    """What `values` have from `g` at `key`; for one number written by a mask nothing depends on the mask's count."""
    mask = key[0] if isinstance(key, tuple) and len(key) == 1 else key
    if len(values.shape) == 0 and hasattr(mask, "dtype") and not may_repeat(mask):
        return xp.sum(xp.where(xp.reshape(mask, (*mask.shape, *(1,) * (g.ndim - mask.ndim))), g, 0))
    return fit(xp, written(xp, g, key), values)


def written(xp, g, key):
    """`g` at `key`; of the values written to the same element only the one that stayed has a cotangent."""
    taken = xp.index(g, key=key)
    if not may_repeat(key) or 0 in taken.shape:
        return taken
    numbers = xp.reshape(xp.arange(prod(taken.shape), device=g.device), taken.shape)
    stayed = xp.index_set(xp.zeros(g.shape, dtype=numbers.dtype, device=g.device), numbers, key=key)
    return xp.where(xp.index(stayed, key=key) == numbers, taken, 0)


@define
def scatter_add(xp, x, values, *, key):
    """A copy of x with values added at x[key]; an element named several times gets every value."""
    return xp.index_add(x, key, values)


scatter_add = Linear(
    lambda xp, g, _x, _values, key: g,
    lambda xp, g, _x, _values, key: fit(xp, xp.index(g, key=key), _values),
)


def along(xp, indices, axis, shape):
    """The index expression that reads `indices` along `axis` of an array of `shape` (as take_along_axis does)."""
    key = []
    for i, n in enumerate(shape):
        if i == axis % len(shape):
            key.append(indices)
        else:
            view = [1] * len(shape)
            view[i] = n
            key.append(indices_of(xp.reshape(xp.arange(n, device=indices.device), tuple(view))))
    return tuple(key)


take = Linear(
    lambda xp, g, _x, indices, axis: xp.index_back(
        g, key=(slice(None),) * (axis % len(_x.shape)) + (indices_of(indices),), shape=_x.shape
    )
)
take_along_axis = Linear(
    lambda xp, g, _x, indices, axis: xp.index_back(
        g, key=along(xp, indices_of(indices), axis, _x.shape), shape=_x.shape
    )
)


index.masks = index_set.masks = take.masks = take_along_axis.masks = True


def indices_of(indices):
    """An index array as it goes into a key: keys hold engine arrays, never Tensors."""
    return getattr(indices, "array", indices)
