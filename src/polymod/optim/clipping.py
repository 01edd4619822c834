"""The norm of many gradients as one vector, and scaling them: one call each, so that an engine can do them together."""

from __future__ import annotations

from typing import Any

from ..backend import define
from ..dtypes import dtype


@define
def clip_factor(xp: Any, arrays: list[Any], *, max_norm: float) -> tuple[Any, Any]:
    """The 2-norm of all `arrays` together, and what to multiply them by for a norm of at most `max_norm`.

    Both are 0-d: float64 where an array is float64 or complex128, and float32 otherwise, so that the squares of 16-bit
    numbers do not overflow. The arrays, at least one, are on one device.
    """
    wide = xp.float64 if any(dtype(x.dtype).name in ("float64", "complex128") for x in arrays) else xp.float32
    norms = []
    for x in arrays:
        size = xp.astype(xp.abs(x) if dtype(x.dtype).kind == "c" else x, wide, copy=False)
        norms.append(xp.sum(xp.square(size)))
    norm = xp.sqrt(xp.sum(xp.stack(norms)))
    return norm, xp.clip(max_norm / (norm + 1e-6), None, 1.0)


@define
def scale_all(xp: Any, arrays: list[Any], factor: Any) -> list[Any]:
    """Each array times the 0-d `factor`, in its own dtype."""
    return [x * xp.astype(factor, x.dtype, copy=False) for x in arrays]
