"""Functions that the standard lacks and many programs need.

More of them, `kron`, `cov`, `nan_to_num`, `isclose`, `setdiff1d`, `at` and others, are in the package array-api-extra,
whose functions take Tensors and carry gradients; they are not repeated here.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import index
from typing import Any

import numpy as np

from .. import dtypes
from ..ops import ops
from ..rules import primitives
from ..tensor import Tensor, raw, wrap
from .manipulation import axes_tuple

__all__ = ["allclose", "median", "one_hot", "pad", "quantile", "sliding_window_view"]

modes = {"edge": "edge", "reflect": "reflect", "symmetric": "symmetric", "wrap": "wrap"}
modes |= {"replicate": "edge", "circular": "wrap"}  # torch's names


def _positions(values: np.ndarray, x: Any) -> Tensor:
    """Whole numbers from the host on the device of `x`."""
    return ops.asarray(values, dtype=dtypes.int64, device=wrap(raw(x)).device)


# ------------------------------------------------------------------------------------------------------ frames


@ops.publish
def pad(x: Any, pad_width: Any, mode: str = "constant", *, constant_values: complex = 0) -> Tensor:
    """`x` with a frame around it, as NumPy's pad.

    Args:
        x: an array of any shape and dtype.
        pad_width: how much before and after: a number, a pair (before, after), one pair per axis, or a mapping from
            axes to numbers or pairs.
        mode: "constant"; "edge" (or "replicate") repeats the outermost elements; "reflect" mirrors at them,
            "symmetric" at their outer border; "wrap" (or "circular") goes on at the other side.
        constant_values: the number to fill with where `mode` is "constant".

    Raises:
        ValueError: an unknown mode, widths that do not fit the shape or are negative, or nothing to repeat.
    """
    shape = tuple(raw(x).shape)
    widths = _widths(pad_width, len(shape))
    if mode == "constant":
        if constant_values == 0:
            return primitives["zero_pad"](x, widths=widths)
        whole = tuple(n + before + after for n, (before, after) in zip(shape, widths, strict=True))
        frame = ops.full(whole, constant_values, dtype=raw(x).dtype, device=wrap(raw(x)).device)
        inner = tuple(slice(before, before + n) for n, (before, _) in zip(shape, widths, strict=True))
        return primitives["index_set"](frame, x, key=inner)
    if mode not in modes:
        raise ValueError(f"unknown mode {mode!r}; expected one of constant, {', '.join(modes)}")
    for axis, (n, width) in enumerate(zip(shape, widths, strict=True)):
        if any(width):
            if n == 0:
                raise ValueError(f"axis {axis} of shape {shape} has no elements to pad with in mode {mode!r}")
            positions = np.pad(np.arange(n), width, mode=modes[mode])  # type: ignore[call-overload]
            x = ops.take(x, _positions(positions, x), axis=axis)
    return x if isinstance(x, Tensor) and any(map(any, widths)) else ops.copy(x)


def _widths(pad_width: Any, ndim: int) -> tuple[tuple[int, int], ...]:
    """A pair of whole numbers per axis."""
    if isinstance(pad_width, Mapping):
        pairs: list[Any] = [(0, 0)] * ndim
        for axis, width in pad_width.items():
            (a,) = axes_tuple(axis, ndim)
            pairs[a] = width if isinstance(width, tuple | list) else (width, width)
    else:
        pairs = [tuple(p) for p in np.broadcast_to(np.asarray(pad_width), (ndim, 2)).tolist()]
    widths = tuple((index(before), index(after)) for before, after in pairs)
    if any(n < 0 for pair in widths for n in pair):
        raise ValueError(f"widths of padding can't be negative, received {pad_width}")
    return widths


@ops.publish
def sliding_window_view(
    x: Any, window_shape: int | tuple[int, ...], axis: int | tuple[int, ...] | None = None
) -> Tensor:
    """All windows of `window_shape` into `x`, as NumPy's function of this name, but copied.

    Args:
        x: an array of any shape.
        window_shape: the window's length along each of `axis`.
        axis: the axes that the window slides along, each as often as it is named; all of them if None.

    Returns:
        An array whose axes are those of `x`, shortened by the window's length less one, and then the window's.

    Raises:
        ValueError: as many lengths as axes are needed, and a window must fit.
    """
    lengths = tuple(window_shape) if isinstance(window_shape, tuple | list) else (window_shape,)
    ndim = raw(x).ndim
    axes = tuple(range(ndim)) if axis is None else tuple(axis) if isinstance(axis, tuple | list) else (axis,)
    if len(lengths) != len(axes):
        raise ValueError(f"window_shape {window_shape} has {len(lengths)} lengths for {len(axes)} axes")
    axes = tuple(axes_tuple(a, ndim)[0] for a in axes)
    for a, length in zip(axes, lengths, strict=True):
        shape = tuple(raw(x).shape)
        count = shape[a] - length + 1
        if length < 0 or count < 1:
            raise ValueError(f"a window of length {length} does not fit axis {a} of shape {shape}")
        positions = np.arange(count)[:, None] + np.arange(length)
        x = ops.take(x, _positions(positions.ravel(), x), axis=a)
        x = ops.reshape(x, (*shape[:a], count, length, *shape[a + 1 :]))
        x = ops.moveaxis(x, a + 1, -1)
    return x if isinstance(x, Tensor) else ops.asarray(x)


@ops.publish
def one_hot(x: Any, num_classes: int, *, dtype: Any = None, axis: int = -1) -> Tensor:
    """1 at the position along a new `axis` that `x` says, 0 elsewhere; only 0 where `x` is outside of the range.

    Args:
        x: whole numbers of any shape.
        num_classes: the length of the new axis.
        dtype: of the result; the default float dtype if None.
        axis: where the new axis is in the result.

    Raises:
        TypeError: `x` has no whole numbers.
    """
    array = raw(x)
    if dtypes.dtype(array.dtype).kind not in "iu":
        raise TypeError(f"one_hot takes whole numbers, received {dtypes.dtype(array.dtype)}")
    classes = ops.arange(num_classes, dtype=array.dtype, device=wrap(array).device)
    result = ops.astype(ops.expand_dims(x, axis=-1) == classes, dtypes.dtype(dtype or dtypes.default_float()))
    return result if axis in (-1, array.ndim) else ops.moveaxis(result, -1, axis)


# --------------------------------------------------------------------------------------------- order statistics


@ops.publish
def quantile(x: Any, q: Any, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
    """The value below which the share `q` of the elements over `axis` lies, linear between two of them; NaN where one
    of them is NaN.

    Its derivative goes to the one or two elements that it is made of, of equal ones to those that the sort puts there,
    and to `q` where that is a Tensor: the slope between the two, 0 right at one.

    Args:
        x: a real array.
        q: a number between 0 and 1, or a sequence of them, whose results are along a new first axis.
        axis: the axes to take together; all if None.
        keepdims: keep the reduced axes with length one.

    Raises:
        ValueError: `q` is outside of [0, 1], or there is no element.
    """
    shares = np.asarray(q.detach().tolist() if isinstance(q, Tensor) else q, dtype=float)
    if np.any(~((shares >= 0) & (shares <= 1))):
        raise ValueError(f"q must be between 0 and 1, received {q}")
    x = x if dtypes.dtype(raw(x).dtype).kind == "f" else ops.astype(x, dtypes.default_float())
    ndim = raw(x).ndim
    axes = tuple(range(ndim)) if axis is None else axes_tuple(axis, ndim)
    shape = tuple(raw(x).shape)
    rest = tuple(i for i in range(ndim) if i not in axes)
    count = int(np.prod([shape[a] for a in axes]))
    if count == 0:
        raise ValueError(f"there is no element along axis {axis} of shape {shape}")
    flat = ops.reshape(ops.permute_dims(x, (*rest, *axes)), (*(shape[i] for i in rest), count))
    ordered = ops.sort(flat, axis=-1)
    unordered = ops.any(ops.isnan(flat), axis=-1)
    places = shares.ravel() * (count - 1)
    parts: Any = [float(p - int(p)) for p in places]
    if isinstance(q, Tensor) and q.requires_grad:
        lower = ops.asarray(np.trunc(places), dtype=q.dtype, device=q.device)
        parts = ops.unstack(ops.astype(ops.reshape(q, (-1,)) * (count - 1) - lower, raw(x).dtype))
    results = [_between(ordered, float(p), part, unordered) for p, part in zip(places, parts, strict=True)]
    if keepdims:
        kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
        results = [ops.reshape(r, kept) for r in results]
    return ops.stack(results, axis=0) if shares.ndim else results[0]


def _between(ordered: Tensor, place: float, share: Any, unordered: Tensor) -> Tensor:
    """The element at `place` along the last axis, linear between the two beside it by `share`, place's fraction."""
    low = int(place)
    value = ordered[..., low]
    if place != low:
        upper = ordered[..., low + 1]
        value = ops.where(value == upper, value, value + share * (upper - value))  # equal also if infinite
    return ops.where(unordered, ops.nan, value)


@ops.publish
def median(x: Any, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
    """The middle element over `axis`, the mean of the middle two of an even number; `quantile(x, 0.5)`."""
    return quantile(x, 0.5, axis=axis, keepdims=keepdims)


# ---------------------------------------------------------------------------------------------------- comparison


@ops.publish
def allclose(x1: Any, x2: Any, /, *, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Whether |x1 - x2| <= atol + rtol |x2| everywhere, as in NumPy; equal infinities are close. A boolean Tensor of
    no axes, on the device of the arrays."""
    equal = ops.equal(x1, x2)
    close = equal | (ops.abs(ops.where(equal, 0.0, ops.subtract(x1, x2))) <= atol + rtol * ops.abs(x2))
    finite = ops.isfinite(ops.subtract(x1, x2))
    close = close & (finite | equal)
    if equal_nan:
        close = close | (ops.not_equal(x1, x1) & ops.not_equal(x2, x2))
    return ops.all(close)
