"""Checks of the arguments that layers are made with."""

from __future__ import annotations

import operator
from numbers import Real
from typing import Any


def size(value: Any, name: str, least: int = 0) -> int:
    """`value` as an int.

    Raises:
        TypeError: it is no whole number.
        ValueError: it is below `least`.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be a whole number, received {value!r}") from None
    if number < least:
        raise ValueError(f"{name} must be at least {least}, received {number}")
    return number


def number(value: Any, name: str) -> float:
    """`value`, a real number.

    Raises:
        TypeError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, received {value!r}")
    return value  # type: ignore[return-value]  # as it was given, so that it is shown so
