"""Activations, normalised exponentials and dropout."""

from math import pi, sqrt

from .. import draws  # noqa: F401 defines bernoulli_draw
from ..autograd.families import Elementwise, General, Linear
from ..backend import backend_of, define
from ..tensor import raw


@define
def relu(xp, x):
    """max(x, 0); NaN stays NaN."""
    return xp.where(x <= 0, 0, x)


@define
def relu_back(xp, g, y):
    """`g` where the rectified `y` is above 0, exactly 0 elsewhere."""
    return xp.where(y > 0, g, 0)


@define
def masked(xp, g, keep):
    """`g` where `keep` is true, exactly 0 elsewhere, also for an infinite `g`."""
    return xp.where(keep, g, 0)


@define
def sigmoid(xp, x):
    """1 / (1 + exp(-x)), for real numbers written so that nothing overflows and small values keep their digits."""
    if xp.isdtype(x.dtype, "complex floating"):
        return 1 / (1 + xp.exp(-x))
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


@define
def log_softmax_back(xp, g, y, *, axis):
    """The cotangent of the input of `log_softmax`, whose result is `y`."""
    return g - xp.exp(y) * xp.sum(g, axis=axis, keepdims=True)


# ------------------------------------------------------------------------------ of straight pieces, besides relu
# Written with bounds rather than choices, which take longer on CPUs. At a kink the slope is one of its two sides'.


@define
def leaky_relu(xp, x, *, negative_slope):
    """x above 0, negative_slope x below."""
    return xp.clip(x, 0.0, None) + xp.clip(x, None, 0.0) * negative_slope


@define
def prelu(xp, x, weight):
    """x above 0, weight x below."""
    return xp.clip(x, 0.0, None) + xp.clip(x, None, 0.0) * weight


@define
def threshold(xp, x, *, threshold, value):
    """x above the threshold, `value` elsewhere."""
    return xp.where(x <= threshold, value, x)


@define
def hardtanh(xp, x, *, low, high):
    """x within [low, high], else the nearer of the two."""
    return xp.clip(x, low, high)


SIXTH = 11184811 / 2**26  # torch's slope of hardsigmoid: 1 / 6 rounded to float32, in float64 as well


@define
def hardsigmoid(xp, x):
    """x / 6 + 1/2 within [-3, 3], 0 below and 1 above."""
    return xp.clip(x + 3, 0.0, 6.0) / 6


@define
def hardswish(xp, x):
    """x hardsigmoid(x)."""
    return x * (xp.clip(x + 3, 0.0, 6.0) / 6)


@define
def hardshrink(xp, x, *, width):
    """0 within [-width, width], x elsewhere."""
    return xp.masked(x, outside(xp, x, width))


@define
def softshrink(xp, x, *, width):
    """0 within [-width, width], elsewhere x moved towards 0 by `width`."""
    return x - xp.clip(x, -width, width)


def outside(xp, x, width):
    """True where |x| is above `width`, or NaN."""
    return ~((x >= -width) & (x <= width))


# The cotangents of their inputs.


@define
def leaky_relu_back(xp, g, x, *, negative_slope):
    """`g` where x is above 0, negative_slope `g` elsewhere."""
    return xp.masked(g, x > 0) + xp.masked(g * negative_slope, ~(x > 0))


@define
def threshold_back(xp, g, x, *, threshold):
    """`g` where x is above the threshold, exactly 0 elsewhere."""
    return xp.masked(g, ~(x <= threshold))


@define
def hardtanh_back(xp, g, x, *, low, high):
    """`g` where x is between `low` and `high`, exactly 0 elsewhere."""
    return xp.masked(g, ~((x <= low) | (x >= high)))


@define
def hardsigmoid_back(xp, g, x):
    """`g` / 6 where x is between -3 and 3, exactly 0 elsewhere."""
    return xp.masked(g * SIXTH, (x > -3) & (x < 3))


@define
def hardswish_back(xp, g, x):
    """`g` (x / 3 + 1/2) where x is between -3 and 3, exactly 0 below and `g` from 3 on."""
    return xp.masked(g * (x / 3 + 0.5), (x > -3) & (x < 3)) + xp.masked(g, ~(x < 3))


