"""Activations, normalised exponentials and dropout."""

from math import pi, sqrt

from ..autograd.families import Elementwise, General, Linear
from ..backend import define


@define
def relu(xp, x):
    """max(x, 0); NaN stays NaN."""
    return xp.where(x <= 0, 0, x)


@define
def relu_back(xp, g, y):
    """`g` where the rectified `y` is above 0, exactly 0 elsewhere."""
    return xp.where(y > 0, g, 0)


@define
def sigmoid(xp, x):
    """1 / (1 + exp(-x)), written so that nothing overflows and small values keep their digits."""
    e = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, 1, e) / (1 + e)


@define
def softmax(xp, x, *, axis):
    """exp(x) / sum(exp(x)) along `axis`."""
    e = xp.exp(x - xp.max(x, axis=axis, keepdims=True))
    return e / xp.sum(e, axis=axis, keepdims=True)


@define
def masked_softmax(xp, x, *, axis):
    """`softmax`, but 0 along an axis where every element is -inf: what attention gives if nothing may be attended."""
    top = xp.max(x, axis=axis, keepdims=True)
    e = xp.exp(x - xp.where(top == -xp.inf, 0, top))
    total = xp.sum(e, axis=axis, keepdims=True)
    return e / xp.where(total == 0, 1, total)


@define
def softmax_back(xp, g, y, *, axis):
    """The cotangent of the input of `softmax` and `masked_softmax`, whose result is `y`."""
    return y * (g - xp.sum(g * y, axis=axis, keepdims=True))


@define
def log_softmax(xp, x, *, axis):
    """log(softmax(x)) along `axis`."""
    x = x - xp.max(x, axis=axis, keepdims=True)
    return x - xp.log(xp.sum(xp.exp(x), axis=axis, keepdims=True))


# ------------------------------------------------------------------------------------------------------- GELU
# D. Hendrycks and K. Gimpel, "Gaussian error linear units", arXiv:1606.08415: x Phi(x), with Phi the normal
# distribution function, and its approximation by tanh(TANH_SCALE (x + TANH_CUBE x**3)).

TANH_SCALE, TANH_CUBE = sqrt(2 / pi), 0.044715
SATURATED = 50.0  # the slope is exactly 0 or 1 from |x| = 39 on, and further out x**3 would overflow


@define
def gelu(xp, x, *, approximate="none"):
    """x times the probability that a standard normal variable is below x."""
    if approximate == "none":
        return x * (0.5 + 0.5 * xp.erf(x * sqrt(0.5)))
    z = xp.clip(x, -SATURATED, SATURATED)
    return x * (0.5 + 0.5 * xp.tanh(TANH_SCALE * z * (1 + TANH_CUBE * z * z)))


@define
def gelu_slope(xp, x, *, approximate="none"):
    """The derivative of `gelu`."""
    z = xp.clip(x, -SATURATED, SATURATED)
    if approximate == "none":
        return 0.5 + 0.5 * xp.erf(z * sqrt(0.5)) + z * (xp.exp(-0.5 * z * z) / sqrt(2 * pi))
    u = z * z
    t = xp.tanh(TANH_SCALE * z * (1 + TANH_CUBE * u))
    return 0.5 + 0.5 * t + z * (1 - t * t) * (0.5 * TANH_SCALE * (1 + 3 * TANH_CUBE * u))


# ---------------------------------------------------------------------------------------------------- dropout


@define
def dropout(xp, x, keep, *, scale):
    """`x` times `scale` where `keep`, a boolean array, is true, and 0 elsewhere."""
    return xp.where(keep, x * scale, 0)


relu = General(lambda xp, g, y, _x: xp.relu_back(g, y))  # 0 at 0
sigmoid = Elementwise(lambda xp, y, _x: y * (1 - y))
gelu = Elementwise(lambda xp, _y, x, approximate="none": xp.gelu_slope(x, approximate=approximate))
softmax = General(lambda xp, g, y, _x, axis: xp.softmax_back(g, y, axis=axis))
masked_softmax = General(lambda xp, g, y, _x, axis: xp.softmax_back(g, y, axis=axis))
log_softmax = General(lambda xp, g, y, _x, axis: g - xp.exp(y) * xp.sum(g, axis=axis, keepdims=True))
dropout = Linear(lambda xp, g, _x, keep, scale: xp.dropout(g, keep, scale=scale))
