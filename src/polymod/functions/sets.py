"""Distinct elements and membership, by sorting: written once for every engine."""

from __future__ import annotations

from typing import Any, NamedTuple

from .. import dtypes
from ..ops import ops
from ..rules import primitives
from ..tensor import Tensor, raw, wrap
from .data_types import astype, result_type

__all__ = ["isin", "unique_all", "unique_counts", "unique_inverse", "unique_values"]


class UniqueAll(NamedTuple):
    """What `unique_all` returns: see there."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """Distinct elements and how often each occurs."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """Distinct elements, and where among them each element of the array is."""

    values: Tensor
    inverse_indices: Tensor


@ops.publish
def unique_all(x: Any, /) -> UniqueAll:
    """The distinct elements of `x`, in ascending order, and where they are.

    NaNs are distinct from each other; 0.0 and -0.0 are not. The derivative goes to the first occurrence. The size of
    the result depends on the values, for which a GPU must be waited for.

    Returns:
        values: (n,), of x's dtype.
        indices: (n,) int64: where each occurs first in the flattened `x`.
        inverse_indices: of x's shape, int64: values[inverse_indices] is `x`.
        counts: (n,) int64: how often each occurs.
    """
    x, flat, order, _, first = _ordered(x)
    starts = ops.nonzero(first)[0]
    ends = ops.concat([starts[1:], ops.full((1,), order.shape[0], dtype=starts.dtype, device=x.device)])
    indices = ops.take(order, starts, axis=0)
    which = ops.cumulative_sum(astype(first, dtypes.int64)) - 1
    inverse = ops.reshape(ops.take(which, ops.argsort(order), axis=0), x.shape)
    counts = (ends - starts)[: starts.shape[0]]
    return UniqueAll(ops.take(flat, indices, axis=0), indices, inverse, counts)


@ops.publish
def unique_counts(x: Any, /) -> UniqueCounts:
    """The distinct elements of `x` and how often each occurs; see `unique_all`."""
    values, _, _, counts = unique_all(x)
    return UniqueCounts(values, counts)


@ops.publish
def unique_inverse(x: Any, /) -> UniqueInverse:
    """The distinct elements of `x`, and for each element of `x` which one it is; see `unique_all`."""
    values, _, inverse, _ = unique_all(x)
    return UniqueInverse(values, inverse)


@ops.publish
def unique_values(x: Any, /) -> Tensor:
    """The distinct elements of `x` in ascending order; see `unique_all`."""
    _, _, _, ordered, first = _ordered(x)
    return ordered[first]


def _ordered(x: Any) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """`x` as a Tensor, flattened, the order that sorts it, it in that order, and where there a new value begins."""
    x = x if isinstance(x, Tensor) else wrap(x)
    flat = ops.reshape(x, (-1,))
    plain = flat.detach()
    if x.dtype.kind == "c":  # by the real part, then by the imaginary one
        order = ops.argsort(ops.imag(plain), stable=True)
        order = ops.take(order, ops.argsort(ops.take(ops.real(plain), order, axis=0), stable=True), axis=0)
    else:
        order = ops.argsort(astype(plain, dtypes.uint8) if x.dtype.kind == "b" else plain, stable=True)
    ordered = ops.take(flat, order, axis=0)
    first = ops.ones(flat.shape, dtype=dtypes.bool_, device=x.device)
    first[1:] = ordered[1:] != ordered[:-1]
    return x, flat, order, ordered, first


@ops.publish
def isin(x1: Any, x2: Any, /, *, invert: bool = False) -> Tensor:
    """Whether each element of `x1` occurs in `x2`, or does not if `invert`; of the shape of `x1`.

    Either may be a Python integer. A NaN occurs nowhere.
    """
    x1, x2 = _array(x1, x2), _array(x2, x1)
    common = result_type(x1, x2)
    found = primitives["isin"](astype(x1, common, copy=False), astype(x2, common, copy=False))
    return ops.logical_not(found) if invert else found


def _array(x: Any, other: Any) -> Any:
    """`x`; where it is a number, as an array that goes with the array `other`."""
    if not isinstance(x, int | float | complex):
        return x
    return ops.asarray(x, dtype=result_type(x, other), device=wrap(raw(other)).device)
