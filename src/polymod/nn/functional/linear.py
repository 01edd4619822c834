"""The affine map of a dense layer, and the bilinear map of two inputs."""

from __future__ import annotations

from typing import Any

from ...errors import ShapeError
from ...ops import ops
from ...rules import primitives
from ...tensor import Tensor, raw

__all__ = ["bilinear", "linear"]

_linear = primitives["linear"]


def linear(input: Any, weight: Any, bias: Any = None) -> Tensor:
    """input @ weight.T + bias

    Args:
        input: (..., in).
        weight: (out, in).
        bias: (out,), or None.

    Returns:
        A Tensor (..., out).

    Raises:
        ShapeError: the shapes are not these.
    """
    try:
        y = _linear(input, weight) if bias is None else _linear(input, weight, bias)
    except Exception as error:  # the shapes are looked at only now, so that they cost nothing where they fit
        problem = _misfit(raw(input), raw(weight), raw(bias))
        if problem:
            raise ShapeError(problem) from error
        raise
    if raw(weight).ndim != 2 or (bias is not None and raw(bias).shape != y.array.shape[-1:]):  # they were broadcast
        raise ShapeError(_misfit(raw(input), raw(weight), raw(bias)))
    return y


def _misfit(x: Any, weight: Any, bias: Any) -> str:
    """What is wrong with the shapes; an empty string where nothing is."""
    received, expected = tuple(x.shape), tuple(weight.shape)
    if len(expected) != 2:
        return f"linear: a weight of shape (out, in) is expected, received {expected}"
    with_weight = f"linear with a weight of shape {expected} expects"
    if not received or received[-1] != expected[1]:
        return f"{with_weight} an input of shape (..., {expected[1]}), received {received}"
    if bias is not None and tuple(bias.shape) != expected[:1]:
        return f"{with_weight} a bias of shape {expected[:1]}, received {tuple(bias.shape)}"
    return ""


def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Tensor:
    """output[..., k] = input1[..., :] @ weight[k] @ input2[..., :] + bias[k]

    Args:
        input1: (..., in1).
        input2: (..., in2), with the same axes before the last.
        weight: (out, in1, in2).
        bias: (out,), or None.

    Returns:
        A Tensor (..., out).

    Raises:
        ShapeError: the shapes are not these.
    """
    first, second = tuple(raw(input1).shape), tuple(raw(input2).shape)
    form, offset = tuple(raw(weight).shape), None if bias is None else tuple(raw(bias).shape)
    if (
        len(form) != 3
        or first[-1:] != form[1:2]
        or second[-1:] != form[2:]
        or first[:-1] != second[:-1]
        or offset not in (None, form[:1])
    ):
        raise ShapeError(
            "bilinear expects inputs (..., in1) and (..., in2), a weight (out, in1, in2) and a bias (out,) or none; "
            f"received {first}, {second}, {form} and {offset}"
        )
    out, in1, in2 = form
    by_first = ops.reshape(ops.permute_dims(weight, (1, 0, 2)), (in1, out * in2))
    halves = ops.reshape(ops.matmul(input1, by_first), (*first[:-1], out, in2))
    y = ops.squeeze(ops.matmul(halves, ops.expand_dims(input2, axis=-1)), axis=-1)
    return y if bias is None else y + bias