@define
def shrink_back(xp, g, x, *, width):
    """`g` where x is outside [-width, width], exactly 0 within."""
    return xp.masked(g, outside(xp, x, width))


# ------------------------------------------------------------------------------------------------- exponential


@define
def elu(xp, x, *, alpha, scale, rate):
    """scale x above 0, scale alpha (exp(rate x) - 1) below."""
    return xp.clip(x, 0.0, None) * scale + xp.expm1(xp.clip(x, None, 0.0) * rate) * (alpha * scale)


@define
def elu_slope(xp, x, *, alpha, scale, rate):
    """The derivative of `elu`; at 0 that of the left side, and there its own is 0."""
    left = alpha * scale * rate
    slope = left * xp.exp(xp.relu(-x) * -rate)
    return slope if left == scale else slope + (scale - left) * xp.astype(x > 0, x.dtype)


@define
def softplus(xp, x, *, beta, threshold):
    """log(1 + exp(beta x)) / beta, and x where beta x is above the threshold."""
    z = x * beta
    curve = xp.clip(z, 0.0, None) + xp.log1p(xp.exp(-xp.abs(z)))
    return xp.where(z > threshold, x, curve / beta)


@define
def softplus_slope(xp, x, *, beta, threshold):
    """The derivative of `softplus`."""
    z = x * beta
    return xp.where(z > threshold, 1, xp.sigmoid(z))


@define
def silu(xp, x):
    """x sigmoid(x)."""
    return x * xp.sigmoid(x)


@define
def silu_slope(xp, x):
    """The derivative of `silu`."""
    y = xp.sigmoid(x)
    return y * (1 + x * (1 - y))


@define
def glu(xp, x, *, axis):
    """a sigmoid(b), where a and b are the halves of `x` along `axis`."""
    a, b = halves(x, axis)
    return a * xp.sigmoid(b)


@define
def glu_back(xp, g, x, *, axis):
    """The cotangent of `glu`'s input."""
    a, b = halves(x, axis)
    y = xp.sigmoid(b)
    of_a = g * y
    return xp.concat([of_a, of_a * a * (1 - y)], axis=axis)


def halves(x, axis):
    """The first and the second half of `x` along `axis`, whose length is even."""
    before, half = (slice(None),) * (axis % x.ndim), x.shape[axis] // 2
    return x[(*before, slice(None, half), ...)], x[(*before, slice(half, None), ...)]


MISH_LINEAR = 40.0  # from here on mish(x) is x; exp(x)**2 is still a float32


@define
def mish(xp, x):
    """x tanh(log(1 + e)), where e = exp(x): x n / (n + 2) with n = e**2 + 2 e, which keeps the digits far below 0."""
    e = xp.exp(xp.clip(x, None, MISH_LINEAR))
    n = e * (e + 2)
    return x * (n / (n + 2))


@define
def mish_slope(xp, x):
    """The derivative of `mish`: n / (n + 2) + 4 x e (e + 1) / (n + 2)**2."""
    z = xp.clip(x, -SATURATED, MISH_LINEAR)
    e = xp.exp(z)
    n = e * (e + 2)
    return (n + z * (4 * e * (e + 1) / (n + 2))) / (n + 2)


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


# ------------------------------------------------------------------------------ cotangents, in one pass where
# an engine has a kernel for that


@define
def sigmoid_back(xp, g, y):
    """The cotangent of the input of `sigmoid`, whose result is `y`."""
    return g * (y * (1 - y))


@define
def tanh_back(xp, g, y):
    """The cotangent of the input of `tanh`, whose result is `y`."""
    return g * (1 - y * y)


@define
def elu_back(xp, g, x, **how):
    """The cotangent of the input of `elu`."""
    return g * xp.elu_slope(x, **how)


@define
def softplus_back(xp, g, x, **how):
    """The cotangent of the input of `softplus`."""
    return g * xp.softplus_slope(x, **how)


@define
def silu_back(xp, g, x):
    """The cotangent of the input of `silu`."""
    return g * xp.silu_slope(x)


@define
def mish_back(xp, g, x):
    """The cotangent of the input of `mish`."""
    return g * xp.mish_slope(x)


