"""Elementwise functions: the primitives themselves are public; here are their names and what they compute."""

from __future__ import annotations

from ..rules import primitives

_meanings = {
    "abs": "Absolute value; its derivative at 0 is 0.",
    "acos": "Inverse cosine, in radians.",
    "acosh": "Inverse hyperbolic cosine.",
    "add": "Sum a + b.",
    "asin": "Inverse sine, in radians.",
    "asinh": "Inverse hyperbolic sine.",
    "atan": "Inverse tangent, in radians.",
    "atan2": "Angle of the point (b, a), in radians in [-pi, pi].",
    "atanh": "Inverse hyperbolic tangent.",
    "bitwise_and": "Bitwise a & b.",
    "bitwise_invert": "Bitwise ~x.",
    "bitwise_left_shift": "Bits of a shifted left by b.",
    "bitwise_or": "Bitwise a | b.",
    "bitwise_right_shift": "Bits of a shifted right by b.",
    "bitwise_xor": "Bitwise a ^ b.",
    "ceil": "Smallest integer not below x.",
    "conj": "Complex conjugate.",
    "copysign": "Magnitude of a with the sign of b.",
    "cos": "Cosine of x in radians.",
    "cosh": "Hyperbolic cosine.",
    "divide": "Quotient a / b.",
    "equal": "a == b.",
    "exp": "Exponential.",
    "expm1": "exp(x) - 1, accurate near 0.",
    "floor": "Largest integer not above x.",
    "floor_divide": "Largest integer not above a / b.",
    "greater": "a > b.",
    "greater_equal": "a >= b.",
    "hypot": "sqrt(a**2 + b**2) without overflow.",
    "imag": "Imaginary part.",
    "isfinite": "Neither infinite nor NaN.",
    "isinf": "Infinite.",
    "isnan": "NaN.",
    "less": "a < b.",
    "less_equal": "a <= b.",
    "log": "Natural logarithm.",
    "log10": "Logarithm to base 10.",
    "log1p": "log(1 + x), accurate near 0.",
    "log2": "Logarithm to base 2.",
    "logaddexp": "log(exp(a) + exp(b)) without overflow.",
    "logical_and": "a and b.",
    "logical_not": "not x.",
    "logical_or": "a or b.",
    "logical_xor": "a != b, of booleans.",
    "maximum": "The larger of a and b; where equal, each gets half of the derivative.",
    "minimum": "The smaller of a and b; where equal, each gets half of the derivative.",
    "multiply": "Product a * b.",
    "negative": "-x.",
    "not_equal": "a != b.",
    "positive": "+x.",
    "pow": "a ** b.",
    "real": "Real part.",
    "reciprocal": "1 / x.",
    "remainder": "a - b * floor(a / b): the remainder with the sign of b.",
    "round": "Nearest integer, halves to even.",
    "sign": "-1, 0 or 1 (x / abs(x) for complex x); its derivative is 0.",
    "signbit": "True where the sign bit is set.",
    "sin": "Sine of x in radians.",
    "sinh": "Hyperbolic sine.",
    "sqrt": "Square root; its derivative at 0 is inf.",
    "square": "x * x.",
    "subtract": "Difference a - b.",
    "tan": "Tangent of x in radians.",
    "tanh": "Hyperbolic tangent.",
    "trunc": "x without its fraction.",
}

for name, meaning in _meanings.items():
    function = primitives[name]
    function.__doc__ = meaning
    function.__name__ = name
    globals()[name] = function

__all__ = list(_meanings)
