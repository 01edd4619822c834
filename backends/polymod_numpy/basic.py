"""Reductions, affine maps and activations with less overhead and fewer passes over memory than their textbook form.

Reductions call the ufuncs directly: NumPy's functions of the same names spend microseconds before they do so.
"""

from __future__ import annotations

from math import prod
from typing import Any

import array_api_compat.numpy
import numpy as np

Axis = int | tuple[int, ...] | None
_INTEGERS = {"e": np.int16, "f": np.int32, "d": np.int64}


def sum(x: Any, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Any:
    return np.add.reduce(x, axis=axis, dtype=dtype, keepdims=keepdims)


def max(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    return np.maximum.reduce(x, axis=axis, keepdims=keepdims)


def min(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    return np.minimum.reduce(x, axis=axis, keepdims=keepdims)


def mean(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    shape = x.shape
    if axis is None:
        count = x.size
    else:
        count = shape[axis] if type(axis) is int else prod(shape[a] for a in axis)
    if count == 0 or x.dtype.char not in "fdFD":  # a warning, or sums in a wider type: NumPy's own affair
        return np.mean(x, axis=axis, keepdims=keepdims)
    return np.add.reduce(x, axis=axis, keepdims=keepdims) / count


def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    rows = x if x.ndim == 2 else x.reshape(prod(x.shape[:-1]), x.shape[-1])
    y = np.matmul(rows, weight.T)
    if bias is not None:
        y = np.add(y, bias, out=y if bias.dtype == y.dtype else None)
    return y if x.ndim == 2 else y.reshape(*x.shape[:-1], weight.shape[0])


def linear_weight_back(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    if g.ndim != 2:
        g, x = g.reshape(-1, g.shape[-1]), x.reshape(-1, x.shape[-1])
    return np.matmul(g.T, x.conj() if x.dtype.kind == "c" else x)


def linear_bias_back(g: np.ndarray) -> np.ndarray:
    return np.add.reduce(g, axis=tuple(range(g.ndim - 1)))


def matmul(a: Any, b: Any) -> Any:
    return np.matmul(a, b)


def clip(x: Any, low: Any, high: Any) -> Any:
    """NumPy's own where the bounds are numbers, which is most often and takes a tenth of array_api_compat's time."""
    if x.dtype.kind == "f" and all(b is None or type(b) in (int, float) for b in (low, high)):
        return np.clip(x, low, high)
    return array_api_compat.numpy.clip(x, low, high)


def relu(x: Any) -> Any:
    return np.maximum(x, 0)


def leaky_relu(x: Any, *, negative_slope: float) -> Any:
    if 0 < negative_slope <= 1:
        return np.maximum(x, x * negative_slope)
    return np.clip(x, 0.0, None) + np.clip(x, None, 0.0) * negative_slope


def relu_back(g: Any, y: Any) -> Any:
    return masked(g, y > 0)


def masked(g: Any, keep: Any) -> Any:
    """`g` where `keep` and exactly 0 elsewhere, also for an infinite `g`.

    Where the choice is random, this is several times faster than np.where, whose branches the processor
    mispredicts.
    """
    integer = _INTEGERS.get(g.dtype.char)
    if integer is None or keep.shape != g.shape:
        return np.where(keep, g, g.dtype.type(0))
    bits = np.array(keep, dtype=integer)
    np.negative(bits, out=bits)
    bits &= g.view(integer)
    return bits.view(g.dtype)


def softmax(x: Any, *, axis: int) -> Any:
    e = np.asarray(np.subtract(x, np.maximum.reduce(x, axis=axis, keepdims=True)))
    np.exp(e, out=e)
    e /= np.add.reduce(e, axis=axis, keepdims=True)
    return e


def softmax_back(g: Any, y: Any, *, axis: int) -> Any:
    result = np.asarray(np.multiply(g, y))
    total = np.add.reduce(result, axis=axis, keepdims=True)
    np.subtract(g, total, out=result)
    result *= y
    return result


def log_softmax(x: Any, *, axis: int) -> Any:
    y = np.asarray(np.subtract(x, np.maximum.reduce(x, axis=axis, keepdims=True)))
    y -= np.log(np.add.reduce(np.exp(y), axis=axis, keepdims=True))
    return y
