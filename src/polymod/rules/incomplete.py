"""The incomplete gamma and beta functions.

Each is a factor known in closed form times an integral over u from 0 to infinity of exp(E(u)) with E(0) = 0 and E
falling at least as fast as a straight line: the substitution t = x exp(-u / a) in DLMF 8.2.1 and 8.17.1, t = x + u
in DLMF 8.2.2. The integral is cut where exp(E) is small and summed by Gauss and Legendre's rule, whose points
take the part of terms of a series: their number is fixed. Derivatives in the parameters come from the same points.
"""

from functools import cache
from math import pi, prod

import numpy as np

from ..autograd.families import Elementwise
from ..backend import define
from .entropy import log_excess
from .gamma import NEAR_TWO, stirling_error
from .special import horner

EXPONENTIAL_TERMS = 22
TOGETHER = 1 << 20  # numbers at a time


@cache
def gauss(count):
    """Points and weights of Gauss and Legendre's rule on [0, 1]."""
    points, weights = np.polynomial.legendre.leggauss(count)
    return (0.5 + 0.5 * points).tolist(), (0.5 * weights).tolist()


def reach(xp, slope, curvature, exponent, exponent_slope):
    """Where the concave exponent, which begins with -slope u - curvature u**2 / 2, is so low that the rest of the
    integral is lost in rounding."""
    depth = 38.0 if slope.dtype == xp.float64 else 18.0
    u = 2 * depth / (slope + xp.sqrt(slope * slope + 2 * depth * curvature))
    for _ in range(2):
        u = u - (exponent(u) + depth) / exponent_slope(u)
    return u


