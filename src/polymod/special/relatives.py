"""Functions that are close to others: angles in degrees, relatives of gamma and zeta, counts of successes."""

from __future__ import annotations

from math import pi

from ..ops import ops
from ..rules import primitives
from ..tensor import Tensor
from .arguments import of_floats
from .elementary import cosdg, sindg

__all__ = ["bdtr", "bdtrc", "cotdg", "loggamma", "nbdtr", "nbdtrc", "radian", "tandg", "zetac"]


@of_floats
def tandg(x: Tensor, /) -> Tensor:
    """The tangent of x degrees."""
    return sindg(x) / cosdg(x)


@of_floats
def cotdg(x: Tensor, /) -> Tensor:
    """The cotangent of x degrees."""
    return cosdg(x) / sindg(x)


@of_floats
def radian(d: Tensor, m: Tensor, s: Tensor, /) -> Tensor:
    """d degrees, m minutes and s seconds in radians."""
    return (d + m / 60 + s / 3600) * (pi / 180)


@of_floats
def loggamma(x: Tensor, /) -> Tensor:
    """The logarithm of the gamma function, NaN for negative x."""
    return ops.where(x < 0, ops.nan, primitives["gammaln"](x))


@of_floats
def zetac(x: Tensor, /) -> Tensor:
    """Riemann's zeta function less 1, with all digits for large x."""
    high = x > 1
    beyond_one = primitives["zeta"](ops.where(high, x, 2), ops.full_like(x.detach(), 2))
    return ops.where(high, beyond_one, primitives["riemann"](ops.where(high, 0, x)) - 1)


@of_floats
def bdtr(k: Tensor, n: Tensor, p: Tensor, /) -> Tensor:
    """The probability of at most floor(k) successes in n trials, each of probability p, for 0 <= k < n."""
    return primitives["betainc"](n - ops.floor(k), ops.floor(k) + 1, 1 - p)


@of_floats
def bdtrc(k: Tensor, n: Tensor, p: Tensor, /) -> Tensor:
    """The probability of more than floor(k) successes in n trials, each of probability p, for 0 <= k < n."""
    return primitives["betainc"](ops.floor(k) + 1, n - ops.floor(k), p)


@of_floats
def nbdtr(k: Tensor, n: Tensor, p: Tensor, /) -> Tensor:
    """The probability of at most k failures before the n-th success, each of probability p."""
    return primitives["betainc"](n, k + 1, p)


@of_floats
def nbdtrc(k: Tensor, n: Tensor, p: Tensor, /) -> Tensor:
    """The probability of more than k failures before the n-th success, each of probability p."""
    return primitives["betainc"](k + 1, n, 1 - p)
