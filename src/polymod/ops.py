"""The namespace that derivative rules, layers and Tensor's methods call on Tensors.

It holds polymod's public functions of the standard, every primitive, and every portable definition by name: the
counterpart, for Tensors, of an engine's `Namespace`. A rule takes one of the two as `xp` and can't tell which.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from . import dtypes
from .backend import portable


class Ops:
    """Functions by name. Missing names are looked up among the portable definitions."""

    pi, e, inf, nan, newaxis = math.pi, math.e, math.inf, math.nan, None

    def __init__(self) -> None:
        for name, dtype in dtypes.every.items():
            setattr(self, name, dtype)

    def __getattr__(self, name: str) -> Any:
        if name not in portable:
            raise AttributeError(f"polymod has no operation {name!r}")
        value = partial(portable[name], self)
        setattr(self, name, value)
        return value

    def publish(self, function: Any) -> Any:
        """Decorator: make a public function the one that `xp.<its name>` finds."""
        setattr(self, function.__name__, function)
        return function


ops = Ops()
