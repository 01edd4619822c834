"""Normalisation: zero mean and unit variance over some axes, then a scale and a shift.

With v = (x - mean) / sqrt(var + eps) and y = v * weight + bias, and h = g * weight, the cotangent of x is

    (h - mean(h) - v * mean(h * v)) / sqrt(var + eps)

where the means are over the axes that were normalised (Ioffe and Szegedy 2015, Ba, Kiros and Hinton 2016, Ulyanov,
Vedaldi and Lempitsky 2016, Wu and He 2018). RMS norm leaves out the mean of x, and with it mean(h) (Zhang and
Sennrich 2019).
"""

from math import prod

from ..autograd.families import General, Joint
from ..backend import define
from .reductions import count

# ------------------------------------------------------------------------------- layer norm: over the last axes


def standardized(xp, x, axes, eps):
    """`x` with mean 0 and variance 1 over `axes`, and the factor 1 / sqrt(var + eps)."""
    centered = x - xp.mean(x, axis=axes, keepdims=True)
    scale = 1 / xp.sqrt(xp.mean(centered * centered, axis=axes, keepdims=True) + eps)
    return centered * scale, scale


def standardized_back(xp, h, v, scale, axes):
    """The cotangent of x in v, scale = standardized(x), for the cotangent `h` of v."""
    return (h - xp.mean(h, axis=axes, keepdims=True) - v * xp.mean(h * v, axis=axes, keepdims=True)) * scale


