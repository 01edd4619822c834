"""Python's operators by the names of the standard's functions, for classes of arrays."""

from __future__ import annotations

from collections.abc import Callable
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


def give_operators(kind: type, operate: Callable[..., Any]) -> None:
    """Give the class `kind` all operators; each calls `operate(name, *operands)` with its function's name."""
    for symbol, name in (ARITHMETIC | COMPARISONS).items():
        setattr(kind, f"__{symbol}__", _binary(operate, name))
    for symbol, name in ARITHMETIC.items():
        setattr(kind, f"__r{symbol}__", _reflected(operate, name))
    for symbol, name in UNARY.items():
        setattr(kind, f"__{symbol}__", _unary(operate, name))


def _binary(operate: Callable[..., Any], name: str) -> Callable[[Any, Any], Any]:
    return lambda self, other: operate(name, self, other)


def _reflected(operate: Callable[..., Any], name: str) -> Callable[[Any, Any], Any]:
    return lambda self, other: operate(name, other, self)


def _unary(operate: Callable[..., Any], name: str) -> Callable[[Any], Any]:
    return lambda self: operate(name, self)
