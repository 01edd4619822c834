"""Sums, means, extrema and the like over axes, and products of matrices."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..ops import ops
from ..rules import primitives
from ..rules.reductions import count
from ..tensor import Tensor, raw, wrap
from .manipulation import astype

__all__ = [
    "all",
    "any",
    "argmax",
    "argmin",
    "cumulative_sum",
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
    return _sum(_summable(x, dtype), axis=axis, keepdims=keepdims)


@ops.publish
def prod(x: Any, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """The product over `axis`. Its derivative is right where factors are zero."""
    return _prod(_summable(x, dtype), axis=axis, keepdims=keepdims)


def _summable(x: Any, dtype: Any) -> Any:
    if dtype is not None:
        return astype(x, dtype, copy=False)
    kind = dtypes.dtype(raw(x).dtype).kind
    if kind in "fc":
        return x
    return astype(x, dtypes.uint64 if kind == "u" else dtypes.int64, copy=False)


@ops.publish
def mean(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The arithmetic mean over `axis`; of integers and booleans in the default float dtype."""
    return _mean(_floating(x), axis=axis, keepdims=keepdims)


def _floating(x: Any) -> Any:
    return x if dtypes.dtype(raw(x).dtype).kind in "fc" else astype(x, dtypes.default_float())


@ops.publish
def var(x: Any, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """The variance over `axis`: the sum of squared distances from the mean divided by n - correction."""
    x = _floating(x)
    distance = x - _mean(x, axis=axis, keepdims=True)
    return _sum(ops.square(distance), axis=axis, keepdims=keepdims) / (count(raw(x).shape, axis) - correction)


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
    x = _summable(x, dtype)
    if axis is None:
        if raw(x).ndim != 1:
            raise ValueError(f"axis must be given for an array of shape {tuple(raw(x).shape)}")
        axis = 0
    result = primitives["cumulative_sum"](x, axis=axis)
    if include_initial:
        shape = list(result.shape)
        shape[axis] = 1
        result = ops.concat([ops.zeros(shape, dtype=result.dtype, device=result.device), result], axis=axis)
    return result


@ops.publish
def logsumexp(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) over `axis` without overflow."""
    return primitives["logsumexp"](x, axis=axis, keepdims=keepdims)


@ops.publish
def argmax(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The position of the (first) largest element along `axis`, or in the flattened array; int64."""
    return primitives["argmax"](x, axis=axis, keepdims=keepdims)


@ops.publish
def argmin(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The position of the (first) smallest element along `axis`, or in the flattened array; int64."""
    return primitives["argmin"](x, axis=axis, keepdims=keepdims)


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
