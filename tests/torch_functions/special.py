"""Special functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polymod as pm
from polymod import special

from .adapters import adapter, adapters, cast, only


def of_reals(f: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        only(
            not any(isinstance(a, pm.Tensor) and a.dtype.kind == "c" for a in args),
            "a special function's complex argument",
        )
        return f(*args)

    return call


for _name in "erf erfc erfinv digamma i0 sinc xlogy exp2".split():
    adapters[_name] = of_reals(getattr(special, _name))
for _name in "i0e i1 i1e ndtr xlog1py zeta entr ndtri log_ndtr erfcx".split():
    adapters[f"special.{_name}"] = of_reals(getattr(special, _name))
adapters["logaddexp"] = of_reals(pm.logaddexp)
for _name, _f in {
    "lgamma": special.gammaln,
    "sigmoid": of_reals(special.expit),
    "nn.functional.logsigmoid": special.log_expit,
    "igamma": special.gammainc,
    "igammac": special.gammaincc,
    "special.modified_bessel_k0": special.k0,
    "special.modified_bessel_k1": special.k1,
    "special.modified_bessel_i0": special.i0,
    "special.modified_bessel_i1": special.i1,
    "special.scaled_modified_bessel_k0": special.k0e,
    "special.scaled_modified_bessel_k1": special.k1e,
}.items():
    adapters[_name] = _f
for _n in range(5):
    adapters[f"polygamma_polygamma_n_{_n}"] = lambda x, n: special.polygamma(n, x)
for _n in (1, 3, 5):
    adapters[f"mvlgamma_mvlgamma_p_{_n}"] = lambda x, p: special.multigammaln(x, p)
adapters["special.polygamma_special_polygamma_n_0"] = lambda x, n: special.polygamma(n, x)


@adapter("logit")
def logit(x: Any, eps: Any = None) -> Any:
    return special.logit(x if eps is None else pm.clip(x, eps, 1 - eps))


@adapter("softmax", "softmax_with_dtype")
def softmax(x: Any, dim: int, dtype: Any = None) -> Any:
    only(x.ndim > 0 and x.size > 0, "no axis, or no element")
    return special.softmax(cast(x, dtype), axis=dim)


@adapter("log_softmax", "log_softmax_with_dtype")
def log_softmax(x: Any, dim: int, dtype: Any = None) -> Any:
    only(x.ndim > 0 and x.size > 0, "no axis, or no element")
    return special.log_softmax(cast(x, dtype), axis=dim)
