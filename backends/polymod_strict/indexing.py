"""Indexing with every kind of key, which array-api-strict refuses, on the host and back.

The standard has neither `x[0]` on a matrix, nor slices beyond the end, nor integer arrays beside slices, nor
assignment through integer arrays. polymod promises all of them on every engine.
"""

from __future__ import annotations

from typing import Any

import array_api_strict as xp
import numpy as np

HOST = xp.__array_namespace_info__().default_device()
Array = type(xp.zeros(()))


def to_numpy(x: Any) -> np.ndarray:
    return np.array(x.to_device(HOST))


def index(x: Any, *, key: Any) -> Any:
    return _like(x, to_numpy(x)[_on_host(x, key)])


def index_set(x: Any, values: Any, *, key: Any) -> Any:
    result = to_numpy(x)
    result[_on_host(x, key)] = _on_host(x, values)
    return _like(x, result)


def index_add(x: Any, key: Any, values: Any) -> Any:
    result = to_numpy(x)
    np.add.at(result, _on_host(x, key), _on_host(x, values))
    return _like(x, result)


def _like(x: Any, result: Any) -> Any:
    return xp.asarray(np.asarray(result), device=x.device, copy=True)


def _on_host(x: Any, part: Any) -> Any:
    """A key, or values, with host arrays for the engine's, which must be on the device that holds `x`."""
    if isinstance(part, tuple):
        return tuple(_on_host(x, p) for p in part)
    if isinstance(part, Array):
        if part.device != x.device:
            raise ValueError(f"an array on {x.device} can't be indexed with or take values from one on {part.device}")
        return to_numpy(part)
    if isinstance(part, np.ndarray):
        raise TypeError("a NumPy array can't be combined with an array of array-api-strict; convert it first")
    return part
