"""Logarithms that meet zeros: x log y, entropies, and the logistic function's logarithm and inverse.

0 log 0 counts as 0, and so does its slope where the true one does not exist; where the true slope is infinite
(`entr`, `rel_entr` and `kl_div` in x at x = 0), it is infinite here as in torch and JAX.
"""

from ..autograd.families import Elementwise
from ..backend import define
from .special import horner

ATANH = tuple(1 / (2 * k + 3) for k in range(18))[::-1]  # DLMF 4.6.4, highest power first


@define
def logit(xp, p):
    """log(p / (1 - p)), with all digits near p = 1/2; -inf at 0, inf at 1, NaN outside. Relative error 2e-16."""
    inside = (p > 0.3) & (p < 0.65)
    centre = 2 * (xp.where(inside, p, 0.5) - 0.5)
    return xp.where(inside, xp.log1p(centre) - xp.log1p(-centre), xp.log(p) - xp.log1p(-p))


@define
def log_expit(xp, x):
    """log(1 / (1 + exp(-x))): relative error 2e-16 in float64."""
    return xp.clip(x, None, 0.0) - xp.log1p(xp.exp(-xp.abs(x)))


@define
def xlogy(xp, x, y):
    """x log(y), and 0 where x is 0 and y is not NaN."""
    none = (x == 0) & (y == y)
    return xp.where(none, 0, x * xp.log(xp.where(none, 1, y)))


@define
def xlog1py(xp, x, y):
    """x log(1 + y), and 0 where x is 0 and y is not NaN."""
    none = (x == 0) & (y == y)
    return xp.where(none, 0, x * xp.log1p(xp.where(none, 0, y)))


@define
def entr(xp, x):
    """-x log(x), 0 at 0, -inf below."""
    return xp.where(x < 0, -xp.inf, -xp.xlogy(x, xp.where(x < 0, 1, x)))


@define
def rel_entr(xp, x, y):
    """x log(x / y) for positive x and y, 0 where x = 0 and y >= 0, inf elsewhere."""
    regular, none = (x > 0) & (y > 0), (x == 0) & (y >= 0)
    value = xp.where(regular, x, 1) * log_ratio(xp, xp.where(regular, x, 1), xp.where(regular, y, 1))
    value = xp.where(regular, value, xp.where(none, xp.zeros_like(value), xp.inf))
    return xp.where((x == x) & (y == y), value, xp.nan)


@define
def kl_div(xp, x, y):
    """x log(x / y) - x + y for positive x and y, y where x = 0 and y >= 0, inf elsewhere."""
    regular, none = (x > 0) & (y > 0), (x == 0) & (y >= 0)
    a, b = xp.where(regular, x, 1), xp.where(regular, y, 1)
    m = (b - a) / a
    near = (m > -0.5) & (m < 1)
    value = xp.where(near, a * log_excess(xp, xp.where(near, m, 0), m), a * log_ratio(xp, a, b) - a + b)
    value = xp.where(regular, value, xp.where(none, y, xp.inf))
    return xp.where((x == x) & (y == y), value, xp.nan)


def log_excess(xp, m, ratio):
    """m - log(1 + m), with all digits also for small m, and for 1 + m near 0, which is given as `ratio`."""
    near = (m > -0.5) & (m < 1)
    a = xp.where(near, m, 0)
    s = a / (2 + a)
    u = s * s
    return xp.where(near, a * s - 2 * s * u * horner(ATANH, u), m - xp.log(xp.where(near, 1, ratio)))


def log_ratio(xp, x, y):
    """log(x / y) of positive numbers, exact to rounding also where the quotient is near 1, over- or underflows."""
    ratio = x / y
    close = (ratio > 0.5) & (ratio < 2)
    far = (ratio == 0) | (ratio == xp.inf)
    near = xp.log1p(xp.where(close, x - y, 0) / y)
    apart = xp.where(far, xp.log(x) - xp.log(y), xp.log(xp.where(far, 1, ratio)))
    return xp.where(close, near, apart)


def log_from_zero(xp, x, y):
    """log(y), but 0 where neither x nor y is above 0: the slope of xlogy in x."""
    return xp.log(xp.where((x == 0) & (y <= 0), 1, y))


def regular_log_ratio(xp, x, y):
    """log(x / y) in the domain of `rel_entr`, -inf on its edge x = 0, and 0 where it is inf."""
    regular, none = (x > 0) & (y > 0), (x == 0) & (y > 0)
    return xp.where(
        none, -xp.inf, xp.where(regular, log_ratio(xp, xp.where(regular, x, 1), xp.where(regular, y, 1)), 0)
    )


def regular_ratio(xp, x, y):
    """x / y for positive y and x >= 0, else 0."""
    regular = (x >= 0) & (y > 0)
    return xp.where(regular, x, 0) / xp.where(regular, y, 1)


logit = Elementwise(lambda xp, _y, p: 1 / (p * (1 - p)), floating=True)
log_expit = Elementwise(lambda xp, _y, x: xp.sigmoid(-x), floating=True)
xlogy = Elementwise(
    lambda xp, _z, x, y: log_from_zero(xp, x, y),
    lambda xp, _z, x, y: x / xp.where((x == 0) & (y == 0), 1, y),
    floating=True,
)
xlog1py = Elementwise(
    lambda xp, _z, x, y: xp.log1p(xp.where((x == 0) & (y <= -1), 0, y)),
    lambda xp, _z, x, y: x / xp.where((x == 0) & (y == -1), 1, 1 + y),
    floating=True,
)
entr = Elementwise(lambda xp, _y, x: -xp.log(x) - 1, floating=True)  # inf at 0
rel_entr = Elementwise(  # in x: -inf at x = 0
    lambda xp, _z, x, y: regular_log_ratio(xp, x, y) + xp.where((x >= 0) & (y > 0), 1.0, 0.0 * x),
    lambda xp, _z, x, y: -regular_ratio(xp, x, y),
    floating=True,
)
kl_div = Elementwise(  # in x: -inf at x = 0
    lambda xp, _z, x, y: regular_log_ratio(xp, x, y),
    lambda xp, _z, x, y: xp.where((x >= 0) & (y >= 0), 1 - regular_ratio(xp, x, y), 0),
    floating=True,
)
