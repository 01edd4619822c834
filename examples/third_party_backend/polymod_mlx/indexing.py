"""`index`, `index_set`, `index_add` by all of NumPy's rules.

MLX indexes by ints, slices and integer arrays, but reads beyond the end without an error and knows no masks. So the
basic parts of a key are checked here; arrays become positions along one flat axis, which `take` reads.
"""

from math import prod
from typing import Any

import mlx.core as mx
import numpy as np

from .host import from_numpy, view


def parse(x: mx.array, key: Any) -> tuple[list[Any], list[tuple[int, mx.array]], bool]:
    """Split a key for the two steps of `index`.

    Returns:
        A key without arrays, which keeps the axes that arrays index; for each array the axis it indexes after that
        step, and the array; whether the arrays are next to each other in the key, which tells where their axes go.
    """
    parts: list[Any] = []
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, bool | np.ndarray):  # True counts as a mask without axes, not as 1
            part = from_numpy(np.asarray(part))
        if isinstance(part, mx.array) and part.dtype == mx.bool_ and part.ndim:
            parts.extend(from_numpy(chosen) for chosen in np.nonzero(view(part)))
        else:
            parts.append(part)
    taken = sum(not (part is None or part is Ellipsis or is_mask(part)) for part in parts)
    with_arrays = any(isinstance(part, mx.array) for part in parts)
    basic: list[Any] = []
    arrays: list[tuple[int, mx.array]] = []
    places: list[int] = []  # of the arrays in the key
    axis = 0  # of x
    axes = 0  # of what the basic key gives
    if not any(part is Ellipsis for part in parts):
        parts.append(Ellipsis)
    for place, part in enumerate(parts):
        if part is Ellipsis:
            rest = x.ndim - taken
            basic.extend([slice(None)] * rest)
            axis, axes = axis + rest, axes + rest
            continue
        if part is None:
            basic.append(None)
            axes += 1
            continue
        if is_mask(part):  # 0-d: a new axis, of which a true mask chooses the only element
            basic.append(None)
            arrays.append((axes, mx.zeros((int(part.item()),), dtype=mx.int64)))
            places.append(place)
            axes += 1
            continue
        size = x.shape[axis]
        axis += 1
        if isinstance(part, slice):
            basic.append(part)
            axes += 1
            continue
        if not isinstance(part, mx.array):
            if not -size <= part < size:
                raise IndexError(f"index {part} is out of bounds for axis {axis - 1} with size {size}")
            if not with_arrays:
                basic.append(part % size)
                continue
            part = mx.array(part % size, dtype=mx.int64)  # beside arrays an int is one of them
        basic.append(slice(None))
        arrays.append((axes, part))
        places.append(place)
        axes += 1
    together = not places or places[-1] - places[0] == len(places) - 1
    return basic, arrays, together


def is_mask(part: Any) -> bool:
    return isinstance(part, mx.array) and part.dtype == mx.bool_


def slices(x: mx.array, key: list[Any]) -> mx.array:
    """`x[key]` for a key without arrays."""
    return x[tuple(key)] if key else mx.array(x)


def index(x: mx.array, *, key: Any) -> mx.array:
    basic, arrays, together = parse(x, key)
    x = slices(x, basic)
    if not arrays:
        return x
    axes = [axis for axis, _ in arrays]
    sizes = [x.shape[axis] for axis in axes]
    places = [within(part, size) for (_, part), size in zip(arrays, sizes, strict=True)]
    shape = np.broadcast_shapes(*(part.shape for part in places))
    flat = mx.zeros(shape, dtype=mx.int64)
    for part, size in zip(places, sizes, strict=True):
        flat = flat * size + part
    others = [axis for axis in range(x.ndim) if axis not in axes]
    rest = tuple(x.shape[axis] for axis in others)
    if not prod(shape) * prod(rest):
        result = mx.zeros(shape + rest, dtype=x.dtype)  # MLX can't take nothing
    else:
        rows = mx.reshape(mx.transpose(x, axes + others), (prod(sizes), *rest))
        result = mx.take(rows, flat, axis=0)
    first = axes[0] if together else 0  # in NumPy's rules the arrays' axes come first if something parts the arrays
    moved = [*range(len(shape), len(shape) + first), *range(len(shape)), *range(len(shape) + first, result.ndim)]
    return mx.transpose(result, moved) if first else result


def within(part: mx.array, size: int) -> mx.array:
    """Indices from 0 on. Those out of range are moved to the ends: MLX would read, and write, other memory."""
    part = part.astype(mx.int64)
    if not size and part.size:
        raise IndexError("an index for an axis of size 0")
    return mx.clip(mx.where(part < 0, part + size, part), 0, max(size - 1, 0))


def positions(x: mx.array, key: Any) -> mx.array:
    """Where in the flattened `x` the elements of `x[key]` are."""
    return index(mx.arange(x.size, dtype=mx.int64).reshape(x.shape), key=key)


def fitted(values: Any, x: mx.array, shape: tuple[int, ...]) -> mx.array:
    """Values as a flat array for that many places; NumPy also takes leading axes of size 1 too many."""
    values = values.astype(x.dtype) if isinstance(values, mx.array) else mx.array(values, dtype=x.dtype)
    while values.ndim > len(shape) and values.shape[0] == 1:
        values = values[0]
    return mx.broadcast_to(values, shape).reshape(-1)


def index_set(x: mx.array, values: mx.array, *, key: Any) -> mx.array:
    where = positions(x, key)
    values = fitted(values, x, where.shape)
    if not where.size:
        return mx.array(x)
    result = mx.array(x.reshape(-1))
    result[where.reshape(-1)] = values
    return result.reshape(x.shape)


def index_add(x: mx.array, key: Any, values: Any) -> mx.array:
    where = positions(x, key)
    values = fitted(values, x, where.shape)
    if not where.size:
        return mx.array(x)
    flat = x.reshape(-1).at[where.reshape(-1)]
    if x.dtype == mx.bool_:
        return flat.maximum(values).reshape(x.shape)
    return flat.add(values).reshape(x.shape)
