"""Losses of numbers and of probabilities, an input element against a target element.

Every one takes torch's deprecated arguments `size_average` and `reduce`, which set `reduction`, with a warning.
"""

from __future__ import annotations

from typing import Any

from ...errors import ShapeError
from ...ops import ops
from ...rules import primitives
from ...tensor import Tensor
from .reduction import alike, check_between, check_factors, of_one_dtype, reduced, reduction_of, shape_of

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "smooth_l1_loss",
]

_mse, _huber = primitives["mse_loss"], primitives["huber_error"]
_bce, _bce_with_logits = primitives["binary_cross_entropy"], primitives["bce_with_logits"]

# ------------------------------------------------------------------------------------------------- differences


def mse_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Tensor:
    """The squared difference.

    Args:
        input, target: of one shape; others are broadcast, with a warning, since that is rarely meant.
        reduction: "none", "sum" or "mean".
        weight: factors of input's shape; "mean" then divides by their sum.

    Raises:
        ShapeError: the shapes can't be broadcast, or the weight's is another.
        ValueError: there is no such reduction.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    input, target = alike("mse_loss", input, target)
    if weight is None:
        return _mse(input, target, reduction=reduction)
    return _weighted("mse_loss", _mse(input, target, reduction="none"), weight, reduction)


def l1_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Tensor:
    """The absolute difference, whose derivative at 0 is 0. Arguments and errors as of `mse_loss`; complex too."""
    reduction = reduction_of(reduction, size_average, reduce)
    input, target = alike("l1_loss", input, target)
    losses = ops.abs(ops.subtract(input, target))
    return reduced(losses, reduction) if weight is None else _weighted("l1_loss", losses, weight, reduction)


def _weighted(name: str, losses: Tensor, weight: Any, reduction: str) -> Tensor:
    _check_weight(name, losses, weight)
    losses = losses * weight
    return ops.sum(losses) / ops.sum(weight) if reduction == "mean" else reduced(losses, reduction)


def _check_weight(name: str, losses: Tensor, weight: Any) -> None:
    if shape_of(weight) != losses.shape:
        raise ShapeError(f"{name} expects a weight of shape {losses.shape}, received {shape_of(weight)}")


def smooth_l1_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """d**2 / (2 beta) where the difference d is smaller than beta, |d| - beta / 2 elsewhere.

    R. Girshick, "Fast R-CNN", arXiv:1504.08083. Arguments and errors as of `mse_loss`; `beta` is not below 0.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    check_beta(beta)
    input, target = alike("smooth_l1_loss", input, target)
    difference = ops.subtract(input, target)
    return reduced(_huber(difference, width=beta) / beta if beta else ops.abs(difference), reduction)


def check_beta(beta: float) -> float:
    """Raises ValueError where this is negative."""
    if not beta >= 0:
        raise ValueError(f"smooth_l1_loss: beta must not be negative, received {beta}")
    return beta


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Tensor:
    """d**2 / 2 where the difference d is at most delta, delta (|d| - delta / 2) elsewhere.

    P. J. Huber, "Robust estimation of a location parameter", Ann. Math. Stat. 35 (1964).

    Args:
        input, target, reduction: as of `mse_loss`.
        delta: above 0.
        weight: factors of input's shape; "mean" still divides by their number.

    Raises:
        ShapeError, ValueError: as `mse_loss`, or `delta` is not positive.
    """
    reduction = reduction_of(reduction)
    check_delta(delta)
    input, target = alike("huber_loss", input, target)
    difference = ops.subtract(input, target)
    losses = _huber(difference, width=delta)
    if weight is not None:
        _check_weight("huber_loss", losses, weight)
        losses = losses * weight
    return reduced(losses, reduction)


def check_delta(delta: float) -> float:
    """Raises TypeError where this is no number, ValueError where it is not positive."""
    if not isinstance(delta, int | float):
        raise TypeError(f"huber_loss: delta must be a number, received {delta!r}")
    if not delta > 0:
        raise ValueError(f"huber_loss: delta must be positive, received {delta}")
    return delta


# ------------------------------------------------------------------------------------------------ probabilities


def binary_cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(target log(input) + (1 - target) log(1 - input)), each logarithm not below -100.

    Args:
        input: probabilities of any shape.
        target: of input's shape, in [0, 1].
        weight: factors that broadcast against the losses; "mean" still divides by their number.
        reduction: "none", "sum" or "mean".

    Raises:
        ShapeError: the shapes are not these.
        ValueError: a number is outside [0, 1] (looked at only where the engine's arrays are in host memory), or there
            is no such reduction.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    input, target = _same_shape("binary_cross_entropy", input, target)
    check_factors("binary_cross_entropy", shape_of(input), weight=weight)
    check_between("binary_cross_entropy's input", input, 0.0, 1.0)
    check_between("binary_cross_entropy's target", target, 0.0, 1.0)
    losses = _bce(input, target)
    return reduced(losses if weight is None else losses * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Tensor:
    """-(target log(s) + (1 - target) log(1 - s)) with s = sigmoid(input), without overflow.

    Args:
        input: scores (logits) of any shape.
        target: of input's shape, in [0, 1]; booleans and integers count as 0 and 1.
        weight: factors that broadcast against the losses; "mean" still divides by their number.
        reduction: "none", "sum" or "mean".
        pos_weight: factors of target log(s), that broadcast against `target`.

    Raises:
        ShapeError: the shapes are not these.
        ValueError: there is no such reduction.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    input, target = _same_shape("binary_cross_entropy_with_logits", input, target)
    check_factors("binary_cross_entropy_with_logits", shape_of(input), weight=weight, pos_weight=pos_weight)
    losses = _bce_with_logits(input, target) if pos_weight is None else _bce_with_logits(input, target, pos_weight)
    return reduced(losses if weight is None else losses * weight, reduction)


def _same_shape(name: str, input: Any, target: Any) -> tuple[Any, Any]:
    if shape_of(target) != shape_of(input):
        raise ShapeError(
            f"{name} with an input of shape {shape_of(input)} expects a target of that shape, received "
            f"{shape_of(target)}"
        )
    return of_one_dtype(input, target)
