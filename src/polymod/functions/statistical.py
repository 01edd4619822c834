"""Sums, means, extrema and the like over axes, and products of matrices."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..ops import ops
from ..rules import primitives
from ..rules.reductions import count
from ..tensor import Tensor, raw, wrap
from .data_types import astype
from .manipulation import axes_tuple

__all__ = [
    "all",
    "any",
    "cumulative_prod",
    "cumulative_sum",
    "diff",
    "logsumexp",
    "matmul",
    "matrix_transpose",
    "max",
    "mean",
    "min",
    "prod",
    "std",
    "sum",
    "tensordot",
    "var",
    "vecdot",
]

Axis = int | tuple[int, ...] | None
_sum, _prod, _mean, _max, _min = (primitives[n] for n in ("sum", "prod", "mean", "max", "min"))


@ops.publish
def sum(x: Any, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """The sum over `axis`. Integers and booleans are summed as int64 unless `dtype` says otherwise."""
    return _typed(_sum, x, dtype, axis=axis, keepdims=keepdims)


@ops.publish
def prod(x: Any, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """The product over `axis`. Its derivative is right where factors are zero."""
    return _typed(_prod, x, dtype, axis=axis, keepdims=keepdims)


def _typed(primitive: Any, x: Any, dtype: Any, **attrs: Any) -> Tensor:
    """A sum or product in `dtype`; by default that of a floating `x`, and for whole numbers one of 64 bits.

    The result is cast, too, since engines add up small integers in larger ones.
    """
    kind = dtypes.dtype(raw(x).dtype)
    if dtype is None and kind.kind in "fc":
        return primitive(x, **attrs)
    d = dtypes.dtype(dtype) if dtype is not None else dtypes.uint64 if kind.kind == "u" else dtypes.int64
    return astype(primitive(astype(x, d, copy=False), **attrs), d, copy=False)


@ops.publish
def mean(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The arithmetic mean over `axis`; of integers and booleans in the default float dtype."""
    return _mean(_floating(x), axis=axis, keepdims=keepdims)


def _floating(x: Any) -> Any:
    return x if dtypes.dtype(raw(x).dtype).kind in "fc" else astype(x, dtypes.default_float())


@ops.publish
def var(x: Any, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """The variance over `axis`: the sum of squared distances from the mean divided by n - correction; it is real."""
    x = _floating(x)
    distance = x - _mean(x, axis=axis, keepdims=True)
    if dtypes.dtype(raw(x).dtype).kind == "c":
        squares = ops.square(ops.real(distance)) + ops.square(ops.imag(distance))
    else:
        squares = ops.square(distance)
    return _sum(squares, axis=axis, keepdims=keepdims) / (count(raw(x).shape, axis) - correction)


@ops.publish
def std(x: Any, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """The square root of `var`; its derivative where all elements are equal is 0."""
    return ops.flat_sqrt(var(x, axis=axis, correction=correction, keepdims=keepdims))


@ops.publish
def max(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest element over `axis`; elements that attain it share its derivative equally."""
    return _max(x, axis=axis, keepdims=keepdims)


@ops.publish
def min(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest element over `axis`; elements that attain it share its derivative equally."""
    return _min(x, axis=axis, keepdims=keepdims)


@ops.publish
def cumulative_sum(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Tensor:
    """The running sum along `axis`, with a zero in front if `include_initial`."""
    return _running("cumulative_sum", x, axis, dtype, ops.zeros if include_initial else None)


@ops.publish
def cumulative_prod(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Tensor:
    """The running product along `axis`, with a one in front if `include_initial`.

    Its derivative is right where factors are zero.
    """
    return _running("cumulative_prod", x, axis, dtype, ops.ones if include_initial else None)


def _running(name: str, x: Any, axis: int | None, dtype: Any, initial: Any) -> Tensor:
    shape = list(raw(x).shape)
    if axis is None:
        if len(shape) != 1:
            raise ValueError(f"axis must be given for an array of shape {tuple(shape)}")
        axis = 0
    (axis,) = axes_tuple(axis, len(shape))
    result = _typed(primitives[name], x, dtype, axis=axis)
    if initial is None:
        return result
    shape[axis] = 1
    return ops.concat([initial(shape, dtype=result.dtype, device=result.device), result], axis=axis)


@ops.publish
def diff(x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> Tensor:
    """The differences between neighbours along `axis`, taken `n` times.

    Args:
        x: numbers; at least one axis.
        axis: the axis along which neighbours are.
        n: how many times; 0 gives `x` alone, as in every engine.
        prepend, append: arrays to be put before and behind `x` first; of x's shape but for `axis`.
    """
    if n < 0:
        raise ValueError(f"n must not be negative, received {n}")
    (axis,) = axes_tuple(axis, raw(x).ndim)
    joined = [part for part in (prepend, x, append) if part is not None] if n else [x]
    result = ops.concat(joined, axis=axis) if len(joined) > 1 else x if isinstance(x, Tensor) else wrap(x)
    before = (slice(None),) * axis
    for _ in range(n):
        result = result[(*before, slice(1, None))] - result[(*before, slice(None, -1))]
    return result


@ops.publish
def logsumexp(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) over `axis` without overflow."""
    return primitives["logsumexp"](x, axis=axis, keepdims=keepdims)


@ops.publish
def any(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether any element over `axis` is true (not zero)."""
    return primitives["any"](x, axis=axis, keepdims=keepdims)


@ops.publish
def all(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether all elements over `axis` are true (not zero)."""
    return primitives["all"](x, axis=axis, keepdims=keepdims)


@ops.publish
def matmul(x1: Any, x2: Any, /) -> Tensor:
    """The matrix product of the last two axes, the leading ones broadcast; vectors as in NumPy's `@`."""
    return primitives["matmul"](x1, x2)


@ops.publish
def matrix_transpose(x: Any, /) -> Tensor:
    """The last two axes exchanged."""
    if raw(x).ndim < 2:
        raise ValueError(f"a matrix has at least two axes, received shape {tuple(raw(x).shape)}")
    return primitives["matrix_transpose"](x)


@ops.publish
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Tensor:
    """sum(conj(x1) * x2) along `axis`."""
    return primitives["vecdot"](x1, x2, axis=axis)


@ops.publish
def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Tensor:
    """The sum of products over the last `axes` axes of x1 and the first of x2, or over two lists of axes."""
    a, b = wrap(raw(x1)), wrap(raw(x2))
    if isinstance(axes, int):
        axes = tuple(range(a.ndim - axes, a.ndim)), tuple(range(axes))
    left, right = (tuple(v % t.ndim for v in part) for part, t in zip(axes, (a, b), strict=True))
    if [a.shape[i] for i in left] != [b.shape[i] for i in right]:
        raise ValueError(f"shapes {a.shape} and {b.shape} differ along the summed axes {left} and {right}")
    free_a = [i for i in range(a.ndim) if i not in left]
    free_b = [i for i in range(b.ndim) if i not in right]
    summed, rows, columns = count(a.shape, left), count(a.shape, tuple(free_a)), count(b.shape, tuple(free_b))
    first = ops.reshape(ops.permute_dims(x1, (*free_a, *left)), (rows, summed))
    second = ops.reshape(ops.permute_dims(x2, (*right, *free_b)), (summed, columns))
    return ops.reshape(matmul(first, second), (*(a.shape[i] for i in free_a), *(b.shape[i] for i in free_b)))
