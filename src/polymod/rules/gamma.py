"""The gamma function and what derives from it: its logarithm's derivatives, Hurwitz's zeta, Euler's beta."""

from math import factorial, log, pi

from ..autograd.families import Elementwise
from ..backend import define
from .special import horner

EULER = 0.57721566490153286061  # Euler's constant
HALF_LOG_2PI = 0.5 * log(2 * pi)
BERNOULLI = (  # B2, B4, ...
    *(1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730),
    *(7 / 6, -3617 / 510, 43867 / 798, -174611 / 330, 854513 / 138, -236364091 / 2730),
)
# DLMF 5.11.1 and 5.11.2: Stirling's series of log gamma and of digamma in 1 / x**2, highest power first
STIRLING = tuple(b / (2 * k * (2 * k - 1)) for k, b in enumerate(BERNOULLI[:8], 1))[::-1]
STIRLING_SLOPE = tuple(b / (2 * k) for k, b in enumerate(BERNOULLI[:8], 1))[::-1]
LARGE = 10.0  # from here on Stirling's series reaches the last digit
TERMS = 10  # terms that Euler and Maclaurin's formula sums as they are


def zeta_minus_one(k):
    """Riemann's zeta function less 1 at the whole number `k` >= 2, by Euler and Maclaurin's formula."""
    n = 60
    head = sum(i**-k for i in range(2, n))
    return (
        head
        + n ** (1 - k) / (k - 1)
        + 0.5 * n**-k
        + k * n ** (-k - 1) / 12
        - k * (k + 1) * (k + 2) * n ** (-k - 3) / 720
    )


# DLMF 5.7.3: log gamma(2 + z) / z, highest power first
NEAR_TWO = (*((-1) ** k * zeta_minus_one(k) / k for k in range(28, 1, -1)), 1 - EULER)


def stirling(xp, x):
    """What log gamma(x) is above (x - 1/2) log(x) - x + log(2 pi) / 2, for x >= LARGE."""
    inverse = 1 / x
    return inverse * horner(STIRLING, inverse * inverse)


def log_gamma_of_positive(xp, x):
    """log gamma(x) for x > 0; other x must not occur."""
    small, low, large = x < 0.5, x < 1.5, x >= LARGE
    lowered, product = xp.where(large, 2, x), xp.ones_like(x)
    for _ in range(8):
        high = lowered >= 2.5
        lowered = xp.where(high, lowered - 1, lowered)
        product = xp.where(high, product * lowered, product)
    z = xp.where(small, x, xp.where(low, x - 1, lowered - 2))
    near = z * horner(NEAR_TWO, z) - xp.log1p(xp.where(low, z, 0)) + xp.log(xp.where(small, 1 / x, product))
    far = xp.where(large & (x < xp.inf), x, LARGE)
    far = (far - 0.5) * (xp.log(far) - 1) - 0.5 + HALF_LOG_2PI + stirling(xp, far)
    return xp.where(large, xp.where(x < xp.inf, far, x), near)


def from_nearest(xp, x):
    """x less the nearest whole number, for functions of period 1; 0 for infinite x."""
    finite = xp.where(xp.isfinite(x), x, 0)
    return finite - xp.round(finite)


@define
def gammaln(xp, x):
    """log |gamma(x)|: inf at 0, at negative whole numbers and at infinity; -inf at -inf, as SciPy has it.

    Error below 1e-14 of max(1, |gammaln(x)|) in float64, 2e-6 in float32; near the zeros at 1 and 2 all digits.
    """
    negative = x < 0.0
    positive = xp.where(negative, 1 - x, x)
    value = log_gamma_of_positive(xp, xp.where(positive == 0, 1, positive))
    value = xp.where(positive == 0, xp.inf, value)
    sine = xp.abs(xp.sin(pi * from_nearest(xp, x)))
    pole = negative & (sine == 0)
    pole_value = xp.where(x == -xp.inf, x, xp.inf)
    reflected = log(pi) - xp.log(xp.where(negative & ~pole, sine, 1)) - xp.where(negative & ~pole, value, 0)
    return xp.where(negative, xp.where(pole, pole_value, reflected), value)


@define
def gamma_sign(xp, x):
    """The sign of gamma(x): -1 between -1 and 0, 1 between -2 and -1, ...; NaN at negative whole numbers and -inf."""
    whole = xp.floor(x)
    finite = xp.where(xp.isfinite(whole), whole, 0)
    odd = finite - 2 * xp.floor(finite / 2)
    sign = 1 - 2 * odd
    return xp.where(
        x < 0,
        xp.where((whole == x), xp.nan, sign),
        xp.where(x == 0, xp.copysign(xp.ones_like(x), x), xp.where(x > 0, 1, x)),
    )