@define
def gelu_back(xp, g, x, *, approximate="none"):
    """The cotangent of the input of `gelu`."""
    return g * xp.gelu_slope(x, approximate=approximate)


# ---------------------------------------------------------------------------------------------------- dropout


@define
def dropout(xp, x, keep, *, scale):
    """`x` times `scale` where `keep`, a boolean array, is true, and 0 elsewhere."""
    return xp.where(keep, x * scale, 0)


@define
def random_dropout(xp, x, *, seed, draw, p, axes, scale, offset=None):
    """`dropout` by a draw (see `draws`): each element is 0 with probability `p`, together with all those that share its
    place on the first `axes` axes. No mask is kept: it is its own transpose, by the same draw."""
    array = raw(x)
    while hasattr(array, "depths"):  # examples draw the same
        array = array.value
    owner, shape = backend_of(array), (*x.shape[:axes], *(1,) * (x.ndim - axes))
    keep = owner.namespace.bernoulli_draw(seed, draw, shape, 1 - p, device=owner.device_of(array), offset=offset)
    return xp.dropout(x, keep, scale=scale)


relu = General(lambda xp, g, y, _x: xp.relu_back(g, y))  # 0 at 0
leaky_relu = General(lambda xp, g, _y, x, negative_slope: xp.leaky_relu_back(g, x, negative_slope=negative_slope))
prelu = Elementwise(lambda xp, _y, x, weight: xp.where(x > 0, 1, weight), lambda xp, _y, x, _w: xp.clip(x, None, 0.0))
threshold = General(lambda xp, g, _y, x, threshold, value: xp.threshold_back(g, x, threshold=threshold))
hardtanh = General(lambda xp, g, _y, x, low, high: xp.hardtanh_back(g, x, low=low, high=high))
hardsigmoid = General(lambda xp, g, _y, x: xp.hardsigmoid_back(g, x))
hardswish = General(lambda xp, g, _y, x: xp.hardswish_back(g, x))
hardshrink = General(lambda xp, g, _y, x, width: xp.shrink_back(g, x, width=width))
softshrink = General(lambda xp, g, _y, x, width: xp.shrink_back(g, x, width=width))
elu = Elementwise(
    lambda xp, _y, x, alpha, scale, rate: xp.elu_slope(x, alpha=alpha, scale=scale, rate=rate),
    floating=True,
    pulled=lambda xp, g, _y, x, **how: xp.elu_back(g, x, **how),
)
softplus = Elementwise(
    lambda xp, _y, x, beta, threshold: xp.softplus_slope(x, beta=beta, threshold=threshold),
    floating=True,
    pulled=lambda xp, g, _y, x, **how: xp.softplus_back(g, x, **how),
)
sigmoid = Elementwise(lambda xp, y, _x: y * (1 - y), floating=True, pulled=lambda xp, g, y, _x: xp.sigmoid_back(g, y))
silu = Elementwise(lambda xp, _y, x: xp.silu_slope(x), floating=True, pulled=lambda xp, g, _y, x: xp.silu_back(g, x))
glu = General(lambda xp, g, _y, x, axis: xp.glu_back(g, x, axis=axis))
mish = Elementwise(lambda xp, _y, x: xp.mish_slope(x), floating=True, pulled=lambda xp, g, _y, x: xp.mish_back(g, x))
gelu = Elementwise(
    lambda xp, _y, x, approximate="none": xp.gelu_slope(x, approximate=approximate),
    floating=True,
    pulled=lambda xp, g, _y, x, **how: xp.gelu_back(g, x, **how),
)
softmax = General(lambda xp, g, y, _x, axis: xp.softmax_back(g, y, axis=axis))
masked_softmax = General(lambda xp, g, y, _x, axis: xp.softmax_back(g, y, axis=axis))
log_softmax = General(lambda xp, g, y, _x, axis: xp.log_softmax_back(g, y, axis=axis))
dropout = Linear(lambda xp, g, _x, keep, scale: xp.dropout(g, keep, scale=scale))
random_dropout = Linear(lambda xp, g, _x, **how: xp.random_dropout(g, **how))
