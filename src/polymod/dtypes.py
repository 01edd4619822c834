"""Data types: one object per type, equal to the same type of every engine.

Engines have dtype objects of their own (`np.dtype`, `torch.float32`, ...). A Tensor shows polymod's,
so `x.dtype == pm.float32` holds whichever engine holds `x`.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class DType:
    """A data type of the array API standard (and `float16`, `bfloat16`), for instance `polymod.float32`.

    It equals the dtype of the same name of any engine: `pm.float32 == np.float32 == torch.float32`.
    """

    __slots__ = ("bits", "kind", "name")

    name: str
    kind: str  # "b" bool, "i" signed, "u" unsigned integer, "f" real floating, "c" complex floating
    bits: int

    def __init__(self, name: str, kind: str, bits: int) -> None:
        self.name, self.kind, self.bits = name, kind, bits

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return max(1, self.bits // 8)

    @property
    def dtype(self) -> np.dtype:
        """The NumPy dtype of the same name, so that NumPy's functions accept a polymod dtype."""
        return np.dtype(self.name)

    @property
    def is_floating(self) -> bool:
        """True for real floating types."""
        return self.kind == "f"

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        try:
            return dtype(other) is self
        except TypeError:
            return NotImplemented

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"polymod.{self.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        return dtype, (self.name,)


bool_ = DType("bool", "b", 1)
int8, int16, int32, int64 = (DType(f"int{n}", "i", n) for n in (8, 16, 32, 64))
uint8, uint16, uint32, uint64 = (DType(f"uint{n}", "u", n) for n in (8, 16, 32, 64))
float16, float32, float64 = (DType(f"float{n}", "f", n) for n in (16, 32, 64))
bfloat16 = DType("bfloat16", "f", 16)
complex64, complex128 = DType("complex64", "c", 64), DType("complex128", "c", 128)

every = {
    d.name: d
    for d in (
        *(bool_, int8, int16, int32, int64, uint8, uint16, uint32, uint64),
        *(float16, bfloat16, float32, float64, complex64, complex128),
    )
}
_seen: dict[type, dict[Any, DType]] = {}  # by class first: dtypes of two engines must not be compared


def dtype(x: Any) -> DType:
    """Return the polymod dtype that `x` names.

    Args:
        x: a polymod dtype, an engine's dtype, a NumPy scalar class, a name such as "float32", or the Python
            types bool, int (int64), float (the default float dtype) and complex (its complex partner).

    Raises:
        TypeError: `x` names no data type of the standard.
    """
    if type(x) is DType:
        return x
    try:
        return _seen[type(x)][x]
    except (KeyError, TypeError):
        pass
    if x is float or x is complex:  # not remembered: they follow the default, which may change
        return default_float() if x is float else default_complex()
    found = {bool: bool_, int: int64}.get(x) if isinstance(x, type) else None
    found = found or every.get(_name(x))
    if found is None:
        raise TypeError(f"{x!r} is no data type; expected one of {', '.join(every)}")
    _seen.setdefault(type(x), {})[x] = found
    return found


def _name(x: Any) -> str:
    """`torch.float32`, `np.float32`, `np.dtype("float32")`, `"float32"` -> "float32"."""
    name = x if isinstance(x, str) else getattr(x, "name", None) or getattr(x, "__name__", None) or str(x)
    return str(name).rpartition(".")[2].removesuffix("_")


_default_float = float32


def default_float() -> DType:
    """The floating dtype of arrays created without one: float32 unless `set_default_dtype` changed it."""
    return _default_float


def default_complex() -> DType:
    """The complex partner of the default float dtype."""
    return complex128 if _default_float is float64 else complex64


def set_default_dtype(d: Any) -> None:
    """Make `d`, a real floating dtype, the dtype of floating arrays created without one.

    Raises:
        TypeError: `d` is not a real floating dtype.
    """
    global _default_float
    d = dtype(d)
    if not d.is_floating:
        raise TypeError(f"the default dtype must be a real floating dtype such as polymod.float32, not {d}")
    _default_float = d
