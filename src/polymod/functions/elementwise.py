"""Elementwise functions: the primitives themselves are public; here are their names and what they compute."""

from __future__ import annotations

from inspect import Parameter, Signature

from ..rules import primitives
from ..tensor import Tensor

_meanings = {
    "abs": "Absolute value; its derivative at 0 is 0.",
    "acos": "Inverse cosine, in radians.",
    "acosh": "Inverse hyperbolic cosine.",
    "add": "Sum x1 + x2.",
    "asin": "Inverse sine, in radians.",
    "asinh": "Inverse hyperbolic sine.",
    "atan": "Inverse tangent, in radians.",
    "atan2": "Angle of the point (x2, x1), in radians in [-pi, pi].",
    "atanh": "Inverse hyperbolic tangent.",
    "bitwise_and": "Bitwise x1 & x2.",
    "bitwise_invert": "Bitwise ~x.",
    "bitwise_left_shift": "Bits of x1 shifted left by x2.",
    "bitwise_or": "Bitwise x1 | x2.",
    "bitwise_right_shift": "Bits of x1 shifted right by x2.",
    "bitwise_xor": "Bitwise x1 ^ x2.",
    "ceil": "Smallest integer not below x.",
    "conj": "Complex conjugate.",
    "copysign": "Magnitude of x1 with the sign of x2.",
    "cos": "Cosine of x in radians.",
    "cosh": "Hyperbolic cosine.",
    "divide": "Quotient x1 / x2.",
    "equal": "x1 == x2.",
    "exp": "Exponential.",
    "expm1": "exp(x) - 1, accurate near 0.",
    "floor": "Largest integer not above x.",
    "floor_divide": "Largest integer not above x1 / x2.",
    "greater": "x1 > x2.",
    "greater_equal": "x1 >= x2.",
    "hypot": "sqrt(x1**2 + x2**2) without overflow.",
    "imag": "Imaginary part.",
    "isfinite": "Neither infinite nor NaN.",
    "isinf": "Infinite.",
    "isnan": "NaN.",
    "less": "x1 < x2.",
    "less_equal": "x1 <= x2.",
    "log": "Natural logarithm.",
    "log10": "Logarithm to base 10.",
    "log1p": "log(1 + x), accurate near 0.",
    "log2": "Logarithm to base 2.",
    "logaddexp": "log(exp(x1) + exp(x2)) without overflow.",
    "logical_and": "x1 and x2.",
    "logical_not": "not x.",
    "logical_or": "x1 or x2.",
    "logical_xor": "x1 != x2, of booleans.",
    "maximum": "The larger of x1 and x2; where equal, each gets half of the derivative.",
    "minimum": "The smaller of x1 and x2; where equal, each gets half of the derivative.",
    "multiply": "Product x1 * x2.",
    "negative": "-x.",
    "nextafter": "The number after x1 in the direction of x2; moving x1 moves it as far, moving x2 does not.",
    "not_equal": "x1 != x2.",
    "positive": "+x.",
    "pow": "x1 ** x2.",
    "real": "Real part.",
    "reciprocal": "1 / x.",
    "remainder": "x1 - x2 * floor(x1 / x2): the remainder with the sign of x2.",
    "round": "Nearest integer, halves to even.",
    "sign": "-1, 0 or 1 (x / abs(x) for complex x); its derivative is 0.",
    "signbit": "True where the sign bit is set.",
    "sin": "Sine of x in radians.",
    "sinh": "Hyperbolic sine.",
    "sqrt": "Square root; its derivative at 0 is inf.",
    "square": "x * x.",
    "subtract": "Difference x1 - x2.",
    "tan": "Tangent of x in radians.",
    "tanh": "Hyperbolic tangent.",
    "trunc": "x without its fraction.",
}


def _signature(*names: str) -> Signature:
    """Positional-only parameters, as the standard's elementwise functions have them."""
    return Signature(
        [Parameter(name, Parameter.POSITIONAL_ONLY, annotation="Any") for name in names], return_annotation=Tensor
    )


_unary, _binary = _signature("x"), _signature("x1", "x2")
_of_two = frozenset(
    "add atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor copysign divide equal "
    "floor_divide greater greater_equal hypot less less_equal logaddexp logical_and logical_or logical_xor maximum "
    "minimum multiply nextafter not_equal pow remainder subtract".split()
)

for name, meaning in _meanings.items():
    function = primitives[name]
    function.__doc__ = meaning
    function.__name__ = name
    function.__signature__ = _binary if name in _of_two else _unary
    globals()[name] = function

__all__ = list(_meanings)