@define
def gamma(xp, x):
    """The gamma function: relative error below 2e-13 in float64, 2e-5 in float32 (near the largest results)."""
    return xp.gamma_sign(x) * xp.exp(xp.gammaln(x))


@define
def digamma(xp, x):
    """The derivative of log gamma: -inf at 0 (inf at -0), NaN at negative whole numbers.

    Error below 1e-14 of max(1, |digamma(x)|) in float64, 1e-6 in float32.
    """
    negative = x < 0
    positive = xp.where(negative, 1 - x, x)
    head = 1 / positive
    for k in range(1, TERMS):
        head = head + 1 / (positive + k)
    top = positive + TERMS
    u = 1 / (top * top)
    value = xp.log(top) - 0.5 / top - u * horner(STIRLING_SLOPE, u) - head
    part = from_nearest(xp, x)
    pole = negative & ((part == 0) | (x == -xp.inf))
    safe = xp.where(negative & ~pole, part, 0.25)
    value = value - xp.where(negative, pi / xp.tan(pi * safe), 0)
    return xp.where(pole, xp.nan, value)


def hurwitz(xp, s, q, slope=False):
    """The sum of (q + k)**-s over k = 0, 1, ... for q > 0, continued to 0 <= s < 1, by DLMF 25.11.28; its derivative
    in s if `slope`."""
    heads = [(q + k, (q + k) ** -s) for k in range(TERMS)]
    top = q + TERMS
    power = top**-s
    total = power * (top / (s - 1) + 0.5)
    for _, h in heads:
        total = total + h
    term, growth = power * s / top, 1 / s - xp.log(top) if slope else 0
    change = -xp.log(top) * power * (top / (s - 1) + 0.5) - power * top / (s - 1) ** 2 if slope else 0
    for k, b in enumerate(BERNOULLI, 1):
        part = term * (b / factorial(2 * k))
        total = total + part
        term = term * ((s + (2 * k - 1)) / top) * ((s + 2 * k) / top)
        if slope:
            change = change + part * growth
            growth = growth + 1 / (s + (2 * k - 1)) + 1 / (s + 2 * k)
    if not slope:
        return total
    for base, h in heads:
        change = change - xp.log(base) * h
    return change


@define
def zeta(xp, s, q):
    """Hurwitz's zeta function: the sum of (q + k)**-s over k = 0, 1, ..., for s > 1; inf at s = 1, NaN below.

    At q = 0, -1, -2, ... it is inf; at other q < 0 it exists for whole s only. Relative error 1e-14 in float64,
    3e-6 in float32.
    """
    regular = (s > 1) & (s < xp.inf) & (q == q) & (xp.abs(q) < xp.inf)
    negative, whole = q < 0, xp.floor(q) == q
    n = xp.where(regular, s, 2)
    value = hurwitz(xp, n, xp.where(regular & (q > 0), q, 1))
    # for q < 0: the sum over all whole k, which has period 1, less the one over k < 0
    below = xp.where(regular & negative & ~whole, q, -0.5)
    part = below - xp.round(below)
    sign = 1 - 2 * (n - 2 * xp.floor(n / 2))  # of (-1)**n
    power = xp.abs(part) ** -n * xp.where(part < 0, sign, 1)
    all_others = hurwitz(xp, n, 1 + part) + sign * hurwitz(xp, n, 1 - part)
    reflected = power + all_others - sign * hurwitz(xp, n, 1 - below)
    value = xp.where(negative, xp.where(xp.floor(n) == n, reflected, xp.nan), value)
    value = xp.where((s == xp.inf) & (q < xp.inf), xp.where(q > 1, 0, 1 / xp.where(q == 1, q, 0 * n)), value)
    value = xp.where((s > 1) & (q == xp.inf), 0, value)
    value = xp.where((q <= 0) & whole & (s > 1), xp.inf, value)
    value = xp.where(s == 1, xp.inf, value)
    return xp.where((s >= 1) & (q == q), value, xp.nan)


@define
def riemann(xp, s):
    """Riemann's zeta function on the whole real line, by DLMF 25.4.1 for s < 0. Relative error 1e-13 in float64."""
    regular, negative = (xp.abs(s) < xp.inf) & (s != 1), s < 0
    positive = xp.where(regular, xp.where(negative, 1 - s, s), 2)
    value = hurwitz(xp, positive, xp.ones_like(positive))
    reflected = reflection(xp, xp.where(regular & negative, s, -1))[0] * value
    value = xp.where(regular, xp.where(negative, reflected, value), xp.where(s > 0, xp.ones_like(s), xp.nan))
    return xp.where(s == 1, xp.inf, xp.where(s == s, value, xp.nan))


