"""The error function and its relatives, the normal distribution's functions among them."""

from math import log, pi, sqrt

from ..autograd.families import Elementwise
from ..backend import define

# W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969) 631-637: numerators
# and denominators, highest power first, of erf(x) / x in x**2 up to x = 0.46875, of exp(x**2) erfc(x) up to 4, and
# from there of (1 / sqrt(pi) - x exp(x**2) erfc(x)) x**2 in 1 / x**2.
NEAR = 0.46875
NEAR_P = (
    1.85777706184603153e-1,
    3.16112374387056560,
    1.13864154151050156e2,
    3.77485237685302021e2,
    3.20937758913846947e3,
)
NEAR_Q = (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3)
FAR = 6.0  # erf rounds to 1 beyond
FAR_P = (
    *(2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1),
    *(2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3),
    1.23033935479799725e3,
)
FAR_Q = (
    *(1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3),
    *(3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3),
)
TAIL = 4.0
TAIL_P = (
    *(1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1),
    *(1.25781726111229246e-1, 1.60837851487422766e-2, 6.58749161529837803e-4),
)
TAIL_Q = (
    *(1.0, 2.56852019228982242, 1.87295284992346047),
    *(5.27905102951428412e-1, 6.05183413124413191e-2, 2.33520497626869185e-3),
)
# For float32: atanh(erf(x)) / x as a polynomial in x**2, highest power first, fitted on |x| <= 3.92 by Lawson's
# reweighted least squares so that erf has a relative error of 1e-7. From 4.5 on the tanh of it is 1.
SHORT = 4.5
SHORT_P = (
    *(1.418521442e-7, -5.668474488e-6, 8.763732240e-5, -6.197846515e-4),
    *(-1.918308035e-4, 1.027690558e-1, 1.128379274),
)
# M. J. Wichura, "Algorithm AS 241: The percentage points of the normal distribution", Appl. Statist. 37 (1988)
# 477-484: the quantile near 1/2, in the tails, and in the far tails; highest power first.
MIDDLE_P = (
    *(2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4),
    *(1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080),
)
MIDDLE_Q = (
    *(5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4),
    *(5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0),
)
OUTER_P = (
    *(7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258),
    *(3.64784832476320460504, 5.76949722146069140550, 4.63033784615654529590, 1.42343711074968357734),
)
OUTER_Q = (
    *(1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1),
    *(6.89767334985100004550e-1, 1.67638483018380384940, 2.05319162663775882187, 1.0),
)
REMOTE_P = (
    *(2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2),
    *(2.96560571828504891230e-1, 1.78482653991729133580, 5.46378491116411436990, 6.65790464350110377720),
)
REMOTE_Q = (
    *(2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4),
    *(1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0),
)


def horner(coefficients, x):
    """The polynomial in `x` with these coefficients, highest power first."""
    first, *rest = coefficients
    y = first * x + rest[0]
    for c in rest[1:]:
        y = y * x + c
    return y


# ---------------------------------------------------------------------------------------------- error functions


@define
def erf(xp, x):
    """The error function, 2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x.

    Relative error below 1e-15 in float64, 4e-7 in float32.
    """
    if x.dtype != xp.float64:
        x = xp.clip(x, -SHORT, SHORT)
        return xp.tanh(x * horner(SHORT_P, x * x))
    near = xp.clip(x, -NEAR, NEAR)
    u = near * near
    near = near * (horner(NEAR_P, u) / horner(NEAR_Q, u))
    far = xp.clip(xp.abs(x), NEAR, FAR)
    far = 1 - xp.exp(-far * far) * (horner(FAR_P, far) / horner(FAR_Q, far))
    return xp.where(xp.abs(x) <= NEAR, near, xp.sign(x) * far)


def scaled_complement(xp, x):
    """exp(x**2) erfc(x) for x >= NEAR, smaller x being taken for it."""
    middle = xp.clip(x, NEAR, TAIL)
    middle = horner(FAR_P, middle) / horner(FAR_Q, middle)
    inverse = 1 / xp.clip(x, TAIL, None)
    u = inverse * inverse
    tail = inverse * (1 / sqrt(pi) - u * (horner(TAIL_P, u) / horner(TAIL_Q, u)))
    return xp.where(x <= TAIL, middle, tail)


def times_gaussian(xp, factor, x, scale=1.0):
    """factor exp(-scale x**2), with the error of x**2 kept out of the exponent: x = c + d with few digits in c.

    The factor stands between the two exponentials, for compilers make one of two that stand side by side.
    """
    x = xp.clip(xp.abs(x), None, 60.0)
    c = xp.floor(x * 16) / 16
    return xp.exp(c * c * -scale) * factor * xp.exp((x - c) * (x + c) * -scale)


