"""Checks of the arguments that layers are made with."""

from __future__ import annotations

import operator
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