def reflection(xp, s):
    """What zeta(1 - s) is multiplied by to give zeta(s), for s < 0, and the derivative of that."""
    quarter = 2 * pi * (s / 4 - xp.round(s / 4))  # the sine of pi s / 2 has period 4
    scale = 2 * xp.exp(xp.gammaln(1 - s) + (s - 1) * log(2 * pi))
    growth = log(2 * pi) - xp.digamma(1 - s)
    return scale * xp.sin(quarter), scale * (growth * xp.sin(quarter) + 0.5 * pi * xp.cos(quarter))


def riemann_slope(xp, s):
    """The derivative of `riemann`."""
    regular, negative = (xp.abs(s) < xp.inf) & (s != 1), s < 0
    positive = xp.where(regular, xp.where(negative, 1 - s, s), 2)
    ones = xp.ones_like(positive)
    value, slope = hurwitz(xp, positive, ones), hurwitz(xp, xp.where(positive == 0, 1e-30, positive), ones, slope=True)
    factor, growth = reflection(xp, xp.where(regular & negative, s, -1))
    slope = xp.where(negative, growth * value - factor * slope, slope)
    return xp.where(regular, slope, xp.where(s == xp.inf, 0 * ones, xp.nan))


def zeta_slope(xp, s, q):
    """The derivative of `zeta` in s, for q > 0; NaN elsewhere."""
    regular = (s > 1) & (s < xp.inf) & (q > 0) & (q < xp.inf)
    slope = hurwitz(xp, xp.where(regular, s, 2), xp.where(regular, q, 1), slope=True)
    return xp.where(regular, slope, xp.nan)


@define
def polygamma(xp, n, x):
    """The n-th derivative of digamma: (-1)**(n + 1) n! zeta(n + 1, x) for n >= 1, digamma for n = 0.

    Relative error 1e-13 in float64, 1e-5 in float32.
    """
    order = xp.where(n >= 1, n, 1)
    sign = 2 * (order - 2 * xp.floor(order / 2)) - 1
    value = sign * xp.exp(xp.gammaln(order + 1)) * xp.zeta(order + 1, x)
    return xp.where(n == 0, xp.digamma(x), xp.where((n >= 1) & (xp.floor(n) == n), value, xp.nan))


def stirling_error(xp, x):
    """log gamma(x) less (x - 1/2) log(x) - x + log(2 pi) / 2, for x > 0: small where log gamma is large."""
    small = x < LARGE
    a, b = xp.where(small, x, 1), xp.where(small, LARGE, x)
    exact = log_gamma_of_positive(xp, a) - ((a - 0.5) * xp.log(a) - a + HALF_LOG_2PI)
    return xp.where(small, exact, stirling(xp, b))


@define
def betaln(xp, a, b):
    """log |gamma(a) gamma(b) / gamma(a + b)|: error below 1e-14 of max(1, |betaln|) in float64, 1e-6 in float32."""
    regular = (a > 0) & (b > 0) & (a < xp.inf) & (b < xp.inf)
    p, q = xp.where(regular, a, 1), xp.where(regular, b, 1)
    p, q = xp.minimum(p, q), xp.maximum(p, q)
    value = HALF_LOG_2PI + 0.5 * xp.log((1 + p / q) / p) - p * xp.log1p(q / p) - q * xp.log1p(p / q)
    value = value + stirling_error(xp, p) + stirling_error(xp, q) - stirling_error(xp, p + q)
    return xp.where(regular, value, xp.gammaln(a) + xp.gammaln(b) - xp.gammaln(a + b))


gammaln = Elementwise(lambda xp, _y, x: xp.digamma(x), floating=True)
gamma_sign = Elementwise(lambda xp, _y, x: 0 * x, floating=True)
gamma = Elementwise(lambda xp, y, x: y * xp.digamma(x), floating=True)
digamma = Elementwise(lambda xp, _y, x: xp.polygamma(xp.ones_like(x), x), floating=True)
polygamma = Elementwise(None, lambda xp, _y, n, x: xp.polygamma(n + 1, x), floating=True)
zeta = Elementwise(
    lambda xp, _y, s, q: zeta_slope(xp, s, q), lambda xp, _y, s, q: -s * xp.zeta(s + 1, q), floating=True
)
riemann = Elementwise(lambda xp, _y, s: riemann_slope(xp, s), floating=True)
betaln = Elementwise(
    lambda xp, _y, a, b: xp.digamma(a) - xp.digamma(a + b),
    lambda xp, _y, a, b: xp.digamma(b) - xp.digamma(a + b),
    floating=True,
)
