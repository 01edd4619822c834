"""Reductions and running sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polymod as pm

from .adapters import adapter, adapters, dtype_of, only


def axis_of(dim: Any) -> Any:
    """torch takes an empty list of axes as all of them."""
    if isinstance(dim, list | tuple):
        return tuple(dim) or None
    return dim


def reduction(f: Callable[..., Any]) -> Callable[..., Any]:
    def call(x: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
        only(x.ndim > 0 or axis_of(dim) is None, "no axis")
        typed = {} if dtype is None else {"dtype": dtype_of(dtype)}
        return f(x, axis=axis_of(dim), keepdims=keepdim, **typed)

    return call


for _name, _f in {
    "sum": pm.sum,
    "prod": pm.prod,
    "mean": pm.mean,
    "amax": pm.max,
    "amin": pm.min,
    "max_reduction_no_dim": pm.max,
    "max_reduction_with_dim": pm.max,
    "min_reduction_no_dim": pm.min,
    "min_reduction_with_dim": pm.min,
    "all": pm.all,
    "any": pm.any,
    "argmax": pm.argmax,
    "argmin": pm.argmin,
    "logsumexp": pm.logsumexp,
}.items():
    adapters[_name] = reduction(_f)
adapters["count_nonzero"] = lambda x, dim=None: pm.count_nonzero(x, axis=axis_of(dim))


def spread(f: Callable[..., Any]) -> Callable[..., Any]:
    """var and std in torch: Bessel's correction by default, and as a switch."""

    def call(x: Any, dim: Any = None, unbiased: Any = None, correction: Any = None, keepdim: bool = False) -> Any:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        if correction is None:
            correction = 1 if unbiased is None or unbiased else 0
        return f(x, axis=axis_of(dim), correction=correction, keepdims=keepdim)

    return call


_var, _std = spread(pm.var), spread(pm.std)
for _name in ("var", "var_unbiased"):
    adapters[_name] = _var
for _name in ("std", "std_unbiased"):
    adapters[_name] = _std


@adapter("var_mean", "var_mean_unbiased")
def var_mean(x: Any, dim: Any = None, *args: Any, keepdim: bool = False, **kwargs: Any) -> Any:
    axis = None if isinstance(dim, bool) else axis_of(dim)
    return _var(x, dim, *args, keepdim=keepdim, **kwargs), pm.mean(x, axis=axis, keepdims=keepdim)


@adapter("std_mean", "std_mean_unbiased")
def std_mean(x: Any, dim: Any = None, *args: Any, keepdim: bool = False, **kwargs: Any) -> Any:
    axis = None if isinstance(dim, bool) else axis_of(dim)
    return _std(x, dim, *args, keepdim=keepdim, **kwargs), pm.mean(x, axis=axis, keepdims=keepdim)


@adapter("cumsum")
def cumsum(x: Any, dim: int, dtype: Any = None) -> Any:
    only(x.ndim > 0, "no axis")
    return pm.cumulative_sum(x, axis=dim, dtype=dtype_of(dtype))


@adapter("cumprod")
def cumprod(x: Any, dim: int, dtype: Any = None) -> Any:
    only(x.ndim > 0, "no axis")
    return pm.cumulative_prod(x, axis=dim, dtype=dtype_of(dtype))


@adapter("diff")
def diff(x: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    return pm.diff(x, n=n, axis=dim, prepend=prepend, append=append)


@adapter("quantile")
def quantile(x: Any, q: Any, dim: Any = None, keepdim: bool = False, interpolation: str = "linear") -> Any:
    only(interpolation == "linear" and x.ndim > 0, "interpolation")
    return pm.quantile(x, q, axis=dim, keepdims=keepdim)
