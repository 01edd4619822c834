"""Activations as one CUDA kernel each, so that the array is read and written once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy

from polymod.backend import load_backend, portable

# The arithmetic of the portable definitions, in double where T is double and in float elsewhere.
_prelude = """
template <typename T> struct wider { typedef float type; };
template <> struct wider<double> { typedef double type; };
"""
_begin = "typedef typename wider<T>::type W; const W v = static_cast<W>(x);"


def _kernel(name: str, expression: str) -> Any:
    code = f"{_begin} y = static_cast<T>({expression});"
    return cupy.ElementwiseKernel("T x", "T y", code, f"polymod_{name}", preamble=_prelude)


_erf = _kernel("erf", "erf(v)")
_sigmoid = _kernel("sigmoid", "W(1) / (W(1) + exp(-v))")
_gelu = _kernel("gelu", "v * (W(0.5) + W(0.5) * erf(v * W(0.70710678118654752)))")
_slope = _kernel(
    "gelu_slope",
    "W(0.5) + W(0.5) * erf(v * W(0.70710678118654752))"
    " + fmax(fmin(v, W(50)), W(-50)) * exp(W(-0.5) * v * v) * W(0.39894228040143268)",
)


def _floating(x: cupy.ndarray) -> bool:
    return x.dtype.char in "efd"


def erf(x: cupy.ndarray) -> cupy.ndarray:
    return _erf(x)


def sigmoid(x: cupy.ndarray) -> cupy.ndarray:
    return _sigmoid(x) if _floating(x) else portable["sigmoid"](load_backend("cupy").namespace, x)


def gelu(x: cupy.ndarray, *, approximate: str = "none") -> cupy.ndarray:
    if approximate == "none":
        return _gelu(x)
    return portable["gelu"](load_backend("cupy").namespace, x, approximate=approximate)


def gelu_slope(x: cupy.ndarray, *, approximate: str = "none") -> cupy.ndarray:
    if approximate == "none":
        return _slope(x)
    return portable["gelu_slope"](load_backend("cupy").namespace, x, approximate=approximate)


kernels: dict[str, Callable[..., Any]] = {f.__name__: f for f in (erf, sigmoid, gelu, gelu_slope)}
