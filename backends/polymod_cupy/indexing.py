"""Adding at indices, where the same element may be named several times, and the cotangents that do so.

Every value of an index expression is worked out on the GPU, in the same order each time: see `scatter`. What is rare (a
truth value or a mask beside other keys, arrays of indices on many axes that lie apart) is left to CuPy.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import cupy
import numpy as np

from .scatter import Axis, Target, add_sorted, fits

_first = cupy.ElementwiseKernel(
    "I at, int64 length",
    "K key",
    "const long long j = static_cast<long long>(at) % length; key = j < 0 ? j + length : j",
    "polymod_key",
)
_next = cupy.ElementwiseKernel(
    "K before, I at, int64 length",
    "K key",
    "const long long j = static_cast<long long>(at) % length; key = before * length + (j < 0 ? j + length : j)",
    "polymod_next_key",
)

# CUDA adds atomically to few types. Narrower integers are summed in a wider type, whose low bits are the
# narrow sum; truth values are counted.
_WIDER = {
    "bool": "int32",
    "int8": "int32",
    "int16": "int32",
    "uint8": "uint32",
    "uint16": "uint32",
    "bfloat16": "float32",
}


FEW = 1 << 14  # written-out indices that are kept on the GPU


class Plan(NamedTuple):
    """What an index expression with arrays of integers says.

    Attributes:
        arrays: the integers, and the length of the axis that each is for.
        target: what they stand for.
        shape: of what the expression gives.
    """

    arrays: list[tuple[cupy.ndarray, int]]
    target: Target
    shape: tuple[int, ...]


def index_add(x: cupy.ndarray, key: Any, values: Any) -> cupy.ndarray:
    if not isinstance(values, cupy.ndarray | int | float | complex | np.generic):
        raise TypeError(f"values must be a cupy.ndarray or a number, not {type(values).__qualname__}")
    with x.device:
        result = x.copy(order="C")
        _add(result, key, values)
        return result


def index(x: cupy.ndarray, *, key: Any) -> cupy.ndarray:
    with x.device:
        return x[resident(key)]


def index_back(g: cupy.ndarray, *, key: Any, shape: tuple[int, ...]) -> cupy.ndarray:
    with g.device:
        result = cupy.zeros(shape, g.dtype)
        _add(result, key, g)
        return result


def embedding_back(
    g: cupy.ndarray, *, indices: cupy.ndarray, padding_idx: int | None, by_frequency: bool, shape: tuple[int, ...]
) -> cupy.ndarray:
    with g.device:
        result = cupy.zeros(shape, g.dtype)
        if not g.size:
            return result
        if by_frequency:
            named = index_add(cupy.zeros(shape[:1], np.int32), indices, 1)
            g = g / cupy.take(named, indices)[..., None].astype(g.dtype)
        keys = _first(indices, shape[0], cupy.empty(indices.shape, _key_type(shape[0])))
        target = Target(0, [(shape[0], shape[1])], [(shape[1], 1)], shape[1])
        if not fits(target, keys.size, g.dtype):
            _add_atomically(result, indices, g)
            if padding_idx is not None:
                result[padding_idx] = 0
            return result
        skipped = -1 if padding_idx is None else padding_idx % shape[0]
        add_sorted(result, target, keys, cupy.ascontiguousarray(g), skipped)
        return result


def _add(result: cupy.ndarray, key: Any, values: Any) -> None:
    """result[key] += values, with all values of an element that is named several times; `result` is contiguous."""
    key = resident(key)
    given = key if isinstance(key, tuple) else (key,)
    if isinstance(key, cupy.ndarray) and key.dtype == np.bool_ and key.ndim:
        _add_where(result, key, values)
        return
    if all(isinstance(k, int | np.integer | slice) or k is None or k is Ellipsis for k in given) and not any(
        isinstance(k, bool) for k in given
    ):
        result[key] += values
        return
    plan = plan_of(result.shape, given)
    if plan is None:
        _add_atomically(result, key, values)
        return
    shape = np.broadcast_shapes(*(a.shape for a, _ in plan.arrays))
    if not fits(plan.target, prod(shape), result.dtype):
        _add_atomically(result, key, values)
        return
    if not (prod(plan.shape) and result.size):
        return
    (first, n), *others = plan.arrays
    keys = _first(cupy.broadcast_to(first, shape), n, cupy.empty(shape, _key_type(prod(n for _, n in plan.arrays))))
    for array, n in others:
        _next(keys, array, n, keys)
    add_sorted(result, plan.target, keys, _values(values, plan.shape, result.dtype))
    return


def _key_type(limit: int) -> Any:
    return np.uint32 if limit <= 1 << 32 else np.uint64


def _values(values: Any, shape: tuple[int, ...], dtype: Any) -> cupy.ndarray:
    if not isinstance(values, cupy.ndarray):
        return cupy.full(shape, values, dtype)
    return cupy.ascontiguousarray(cupy.broadcast_to(values.astype(dtype, copy=False), shape))


def plan_of(shape: tuple[int, ...], key: tuple[Any, ...]) -> Plan | None:
    """What `key` says for a contiguous array of `shape`; None where it has masks or truth values.

    Raises:
        IndexError: it does not fit the array.
    """
    counted = sum(k is not None and k is not Ellipsis for k in key)
    if counted > len(shape):
        raise IndexError(f"too many indices: an array of {len(shape)} axes was indexed by {counted}")
    if not any(k is Ellipsis for k in key):
        key = (*key, Ellipsis)
    strides = [prod(shape[i + 1 :]) for i in range(len(shape))]
    axis, base, arrays, places = 0, 0, [], []
    named: list[Axis] = []
    parts: list[tuple[int, int] | None] = []  # (length, stride) of each axis of the result, None for indices
    for k in key:
        if k is None:
            parts.append((1, 0))
            continue
        if k is Ellipsis:
            for _ in range(len(shape) - counted):
                parts.append((shape[axis], strides[axis]))
                axis += 1
            continue
        n, stride = shape[axis], strides[axis]
        axis += 1
        if isinstance(k, slice):
            start, stop, step = k.indices(n)
            parts.append((len(range(start, stop, step)), step * stride))
            base += start * stride
            continue
        places.append(len(parts))
        parts.append(None)
        if isinstance(k, cupy.ndarray):
            if k.dtype.kind not in "iu":
                return None
            arrays.append((k, n))
            named.append((n, stride))
        elif isinstance(k, bool | np.bool_):
            return None
        else:
            if not -n <= k < n:
                raise IndexError(f"index {k} is out of bounds for an axis of length {n}")
            base += int(k) % n * stride
    if not arrays:
        return None
    apart = places[-1] - places[0] + 1 != len(places)  # then the indices' axes come first
    before = [] if apart else [p for p in parts[: places[0]] if p is not None]
    behind = [p for p in (parts if apart else parts[places[0] :]) if p is not None]
    lengths = [[n for n, _ in part] for part in (before, behind)]
    block = np.broadcast_shapes(*(a.shape for a, _ in arrays))
    inner = [p for p in (*before, *behind) if p[1]]
    target = Target(base, named, inner, prod(lengths[1]))
    return Plan(arrays, target, (*lengths[0], *block, *lengths[1]))


def resident(key: Any) -> Any:
    """`key` with GPU arrays for indices that are written out, so that CuPy does not copy them there each time."""
    if isinstance(key, tuple):
        return tuple(map(resident, key))
    return _uploaded(key) if isinstance(key, list | np.ndarray) else key


def _uploaded(indices: list | np.ndarray) -> Any:
    """Indices on the current device; the same ones are copied there once, if they are few."""
    try:
        host = np.asarray(indices)
    except TypeError:  # a list of GPU arrays
        return indices
    if host.dtype.kind == "f" and not host.size:  # an empty list
        host = host.astype(np.int64)
    if host.size > FEW or host.dtype.kind not in "iub":
        return cupy.asarray(host)
    return _copied(host.tobytes(), host.dtype.str, host.shape, cupy.cuda.Device().id)


@lru_cache(maxsize=256)
def _copied(content: bytes, dtype: str, shape: tuple[int, ...], device: int) -> cupy.ndarray:
    return cupy.asarray(np.frombuffer(content, dtype).reshape(shape))


def _add_where(result: cupy.ndarray, mask: cupy.ndarray, values: Any) -> None:
    """A mask names no element twice: the n-th true element gets the n-th of the values."""
    inner = result.shape[mask.ndim :]
    if mask.shape != result.shape[: mask.ndim]:
        raise IndexError(f"a mask of shape {mask.shape} does not fit an array of shape {result.shape}")
    if isinstance(values, cupy.ndarray):
        values = values.astype(result.dtype, copy=False)
        if values.ndim == len(inner) + 1 and values.shape[0] != 1:
            if not values.size:
                return
            count = cupy.cumsum(mask.reshape(-1), dtype=np.int64).reshape(mask.shape)
            values = cupy.take(values, cupy.maximum(count - 1, 0), axis=0)
    wide = mask.reshape(mask.shape + (1,) * len(inner))
    cupy.copyto(result, (result + values).astype(result.dtype, copy=False), where=wide)


def _add_atomically(result: cupy.ndarray, key: Any, values: Any) -> None:
    """By CuPy: the order of the sums is not always the same, and it may wait for the GPU.

    This is for keys that are rare, and for more values than a sort of 32-bit numbers takes.
    """
    values = cupy.asarray(values, dtype=result.dtype)
    if result.dtype.kind == "c":
        cupy.add.at(result.real, key, values.real)
        cupy.add.at(result.imag, key, values.imag)
        return
    wide = result.astype(_WIDER.get(result.dtype.name, result.dtype), copy=True)
    cupy.add.at(wide, key, values.astype(wide.dtype, copy=False))
    result[...] = wide.astype(result.dtype, copy=False)


kernels: dict[str, Callable[..., Any]] = {f.__name__: f for f in (index, index_back, embedding_back)}
