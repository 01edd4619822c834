"""Reading and replacing elements of immutable arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def index(x: jax.Array, *, key: Any) -> jax.Array:
    check_integers(x.shape, key)
    return x[key]


def index_set(x: jax.Array, values: Any, *, key: Any) -> jax.Array:
    check_integers(x.shape, key)
    return x.at[key].set(jnp.asarray(values, dtype=x.dtype))


def index_add(x: jax.Array, key: Any, values: Any) -> jax.Array:
    check_integers(x.shape, key)
    values = jnp.asarray(values, dtype=x.dtype)
    if x.dtype == jnp.bool:  # the sum of truth values is "or", which JAX's addition lacks
        return x.at[key].max(values)
    return x.at[key].add(values)


def check_integers(shape: Sequence[int], key: Any) -> None:
    """Raise IndexError for a Python integer that is out of range.

    JAX itself would read the nearest element, and write nothing. (It does so with arrays of indices, too; to
    look at their values would mean to wait for the device.)
    """
    parts = key if isinstance(key, tuple) else (key,)
    used = [_axes(part) for part in parts]
    axis = 0
    for part, n in zip(parts, used, strict=True):
        if part is Ellipsis:
            axis = len(shape) - sum(used) + axis
        elif n == 1 and isinstance(part, int | np.integer) and axis < len(shape):
            size = shape[axis]
            if not -size <= part < size:
                raise IndexError(f"index {part} is out of bounds for axis {axis} with size {size}")
        axis += n


def _axes(part: Any) -> int:
    """How many axes of the array one part of a key uses up."""
    if part is None or part is Ellipsis or isinstance(part, bool):
        return 0
    return part.ndim if getattr(part, "dtype", None) == jnp.bool else 1
