"""Pooling over windows of the spatial axes of (N, C, *S), any number of them: sums and maxima.

`size` (of the window), `stride` and `dilation` are tuples with an entry per axis, `padding` has pairs
(before, after). Padding counts as 0 in sums and as -inf in maxima.
"""

from itertools import product
from math import inf, prod

from ..autograd.families import General, Linear
from ..autograd.primitive import Constant
from ..backend import define
from ..dtypes import dtype as dtype_of
from .indexing import along, indices_of
from .windows import even_windows, framed, output_size, spread, window_keys

BOTH = (slice(None), slice(None))  # the whole batch, all channels


@define
def sum_pool(xp, x, *, size, stride, padding):
    """The sum over each window: (N, C, *S) -> (N, C, *outputs). One axis after the other, since sums separate."""
    for axis, (k, s, pads) in enumerate(zip(size, stride, padding, strict=True), start=2):
        x = framed(xp, x, (pads, *((0, 0),) * (x.ndim - axis - 1)))
        outputs = output_size(x.shape[axis : axis + 1], (k,), (s,), ((0, 0),), (1,))
        first, *others = ((*(slice(None),) * axis, *key, ...) for key in window_keys((k,), (s,), (1,), outputs))
        total = x[first]
        for key in others:
            total = total + x[key]
        x = total
    return x


@define
def window_power(xp, x, *, exponent):
    """x**exponent"""
    return x**exponent


# Not the rule of `pow`, for which what no window reads, or has the cotangent 0, has no NaN: torch's power pooling has.
window_power = General(lambda xp, g, _y, x, exponent: g * (exponent * xp.window_power(x, exponent=exponent - 1)))


@define
def sum_pool_back(xp, g, *, size, stride, padding, shape):
    """The transpose of `sum_pool` over an array of spatial `shape`: sums over the spread-out `g`."""
    once = (1,) * len(size)
    g = spread(xp, g, shape, size, stride, padding, once)
    return xp.sum_pool(g, size=size, stride=once, padding=((0, 0),) * len(size))


sum_pool = Linear(
    lambda xp, g, _x, size, stride, padding: xp.sum_pool_back(
        g, size=size, stride=stride, padding=padding, shape=_x.shape[2:]
    )
)
sum_pool_back = Linear(
    lambda xp, g, _g, size, stride, padding, shape: xp.sum_pool(g, size=size, stride=stride, padding=padding)
)


@define
def adaptive_sum(xp, x, *, outputs):
    """The sum over each of `outputs` windows that divide the spatial axes evenly: (N, C, *S) -> (N, C, *outputs)."""
    for axis, o in enumerate(outputs, start=2):
        n = x.shape[axis]
        if n == o:
            continue
        if not n * o:
            x = xp.zeros((*x.shape[:axis], o, *x.shape[axis + 1 :]), dtype=x.dtype, device=x.device)
            continue
        lengths = [stop - start for start, stop in even_windows(n, o)]
        i = xp.arange(o, dtype=xp.int64, device=x.device)
        starts, lasts = i * n // o, ((i + 1) * n - 1) // o
        total = xp.take(x, starts, axis=axis)
        for j in range(1, max(lengths)):
            part = xp.take(x, xp.minimum(starts + j, lasts), axis=axis)
            if j >= min(lengths):
                inside = xp.reshape(starts + j <= lasts, (o,) + (1,) * (x.ndim - axis - 1))
                part = xp.where(inside, part, 0)
            total = total + part
        x = total
    return x


# Element h of n is in the windows that lie evenly over the o windows, as these do over the n elements.
adaptive_sum = Linear(lambda xp, g, _x, outputs: xp.adaptive_sum(g, outputs=_x.shape[2:]))


@define
def max_pool(xp, x, *, size, stride, padding, dilation):
    """The largest element of each window, NaN if there is one: (N, C, *S) -> (N, C, *outputs)."""
    outputs = output_size(x.shape[2:], size, stride, padding, dilation)
    x = walled(xp, x, padding)
    y = None
    for key in window_keys(size, stride, dilation, outputs):
        part = x[(*BOTH, *key)]
        y = part if y is None else xp.maximum(y, part)
    return y


