"""Rearranging arrays, choosing between them, and changing their dtype."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..backend import find_owner
from ..ops import ops
from ..rules import primitives
from ..tensor import Tensor, raw, wrap
from ..views import Permuted, Reshaped
from .data_types import astype, result_type

__all__ = [
    "broadcast_arrays",
    "broadcast_shapes",
    "broadcast_to",
    "clip",
    "concat",
    "expand_dims",
    "flatten",
    "flip",
    "moveaxis",
    "permute_dims",
    "repeat",
    "reshape",
    "roll",
    "squeeze",
    "stack",
    "tile",
    "tril",
    "triu",
    "unstack",
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
    axes = axes_tuple(axes, len(axes))
    result = _permute_dims(x, axes=axes)
    if isinstance(x, Tensor):
        result.view_of = Permuted(x, axes)
    return result


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
def expand_dims(x: Any, /, axis: int | tuple[int, ...] = 0) -> Tensor:
    """With a new axis of length one at position `axis` of the result, or at each of several."""
    shape = list(raw(x).shape)
    ndim = len(shape) + (len(axis) if isinstance(axis, tuple) else 1)
    try:
        axes = axes_tuple(axis, ndim)
    except IndexError:
        raise IndexError(f"axis {axis} is out of range for a result with {ndim} axes") from None
    for a in sorted(axes):
        shape.insert(a, 1)
    return _respaced(x, tuple(shape))


def _respaced(x: Any, shape: tuple[int, ...]) -> Tensor:
    """`x` with axes of length one more or less."""
    result = _reshape(x, shape=shape)
    if isinstance(x, Tensor):
        result.view_of = Reshaped(x, shape)
    return result


@ops.publish
def squeeze(x: Any, /, axis: Any) -> Tensor:
    """Without the axes `axis`, which must have length one."""
    shape = raw(x).shape
    axes = axes_tuple(axis, len(shape))
    if any(shape[a] != 1 for a in axes):
        raise ValueError(f"only axes of length one can be squeezed, received axis {axis} of shape {tuple(shape)}")
    return _respaced(x, tuple(n for i, n in enumerate(shape) if i not in axes))


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
def broadcast_shapes(*shapes: tuple[int | None, ...]) -> tuple[int | None, ...]:
    """The shape that arrays of `shapes` broadcast to; None, a size that is not known, makes that of the result so.

    Raises:
        ValueError: the shapes can't be broadcast.
    """
    ndim = max(map(len, shapes), default=0)
    result: list[int | None] = []
    for sizes in zip(*((1,) * (ndim - len(shape)) + tuple(shape) for shape in shapes), strict=True):
        known = set(sizes) - {1, None}
        if len(known) > 1:
            raise ValueError(f"shapes {', '.join(map(str, map(tuple, shapes)))} can't be broadcast together")
        result.append(None if None in sizes else known.pop() if known else 1)
    return tuple(result)


@ops.publish
def broadcast_arrays(*arrays: Any) -> tuple[Tensor, ...]:
    """All of `arrays` broadcast to their common shape."""
    shape = broadcast_shapes(*(tuple(raw(x).shape) for x in arrays))
    return tuple(broadcast_to(x, shape) for x in arrays)


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
def repeat(x: Any, repeats: Any, /, *, axis: int | None = None) -> Tensor:
    """Each element (or slice along `axis`) `repeats` times in succession.

    Args:
        x: any shape; flattened first where axis is None.
        repeats: an integer, or a one-dimensional integer array with a number for each slice. The sum of an array
            is the size of the result, for which a GPU must be waited for.
        axis: the axis to repeat along.
    """
    if axis is None:
        x, axis = _reshape(x, shape=(-1,)), 0
    shape = tuple(raw(x).shape)
    (axis,) = axes_tuple(axis, len(shape))
    before, n, after = shape[:axis], shape[axis], shape[axis + 1 :]
    if not isinstance(repeats, int) and getattr(raw(repeats), "ndim", 0) == 0:
        repeats = int(repeats)
    if not isinstance(repeats, int):
        counts = ops.asarray(repeats, dtype=dtypes.int64, device=wrap(raw(x)).device)
        if counts.shape not in ((n,), (1,)):
            raise ValueError(f"repeats must be an integer or have shape ({n},), received {counts.shape}")
        ends = ops.cumulative_sum(broadcast_to(counts, (n,)))
        total = int(ends[-1]) if n else 0
        positions = ops.searchsorted(ends, ops.arange(total, device=counts.device), side="right")
        return ops.take(x, positions, axis=axis)
    wide = broadcast_to(_reshape(x, shape=(*before, n, 1, *after)), (*before, n, repeats, *after))
    return _reshape(wide, shape=(*before, n * repeats, *after))


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
def clip(x: Any, /, min: Any = None, max: Any = None) -> Tensor:
    """`x` held between `min` and `max`, each a number, an array or None."""
    if min is None and max is None:
        return ops.copy(x)
    return primitives["clip"](x, min, max)