@define
def erfc(xp, x):
    """1 - erf(x), small values with all their digits: relative error 1e-15 in float64, 1e-6 in float32."""
    size = xp.abs(x)
    tail = times_gaussian(xp, scaled_complement(xp, size), size)
    return xp.where(size <= NEAR, 1 - xp.erf(x), xp.where(x > 0, tail, 2 - tail))


@define
def erfcx(xp, x):
    """exp(x**2) erfc(x), which neither under- nor overflows for x > 0: relative error 1e-15, 1e-6 in float32."""
    near, low = xp.clip(x, -NEAR, NEAR), xp.clip(x, None, -NEAR)
    growth = 1 / times_gaussian(xp, 1.0, xp.clip(low, -26.7 if x.dtype == xp.float64 else -9.4, None))
    growth = xp.where(low * low > (712.0 if x.dtype == xp.float64 else 88.0), xp.inf, growth)
    reflected = 2 * growth - scaled_complement(xp, -low)
    middle = xp.exp(near * near) * (1 - xp.erf(near))
    return xp.where(x > NEAR, scaled_complement(xp, x), xp.where(x < -NEAR, reflected, middle))


@define
def erfinv(xp, x):
    """The x of erf: relative error 1e-15 in float64, 1e-6 in float32; inf at 1, NaN beyond."""
    return quantile(xp, x / 2, (1 - xp.abs(x)) / 2) * sqrt(0.5)


# ------------------------------------------------------------------------------------------ normal distribution


@define
def ndtr(xp, x):
    """The probability that a standard normal variable is below x: relative error 1e-15, 1e-6 in float32."""
    u = x * sqrt(0.5)
    size = xp.abs(u)
    tail = times_gaussian(xp, 0.5 * scaled_complement(xp, size), x, 0.5)
    return xp.where(size <= NEAR, 0.5 + 0.5 * xp.erf(u), xp.where(x < 0, tail, 1 - tail))


@define
def log_ndtr(xp, x):
    """log(ndtr(x)), also where ndtr underflows: relative error 1e-15 in float64, 1e-6 in float32."""
    low = xp.clip(x, None, -1.0)
    deep = xp.log(0.5 * xp.erfcx(low * -sqrt(0.5))) - 0.5 * low * low
    high = xp.clip(x, -1.0, None)
    return xp.where(x < -1, deep, xp.log1p(-xp.ndtr(-high)))


@define
def ndtri(xp, p):
    """The inverse of ndtr: relative error 1e-15 in float64, 1e-6 in float32; NaN outside [0, 1]."""
    return quantile(xp, p - 0.5, xp.where(p < 0.5, p, 1 - p))


def quantile(xp, q, tail):
    """The normal quantile of the probability 1/2 + q, where `tail` is 1/2 - |q|, given with all its digits."""
    u = 0.180625 - xp.clip(q, -0.425, 0.425) ** 2
    middle = q * (horner(MIDDLE_P, u) / horner(MIDDLE_Q, u))
    r = xp.sqrt(-xp.log(xp.where((tail > 0) & (tail < 1), tail, 0.5)))
    outer, remote = xp.clip(r, None, 5.0) - 1.6, xp.clip(r, 5.0, None) - 5.0
    outer = horner(OUTER_P, outer) / horner(OUTER_Q, outer)
    remote = horner(REMOTE_P, remote) / horner(REMOTE_Q, remote)
    far = xp.where(r <= 5, outer, remote)
    far = xp.where(tail == 0, xp.inf, xp.where(tail >= 0, far, xp.nan))
    return xp.where(xp.abs(q) <= 0.425, middle, xp.sign(q) * far)


def bell(xp, x):
    """The density of the standard normal distribution."""
    return xp.exp(-0.5 * x * x) / sqrt(2 * pi)


erf = Elementwise(lambda xp, _y, x: 2 / sqrt(pi) * xp.exp(-x * x))
erfc = Elementwise(lambda xp, _y, x: -2 / sqrt(pi) * xp.exp(-x * x), floating=True)
erfcx = Elementwise(lambda xp, y, x: 2 * x * y - 2 / sqrt(pi), floating=True)
erfinv = Elementwise(lambda xp, y, _x: sqrt(pi) / 2 * xp.exp(y * y), floating=True)
ndtr = Elementwise(lambda xp, _y, x: bell(xp, x), floating=True)
log_ndtr = Elementwise(lambda xp, _y, x: sqrt(2 / pi) / xp.erfcx(x * -sqrt(0.5)), floating=True)
ndtri = Elementwise(lambda xp, y, _p: xp.exp(0.5 * y * y + 0.5 * log(2 * pi)), floating=True)
