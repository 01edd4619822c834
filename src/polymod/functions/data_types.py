"""Data types of arrays: converting them, asking what they can hold, and how they combine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from .. import dtypes
from ..backend import backend_of
from ..ops import ops
from ..rules import primitives
from ..tensor import Tensor, raw

__all__ = ["astype", "can_cast", "finfo", "iinfo", "isdtype", "result_type"]

_cast = primitives["cast"]


@ops.publish
def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Tensor:
    """`x` converted to `dtype`; `x` itself where it has that dtype and `copy` is False.

    A conversion to integers or booleans carries no gradient.
    """
    x = x if isinstance(x, Tensor) else ops.asarray(x)
    if device is not None:
        x = x.to_device(device)
    d = dtypes.dtype(dtype)
    if d is x.dtype:
        return ops.copy(x) if copy else x
    if x.dtype.kind == "c" and d.kind != "c":
        raise TypeError(f"{x.dtype} has no conversion to {d}; take real(x), imag(x) or abs(x)")
    source = x if d.kind in "fc" else x.detach()
    return _cast(source, dtype=backend_of(x.array).dtype(d))


_RANK = ["", "b", "i", "f", "c"]  # of Python numbers, by the kinds of their dtypes
_KINDS = {
    "bool": "b",
    "signed integer": "i",
    "unsigned integer": "u",
    "integral": "iu",
    "real floating": "f",
    "complex floating": "c",
    "numeric": "iufc",
}


@ops.publish
def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether `dtype` is of `kind`: a dtype, "bool", "signed integer", "unsigned integer", "integral",
    "real floating", "complex floating", "numeric", or a tuple of these."""
    if isinstance(kind, tuple):
        return any(isdtype(dtype, k) for k in kind)
    if not isinstance(kind, str):
        return dtypes.dtype(dtype) is dtypes.dtype(kind)
    if kind not in _KINDS:
        raise ValueError(f"unknown kind of dtype {kind!r}; expected one of {', '.join(_KINDS)}")
    return dtypes.dtype(dtype).kind in _KINDS[kind]


@ops.publish
def result_type(*arrays_and_dtypes: Any) -> dtypes.DType:
    """The dtype that results from combining arrays, dtypes and Python numbers.

    Dtypes combine as the standard's tables say; those of different kinds, which it leaves open, as in NumPy.
    A Python number changes the kind at most: a float among integers gives the default float dtype.
    """
    kind, held = "", set()
    for a in arrays_and_dtypes:
        number = a.item() if isinstance(a, np.generic) else a  # as in every operation
        if isinstance(number, bool | int | float | complex):
            kind = max(kind, dtypes.dtype(type(number)).kind, key=_RANK.index)
        else:
            held.add(_dtype_of(a))
    if not held:
        if not kind:
            raise ValueError("result_type needs at least one array, dtype or number")
        return dtypes.dtype({"b": bool, "i": int, "f": float, "c": complex}[kind])
    common = _common(held)
    if kind == "i" and common.kind == "b":
        return dtypes.int64
    if kind in ("f", "c") and common.kind in "biu":
        return dtypes.default_float() if kind == "f" else dtypes.default_complex()
    if kind == "c" and common.kind == "f":
        return dtypes.complex128 if common is dtypes.float64 else dtypes.complex64
    return common


def _common(held: set[dtypes.DType]) -> dtypes.DType:
    """The dtype that all of `held` promote to."""
    if len(held) == 1:
        return next(iter(held))
    if dtypes.bfloat16 in held:  # NumPy has none; with float16 it has float32 in common
        rest = held - {dtypes.bfloat16}
        if all(d.kind in "biu" for d in rest):
            return dtypes.bfloat16
        held = rest | {dtypes.float32}
    return dtypes.dtype(np.result_type(*(d.dtype for d in held)))


def _dtype_of(x: Any) -> dtypes.DType:
    """The dtype that `x`, an array or a dtype, has or is."""
    return x if type(x) is dtypes.DType else dtypes.dtype(getattr(raw(x), "dtype", x))


@ops.publish
def can_cast(from_: Any, to: Any, /) -> bool:
    """Whether `from_`, a dtype or an array, can become dtype `to` without losing range or precision."""
    source, target = _dtype_of(from_), _dtype_of(to)
    if source is target:
        return True
    if dtypes.bfloat16 in (source, target):
        wide = (dtypes.float32, dtypes.float64, dtypes.complex64, dtypes.complex128)
        narrow = (dtypes.bool_, dtypes.int8, dtypes.uint8)
        return target in wide if source is dtypes.bfloat16 else source in narrow
    return np.can_cast(source.dtype, target.dtype)


@dataclass(frozen=True)
class FloatInfo:
    """What a floating dtype can hold, in Python numbers.

    Attributes:
        bits: of one number; of a complex dtype's real part.
        eps: the distance from 1 to the next larger number.
        max, min: the largest and the smallest finite number.
        smallest_normal: the smallest positive number of full precision.
        dtype: the real floating dtype.
    """

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: dtypes.DType


@dataclass(frozen=True)
class IntegerInfo:
    """What an integer dtype can hold: its bits, its largest and its smallest number."""

    bits: int
    max: int
    min: int
    dtype: dtypes.DType


@ops.publish
def finfo(type: Any, /) -> FloatInfo:
    """The limits of a floating or complex dtype, or of an array's.

    Raises:
        TypeError: the dtype is not floating.
    """
    return _float_info(_dtype_of(type))


@ops.publish
def iinfo(type: Any, /) -> IntegerInfo:
    """The limits of an integer dtype, or of an array's.

    Raises:
        TypeError: the dtype is not an integer dtype.
    """
    d = _dtype_of(type)
    if d.kind not in "iu":
        raise TypeError(f"iinfo takes an integer dtype or array, received {d}; for floating ones there is finfo")
    signed = d.kind == "i"
    return IntegerInfo(d.bits, 2 ** (d.bits - signed) - 1, -(2 ** (d.bits - 1)) if signed else 0, d)


@cache
def _float_info(d: dtypes.DType) -> FloatInfo:
    if d.kind not in "fc":
        raise TypeError(f"finfo takes a floating dtype or array, received {d}; for integers there is iinfo")
    if d is dtypes.bfloat16:  # 8 bits of precision and float32's exponents
        top = (2 - 2**-7) * 2.0**127
        return FloatInfo(16, 2**-7, top, -top, 2.0**-126, d)
    if d.kind == "c":
        d = dtypes.float64 if d is dtypes.complex128 else dtypes.float32
    info = np.finfo(d.dtype)
    return FloatInfo(d.bits, float(info.eps), float(info.max), float(info.min), float(info.smallest_normal), d)