@define
def layer_norm(xp, x, weight=None, bias=None, *, axes, eps):
    """Normalise over the last axes, which `axes` counts from the end (-2, -1); weight and bias have their shape."""
    y, _ = standardized(xp, x, axes, eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


@define
def layer_norm_back(xp, g, x, weight, *, axes, eps):
    """The cotangents of x, weight and bias in `layer_norm`; None for a weight that is None."""
    v, scale = standardized(xp, x, axes, eps)
    rest = tuple(range(x.ndim - len(axes)))
    h = g if weight is None else g * weight
    dweight = None if weight is None else xp.sum(g * v, axis=rest)
    return standardized_back(xp, h, v, scale, axes), dweight, xp.sum(g, axis=rest)


def layer_norm_rule(xp, g, _y, x, weight=None, _bias=None, *, axes, eps):
    return xp.layer_norm_back(g, x, weight, axes=axes, eps=eps)


layer_norm = Joint(layer_norm_rule)


def unit_mean_square(xp, x, axes, eps):
    """`x` with mean square 1 over `axes`, and the factor that makes it so."""
    scale = 1 / xp.sqrt(xp.mean(x * x, axis=axes, keepdims=True) + eps)
    return x * scale, scale


@define
def rms_norm(xp, x, weight=None, *, axes, eps):
    """x / sqrt(mean(x * x) + eps) * weight, with the mean over the last axes, as in `layer_norm`."""
    y, _ = unit_mean_square(xp, x, axes, eps)
    return y if weight is None else y * weight


@define
def rms_norm_back(xp, g, x, weight, *, axes, eps):
    """The cotangents of x and weight in `rms_norm`; None for a weight that is None."""
    v, scale = unit_mean_square(xp, x, axes, eps)
    h = g if weight is None else g * weight
    dx = (h - v * xp.mean(h * v, axis=axes, keepdims=True)) * scale
    return dx, None if weight is None else xp.sum(g * v, axis=tuple(range(x.ndim - len(axes))))


rms_norm = Joint(lambda xp, g, _y, x, weight=None, *, axes, eps: xp.rms_norm_back(g, x, weight, axes=axes, eps=eps))

# -------------------------------------------------------------------- batch norm: over all axes but the channels


def others(x):
    """All axes but axis 1."""
    return (0, *range(2, x.ndim))


def along_channels(xp, v, ndim):
    """A vector (C,) in a shape that broadcasts over (N, C, ...)."""
    return xp.reshape(v, (1, -1, *(1,) * (ndim - 2)))


@define
def moments(xp, x):
    """The mean and the (biased) variance of each channel: (N, C, ...) -> (2, C)."""
    mean = xp.mean(x, axis=others(x), keepdims=True)
    distance = x - mean
    return xp.stack([xp.reshape(mean, (-1,)), xp.mean(distance * distance, axis=others(x))], axis=0)


def moments_rule(xp, g, y, x):
    n = count(x.shape, others(x))
    at = [along_channels(xp, part, x.ndim) for part in (g[0, ...] / n, g[1, ...] * 2 / n, y[0, ...])]
    return at[0] + at[1] * (x - at[2])


moments = General(moments_rule)


@define
def batch_norm(xp, x, statistics, weight=None, bias=None, *, eps):
    """Normalise each channel of x (N, C, ...) with its own `statistics`, which must be moments(x).

    They are an input because whoever keeps running statistics needs them too. The cotangent of x is the whole
    one, through the statistics as well, and theirs is None.
    """
    scale = 1 / xp.sqrt(statistics[1, ...] + eps)
    scale = scale if weight is None else scale * weight
    y = (x - along_channels(xp, statistics[0, ...], x.ndim)) * along_channels(xp, scale, x.ndim)
    return y if bias is None else y + along_channels(xp, bias, x.ndim)


@define
def batch_norm_back(xp, g, x, statistics, weight, *, eps):
    """The cotangents of x, weight and bias in `batch_norm`; None for a weight that is None."""
    n = count(x.shape, others(x))
    scale = along_channels(xp, 1 / xp.sqrt(statistics[1, ...] + eps), x.ndim)
    v = (x - along_channels(xp, statistics[0, ...], x.ndim)) * scale
    dbias = xp.sum(g, axis=others(x))
    dweight = xp.sum(g * v, axis=others(x))
    dx = g - along_channels(xp, dbias / n, x.ndim) - v * along_channels(xp, dweight / n, x.ndim)
    scale = scale if weight is None else scale * along_channels(xp, weight, x.ndim)
    return dx * scale, None if weight is None else dweight, dbias


def batch_norm_rule(xp, g, _y, x, statistics, weight=None, _bias=None, *, eps):
    dx, dweight, dbias = xp.batch_norm_back(g, x, statistics, weight, eps=eps)
    return dx, None, dweight, dbias


batch_norm = Joint(batch_norm_rule)

# ------------------------------------------------------------------------------- with statistics from elsewhere


@define
def channel_affine(xp, x, scale, shift):
    """x * scale + shift with a scale and a shift (C,) for each channel of x (N, C, ...)."""
    return x * along_channels(xp, scale, x.ndim) + along_channels(xp, shift, x.ndim)


@define
def channel_affine_back(xp, g, x, scale):
    """The cotangents of x, scale and shift in `channel_affine`."""
    return g * along_channels(xp, scale, x.ndim), xp.sum(g * x, axis=others(x)), xp.sum(g, axis=others(x))


channel_affine = Joint(lambda xp, g, _y, x, scale, _shift: xp.channel_affine_back(g, x, scale))

# ------------------------------------------------ group norm: over groups of channels of each example by itself


def grouped(xp, x, groups):
    """(N, C, ...) -> (N, groups, the elements of a group)"""
    return xp.reshape(x, (x.shape[0], groups, prod(x.shape[1:]) // groups))


@define
def group_norm(xp, x, weight=None, bias=None, *, groups, eps):
    """Normalise each group of channels of each example; x (N, C, ...), weight and bias (C,)."""
    y = xp.reshape(standardized(xp, grouped(xp, x, groups), (-1,), eps)[0], x.shape)
    y = y if weight is None else y * along_channels(xp, weight, x.ndim)
    return y if bias is None else y + along_channels(xp, bias, x.ndim)


@define
def group_norm_back(xp, g, x, weight, *, groups, eps):
    """The cotangents of x, weight and bias in `group_norm`; None for a weight that is None."""
    v, scale = standardized(xp, grouped(xp, x, groups), (-1,), eps)
    h = grouped(xp, g if weight is None else g * along_channels(xp, weight, x.ndim), groups)
    dx = xp.reshape(standardized_back(xp, h, v, scale, (-1,)), x.shape)
    dweight = None if weight is None else xp.sum(g * xp.reshape(v, x.shape), axis=others(x))
    return dx, dweight, xp.sum(g, axis=others(x))


def group_norm_rule(xp, g, _y, x, weight=None, _bias=None, *, groups, eps):
    return xp.group_norm_back(g, x, weight, groups=groups, eps=eps)


group_norm = Joint(group_norm_rule)