def integrals(xp, end, exponent, factors=()):
    """The integral of exp(exponent(u)) from 0 to `end`, and that of it times each of the functions `factors`.

    The points are on an axis before those of `end`, as many at a time as memory allows.
    """
    points, weights = gauss(56 if end.dtype == xp.float64 else 26)
    step = max(1, min(len(points), TOGETHER // max(1, prod(end.shape))))
    device = getattr(end, "device", None)  # an array that a compiler traces has none
    totals = [0 * end for _ in range(1 + len(factors))]
    for start in range(0, len(points), step):
        u, w = (xp.asarray(v[start : start + step], dtype=end.dtype, device=device) for v in (points, weights))
        u, w = (xp.reshape(v, (-1, *(1,) * end.ndim)) for v in (u, w))
        u = end * u
        e = xp.exp(exponent(u)) * w
        totals[0] = totals[0] + xp.sum(e, axis=0)
        for i, f in enumerate(factors, 1):
            totals[i] = totals[i] + xp.sum(f(u) * e, axis=0)
    return [end * t for t in totals]


# --------------------------------------------------------------------------------------------- incomplete gamma


@define
def gamma_term(xp, a, x):
    """x**a exp(-x) / gamma(a + 1) for a > 0 and x >= 0, through its distance from the maximum at x = a."""
    return xp.exp(-a * log_excess(xp, (x - a) / a, x / a) - stirling_error(xp, a)) / xp.sqrt(2 * pi * a)


def gamma_sums(xp, a, x, slopes=False):
    """The lower and upper incomplete gamma function for finite a > 0 and x > 0, and d lower / da if `slopes`."""
    lower = x <= a + 1
    term = xp.gamma_term(a, x)
    # below: term * (1 + x / n times the integral), n = a + 1
    n, z = a + 1, xp.where(lower, x, 0)

    def falling(u):
        return -u - z * xp.expm1(-u / n)

    end = reach(xp, 1 - z / n, z / (n * n), falling, lambda u: -1 + z / n * xp.exp(-u / n))
    near = integrals(xp, end, falling, (lambda u: -z * u / (n * n) * xp.exp(-u / n),) if slopes else ())
    below = term * (1 + z / n * near[0])
    # above: term * a / x times the integral
    w = xp.where(lower, n + 1, x)

    def decaying(u):
        return -u + (a - 1) * xp.log1p(u / w)

    bend = xp.where(a > 1, a - 1, 0) / w
    end = reach(xp, 1 - bend, bend / w, decaying, lambda u: -1 + (a - 1) / (w + u))
    beyond = integrals(xp, end, decaying, (lambda u: xp.log1p(u / w),) if slopes else ())
    above = term * (a / w) * beyond[0]
    # for small a the upper function is small where the lower one is summed
    small = (a < 0.5) & lower
    above = xp.where(lower, xp.where(small, upper_of_small(xp, a, x, small), 1 - below), above)
    below = xp.where(lower, below, 1 - above)
    if not slopes:
        return below, above
    growth = xp.log(x) - xp.digamma(n)  # of the logarithm of term
    in_series = term * (growth * (1 + z / n * near[0]) + z / n * (near[1] - near[0] / n))
    in_tail = term * (a / w) * ((growth + 1 / a) * beyond[0] + beyond[1])
    return xp.where(lower, in_series, -in_tail)


def upper_of_small(xp, a, x, where):
    """The upper incomplete gamma function for a < 1/2 and x < 3/2 by DLMF 8.7.1, its first terms taken together."""
    a, x = xp.where(where, a, 0.25), xp.where(where, x, 1)
    power = a * xp.log(x) - a * horner(NEAR_TWO, a) + xp.log1p(a)
    term, total = -x, -x / (a + 1)
    for k in range(2, EXPONENTIAL_TERMS):
        term = term * (-x) / k
        total = total + term / (a + k)
    return -xp.expm1(power) - xp.exp(power) * a * total


def gamma_pair(xp, a, x):
    """The lower and upper incomplete gamma function with SciPy's values on the edges."""
    inside = (a > 0) & (x > 0) & (a < xp.inf) & (x < xp.inf)
    below, above = gamma_sums(xp, xp.where(inside, a, 1), xp.where(inside, x, 1))
    none = (x == 0) | (a == xp.inf)
    wrong = (a < 0) | (x < 0) | ((a == 0) & (x == 0)) | ((a == xp.inf) & (x == xp.inf)) | (a != a) | (x != x)
    all_above = xp.where(none, xp.ones_like(below), 0)
    below = xp.where(inside, below, 1 - all_above)
    above = xp.where(inside, above, all_above)
    return xp.where(wrong, xp.nan, below), xp.where(wrong, xp.nan, above)


@define
def gammainc(xp, a, x):
    """The regularised lower incomplete gamma function: relative error 1e-13 in float64, 1e-5 in float32."""
    return gamma_pair(xp, a, x)[0]


@define
def gammaincc(xp, a, x):
    """1 - gammainc(a, x) with all digits of small values: relative error 1e-13 in float64, 1e-5 in float32."""
    return gamma_pair(xp, a, x)[1]


def gamma_density(xp, a, x):
    """The derivative of gammainc in x: x**(a - 1) exp(-x) / gamma(a)."""
    inside = (a > 0) & (x > 0) & (x < xp.inf)
    p, z = xp.where(inside, a, 1), xp.where(inside, x, 1)
    edge = xp.where(a > 1, 0, xp.where(a == 1, xp.ones_like(p), xp.inf))
    return xp.where(inside, xp.gamma_term(p, z) * p / z, xp.where(x == 0, edge, 0))


def gamma_slope(xp, a, x):
    """The derivative of gammainc in a."""
    inside = (a > 0) & (x > 0) & (a < xp.inf) & (x < xp.inf)
    return xp.where(inside, gamma_sums(xp, xp.where(inside, a, 1), xp.where(inside, x, 1), slopes=True), 0)


# ---------------------------------------------------------------------------------------------- incomplete beta


@define
def beta_term(xp, a, b, x, y):
    """x**a y**b gamma(a + b) / (gamma(a + 1) gamma(b)) for y = 1 - x, through its distance from the maximum."""
    distance = x * b - y * a
    error = stirling_error(xp, a + b) - stirling_error(xp, a) - stirling_error(xp, b)
    fall = a * log_excess(xp, distance / a, x * (1 + b / a)) + b * log_excess(xp, -distance / b, y * (1 + a / b))
    return xp.exp(error - fall) * xp.sqrt(b / (2 * pi * a * (a + b)))


def beta_sums(xp, a, b, x, y, slopes=False):
    """The incomplete beta function at x and its complement for 0 < x = 1 - y < 1 and positive a and b, or its
    derivatives in a and b if `slopes`."""
    swap = x > (a + 1) / (a + b + 2)
    p, q = xp.where(swap, b, a), xp.where(swap, a, b)
    s, t = xp.where(swap, y, x), xp.where(swap, x, y)
    term = xp.beta_term(p, q, s, t)
    n, odds = p + 1, s / t

    def inner(u):
        return -odds * xp.expm1(-u / n)

    def falling(u):
        return -u + (q - 1) * xp.log1p(inner(u))

    def slope(u):
        decay = odds * xp.exp(-u / n)
        return -1 + (q - 1) * decay / n / (1 + inner(u))

    rate = xp.where(q > 1, q - 1, 0) * odds / n
    end = reach(xp, 1 - rate, rate * (1 + odds) / n, falling, slope)
    factors = (
        lambda u: -(q - 1) * odds * u / (n * n) * xp.exp(-u / n) / (1 + inner(u)),
        lambda u: xp.log1p(inner(u)),
    )
    total, *others = integrals(xp, end, falling, factors if slopes else ())
    scale = (p + q) / n * odds
    if not slopes:
        value = term * (1 + scale * total)
        return xp.where(swap, 1 - value, value), xp.where(swap, value, 1 - value)
    both = xp.digamma(p + q)
    growth_p, growth_q = xp.log(s) - xp.digamma(n) + both, xp.log(t) - xp.digamma(q) + both
    slope_p = term * (growth_p * (1 + scale * total) + odds * (1 - q) / (n * n) * total + scale * others[0])
    slope_q = term * (growth_q * (1 + scale * total) + odds / n * total + scale * others[1])
    return xp.where(swap, -slope_q, slope_p), xp.where(swap, -slope_p, slope_q)


@define
def betainc(xp, a, b, x):
    """The regularised incomplete beta function: relative error 1e-12 in float64, 1e-5 in float32."""
    inside = (x > 0) & (x < 1) & (a > 0) & (b > 0) & (a < xp.inf) & (b < xp.inf)
    p, q, s = xp.where(inside, a, 1), xp.where(inside, b, 1), xp.where(inside, x, 0.5)
    value = beta_sums(xp, p, q, s, 1 - s)[0]
    first, second = (a == 0) | (b == xp.inf), (b == 0) | (a == xp.inf)  # all weight at 0, all weight at 1
    edge = xp.where(x == 0, 0, xp.where((x == 1) | first, xp.ones_like(value), 0))
    wrong = (first & second) | (a < 0) | (b < 0) | (x < 0) | (x > 1) | (a != a) | (b != b) | (x != x)
    return xp.where(inside, value, xp.where(wrong, xp.nan, edge))


def beta_density(xp, a, b, x):
    """The derivative of betainc in x: x**(a - 1) (1 - x)**(b - 1) / B(a, b)."""
    inside = (x > 0) & (x < 1) & (a > 0) & (b > 0)
    p, q, s = xp.where(inside, a, 1), xp.where(inside, b, 1), xp.where(inside, x, 0.5)
    at_zero = xp.where(a > 1, 0, xp.where(a == 1, b, xp.inf))
    at_one = xp.where(b > 1, 0, xp.where(b == 1, a, xp.inf))
    edge = xp.where(x == 0, at_zero, xp.where(x == 1, at_one, 0))
    return xp.where(inside, xp.beta_term(p, q, s, 1 - s) * p / (s * (1 - s)), edge)


def beta_slope(xp, a, b, x, which):
    """The derivative of betainc in a (`which` 0) or in b (1)."""
    inside = (x > 0) & (x < 1) & (a > 0) & (b > 0) & (a < xp.inf) & (b < xp.inf)
    p, q, s = xp.where(inside, a, 1), xp.where(inside, b, 1), xp.where(inside, x, 0.5)
    return xp.where(inside, beta_sums(xp, p, q, s, 1 - s, slopes=True)[which], 0)


def gamma_term_slope(xp, y, a, x):
    """The derivative of gamma_term in a, 0 where it is 0."""
    return xp.xlogy(y, x) - y * xp.digamma(a + 1)


def beta_term_slope(xp, z, x, of, total):
    """The derivative of beta_term in one of its parameters, 0 where it is 0."""
    return xp.xlogy(z, x) + z * (xp.digamma(total) - xp.digamma(of))


gamma_term = Elementwise(
    lambda xp, y, a, x: gamma_term_slope(xp, y, a, x),
    lambda xp, y, a, x: y * (a / x - 1),
    floating=True,
)
gammainc = Elementwise(
    lambda xp, _y, a, x: gamma_slope(xp, a, x), lambda xp, _y, a, x: gamma_density(xp, a, x), floating=True
)
gammaincc = Elementwise(
    lambda xp, _y, a, x: -gamma_slope(xp, a, x), lambda xp, _y, a, x: -gamma_density(xp, a, x), floating=True
)
beta_term = Elementwise(  # x and y as if they were independent
    lambda xp, z, a, b, x, _y: beta_term_slope(xp, z, x, a + 1, a + b),
    lambda xp, z, a, b, _x, y: beta_term_slope(xp, z, y, b, a + b),
    lambda xp, z, a, _b, x, _y: z * (a / x),
    lambda xp, z, _a, b, _x, y: z * (b / y),
    floating=True,
)
betainc = Elementwise(
    lambda xp, _z, a, b, x: beta_slope(xp, a, b, x, 0),
    lambda xp, _z, a, b, x: beta_slope(xp, a, b, x, 1),
    lambda xp, _z, a, b, x: beta_density(xp, a, b, x),
    floating=True,
)
