"""Activations, forward and backward, as one CUDA kernel each: what is read is read once, the result is written once.

The arithmetic is that of the portable definitions, in double where the elements are double and in float elsewhere.
Numbers that are attributes are rounded to the elements' type first, as the array libraries do.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod, sqrt
from typing import Any

import cupy

from polymod.rules.activation import MISH_LINEAR, SATURATED, SIXTH, TANH_CUBE, TANH_SCALE

from .launch import WIDER, of_one_type, textbook

_functions = """
#define AS(number) static_cast<W>(static_cast<T>(number))
template <typename W> __device__ inline W logistic(W v) { return W(1) / (W(1) + exp(-v)); }
template <typename W> __device__ inline W clipped(W v, W low, W high) { return v < low ? low : v > high ? high : v; }
"""


def _kernel(name: str, expression: str, parameters: str = "", setup: str = "", inputs: str = "T x") -> Any:
    """`y = expression` of `v`, the value of `x`, and `d`, that of `g`, as W, after the statements `setup`."""
    loads = "".join(f"const W {to} = static_cast<W>({a});" for a, to in (("x", "v"), ("g", "d")) if f"T {a}" in inputs)
    code = f"typedef typename wider<T>::type W; {loads} {setup} y = static_cast<T>({expression});"
    given = f"{inputs}, {parameters}" if parameters else inputs
    return cupy.ElementwiseKernel(given, "T y", code, f"polymod_{name}", preamble=WIDER + _functions)


_HALF_ERF = f"W(0.5) * erf(v * W({sqrt(0.5)!r}))"
_TANH_SETUP = f"""
const W z = clipped(v, W({-SATURATED}), W({SATURATED}));
const W u = z * z, t = tanh(W({TANH_SCALE!r}) * z * (W(1) + W({TANH_CUBE}) * u));
"""
_LINE = "float64 slope"
_ELU = "float64 scale, float64 left, float64 rate"
_SOFTPLUS, _SCALED = "float64 beta, float64 threshold", "const W z = v * AS(beta);"
_STEEP = "v > W(-3) && v < W(3)"

_made = {
    "erf": _kernel("erf", "erf(v)"),
    "relu": _kernel("relu", "v <= W(0) ? W(0) : v"),
    "sigmoid": _kernel("sigmoid", "logistic(v)"),
    "leaky_relu": _kernel("leaky_relu", "v > W(0) ? v : v * AS(slope)", _LINE),
    "prelu": _kernel("prelu", "v > W(0) ? v : v * static_cast<W>(weight)", inputs="T x, T weight"),
    "threshold": _kernel("threshold", "v <= AS(bound) ? AS(other) : v", "float64 bound, float64 other"),
    "hardtanh": _kernel("hardtanh", "clipped(v, AS(low), AS(high))", "float64 low, float64 high"),
    "hardsigmoid": _kernel("hardsigmoid", "clipped(v + W(3), W(0), W(6)) / W(6)"),
    "hardswish": _kernel("hardswish", "v * (clipped(v + W(3), W(0), W(6)) / W(6))"),
    "hardshrink": _kernel("hardshrink", "v >= -AS(width) && v <= AS(width) ? W(0) : v", "float64 width"),
    "softshrink": _kernel("softshrink", "v - clipped(v, -AS(width), AS(width))", "float64 width"),
    "elu": _kernel("elu", "v > W(0) ? v * AS(scale) : expm1(v * AS(rate)) * AS(left)", _ELU),
    "softplus": _kernel(
        "softplus",
        "z > AS(threshold) ? v : ((z < W(0) ? W(0) : z) + log1p(exp(-fabs(z)))) / AS(beta)",
        _SOFTPLUS,
        _SCALED,
    ),
    "silu": _kernel("silu", "v * logistic(v)"),
    "mish": _kernel(
        "mish",
        "v * (n / (n + W(2)))",
        setup=f"const W e = exp(clipped(v, v, W({MISH_LINEAR}))), n = e * (e + W(2));",
    ),
    "gelu": _kernel("gelu", f"v * (W(0.5) + {_HALF_ERF})"),
    "gelu_tanh": _kernel("gelu_tanh", "v * (W(0.5) + W(0.5) * t)", setup=_TANH_SETUP),
}
_slopes = {  # expressions, parameters, statements before
    "elu": ("v > W(0) ? AS(scale) : AS(left) * exp(v * AS(rate))", _ELU, ""),
    "softplus": ("z > AS(threshold) ? W(1) : logistic(z)", _SOFTPLUS, _SCALED),
    "silu": ("s * (W(1) + v * (W(1) - s))", "", "const W s = logistic(v);"),
    "mish": (
        "(n + z * (W(4) * e * (e + W(1)) / (n + W(2)))) / (n + W(2))",
        "",
        f"const W z = clipped(v, W({-SATURATED}), W({MISH_LINEAR})), e = exp(z), n = e * (e + W(2));",
    ),
    "gelu": (
        f"W(0.5) + {_HALF_ERF} + clipped(v, W({-SATURATED}), W({SATURATED})) * exp(W(-0.5) * v * v) "
        "* W(0.39894228040143268)",
        "",
        "",
    ),
    "gelu_tanh": (
        f"W(0.5) + W(0.5) * t + z * (W(1) - t * t) * (W({0.5 * TANH_SCALE!r}) * (W(1) + W({3 * TANH_CUBE!r}) * u))",
        "",
        _TANH_SETUP,
    ),
}
_made |= {f"{name}_slope": _kernel(f"{name}_slope", *how) for name, how in _slopes.items()}
_pulled = {  # from the cotangent g of the result, and x
    "relu_back": _kernel("relu_back", "v > W(0) ? d : W(0)", inputs="T g, T x"),
    "leaky_relu_back": _kernel("leaky_relu_back", "v > W(0) ? d : d * AS(slope)", _LINE, inputs="T g, T x"),
    "threshold_back": _kernel("threshold_back", "v <= AS(bound) ? W(0) : d", "float64 bound", inputs="T g, T x"),
    "hardtanh_back": _kernel(
        "hardtanh_back", "v <= AS(low) || v >= AS(high) ? W(0) : d", "float64 low, float64 high", inputs="T g, T x"
    ),
    "hardsigmoid_back": _kernel("hardsigmoid_back", f"{_STEEP} ? d * W({SIXTH!r}) : W(0)", inputs="T g, T x"),
    "hardswish_back": _kernel(
        "hardswish_back", f"{_STEEP} ? d * (v / W(3) + W(0.5)) : v < W(3) ? W(0) : d", inputs="T g, T x"
    ),
    "shrink_back": _kernel(
        "shrink_back", "v >= -AS(width) && v <= AS(width) ? W(0) : d", "float64 width", inputs="T g, T x"
    ),
    "sigmoid_back": _kernel("sigmoid_back", "d * (v * (W(1) - v))", inputs="T g, T x"),  # x is their result
    "tanh_back": _kernel("tanh_back", "d * (W(1) - v * v)", inputs="T g, T x"),
    **{
        f"{name}_back": _kernel(f"{name}_back", f"d * ({slope})", parameters, setup, "T g, T x")
        for name, (slope, parameters, setup) in _slopes.items()
    },
}
_masked = cupy.ElementwiseKernel("T g, bool keep", "T y", "y = keep ? g : T(0)", "polymod_masked")
_dropout = _kernel("dropout", "keep ? v * AS(scale) : W(0)", "bool keep, float64 scale")
_halves = "const long long first = i / half * half * 2 + i % half;"
_glu = cupy.ElementwiseKernel(
    "raw T x, int64 half",
    "T y",
    f"typedef typename wider<T>::type W; {_halves}"
    "y = static_cast<T>(static_cast<W>(x[first]) * logistic(static_cast<W>(x[first + half])));",
    "polymod_glu",
    preamble=WIDER + _functions,
)
_glu_back = cupy.ElementwiseKernel(
    "T g, raw T x, int64 half",
    "raw T y",
    f"typedef typename wider<T>::type W; {_halves}"
    "const W s = logistic(static_cast<W>(x[first + half])), of_a = static_cast<W>(g) * s;"
    "y[first] = static_cast<T>(of_a);"
    "y[first + half] = static_cast<T>(of_a * static_cast<W>(x[first]) * (W(1) - s));",
    "polymod_glu_back",
    preamble=WIDER + _functions,
)


def _values(**attrs: float) -> tuple[float, ...]:
    return tuple(attrs.values())


# what the kernels that have numbers are given, from the attributes
_numbers: dict[str, Callable[..., tuple[float, ...]]] = {
    **dict.fromkeys(("leaky_relu", "leaky_relu_back"), lambda negative_slope: (negative_slope,)),
    "threshold": lambda threshold, value: (threshold, value),
    "threshold_back": lambda threshold: (threshold,),
    **dict.fromkeys(("hardtanh", "hardtanh_back"), lambda low, high: (low, high)),
    **dict.fromkeys(("hardshrink", "softshrink", "shrink_back"), lambda width: (width,)),
    "elu": lambda alpha, scale, rate: (scale, alpha * scale, rate),
    **dict.fromkeys(("elu_slope", "elu_back"), lambda alpha, scale, rate: (scale, alpha * scale * rate, rate)),
    **dict.fromkeys(("softplus", "softplus_slope", "softplus_back"), lambda beta, threshold: (beta, threshold)),
}


def _operation(name: str, compiled: Any) -> Callable[..., Any]:
    numbers = _numbers.get(name, _values)

    def call(*arrays: Any, **attrs: Any) -> Any:
        if not of_one_type(*arrays):
            return textbook(name, *arrays, **attrs)
        with arrays[0].device:
            return compiled(*arrays, *numbers(**attrs))

    return call


def gelu(x: Any, *, approximate: str = "none") -> Any:
    if not of_one_type(x):
        return textbook("gelu", x, approximate=approximate)
    with x.device:
        return _made["gelu" if approximate == "none" else "gelu_tanh"](x)


def gelu_slope(x: Any, *, approximate: str = "none") -> Any:
    if not of_one_type(x):
        return textbook("gelu_slope", x, approximate=approximate)
    with x.device:
        return _made["gelu_slope" if approximate == "none" else "gelu_tanh_slope"](x)


def gelu_back(g: Any, x: Any, *, approximate: str = "none") -> Any:
    if not of_one_type(g, x):
        return textbook("gelu_back", g, x, approximate=approximate)
    with x.device:
        return _pulled["gelu_back" if approximate == "none" else "gelu_tanh_back"](g, x)


def masked(g: Any, keep: Any) -> Any:
    if not isinstance(g, cupy.ndarray):
        return textbook("masked", g, keep)
    with g.device:
        return _masked(g, keep)


def dropout(x: Any, keep: Any, *, scale: float) -> Any:
    if not of_one_type(x):
        return textbook("dropout", x, keep, scale=scale)
    with x.device:
        return _dropout(x, keep, scale)


def glu(x: Any, *, axis: int) -> Any:
    if not of_one_type(x):
        return textbook("glu", x, axis=axis)
    axis %= x.ndim
    shape = (*x.shape[:axis], x.shape[axis] // 2, *x.shape[axis + 1 :])
    with x.device:
        return _glu(cupy.ascontiguousarray(x), prod(shape[axis:]), cupy.empty(shape, x.dtype))


def glu_back(g: Any, x: Any, *, axis: int) -> Any:
    if not of_one_type(g, x):
        return textbook("glu_back", g, x, axis=axis)
    with x.device:
        result = cupy.empty(x.shape, x.dtype)
        return _glu_back(g, cupy.ascontiguousarray(x), prod(x.shape[axis % x.ndim :]) // 2, result)


kernels: dict[str, Callable[..., Any]] = {
    **{name: _operation(name, compiled) for name, compiled in (_made | _pulled).items()},
    **{f.__name__: f for f in (gelu, gelu_slope, gelu_back, masked, dropout, glu, glu_back)},
}
for _name in ("gelu_tanh", "gelu_tanh_slope", "gelu_tanh_back"):
    del kernels[_name]
