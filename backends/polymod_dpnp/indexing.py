"""Indexing by all of NumPy's rules, and adding at indices, for which dpnp has no function."""

from __future__ import annotations

from math import prod
from typing import Any

import dpnp
import numpy as np

_ALL = slice(None)


def index(x: dpnp.ndarray, *, key: Any) -> dpnp.ndarray:
    if has_arrays(key):
        x, key = arranged(x, key)
    return x[key]


def index_set(x: dpnp.ndarray, values: Any, *, key: Any) -> dpnp.ndarray:
    result = view = dpnp.copy(x)
    if has_arrays(key):
        view, key = arranged(result, key)
    view[key] = values
    return result


def has_arrays(key: Any) -> bool:
    return any(isinstance(p, dpnp.ndarray) for p in (key if isinstance(key, tuple) else (key,)))


def arranged(x: dpnp.ndarray, key: Any) -> tuple[dpnp.ndarray, tuple[Any, ...]]:
    """A view of `x` and a key for it, of full slices and then arrays only, which together give x[key].

    dpnp refuses arrays that have slices or None between them, and does not count integers among the arrays. NumPy puts
    the arrays' axes first there, so the axes that they index are moved to the front.
    """
    parts = expanded(x, key)
    places = [i for i, p in enumerate(parts) if p is not None and not isinstance(p, slice)]
    basic: list[Any] = []  # for a view with all axes that the arrays index
    arrays: list[dpnp.ndarray] = []
    axes: list[int] = []  # of the view, that the arrays index
    axis = 0  # of x
    for i, p in enumerate(parts):
        n = axes_of(p)
        if i in places:
            arrays.append(p if isinstance(p, dpnp.ndarray) else as_array(x, axis, p))
            axes += range(len(basic), len(basic) + n)
            basic += [_ALL] * n
        else:
            basic.append(p)
        axis += n
    view = x[tuple(basic)]
    if places[-1] - places[0] + 1 == len(places):  # side by side: their axes come where they stand
        return view, (*(_ALL,) * places[0], *arrays)
    return dpnp.permute_dims(view, (*axes, *(a for a in range(view.ndim) if a not in axes))), tuple(arrays)


def expanded(x: dpnp.ndarray, key: Any) -> list[Any]:
    """The parts of a key with full slices for the Ellipsis."""
    parts = list(key) if isinstance(key, tuple) else [key]
    where = [i for i, p in enumerate(parts) if p is Ellipsis]
    if len(where) > 1:
        raise IndexError("an index can have only one Ellipsis ('...')")
    used = sum(axes_of(p) for p in parts if p is not Ellipsis)
    if used > x.ndim:
        raise IndexError(f"too many indices: the array has {x.ndim} axes, the key {used}")
    at = where[0] if where else len(parts)
    return [*parts[:at], *[_ALL] * (x.ndim - used), *parts[at + 1 :]]


def axes_of(part: Any) -> int:
    """How many axes of the array one part of a key uses up."""
    if part is None:
        return 0
    return part.ndim if isinstance(part, dpnp.ndarray) and part.dtype == dpnp.bool else 1


def as_array(x: dpnp.ndarray, axis: int, i: int) -> dpnp.ndarray:
    size = x.shape[axis]
    if not -size <= i < size:
        raise IndexError(f"index {i} is out of bounds for axis {axis} with size {size}")
    return dpnp.full((), i, dtype=dpnp.int64, device=x.device)


# ---------------------------------------------------------------------------------------------- adding at indices


def index_add(x: dpnp.ndarray, key: Any, values: Any) -> dpnp.ndarray:
    if isinstance(values, dpnp.ndarray):
        values = dpnp.astype(values, x.dtype, copy=False)
    elif isinstance(values, np.generic):
        values = values.item()
    elif not isinstance(values, bool | int | float | complex):
        raise TypeError(f"values must be a dpnp.ndarray or a number, not {type(values).__qualname__}")
    if x.dtype == dpnp.bool:  # the sum of truth values is "or"
        values = dpnp.astype(values, dpnp.int64) if isinstance(values, dpnp.ndarray) else int(values)
        return dpnp.astype(index_add(dpnp.astype(x, dpnp.int64), key, values), dpnp.bool)
    parts = key if isinstance(key, tuple) else (key,)
    if not any(isinstance(p, dpnp.ndarray) and p.dtype != dpnp.bool for p in parts):  # it names no element twice
        return index_set(x, index(x, key=key) + values, key=key)
    return add_rows(x, *rows(x, key, values))


def rows(x: dpnp.ndarray, key: Any, values: Any) -> tuple[dpnp.ndarray, dpnp.ndarray]:
    """Positions in the flattened array of all axes but the last ones, which the key takes whole, and the values that
    belong there, (number of positions, product of the last axes)."""
    parts = expanded(x, key)
    while parts and isinstance(parts[-1], slice) and parts[-1] == _ALL:
        parts.pop()
    used = sum(map(axes_of, parts))
    numbers = dpnp.reshape(dpnp.arange(prod(x.shape[:used]), device=x.device), x.shape[:used])
    positions = index(numbers, key=tuple(parts))
    shape = (*positions.shape, *x.shape[used:])
    if isinstance(values, dpnp.ndarray):
        values = dpnp.broadcast_to(values, shape)
    else:
        values = dpnp.full(shape, values, dtype=x.dtype, device=x.device)
    return dpnp.reshape(positions, (positions.size,)), dpnp.reshape(values, (positions.size, prod(x.shape[used:])))


def add_rows(x: dpnp.ndarray, positions: dpnp.ndarray, values: dpnp.ndarray) -> dpnp.ndarray:
    """A copy of `x`, seen as rows of the width of `values`, with values[i] added to row positions[i].

    Without atomic operations, so that the result is the same every time: sorted by position, each run of equal
    positions is summed by doubling, in log2(n) steps, and the last of the run, which has the sum, is added. All others
    go to a row behind the array.
    """
    n, width = values.shape
    if n == 0 or width == 0:
        return dpnp.copy(x)
    order = dpnp.argsort(positions, kind="stable")
    positions, values = positions[order], values[order]
    step = 1
    while step < n:
        same = (positions[step:] == positions[:-step])[:, None]
        values = dpnp.concat([values[:step], values[step:] + dpnp.where(same, values[:-step], 0)], axis=0)
        step *= 2
    flat = dpnp.reshape(x, (x.size // width, width))
    wide = dpnp.concat([flat, dpnp.zeros((1, width), dtype=x.dtype, device=x.device)], axis=0)
    is_last = dpnp.concat([positions[1:] != positions[:-1], dpnp.ones(1, dtype=dpnp.bool, device=x.device)], axis=0)
    target = dpnp.where(is_last, positions, flat.shape[0])
    wide[target] = wide[target] + values
    return dpnp.reshape(wide[:-1], x.shape)