@define
def max_pool_positions(xp, x, *, size, stride, padding, dilation):
    """Where in the flattened spatial axes of `x` each window has its (first) largest element: int64."""
    spatial = x.shape[2:]
    outputs = output_size(spatial, size, stride, padding, dilation)
    starts = []  # of the windows along each axis, as an array that broadcasts over `outputs`
    for axis, (o, s, (before, _)) in enumerate(zip(outputs, stride, padding, strict=True)):
        view = tuple(o if i == axis else 1 for i in range(len(outputs)))
        starts.append(xp.reshape(xp.arange(o, dtype=xp.int64, device=x.device) * s - before, view))

    def flattened(coordinates):
        position = coordinates[0]
        for n, c in zip(spatial[1:], coordinates[1:], strict=True):
            position = position * n + c
        return position

    # before anything is compared, the first element that is not padding
    inside = [xp.where(c < 0, c % d, c) for c, d in zip(starts, dilation, strict=True)]
    best = xp.broadcast_to(flattened(inside), (*x.shape[:2], *outputs))
    x = walled(xp, x, padding)
    top = xp.full(best.shape, lowest(x), dtype=x.dtype, device=x.device)
    offsets = product(*map(range, size))
    for offset, key in zip(offsets, window_keys(size, stride, dilation, outputs), strict=True):
        part = x[(*BOTH, *key)]
        better = (part > top) | (part != part)
        here = flattened([c + i * d for c, i, d in zip(starts, offset, dilation, strict=True)])
        best = xp.where(better, here, best)
        top = xp.where(better, part, top)
    return best


def lowest(x):
    """The value below all others of a dtype."""
    d = dtype_of(x.dtype)
    return -inf if d.kind == "f" else -(2 ** (d.bits - 1)) if d.kind == "i" else 0


def walled(xp, x, padding):
    """`x` with the lowest value around its spatial axes."""
    if not any(map(any, padding)):
        return x
    sizes = [n + before + after for n, (before, after) in zip(x.shape[2:], padding, strict=True)]
    inner = tuple(slice(before, before + n) for n, (before, _) in zip(x.shape[2:], padding, strict=True))
    wall = xp.full((*x.shape[:2], *sizes), lowest(x), dtype=x.dtype, device=x.device)
    return xp.index_set(wall, x, key=(*BOTH, *inner))


def winners_key(xp, x, windows):
    """The index expression of the winners in `x` with its spatial axes flattened, and its shape."""
    positions = xp.max_pool_positions(x, **windows)
    n, c = x.shape[:2]
    images = xp.reshape(xp.arange(n, dtype=xp.int64, device=x.device), (n, 1, 1))
    channels = xp.reshape(xp.arange(c, dtype=xp.int64, device=x.device), (1, c, 1))
    key = (images, channels, xp.reshape(positions, (n, c, prod(positions.shape[2:]))))
    return key, (n, c, prod(x.shape[2:]))


@define
def max_pool_back(xp, g, x, y, **windows):
    """The cotangent of `max_pool(x) = y`: each element of `g` goes to its window's first largest element."""
    key, flat = winners_key(xp, x, windows)
    g = xp.reshape(g, (*flat[:2], prod(g.shape[2:])))
    return xp.reshape(xp.index_back(g, key=key, shape=flat), x.shape)


@define
def max_pool_select(xp, v, x, y, **windows):
    """The transpose of `max_pool_back`: the elements of `v`, shaped like x, where each window of x is largest."""
    key, flat = winners_key(xp, x, windows)
    return xp.reshape(xp.index(xp.reshape(v, flat), key=key), y.shape)


def flat(xp, g, *_inputs, **_windows):
    """The cotangent of an input that only says which elements win: it does not change under small changes."""
    return


max_pool = General(lambda xp, g, y, x, **windows: xp.max_pool_back(g, x, y, **windows))
max_pool_positions = Constant()
max_pool_back = Linear(lambda xp, g, _g, x, y, **windows: xp.max_pool_select(g, x, y, **windows), flat, flat)
max_pool_select = Linear(lambda xp, g, _v, x, y, **windows: xp.max_pool_back(g, x, y, **windows), flat, flat)


@define
def unpool(xp, x, *, indices, length):
    """Each element of `x` at its place, `indices`, along a last axis of `length`, and 0 elsewhere."""
    y = xp.zeros((*x.shape[:-1], length), dtype=x.dtype, device=x.device)
    return xp.index_set(y, x, key=along(xp, indices, x.ndim - 1, x.shape))


# Elements that have the same place all get its cotangent, as in torch: they are copies of one maximum.
unpool = Linear(lambda xp, g, _x, indices, length: xp.take_along_axis(g, indices_of(indices), axis=-1))
