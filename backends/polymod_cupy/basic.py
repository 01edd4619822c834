"""Functions of the standard put right: those for which array_api_compat assigns by masks or copies from the host, and
those that CuPy computes otherwise than the standard says.

`x[mask] = y` counts the mask's elements on the host, for which the whole queue of the GPU is waited for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_compat.cupy as xp
import cupy

from .indexing import resident
from .launch import WIDER

_clip = cupy.ElementwiseKernel(
    "T x, T low, T high, bool bounded_below, bool bounded_above",
    "T y",
    """
    y = bounded_below && (x < low || low != low) ? low : x;
    y = bounded_above && (y > high || high != high) ? high : y;
    """,
    "polymod_clip",
)
_sign = cupy.ElementwiseKernel(
    "T x",
    "T y",
    "y = x != x ? x : static_cast<T>(static_cast<int>(x > T(0)) - static_cast<int>(x < T(0)))",
    "polymod_sign",
)

# CuPy has a - floor(a / b) * b, which is NaN where b is infinite and loses the sign of a zero.
_remainder = cupy.ElementwiseKernel(
    "T a, T b",
    "T y",
    """
    typedef typename wider<T>::type W;
    const W divisor = static_cast<W>(b);
    W r = fmod(static_cast<W>(a), divisor);
    if (r != 0 && (r < 0) != (divisor < 0)) r += divisor;
    y = static_cast<T>(r == 0 ? copysign(r, divisor) : r);
    """,
    "polymod_remainder",
    preamble=WIDER,
)


def asarray(obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> cupy.ndarray:
    if copy is not False and isinstance(obj, bool | int | float | complex):
        with cupy.cuda.Device(device):
            return cupy.full((), obj, dtype if dtype is not None else cupy.dtype(type(obj)))  # filled by a kernel
    return xp.asarray(obj, dtype=dtype, device=device, copy=copy)


def _bound(x: cupy.ndarray, value: Any) -> Any:
    """A bound as the kernel takes it: of the dtype of `x`, integers beyond its range at the range's end."""
    if value is None:
        return x
    if isinstance(value, cupy.ndarray):
        return value.astype(x.dtype, copy=False)
    if x.dtype.kind in "iu":
        limits = cupy.iinfo(x.dtype)
        value = sorted((limits.min, value, limits.max))[1]
    return x.dtype.type(value)


def clip(x: cupy.ndarray, /, min: Any = None, max: Any = None) -> cupy.ndarray:
    with x.device:
        return _clip(x, _bound(x, min), _bound(x, max), min is not None, max is not None)


def sign(x: cupy.ndarray, /) -> cupy.ndarray:
    with x.device:
        if x.dtype.kind == "c":
            return cupy.where(x == 0, 0, x / cupy.abs(x)).astype(x.dtype, copy=False)
        return _sign(x)


def remainder(a: Any, b: Any, /) -> cupy.ndarray:
    arrays = [x for x in (a, b) if isinstance(x, cupy.ndarray)]
    if arrays[0].dtype.char not in "efd" or arrays[0].dtype != arrays[-1].dtype:
        return xp.remainder(a, b)
    with arrays[0].device:
        return _remainder(a, b)


def index_set(x: cupy.ndarray, values: cupy.ndarray, *, key: Any) -> cupy.ndarray:
    with x.device:
        mask = key[0] if isinstance(key, tuple) and len(key) == 1 else key
        if isinstance(mask, cupy.ndarray) and mask.dtype == bool and values.ndim == 0:  # no need to count the mask
            return cupy.where(mask.reshape(mask.shape + (1,) * (x.ndim - mask.ndim)), values, x)
        result = x.copy()
        result[resident(key)] = values
        return result


kernels: dict[str, Callable[..., Any]] = {f.__name__: f for f in (asarray, clip, index_set, remainder, sign)}
