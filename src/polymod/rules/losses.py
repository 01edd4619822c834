"""Losses, each one operation with its gradient in closed form.

Class scores `x` have the classes on axis 1, after the batch, or on axis 0 where there is no batch; `target` holds
class numbers and has the shape of `x` without that axis. `reduction` is "none", "sum" or "mean".
"""

from math import prod

from ..autograd.families import Elementwise, General, Linear
from ..backend import define

# ------------------------------------------------------------------------------------------------ class numbers


def class_axis(ndim):
    return 0 if ndim == 1 else 1


def along_classes(xp, values, ndim):
    """A vector with a value per class in a shape that broadcasts against the scores."""
    return values if ndim <= 2 else xp.reshape(values, (-1, *(1,) * (ndim - 2)))


def one_hot(xp, target, shape):
    """True in the class that is the target's; of `shape`, the scores' own."""
    device = getattr(target, "device", None)  # an array that an engine is tracing has none
    classes = xp.arange(shape[class_axis(len(shape))], dtype=target.dtype, device=device)
    return xp.expand_dims(target, axis=class_axis(len(shape))) == along_classes(xp, classes, len(shape))


def shares(xp, target, weight, like, shape, ignore_index):
    """What each target counts: the weight of its class (1 without weights), 0 if it is ignored, NaN if it is no class.

    The NaN is for engines on which the targets can't be looked at without waiting for them.
    """
    inside = (target >= 0) & (target < shape[class_axis(len(shape))])
    if weight is None:
        share = xp.astype(inside, like.dtype)
    else:
        by_class = xp.where(one_hot(xp, target, shape), along_classes(xp, weight, len(shape)), 0)
        share = xp.sum(by_class, axis=class_axis(len(shape)))
    return xp.where(target == ignore_index, 0, xp.where(inside, share, xp.nan))


def reduced(xp, losses, share, reduction):
    if reduction == "none":
        return losses
    total = xp.sum(losses)
    return total if reduction == "sum" else total / xp.sum(share)


def per_target(xp, g, share, reduction):
    """The cotangent of each target's loss, `share` included, for the cotangent `g` of the reduced loss."""
    # exactly 0 for what does not count, also where nothing does and the mean is 0 / 0
    return xp.where(share == 0, 0, g * (share / xp.sum(share)) if reduction == "mean" else g * share)


@define
def nll_loss(xp, x, target, weight=None, *, ignore_index, reduction):
    """The negative of the log-probability `x` of each target's class."""
    share = shares(xp, target, weight, x, x.shape, ignore_index)
    picked = xp.sum(xp.where(one_hot(xp, target, x.shape), x, 0), axis=class_axis(x.ndim))
    losses = xp.where(share == 0, 0, -picked * share)
    return reduced(xp, losses, share, reduction)


@define
def nll_loss_back(xp, g, target, weight, *, shape, ignore_index, reduction):
    """The cotangent of the log-probabilities, which have `shape`."""
    share = per_target(xp, g, shares(xp, target, weight, g, shape, ignore_index), reduction)
    share = xp.expand_dims(share, axis=class_axis(len(shape)))
    return xp.where(one_hot(xp, target, shape), -share, 0)


@define
def cross_entropy(xp, x, target, weight=None, *, ignore_index, reduction, label_smoothing):
    """The negative log-softmax of the scores `x` at each target's class; with label smoothing, that plus the mean over
    all classes, in the proportion (1 - label_smoothing) to label_smoothing (C. Szegedy et al., arXiv:1512.00567)."""
    logs = xp.log_softmax(x, axis=class_axis(x.ndim))
    if label_smoothing == 0:
        return xp.nll_loss(logs, target, weight, ignore_index=ignore_index, reduction=reduction)
    share = shares(xp, target, weight, x, x.shape, ignore_index)
    picked = xp.sum(xp.where(one_hot(xp, target, x.shape), logs, 0), axis=class_axis(x.ndim))
    weighted = logs if weight is None else logs * along_classes(xp, weight, x.ndim)
    spread = xp.sum(weighted, axis=class_axis(x.ndim)) * (label_smoothing / x.shape[class_axis(x.ndim)])
    spread = xp.where(xp.isnan(share), share, spread)
    losses = xp.where(target == ignore_index, 0, -(1 - label_smoothing) * picked * share - spread)
    return reduced(xp, losses, share, reduction)


