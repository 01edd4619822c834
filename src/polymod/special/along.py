"""Sums of exponentials along axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..functions.manipulation import axes_tuple
from ..ops import ops
from ..rules import primitives
from ..tensor import Tensor
from .arguments import floats

__all__ = ["log_softmax", "logsumexp", "softmax"]


Axis = int | tuple[int, ...] | None


def logsumexp(
    a: Any, axis: Axis = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    """log(sum(b exp(a))) over `axis` without overflow, b being 1 where it is None.

    Returns:
        The logarithm, NaN where the sum is negative; if `return_sign`, log |sum| and the sum's sign.
    """
    if b is None:
        (a,) = floats(a)
        axes = axis if axis is None else axes_tuple(axis, a.ndim)
        result = primitives["logsumexp"](a, axis=axes, keepdims=keepdims)
        return (result, ops.ones_like(result)) if return_sign else result
    a, b = floats(a, b)
    a, b = ops.broadcast_arrays(a, b)
    counted = b != 0
    a = ops.where(counted, a, -ops.inf)
    top = ops.max(a.detach(), axis=axis, keepdims=True)
    top = ops.where(ops.isfinite(top), top, 0)
    weights = ops.where(counted, ops.exp(ops.where(counted, a - top, 0)), 0)
    total = ops.sum(b * weights, axis=axis, keepdims=keepdims)
    if not keepdims:
        top = ops.squeeze(top, axis=tuple(range(a.ndim)) if axis is None else axis)
    if not return_sign:
        return ops.log(total) + top
    return ops.log(ops.abs(total)) + top, ops.sign(total)


def softmax(x: Any, axis: Axis = None) -> Tensor:
    """exp(x) / sum(exp(x)), the sum over `axis`."""
    (x,) = floats(x)
    return _along(primitives["softmax"], x, axis)


def log_softmax(x: Any, axis: Axis = None) -> Tensor:
    """The logarithm of `softmax`."""
    (x,) = floats(x)
    return _along(primitives["log_softmax"], x, axis)


def _along(function: Callable[..., Tensor], x: Tensor, axis: Axis) -> Tensor:
    """`function`, which works along one axis, along several taken as one."""
    axes = tuple(range(x.ndim)) if axis is None else axes_tuple(axis, x.ndim)
    if len(axes) == 1:
        return function(x, axis=axes[0])
    order = (*(i for i in range(x.ndim) if i not in axes), *axes)
    moved = ops.permute_dims(x, order)
    rest = x.ndim - len(axes)
    flat = ops.reshape(moved, (*moved.shape[:rest], -1))
    result = ops.reshape(function(flat, axis=-1), moved.shape)
    return ops.permute_dims(result, tuple(order.index(i) for i in range(x.ndim)))
