"""Elementwise functions."""

from __future__ import annotations

from typing import Any

import polymod as pm

from .adapters import adapter, adapters, only

same = (
    "abs acos acosh asin asinh atan atanh ceil cos cosh exp expm1 floor imag isfinite isinf isnan log log10 log1p log2"
)
same += " positive real reciprocal round sign signbit sin sinh sqrt square tan tanh trunc logical_not"
same += (
    " atan2 copysign eq ge gt hypot le logaddexp logical_and logical_or logical_xor lt maximum minimum mul ne nextafter"
)
same += " pow remainder true_divide"
renamed = {"eq": "equal", "ge": "greater_equal", "gt": "greater", "le": "less_equal", "lt": "less", "mul": "multiply"}
renamed |= {"ne": "not_equal", "true_divide": "divide"}
for _name in same.split():
    adapters[_name] = getattr(pm, renamed.get(_name, _name))
for _name, _f in {
    "conj": pm.conj,
    "conj_physical": pm.conj,
    "neg": pm.negative,
    "sgn": pm.sign,
    "float_power": pm.pow,
    "max_binary": pm.maximum,
    "min_binary": pm.minimum,
    "floor_divide": pm.floor_divide,
    "__radd__": lambda x, other: other + x,
    "__rsub__": lambda x, other: other - x,
    "__rmul__": lambda x, other: other * x,
    "__rdiv__": lambda x, other: other / x,
    "__rpow__": lambda x, other: other**x,
    "__rmod__": lambda x, other: other % x,
    "__rmatmul__": lambda x, other: pm.matmul(other, x),
    "clamp": pm.clip,
    "clamp_max": lambda x, high: pm.clip(x, max=high),
    "clamp_min": lambda x, low: pm.clip(x, min=low),
    "rsqrt": lambda x: 1 / pm.sqrt(x),
    "angle": lambda x: angle(x),
    "where": lambda x, condition, other: pm.where(condition, x, other),
    "masked_fill": lambda x, mask, value: pm.where(mask, value, x),
    "complex": lambda a, b: a + 1j * b,
    "polar": lambda size, angle: size * pm.exp(1j * angle),
    "view_as_real": lambda x: pm.stack([pm.real(x), pm.imag(x)], axis=-1),
    "view_as_complex": lambda x: x[..., 0] + 1j * x[..., 1],
    "addcmul": lambda x, a, b, value=1: x + value * (a * b),
    "addcdiv": lambda x, a, b, value=1: x + value * (a / b),
    "lerp": lambda x, end, weight: x + weight * (end - x),
    "resolve_neg": pm.positive,
    "resolve_conj": pm.positive,
}.items():
    adapters[_name] = _f


def angle(x: Any) -> Any:
    only(x.dtype.kind == "c", "the standard has imag of complex numbers only")
    return pm.atan2(pm.imag(x), pm.real(x))


@adapter("add")
def add(x: Any, other: Any, alpha: complex = 1) -> Any:
    return x + other if alpha == 1 else x + alpha * other


@adapter("sub")
def sub(x: Any, other: Any, alpha: complex = 1) -> Any:
    return x - other if alpha == 1 else x - alpha * other


@adapter("rsub")
def rsub(x: Any, other: Any, alpha: complex = 1) -> Any:
    return other - (x if alpha == 1 else alpha * x)


@adapter("div_no_rounding_mode", "div_floor_rounding", "div_trunc_rounding")
def div(x: Any, other: Any, rounding_mode: str | None = None) -> Any:
    if rounding_mode is None:
        return x / other
    return pm.floor_divide(x, other) if rounding_mode == "floor" else pm.trunc(x / other)
