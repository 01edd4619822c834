"""Distribution functions of statistics, and their inverses."""

from __future__ import annotations

from typing import Any

from ..ops import ops
from ..rules import primitives
from ..tensor import Tensor
from .arguments import of_floats

__all__ = [
    "chdtr",
    "chdtrc",
    "fdtr",
    "fdtrc",
    "gdtr",
    "gdtrc",
    "log_ndtr",
    "ndtr",
    "ndtri",
    "pdtr",
    "pdtrc",
    "stdtr",
]


@of_floats
def ndtr(x: Any, /) -> Tensor:
    """The standard normal distribution function."""
    return primitives["ndtr"](x)


@of_floats
def log_ndtr(x: Any, /) -> Tensor:
    """The logarithm of the standard normal distribution function, also where that underflows."""
    return primitives["log_ndtr"](x)


@of_floats
def ndtri(p: Any, /) -> Tensor:
    """The inverse of `ndtr`: the quantile of the standard normal distribution."""
    return primitives["ndtri"](p)


@of_floats
def chdtr(v: Any, x: Any, /) -> Tensor:
    """The distribution function of chi-squared with v degrees of freedom."""
    return primitives["gammainc"](v / 2, x / 2)


@of_floats
def chdtrc(v: Any, x: Any, /) -> Tensor:
    """The probability that chi-squared with v degrees of freedom is above x."""
    return ops.where(x < 0, 1, primitives["gammaincc"](v / 2, ops.where(x < 0, 0, x) / 2))


@of_floats
def fdtr(dfn: Any, dfd: Any, x: Any, /) -> Tensor:
    """The F distribution's function, with dfn and dfd degrees of freedom; NaN for x < 0."""
    ratio = dfn * x / dfd
    return primitives["betainc"](dfn / 2, dfd / 2, ratio / (1 + ratio))


@of_floats
def fdtrc(dfn: Any, dfd: Any, x: Any, /) -> Tensor:
    """The probability that an F variable with dfn and dfd degrees of freedom is above x; NaN for x < 0."""
    return primitives["betainc"](dfd / 2, dfn / 2, 1 / (1 + dfn * x / dfd))


@of_floats
def stdtr(df: Any, t: Any, /) -> Tensor:
    """The distribution function of Student's t with df degrees of freedom."""
    return primitives["stdtr"](df, t)


@of_floats
def pdtr(k: Any, m: Any, /) -> Tensor:
    """The probability that a Poisson variable of mean m is at most floor(k); NaN for k < 0."""
    return primitives["gammaincc"](ops.where(k < 0, ops.nan, ops.floor(k)) + 1, m)


@of_floats
def pdtrc(k: Any, m: Any, /) -> Tensor:
    """The probability that a Poisson variable of mean m is above floor(k); NaN for k < 0."""
    return primitives["gammainc"](ops.where(k < 0, ops.nan, ops.floor(k)) + 1, m)


@of_floats
def gdtr(a: Any, b: Any, x: Any, /) -> Tensor:
    """The distribution function of the gamma distribution of rate a and shape b."""
    return primitives["gammainc"](b, a * x)


@of_floats
def gdtrc(a: Any, b: Any, x: Any, /) -> Tensor:
    """The probability that a gamma variable of rate a and shape b is above x."""
    return primitives["gammaincc"](b, a * x)
