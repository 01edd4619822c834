"""Elementwise functions that MLX lacks, or that differ from the standard's."""

from collections.abc import Callable
from typing import Any

import mlx.core as mx

from .host import scalar

SIGNED_OF_SIZE = {1: mx.int8, 2: mx.int16, 4: mx.int32, 8: mx.int64}


def astype(x: mx.array, dtype: Any, *, copy: bool = True) -> mx.array:
    return x.astype(dtype)


def with_numbers(function: Callable[..., mx.array]) -> Callable[..., mx.array]:
    """`function(a, b)` where either may be a number, which takes the other's dtype if that can hold it."""

    def run(a: Any, b: Any) -> mx.array:
        if not isinstance(a, mx.array):
            a = like(a, b)
        elif not isinstance(b, mx.array):
            b = like(b, a)
        return function(a, b)

    return run


def like(number: Any, x: mx.array) -> Any:
    if isinstance(number, complex) or (isinstance(number, float) and not mx.issubdtype(x.dtype, mx.inexact)):
        return mx.array(number)  # another kind: MLX promotes
    if x.dtype == mx.bool_ and not isinstance(number, bool):
        return mx.array(number)
    return scalar(number, x.dtype)


def signbit(x: mx.array) -> mx.array:
    """By the bits, as -0 and NaN have a sign too."""
    if not mx.issubdtype(x.dtype, mx.inexact):
        return x < 0
    return x.view(SIGNED_OF_SIZE[x.itemsize]) < 0


@with_numbers
def copysign(a: mx.array, b: mx.array) -> mx.array:
    return mx.where(signbit(a) == signbit(b), a, -a)


@with_numbers
def hypot(a: mx.array, b: mx.array) -> mx.array:
    """Scaled by the larger, so that nothing overflows."""
    a, b = mx.abs(a), mx.abs(b)
    large, small = mx.maximum(a, b), mx.minimum(a, b)
    ratio = mx.where(large == 0, scalar(0, a.dtype), small / large)
    finite = large * mx.sqrt(1 + ratio * ratio)
    return mx.where(mx.isinf(a) | mx.isinf(b), scalar(float("inf"), finite.dtype), finite)


@with_numbers
def nextafter(a: mx.array, b: mx.array) -> mx.array:
    """One more or less in the bits, read as an integer, is the next number away from or towards zero."""
    if a.dtype != b.dtype:
        a, b = a + mx.zeros_like(b), b + mx.zeros_like(a)
    a, b = mx.broadcast_arrays(a, b)
    integer = SIGNED_OF_SIZE[a.itemsize]
    bits = a.view(integer)
    one = scalar(1, integer)
    moved = mx.where((a < b) == (a > 0), bits + one, bits - one).view(a.dtype)
    least = copysign(mx.broadcast_to(one, a.shape).view(a.dtype), b)
    result = mx.where(a == 0, least, moved)
    return mx.where(mx.isnan(a) | mx.isnan(b), a + b, mx.where(a == b, b, result))


@with_numbers
def remainder(a: mx.array, b: mx.array) -> mx.array:
    """Zero takes the sign of the divisor, as in Python."""
    result = mx.remainder(a, b)
    if not mx.issubdtype(result.dtype, mx.floating):
        return result
    return mx.where(result == 0, copysign(mx.zeros_like(result), b.astype(result.dtype)), result)


def where(condition: mx.array, a: Any, b: Any) -> mx.array:
    if not isinstance(a, mx.array):
        a = like(a, b)
    elif not isinstance(b, mx.array):
        b = like(b, a)
    return mx.where(condition, a, b)


def clip(x: mx.array, low: Any = None, high: Any = None) -> mx.array:
    """Of the dtype of `x`, whose NaN stay and which the bounds may broadcast."""
    if low is not None:
        x = mx.maximum(x, low if isinstance(low, mx.array) else like(low, x))
    if high is not None:
        x = mx.minimum(x, high if isinstance(high, mx.array) else like(high, x))
    return x


def logical(function: Callable[..., mx.array]) -> Callable[..., mx.array]:
    return with_numbers(lambda a, b: function(a.astype(mx.bool_), b.astype(mx.bool_)))


elementwise: dict[str, Callable[..., mx.array]] = {
    name: getattr(mx, name)
    for name in """abs acos acosh asin asinh atan atanh bitwise_invert ceil conj cos cosh exp expm1 floor imag isfinite
        isinf isnan log log10 log1p log2 logical_not negative positive real reciprocal round sign sin sinh sqrt square
        tan tanh trunc""".split()
}
elementwise |= {
    name: with_numbers(getattr(mx, theirs))
    for name, theirs in {
        "bitwise_left_shift": "left_shift",
        "bitwise_right_shift": "right_shift",
        "pow": "power",
    }.items()
}
elementwise |= {
    name: with_numbers(getattr(mx, name))
    for name in """add atan2 bitwise_and bitwise_or bitwise_xor divide equal floor_divide greater greater_equal less
        less_equal logaddexp maximum minimum multiply not_equal subtract""".split()
}
elementwise |= {name: logical(getattr(mx, name)) for name in ("logical_and", "logical_or")}
elementwise |= {
    "logical_xor": logical(mx.not_equal),
    "astype": astype,
    "clip": clip,
    "copysign": copysign,
    "hypot": hypot,
    "nextafter": nextafter,
    "remainder": remainder,
    "signbit": signbit,
    "where": where,
}
