"""Python's operators by the names of the standard's functions, for classes of arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

ARITHMETIC = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "pow": "pow",
    "matmul": "matmul",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift",
}
COMPARISONS = {
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}
UNARY = {"neg": "negative", "pos": "positive", "abs": "abs", "invert": "bitwise_invert"}


def give_operators(kind: type, function_of: Callable[[str], Callable[..., Any]], besides: Iterable[str] = ()) -> None:
    """Give the class `kind` all operators; each calls the function that `function_of` gives for its name.

    Args:
        besides: the operators, such as "eq", that the class has of its own.
    """
    own = set(besides)
    for symbol, name in (ARITHMETIC | COMPARISONS).items():
        if symbol not in own:
            setattr(kind, f"__{symbol}__", _binary(function_of(name)))
    for symbol, name in ARITHMETIC.items():
        setattr(kind, f"__r{symbol}__", _reflected(function_of(name)))
    for symbol, name in UNARY.items():
        setattr(kind, f"__{symbol}__", _unary(function_of(name)))


def _binary(function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    return lambda self, other: function(self, other)


def _reflected(function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    return lambda self, other: function(other, self)


def _unary(function: Callable[..., Any]) -> Callable[[Any], Any]:
    return lambda self: function(self)
