"""Functions that are short expressions of others: powers and logarithms, transforms of data, losses."""

from __future__ import annotations

from math import log, pi
from typing import Any

from ..ops import ops
from ..rules import primitives
from ..tensor import Tensor
from .arguments import of_floats

__all__ = [
    "binom",
    "boxcox",
    "boxcox1p",
    "cbrt",
    "cosdg",
    "cosm1",
    "ellipk",
    "ellipkm1",
    "exp2",
    "exp10",
    "exprel",
    "huber",
    "inv_boxcox",
    "inv_boxcox1p",
    "poch",
    "pseudo_huber",
    "sindg",
]


@of_floats
def exp2(x: Any, /) -> Tensor:
    """2**x."""
    return ops.pow(2.0, x)


@of_floats
def exp10(x: Any, /) -> Tensor:
    """10**x."""
    return ops.pow(10.0, x)


@of_floats
def cbrt(x: Any, /) -> Tensor:
    """The real cube root; its derivative at 0 is inf."""
    zero = x == 0
    root = ops.sign(x) * ops.exp(ops.log(ops.abs(ops.where(zero, 1, x))) / 3)
    root = root - (root - x / (root * root)) / 3  # Newton's step, for the last digits
    return ops.where(zero, ops.copysign(ops.sqrt(ops.abs(x)), x), ops.where(ops.isinf(x), x, root))


@of_floats
def cosm1(x: Any, /) -> Tensor:
    """cos(x) - 1, with all digits near 0."""
    return -2 * ops.square(ops.sin(0.5 * x))


@of_floats
def exprel(x: Any, /) -> Tensor:
    """(exp(x) - 1) / x, and 1 at 0."""
    near = ops.abs(x) < 0.1
    u = ops.where(near, x, 0)
    series = 1 + 0 * u
    for k in range(12, 1, -1):  # the series itself near 0, so that all derivatives are right there
        series = 1 + u * series / k
    far = ops.where(near, 1, x)
    return ops.where(near, series, ops.where(far == ops.inf, ops.inf, ops.expm1(far) / far))


def _degrees(x: Tensor) -> Tensor:
    """`x` in degrees, less a multiple of 360, in radians."""
    return pi / 180 * (x - 360 * ops.round(x / 360))


@of_floats
def sindg(x: Any, /) -> Tensor:
    """The sine of x degrees."""
    return ops.sin(_degrees(x))


@of_floats
def cosdg(x: Any, /) -> Tensor:
    """The cosine of x degrees."""
    return ops.sin(_degrees(90 - x))


@of_floats
def boxcox(x: Any, lmbda: Any, /) -> Tensor:
    """(x**lmbda - 1) / lmbda, and log(x) at lmbda = 0."""
    return _boxcox(ops.log(x), lmbda)


@of_floats
def boxcox1p(x: Any, lmbda: Any, /) -> Tensor:
    """((1 + x)**lmbda - 1) / lmbda, and log(1 + x) at lmbda = 0."""
    return _boxcox(ops.log1p(x), lmbda)


def _boxcox(logarithm: Tensor, lmbda: Tensor) -> Tensor:
    """(exp(lmbda log) - 1) / lmbda."""
    return logarithm * exprel(lmbda * logarithm)


@of_floats
def inv_boxcox(y: Any, lmbda: Any, /) -> Tensor:
    """The x of `boxcox`."""
    return ops.exp(_inverse(y, lmbda))


@of_floats
def inv_boxcox1p(y: Any, lmbda: Any, /) -> Tensor:
    """The x of `boxcox1p`."""
    return ops.expm1(_inverse(y, lmbda))


def _inverse(y: Tensor, lmbda: Tensor) -> Tensor:
    """log(1 + lmbda y) / lmbda, and y at lmbda = 0."""
    zero = lmbda == 0
    return ops.where(zero, y - 0.5 * lmbda * y * y, ops.log1p(lmbda * y) / ops.where(zero, 1, lmbda))


@of_floats
def huber(delta: Any, r: Any, /) -> Tensor:
    """r**2 / 2 where |r| <= delta, delta (|r| - delta / 2) beyond; inf where delta < 0."""
    size = ops.abs(r)
    value = ops.where(size <= delta, 0.5 * r * r, delta * (size - 0.5 * delta))
    return ops.where(delta < 0, ops.inf, value)


@of_floats
def pseudo_huber(delta: Any, r: Any, /) -> Tensor:
    """delta**2 (sqrt(1 + (r / delta)**2) - 1); 0 where delta is 0, inf where it is negative."""
    zero = delta == 0
    u = ops.square(r / ops.where(zero, 1, delta))
    value = delta * delta * (u / (1 + ops.sqrt(1 + u)))
    return ops.where(delta < 0, ops.inf, value)


@of_floats
def poch(z: Any, m: Any, /) -> Tensor:
    """gamma(z + m) / gamma(z), Pochhammer's symbol."""
    sign, gammaln = primitives["gamma_sign"], primitives["gammaln"]
    return ops.where(m == 0, 1, sign(z + m) * sign(z) * ops.exp(gammaln(z + m) - gammaln(z)))


@of_floats
def binom(n: Any, k: Any, /) -> Tensor:
    """The binomial coefficient, for n > -1 and -1 < k < n + 1: 1 / ((n + 1) beta(n - k + 1, k + 1))."""
    return ops.exp(-ops.log(n + 1) - primitives["betaln"](n - k + 1, k + 1))


@of_floats
def ellipkm1(p: Any, /) -> Tensor:
    """The complete elliptic integral of the first kind at m = 1 - p, by the arithmetic-geometric mean, for p >= 0."""
    a, b = ops.ones_like(p), ops.sqrt(p)
    for _ in range(9):
        a, b = 0.5 * (a + b), ops.sqrt(a * b)
    tiny = p < 1e-8  # the mean would take many steps: DLMF 19.9.1, exact to rounding there
    logarithm = 0.5 * log(16) - 0.5 * ops.log(ops.where(tiny, p, 1))
    return ops.where(tiny, logarithm + 0.25 * p * (logarithm - 1), 0.5 * pi / ops.where(tiny, 1, a))


@of_floats
def ellipk(m: Any, /) -> Tensor:
    """The complete elliptic integral of the first kind of parameter m <= 1."""
    return ellipkm1(1 - m)
