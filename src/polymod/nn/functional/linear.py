"""The affine map of a dense layer."""

from __future__ import annotations

from typing import Any

from ...errors import ShapeError
from ...rules import primitives
from ...tensor import Tensor, raw

__all__ = ["linear"]

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