@define
def cross_entropy_back(xp, g, x, target, weight, *, ignore_index, reduction, label_smoothing):
    """The cotangent of the scores: that of their log-softmax, through it."""
    axis, classes = class_axis(x.ndim), x.shape[class_axis(x.ndim)]
    probability = xp.softmax(x, axis=axis)
    logs = xp.nll_loss_back(g, target, weight, shape=tuple(x.shape), ignore_index=ignore_index, reduction=reduction)
    cotangent = logs - probability * xp.sum(logs, axis=axis, keepdims=True)
    if label_smoothing == 0:
        return cotangent
    share = shares(xp, target, weight, x, x.shape, ignore_index)
    spread = g / xp.sum(share) if reduction == "mean" else g
    spread = xp.expand_dims(xp.where(target == ignore_index, 0, spread), axis=axis)
    if weight is None:
        difference = classes * probability - 1
    else:
        difference = xp.sum(weight) * probability - along_classes(xp, weight, x.ndim)
    return (1 - label_smoothing) * cotangent + label_smoothing / classes * spread * difference


nll_loss = Linear(
    lambda xp, g, _x, target, weight=None, **how: xp.nll_loss_back(g, target, weight, shape=_x.shape, **how)
)
nll_loss_back = Linear(lambda xp, g, _g, target, weight=None, shape=None, **how: xp.nll_loss(g, target, weight, **how))
cross_entropy = General(
    lambda xp, g, _y, x, target, weight=None, **how: xp.cross_entropy_back(g, x, target, weight, **how)
)

# ---------------------------------------------------------------------------------------------- other losses

LEAST_LOG, LEAST_VARIANCE = -100.0, 9.999999960041972e-13  # torch's; the second is 1e-12 in float32


@define
def mse_loss(xp, x, target, *, reduction):
    """The squared difference of two arrays of one shape."""
    losses = xp.square(x - target)
    return losses if reduction == "none" else xp.sum(losses) if reduction == "sum" else xp.mean(losses)


def mse_slope(xp, g, x, target, reduction):
    return (x - target) * (g * (2 / (prod(x.shape) or 1) if reduction == "mean" else 2))


mse_loss = General(
    lambda xp, g, _y, x, target, reduction: mse_slope(xp, g, x, target, reduction),
    lambda xp, g, _y, x, target, reduction: -mse_slope(xp, g, x, target, reduction),
)


@define
def huber_error(xp, x, *, width):
    """x**2 / 2 where |x| < width, width (|x| - width / 2) elsewhere."""
    near = xp.clip(x, -width, width)
    return near * (x - 0.5 * near)


@define
def huber_error_slope(xp, x, *, width):
    """The derivative of `huber_error`: x as far as `width`, constant beyond."""
    return xp.clip(x, -width, width)


huber_error = Elementwise(lambda xp, _y, x, width: xp.huber_error_slope(x, width=width))
huber_error_slope = Elementwise(lambda xp, _y, x, width: xp.astype(xp.abs(x) < width, x.dtype))  # 0 at the width itself


@define
def binary_cross_entropy(xp, x, target):
    """-(target log(x) + (1 - target) log(1 - x)), elementwise, where no logarithm counts as less than LEAST_LOG."""
    return (target - 1) * xp.clip(xp.log1p(-x), LEAST_LOG, None) - target * xp.clip(xp.log(x), LEAST_LOG, None)


binary_cross_entropy = Elementwise(  # in x: finite at 0 and 1, as torch has it
    lambda xp, _y, x, target: (x - target) / xp.clip(x * (1 - x), LEAST_VARIANCE, None),
    lambda xp, _y, x, _target: -xp.logit(x),
)


@define
def bce_with_logits(xp, x, target, pos_weight=1.0):
    """-(pos_weight target log(s) + (1 - target) log(1 - s)) with s = sigmoid(x), without overflow, elementwise."""
    return (1 - target) * x - (1 + (pos_weight - 1) * target) * xp.log_expit(x)


bce_with_logits = Elementwise(
    lambda xp, _y, x, target, pos_weight=1.0: (1 - target) - (1 + (pos_weight - 1) * target) * (1 - xp.sigmoid(x)),
    lambda xp, _y, x, _target, pos_weight=1.0: -x - (pos_weight - 1) * xp.log_expit(x),
    lambda xp, _y, x, target, _pos_weight: -target * xp.log_expit(x),
)
