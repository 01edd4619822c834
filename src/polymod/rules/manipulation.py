"""Rearranging, joining and converting arrays: all linear, each with its transpose."""

from math import prod

from ..autograd.families import Joint, Linear
from ..autograd.operands import unbroadcast
from ..backend import define
from ..backend import move as move_array

reshape = Linear(lambda xp, g, _x, shape: xp.reshape(g, _x.shape))
squeeze = Linear(lambda xp, g, _x, axis: xp.reshape(g, _x.shape))
expand_dims = Linear(lambda xp, g, _x, axis: xp.reshape(g, _x.shape))
broadcast_to = Linear(lambda xp, g, _x, shape: unbroadcast(xp, g, _x.shape))
permute_dims = Linear(lambda xp, g, _x, axes: xp.permute_dims(g, inverse(axes)))
flip = Linear(lambda xp, g, _x, axis: xp.flip(g, axis=axis))
roll = Linear(lambda xp, g, _x, shift, axis: xp.roll(g, opposite(shift), axis=axis))
tril = Linear(lambda xp, g, _x, k: xp.tril(g, k=k))
triu = Linear(lambda xp, g, _x, k: xp.triu(g, k=k))


def inverse(axes):
    """The permutation that undoes `axes`."""
    return tuple(sorted(range(len(axes)), key=lambda i: axes[i] % len(axes)))


def opposite(shift):
    return -shift if isinstance(shift, int) else tuple(-s for s in shift)


def real_if(xp, g, dtype):
    """The real part of `g` where `dtype` is real."""
    complex_to_real = xp.isdtype(g.dtype, "complex floating") and not xp.isdtype(dtype, "complex floating")
    return xp.real(g) if complex_to_real else g


@define
def cast(xp, x, *, dtype):
    """`astype` of the standard, which takes the dtype by position only."""
    return xp.astype(x, dtype)


cast = Linear(lambda xp, g, _x, dtype: xp.astype(real_if(xp, g, _x.dtype), _x.dtype))


# the engines' concat and stack take a list; as primitives they take the arrays one by one
@define
def join(xp, *arrays, axis):
    """`concat` of the standard."""
    return xp.concat(list(arrays), axis=axis)


@define
def pile(xp, *arrays, axis):
    """`stack` of the standard."""
    return xp.stack(list(arrays), axis=axis)


def cut(xp, g, _y, *_arrays, axis):
    """The transpose of `join`: the piece of `g` that each array became."""
    if axis is None:
        pieces, start = [], 0
        for x in _arrays:
            stop = start + prod(x.shape)
            pieces.append(xp.reshape(g[start:stop], x.shape))
            start = stop
        return pieces
    before = (slice(None),) * (axis % len(_arrays[0].shape))
    pieces, start = [], 0
    for x in _arrays:
        stop = start + x.shape[len(before)]
        pieces.append(xp.index(g, key=(*before, slice(start, stop))))
        start = stop
    return pieces


def unpile(xp, g, _y, *_arrays, axis):
    """The transpose of `pile`: the slice of `g` that each array became."""
    before = (slice(None),) * (axis % g.ndim)
    return [xp.index(g, key=(*before, i)) for i in range(len(_arrays))]


join = Joint(cut)
pile = Joint(unpile)


@define
def copy(xp, x):
    """The same values in memory of their own."""
    return xp.asarray(x, copy=True)


copy = Linear(lambda xp, g, _x: g)


@define
def alias(xp, x):
    """`x` itself: a new place in the graph for the same array."""
    return x


alias = Linear(lambda xp, g, _x: g)


@define
def zero_pad(xp, x, *, widths):
    """`x` with `widths[i] = (before, after)` zeros put around axis i."""
    shape = tuple(n + before + after for n, (before, after) in zip(x.shape, widths, strict=True))
    inner = tuple(slice(before, before + n) for n, (before, _) in zip(x.shape, widths, strict=True))
    return xp.index_set(xp.zeros(shape, dtype=x.dtype, device=x.device), x, key=inner)


zero_pad = Linear(
    lambda xp, g, _x, widths: xp.index(
        g, key=tuple(slice(before, before + n) for n, (before, _) in zip(_x.shape, widths, strict=True))
    )
)


@define
def move(xp, x, *, target, source):
    """`x`, which is on the Device `source`, on the Device `target`, perhaps of another engine."""
    return move_array(x, target)


move = Linear(lambda xp, g, _x, target, source: xp.move(g, target=source, source=target))
