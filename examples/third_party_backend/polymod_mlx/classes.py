"""What polymod wants of MLX's own classes, which this changes for the whole process.

The changes are small, and none alters what MLX's functions return: an array gets a property `device`; an operator that
is given a Tensor returns NotImplemented, so that `array + tensor` reaches the Tensor (MLX raises ValueError); a dtype
compared with None is unequal (MLX raises TypeError).
"""

from collections.abc import Callable
from typing import Any

import mlx.core as mx

from polymod import Tensor

from .host import current_device

OPERATORS = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift eq ne lt le gt ge".split()


def deferring(theirs: Callable[[mx.array, Any], Any]) -> Callable[[mx.array, Any], Any]:
    return lambda x, other: NotImplemented if isinstance(other, Tensor) else theirs(x, other)


def equal_or_none(theirs: Callable[[Any, Any], bool], of_none: bool) -> Callable[[Any, Any], bool]:
    return lambda dtype, other: of_none if other is None else theirs(dtype, other)


def adapt() -> None:
    """Change the classes, once: a module is imported once, unless it is reloaded."""
    if hasattr(mx.array, "device"):
        return
    mx.array.device = property(lambda x: current_device())
    for name in OPERATORS:
        setattr(mx.array, f"__{name}__", deferring(getattr(mx.array, f"__{name}__")))
    mx.Dtype.__eq__ = equal_or_none(mx.Dtype.__eq__, False)
    mx.Dtype.__ne__ = equal_or_none(mx.Dtype.__ne__, True)
