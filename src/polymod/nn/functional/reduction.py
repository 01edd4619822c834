"""What the losses have in common: how many numbers become one, and inputs of different shapes and dtypes."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ... import dtypes
from ...errors import ShapeError
from ...ops import ops
from ...tensor import Tensor, raw, wrap
from .indices import on_host

_reductions = ("none", "mean", "sum")


def reduction_of(
    reduction: str, size_average: bool | None = None, reduce: bool | None = None, *, more: tuple[str, ...] = ()
) -> str:
    """The reduction that is meant, with torch's deprecated arguments `size_average` and `reduce`, which win.

    Args:
        more: what else there is than "none", "mean" and "sum".

    Raises:
        ValueError: there is no such reduction.
    """
    if size_average is not None or reduce is not None:
        reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
        warnings.warn(f"size_average and reduce are deprecated; give reduction={reduction!r}", stacklevel=3)
    if reduction not in _reductions + more:
        expected = ", ".join(map(repr, _reductions + more))
        raise ValueError(f"reduction must be one of {expected}, received {reduction!r}")
    return reduction


def reduced(losses: Tensor, reduction: str) -> Tensor:
    """The losses, their sum or their mean."""
    return losses if reduction == "none" else ops.sum(losses) if reduction == "sum" else ops.mean(losses)


def shape_of(x: Any) -> tuple[int, ...]:
    return tuple(raw(x).shape)


def alike(name: str, input: Any, target: Any) -> tuple[Any, ...]:
    """Both in one shape, with a warning where that takes broadcasting, and in a common floating dtype.

    Raises:
        ShapeError: they can't be broadcast.
    """
    left, right = shape_of(input), shape_of(target)
    if left != right:
        shape = common_shape(name, input=input, target=target)
        warnings.warn(
            f"{name}: input {left} and target {right} are broadcast to {shape}, which is rarely meant; give them "
            "one shape",
            stacklevel=3,
        )
        input, target = ops.broadcast_to(input, shape), ops.broadcast_to(target, shape)
    return of_one_dtype(input, target)


def common_shape(name: str, **arrays: Any) -> tuple[int, ...]:
    """What the arrays broadcast to.

    Raises:
        ShapeError: they can't be broadcast.
    """
    shapes = [shape_of(x) for x in arrays.values()]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        listed = " and ".join(f"{key} {shape}" for key, shape in zip(arrays, shapes, strict=True))
        raise ShapeError(f"{name}: {listed} must be of one shape, or broadcast to one") from None


def of_one_dtype(*arrays: Any) -> tuple[Any, ...]:
    """All in the dtype that the floating ones have in common, or in the default one where none is floating."""
    kinds = [raw(x).dtype for x in arrays]
    if all(d == kinds[0] for d in kinds[1:]) and wrap(raw(arrays[0])).dtype.kind in "fc":
        return arrays
    floating = [wrap(raw(x)) for x in arrays if wrap(raw(x)).dtype.kind in "fc"]
    common = ops.result_type(*floating) if floating else dtypes.default_float()
    return tuple(ops.astype(ops.asarray(x), common, copy=False) for x in arrays)


def check_factors(name: str, shape: tuple[int, ...], **factors: Any) -> None:
    """Raise ShapeError where a factor that is given does not broadcast to `shape`, the input's."""
    wrong = []
    for key, factor in factors.items():
        if factor is not None:
            received = shape_of(factor)
            try:
                fits = np.broadcast_shapes(received, shape) == shape
            except ValueError:
                fits = False
            wrong += [] if fits else [f"a {key} that broadcasts to it is expected, received shape {received}"]
    if wrong:
        raise ShapeError(f"{name} with an input of shape {shape}: {'; '.join(wrong)}")


def check_between(name: str, x: Any, low: float, high: float) -> None:
    """Raise ValueError where an element is outside. Only where the engine's arrays are in host memory."""
    values = on_host(x)
    if values is None:
        return
    outside = (values < low) | (values > high)
    if outside.any():
        expected = f"in [{low:g}, {high:g}]" if high < math.inf else "not negative"
        raise ValueError(f"{name} must be {expected}, received {values[outside].flat[0]}")
