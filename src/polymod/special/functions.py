"""Error function, entropies, gamma, beta and zeta functions, Bessel functions: names and meanings of primitives."""

from __future__ import annotations

from math import log, pi
from typing import Any

from ..ops import ops
from ..rules import primitives
from ..tensor import Tensor
from .arguments import floats, of_floats

__all__ = [
    "beta",
    "betainc",
    "betaincc",
    "betaln",
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "expit",
    "gamma",
    "gammainc",
    "gammaincc",
    "gammaln",
    "gammasgn",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "kl_div",
    "log_expit",
    "logit",
    "multigammaln",
    "polygamma",
    "psi",
    "rel_entr",
    "rgamma",
    "sinc",
    "xlog1py",
    "xlogy",
    "zeta",
]


@of_floats
def erf(x: Any, /) -> Tensor:
    """The error function: 2 / sqrt(pi) times the integral of exp(-t**2) from 0 to x."""
    return primitives["erf"](x)


@of_floats
def erfc(x: Any, /) -> Tensor:
    """1 - erf(x), with all digits where that is small."""
    return primitives["erfc"](x)


@of_floats
def erfcx(x: Any, /) -> Tensor:
    """exp(x**2) erfc(x)."""
    return primitives["erfcx"](x)


@of_floats
def erfinv(y: Any, /) -> Tensor:
    """The inverse of `erf`; infinite at -1 and 1."""
    return primitives["erfinv"](y)


@of_floats
def expit(x: Any, /) -> Tensor:
    """The logistic function 1 / (1 + exp(-x))."""
    return primitives["sigmoid"](x)


@of_floats
def logit(p: Any, /) -> Tensor:
    """log(p / (1 - p)), the inverse of `expit`."""
    return primitives["logit"](p)


@of_floats
def log_expit(x: Any, /) -> Tensor:
    """The logarithm of `expit`, also where that underflows."""
    return primitives["log_expit"](x)


@of_floats
def xlogy(x: Any, y: Any, /) -> Tensor:
    """x log(y), and 0 where x is 0. Its derivative in x is log(y), but 0 where x is 0 and y <= 0; in y it is x / y,
    but 0 where both are 0."""
    return primitives["xlogy"](x, y)


@of_floats
def xlog1py(x: Any, y: Any, /) -> Tensor:
    """x log(1 + y), and 0 where x is 0; derivatives as in `xlogy`."""
    return primitives["xlog1py"](x, y)


@of_floats
def entr(x: Any, /) -> Tensor:
    """-x log(x), 0 at 0 (where its derivative is inf), -inf below."""
    return primitives["entr"](x)


@of_floats
def rel_entr(x: Any, y: Any, /) -> Tensor:
    """x log(x / y) for positive x and y, 0 at x = 0 <= y (where its derivative in x is -inf), inf elsewhere."""
    return primitives["rel_entr"](x, y)


@of_floats
def kl_div(x: Any, y: Any, /) -> Tensor:
    """x log(x / y) - x + y for positive x and y, y at x = 0 <= y (derivative in x: -inf), inf elsewhere."""
    return primitives["kl_div"](x, y)


@of_floats
def gamma(x: Any, /) -> Tensor:
    """The gamma function."""
    return primitives["gamma"](x)


@of_floats
def rgamma(x: Any, /) -> Tensor:
    """1 / gamma(x), which is 0 at the poles of gamma; its derivative is NaN there."""
    pole = (x <= 0) & (ops.floor(x) == x)
    return ops.where(pole, 0, 1 / primitives["gamma"](ops.where(pole, 1, x)))


@of_floats
def gammasgn(x: Any, /) -> Tensor:
    """The sign of the gamma function."""
    return primitives["gamma_sign"](x)


@of_floats
def gammaln(x: Any, /) -> Tensor:
    """log |gamma(x)|."""
    return primitives["gammaln"](x)


@of_floats
def digamma(x: Any, /) -> Tensor:
    """The derivative of `gammaln`."""
    return primitives["digamma"](x)


psi = digamma


@of_floats
def polygamma(n: Any, x: Any, /) -> Tensor:
    """The n-th derivative of `digamma`, for whole n >= 0. Has no derivative in n."""
    return primitives["polygamma"](n, x)


@of_floats
def multigammaln(a: Any, /, d: int) -> Tensor:
    """The logarithm of the gamma function of d variables: d (d - 1) / 4 log(pi) plus the sum of gammaln(a - j / 2)
    over j = 0, ..., d - 1. NaN where a <= (d - 1) / 2.

    Raises:
        ValueError: `d` is no whole number, or less than 1.
    """
    if int(d) != d or d < 1:
        raise ValueError(f"d must be a positive whole number, received {d}")
    total: Any = sum(primitives["gammaln"](a - 0.5 * j) for j in range(int(d)))
    total = total + 0.25 * d * (d - 1) * log(pi)
    return ops.where(a > 0.5 * (d - 1), total, ops.nan)


def zeta(x: Any, q: Any = None, /) -> Tensor:
    """Hurwitz's zeta function, the sum of (q + k)**-x over k = 0, 1, ...; Riemann's, for all real x, without `q`.

    Its derivative in x is NaN for q < 0.
    """
    if q is None:
        return primitives["riemann"](*floats(x))
    return primitives["zeta"](*floats(x, q))


@of_floats
def betaln(a: Any, b: Any, /) -> Tensor:
    """log |beta(a, b)|."""
    return primitives["betaln"](a, b)


@of_floats
def beta(a: Any, b: Any, /) -> Tensor:
    """Euler's beta function, gamma(a) gamma(b) / gamma(a + b)."""
    sign = primitives["gamma_sign"]
    return sign(a) * sign(b) * sign(a + b) * ops.exp(primitives["betaln"](a, b))


@of_floats
def gammainc(a: Any, x: Any, /) -> Tensor:
    """The regularised lower incomplete gamma function."""
    return primitives["gammainc"](a, x)


@of_floats
def gammaincc(a: Any, x: Any, /) -> Tensor:
    """The regularised upper incomplete gamma function."""
    return primitives["gammaincc"](a, x)


@of_floats
def betainc(a: Any, b: Any, x: Any, /) -> Tensor:
    """The regularised incomplete beta function."""
    return primitives["betainc"](a, b, x)


@of_floats
def betaincc(a: Any, b: Any, x: Any, /) -> Tensor:
    """1 - betainc(a, b, x), with all digits where that is small."""
    return primitives["betainc"](b, a, 1 - x)


@of_floats
def i0(x: Any, /) -> Tensor:
    """The modified Bessel function of the first kind of order 0."""
    return primitives["i0"](x)


@of_floats
def i1(x: Any, /) -> Tensor:
    """The modified Bessel function of the first kind of order 1."""
    return primitives["i1"](x)


@of_floats
def i0e(x: Any, /) -> Tensor:
    """exp(-|x|) i0(x); its derivative at the kink x = 0 is 0."""
    return primitives["i0e"](x)


@of_floats
def i1e(x: Any, /) -> Tensor:
    """exp(-|x|) i1(x)."""
    return primitives["i1e"](x)


@of_floats
def sinc(x: Any, /) -> Tensor:
    """sin(pi x) / (pi x), and 1 at 0."""
    z = pi * x
    near = ops.abs(z) < 0.5
    u = ops.where(near, z * z, 0)
    series = 1 + 0 * u
    for k in range(10, 0, -1):  # the series itself near 0, so that all derivatives are right there
        series = 1 - u * series / (2 * k * (2 * k + 1))
    z = ops.where(near, 1, z)
    return ops.where(near, series, ops.sin(z) / z)
