"""Rearranging arrays, choosing between them, and changing their dtype."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..backend import backend_of, find_owner
from ..ops import ops
from ..rules import primitives
from ..tensor import Tensor, raw, wrap

__all__ = [
    "astype",
    "broadcast_arrays",
    "broadcast_to",
    "clip",
    "concat",
    "expand_dims",
    "flatten",
    "flip",
    "isdtype",
    "moveaxis",
    "permute_dims",
    "repeat",
    "reshape",
    "result_type",
    "roll",
    "squeeze",
    "stack",
    "tile",
    "tril",
    "triu",
    "unstack",
    "where",
]

_index = primitives["index"]
_reshape, _permute_dims = primitives["reshape"], primitives["permute_dims"]


def axes_tuple(axis: Any, ndim: int) -> tuple[int, ...]:
    """`axis`, an integer or a tuple, as a tuple of integers in [0, ndim).

    Raises:
        IndexError: an axis does not exist.
        ValueError: an axis is named twice.
    """
    axes = tuple(axis) if isinstance(axis, tuple | list) else (axis,)
    bad = [a for a in axes if not -ndim <= a < ndim]
    if bad:
        raise IndexError(f"axis {bad[0]} is out of range for an array with {ndim} axes")
    axes = tuple(int(a) % ndim for a in axes)
    if len(set(axes)) < len(axes):
        raise ValueError(f"an axis is named twice in {axis}")
    return axes


# ------------------------------------------------------------------------------------------------------ shape


@ops.publish
def reshape(x: Any, /, shape: Any, *, copy: bool | None = None) -> Tensor:
    """The same elements in row-major order in an array of `shape`; one size may be -1."""
    shape = (shape,) if isinstance(shape, int) else tuple(int(n) for n in shape)
    result = _reshape(x, shape=shape)
    return ops.copy(result) if copy else result


@ops.publish
def permute_dims(x: Any, /, axes: tuple[int, ...]) -> Tensor:
    """The axes in the order `axes`, which names each once."""
    axes = tuple(axes)
    if sorted(axes_tuple(axes, raw(x).ndim)) != list(range(raw(x).ndim)):
        raise ValueError(f"axes must name each of the {raw(x).ndim} axes once, received {axes}")
    return _permute_dims(x, axes=axes_tuple(axes, len(axes)))


@ops.publish
def moveaxis(x: Any, source: Any, destination: Any, /) -> Tensor:
    """The axes `source` moved to the positions `destination`, the others in their order."""
    ndim = raw(x).ndim
    source, destination = axes_tuple(source, ndim), axes_tuple(destination, ndim)
    if len(source) != len(destination):
        raise ValueError(f"source {source} and destination {destination} must be of one length")
    order = [i for i in range(ndim) if i not in source]
    for to, axis in sorted(zip(destination, source, strict=True)):
        order.insert(to, axis)
    return permute_dims(x, tuple(order))


@ops.publish
def expand_dims(x: Any, /, axis: int = 0) -> Tensor:
    """With a new axis of length one at position `axis`."""
    shape = list(raw(x).shape)
    if not -len(shape) - 1 <= axis <= len(shape):
        raise IndexError(f"axis {axis} is out of range for a result with {len(shape) + 1} axes")
    shape.insert(axis % (len(shape) + 1), 1)
    return _reshape(x, shape=tuple(shape))


@ops.publish
def squeeze(x: Any, /, axis: Any) -> Tensor:
    """Without the axes `axis`, which must have length one."""
    shape = raw(x).shape
    axes = axes_tuple(axis, len(shape))
    if any(shape[a] != 1 for a in axes):
        raise ValueError(f"only axes of length one can be squeezed, received axis {axis} of shape {tuple(shape)}")
    return _reshape(x, shape=tuple(n for i, n in enumerate(shape) if i not in axes))


@ops.publish
def flatten(x: Any, /, *, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The axes from `start_dim` to `end_dim`, both included, as one."""
    shape = raw(x).shape
    if not shape:
        return _reshape(x, shape=(1,))
    (first,), (last,) = axes_tuple(start_dim, len(shape)), axes_tuple(end_dim, len(shape))
    if first > last:
        raise ValueError(f"start_dim {start_dim} comes after end_dim {end_dim} in shape {tuple(shape)}")
    return _reshape(x, shape=(*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


@ops.publish
def broadcast_to(x: Any, /, shape: Any) -> Tensor:
    """`x` repeated along axes of length one until it has `shape`."""
    return primitives["broadcast_to"](x, shape=tuple(shape))


@ops.publish
def broadcast_arrays(*arrays: Any) -> list[Tensor]:
    """All of `arrays` broadcast to their common shape."""
    shape = np.broadcast_shapes(*(tuple(raw(x).shape) for x in arrays))
    return [broadcast_to(x, shape) for x in arrays]


@ops.publish
def concat(arrays: Sequence[Any], /, *, axis: int | None = 0) -> Tensor:
    """`arrays` one after the other along `axis`; flattened first where axis is None."""
    arrays = _of_one_dtype(arrays)
    return primitives["join"](*arrays, axis=axis)


@ops.publish
def stack(arrays: Sequence[Any], /, *, axis: int = 0) -> Tensor:
    """`arrays`, all of one shape, along a new axis."""
    return primitives["pile"](*_of_one_dtype(arrays), axis=axis)


def _of_one_dtype(arrays: Sequence[Any]) -> list[Any]:
    arrays = list(arrays)
    numbers = [
        x for x in arrays if isinstance(x, np.generic) or (not isinstance(x, Tensor) and find_owner(type(x)) is None)
    ]
    if numbers or not arrays:
        received = f"{numbers[0]!r} among them" if numbers else "none"
        raise TypeError(
            f"expected a sequence of arrays, received {received}; polymod.asarray(x) makes an array of a number"
        )
    if len({dtypes.dtype(raw(x).dtype) for x in arrays}) > 1:
        common = result_type(*arrays)
        arrays = [astype(x, common, copy=False) for x in arrays]
    return arrays


@ops.publish
def unstack(x: Any, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices of `x` along `axis`, without it."""
    (a,) = axes_tuple(axis, raw(x).ndim)
    before = (slice(None),) * a
    return tuple(_index(x, key=(*before, i)) for i in range(raw(x).shape[a]))


@ops.publish
def flip(x: Any, /, *, axis: Any = None) -> Tensor:
    """The elements in reverse order along `axis`, or along every axis."""
    return primitives["flip"](x, axis=axis)


@ops.publish
def roll(x: Any, /, shift: Any, *, axis: Any = None) -> Tensor:
    """The elements moved by `shift` places along `axis`, those past the end back at the start."""
    return primitives["roll"](x, shift=shift, axis=axis)


@ops.publish
def tril(x: Any, /, *, k: int = 0) -> Tensor:
    """The last two axes' elements on and below the k-th diagonal, zeros elsewhere."""
    return primitives["tril"](x, k=k)


@ops.publish
def triu(x: Any, /, *, k: int = 0) -> Tensor:
    """The last two axes' elements on and above the k-th diagonal, zeros elsewhere."""
    return primitives["triu"](x, k=k)


@ops.publish
def repeat(x: Any, repeats: int, /, *, axis: int | None = None) -> Tensor:
    """Each element (or slice along `axis`) `repeats` times in succession."""
    if axis is None:
        x, axis = _reshape(x, shape=(-1,)), 0
    n = raw(x).shape[axis]
    device = wrap(raw(x)).device
    positions = ops.asarray(np.repeat(np.arange(n), repeats).tolist(), dtype=dtypes.int64, device=device)
    return ops.take(x, positions, axis=axis)


@ops.publish
def tile(x: Any, repetitions: tuple[int, ...], /) -> Tensor:
    """The whole array `repetitions[i]` times along axis i."""
    shape = tuple(raw(x).shape)
    rank = max(len(shape), len(repetitions))
    shape = (1,) * (rank - len(shape)) + shape
    repetitions = (1,) * (rank - len(repetitions)) + tuple(repetitions)
    spread = tuple(n for pair in zip(repetitions, shape, strict=True) for n in pair)
    doubled = tuple(n for size in shape for n in (1, size))
    x = broadcast_to(_reshape(x, shape=doubled), spread)
    return _reshape(x, shape=tuple(r * n for r, n in zip(repetitions, shape, strict=True)))


# ----------------------------------------------------------------------------------------------------- choice


@ops.publish
def where(condition: Any, x1: Any, x2: Any, /) -> Tensor:
    """`x1` where `condition` holds, else `x2`. The derivative of the branch not taken is exactly 0."""
    if isinstance(x1, _number) or isinstance(x2, _number):
        x1, x2 = _with_array(condition, x1, x2)
    return primitives["where"](condition, x1, x2)


_number = int | float | complex


def _with_array(condition: Any, x1: Any, x2: Any) -> tuple[Any, Any]:
    """The branches of `where`, one of them a number, with an array among them whose dtype is the result's."""
    both = isinstance(x1, _number) and isinstance(x2, _number)
    array, number = (x1 + x2, x1 + x2) if both else (x2, x1) if isinstance(x1, _number) else (x1, x2)
    if not both and (dtypes.dtype(raw(array).dtype).kind in "fc" or not isinstance(number, float | complex)):
        return x1, x2
    if both and isinstance(x1, bool) and isinstance(x2, bool):
        number = True
    dtype = dtypes.dtype(type(number))
    if both:
        return ops.full((), x1, dtype=dtype, device=wrap(raw(condition)).device), x2
    whole = astype(array, dtype)
    return (x1, whole) if array is x2 else (whole, x2)


@ops.publish
def clip(x: Any, /, min: Any = None, max: Any = None) -> Tensor:
    """`x` held between `min` and `max`, each a number, an array or None."""
    if min is None and max is None:
        return ops.copy(x)
    return primitives["clip"](x, min, max)


# ------------------------------------------------------------------------------------------------------- dtype


@ops.publish
def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Tensor:
    """`x` converted to `dtype`; `x` itself where it has that dtype and `copy` is False.

    A conversion to integers or booleans carries no gradient.
    """
    x = x if isinstance(x, Tensor) else ops.asarray(x)
    if device is not None:
        x = x.to_device(device)
    d = dtypes.dtype(dtype)
    if d is x.dtype:
        return ops.copy(x) if copy else x
    if x.dtype.kind == "c" and d.kind != "c":
        raise TypeError(f"{x.dtype} has no conversion to {d}; take real(x), imag(x) or abs(x)")
    source = x if d.kind in "fc" else x.detach()
    return primitives["cast"](source, dtype=backend_of(x.array).dtype(d))


@ops.publish
def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether `dtype` is of `kind`: a dtype, "bool", "signed integer", "unsigned integer", "integral",
    "real floating", "complex floating", "numeric", or a tuple of these."""
    if isinstance(kind, tuple):
        return any(isdtype(dtype, k) for k in kind)
    if not isinstance(kind, str):
        return dtypes.dtype(dtype) is dtypes.dtype(kind)
    letters = {
        "bool": "b",
        "signed integer": "i",
        "unsigned integer": "u",
        "integral": "iu",
        "real floating": "f",
        "complex floating": "c",
        "numeric": "iufc",
    }
    if kind not in letters:
        raise ValueError(f"unknown kind of dtype {kind!r}; expected one of {', '.join(letters)}")
    return dtypes.dtype(dtype).kind in letters[kind]


@ops.publish
def result_type(*arrays_and_dtypes: Any) -> dtypes.DType:
    """The dtype that results from combining arrays, dtypes and Python numbers, as the standard promotes."""
    return dtypes.dtype(np.result_type(*(_as_host_dtype(a) for a in arrays_and_dtypes)))


def _as_host_dtype(a: Any) -> Any:
    if isinstance(a, bool | int | float | complex):
        return a
    return dtypes.dtype(getattr(raw(a), "dtype", a)).dtype
