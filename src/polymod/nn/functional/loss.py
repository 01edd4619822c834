"""Losses as torch.nn.functional has them, less its deprecated arguments `size_average` and `reduce`."""

from __future__ import annotations

import warnings
from math import prod
from typing import Any

import numpy as np

from ...errors import ShapeError
from ...ops import ops
from ...rules import primitives
from ...rules.losses import along_classes
from ...tensor import Tensor, raw, wrap
from .activation import log_softmax
from .indices import check_range, integers

__all__ = ["binary_cross_entropy_with_logits", "cross_entropy", "mse_loss", "nll_loss"]

_mse, _nll = primitives["mse_loss"], primitives["nll_loss"]
_cross_entropy, _bce = primitives["cross_entropy"], primitives["bce_with_logits"]
_reductions = frozenset(("none", "mean", "sum"))


def check_reduction(reduction: str) -> str:
    """Raises ValueError where there is no such reduction."""
    if reduction not in _reductions:
        raise ValueError(f"reduction must be 'none', 'mean' or 'sum', received {reduction!r}")
    return reduction


def _reduce(losses: Tensor, reduction: str) -> Tensor:
    return losses if reduction == "none" else ops.sum(losses) if reduction == "sum" else ops.mean(losses)


# --------------------------------------------------------------------------------------------------- classes


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """The negative log-softmax of `input` at the target's class.

    Args:
        input: scores (logits), (N, C, d1, ..., dK), (N, C), or (C,).
        target: class numbers of any integer dtype, of input's shape without C; or, with input's shape and a
            floating dtype, the probability of each class.
        weight: (C,), the weight of each class; carries no gradient.
        ignore_index: a class number that does not count.
        reduction: "none"; "sum"; or "mean", the sum over the sum of the targets' weights (of class numbers) or over
            N d1 ... dK (of probabilities). NaN where nothing counts.
        label_smoothing: mix the target with the uniform distribution in this proportion, in [0, 1].

    Raises:
        ShapeError: the shapes are not these.
        IndexError: a class number is out of range. On engines whose arrays are not in host memory, where the check
            would have to wait for them, the loss is NaN instead.
        TypeError: `target` is boolean or complex.
        ValueError: `reduction` or `label_smoothing` is none of these.
    """
    check_reduction(reduction)
    check_smoothing(label_smoothing)
    if _is_floating(target) and tuple(raw(target).shape) == tuple(raw(input).shape):
        return _from_probabilities(input, target, weight, reduction, label_smoothing)
    target = _classes("cross_entropy", input, target, weight, ignore_index)
    args = (input, target) if weight is None else (input, target, weight)
    return _cross_entropy(*args, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing)


def nll_loss(
    input: Any, target: Any, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """The negative of `input`, log-probabilities, at the target's class.

    Arguments and errors as of `cross_entropy`, with class numbers.
    """
    check_reduction(reduction)
    target = _classes("nll_loss", input, target, weight, ignore_index)
    args = (input, target) if weight is None else (input, target, weight)
    return _nll(*args, ignore_index=ignore_index, reduction=reduction)


def check_smoothing(label_smoothing: float) -> float:
    """Raises ValueError where this is not in [0, 1]."""
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing must be in [0, 1], received {label_smoothing}")
    return label_smoothing


def _is_floating(x: Any) -> bool:
    return hasattr(x, "dtype") and wrap(raw(x)).dtype.kind == "f"


def _classes(name: str, input: Any, target: Any, weight: Any, ignore_index: int) -> Tensor:
    """The target as integers, after everything is checked."""
    shape = tuple(raw(input).shape)
    if _is_floating(target):
        raise ShapeError(
            f"{name} with an input of shape {shape} and a target of {wrap(raw(target)).dtype} and shape "
            f"{tuple(raw(target).shape)}: class numbers are integers, e.g. target.astype(polymod.int64)"
            + ("; probabilities have the input's shape" if name == "cross_entropy" else "")
        )
    target = integers(target, f"{name}'s target", input)
    _check_classes(name, shape, target.shape, weight)
    check_range(target, shape[0 if len(shape) == 1 else 1], f"{name}'s target class", besides=ignore_index)
    return target


def _check_classes(name: str, shape: tuple[int, ...], target: tuple[int, ...] | None, weight: Any) -> None:
    if not shape:
        raise ShapeError(f"{name} expects an input of shape (C,) or (N, C, ...), received ()")
    classes = shape[0 if len(shape) == 1 else 1]
    expected = () if len(shape) == 1 else (shape[0], *shape[2:])
    wrong = []
    if target is not None and target != expected:
        wrong.append(f"a target of shape {expected} is expected, received {target}")
    if weight is not None and tuple(raw(weight).shape) != (classes,):
        wrong.append(f"a weight of shape ({classes},) is expected, received {tuple(raw(weight).shape)}")
    if wrong:
        raise ShapeError(f"{name} with an input of shape {shape}: {'; '.join(wrong)}")


def _from_probabilities(input: Any, target: Any, weight: Any, reduction: str, label_smoothing: float) -> Tensor:
    shape = tuple(raw(input).shape)
    _check_classes("cross_entropy", shape, None, weight)
    axis = 0 if len(shape) == 1 else 1
    if label_smoothing:
        target = ops.add(ops.multiply(target, 1 - label_smoothing), label_smoothing / shape[axis])
    product = ops.multiply(log_softmax(input, axis), target)
    if weight is not None:
        product = product * along_classes(ops, weight, len(shape))  # type: ignore[no-untyped-call]
    losses = -ops.sum(product, axis=axis)
    return ops.sum(losses) / prod(losses.shape) if reduction == "mean" else _reduce(losses, reduction)


# ----------------------------------------------------------------------------------------------- other losses


def mse_loss(input: Any, target: Any, *, reduction: str = "mean", weight: Any = None) -> Tensor:
    """The squared difference of `input` and `target`.

    Args:
        input, target: of one shape; others are broadcast, with a warning, since that is rarely meant.
        reduction: "none", "sum" or "mean".
        weight: factors of input's shape; "mean" then divides by their sum.

    Raises:
        ShapeError: the shapes can't be broadcast, or the weight's is another.
        ValueError: there is no such reduction.
    """
    check_reduction(reduction)
    input, target = _alike("mse_loss", input, target)
    if weight is None:
        return _mse(input, target, reduction=reduction)
    if tuple(raw(weight).shape) != tuple(raw(input).shape):
        raise ShapeError(
            f"mse_loss expects a weight of shape {tuple(raw(input).shape)}, received {tuple(raw(weight).shape)}"
        )
    losses = _mse(input, target, reduction="none") * weight
    return ops.sum(losses) / ops.sum(weight) if reduction == "mean" else _reduce(losses, reduction)


def _alike(name: str, input: Any, target: Any) -> tuple[Any, Any]:
    """Both in one shape and in a common dtype."""
    x, t = raw(input), raw(target)
    if tuple(x.shape) != tuple(t.shape):
        try:
            shape = np.broadcast_shapes(tuple(x.shape), tuple(t.shape))
        except ValueError:
            raise ShapeError(
                f"{name}: input {tuple(x.shape)} and target {tuple(t.shape)} must be of one shape"
            ) from None
        warnings.warn(
            f"{name}: input {tuple(x.shape)} and target {tuple(t.shape)} are broadcast to {shape}, which is rarely "
            "meant; give them one shape",
            stacklevel=3,
        )
        input, target = ops.broadcast_to(input, shape), ops.broadcast_to(target, shape)
    if x.dtype != t.dtype:
        common = wrap(x).dtype if wrap(t).dtype.kind not in "fc" else ops.result_type(wrap(x), wrap(t))
        input, target = ops.astype(input, common, copy=False), ops.astype(target, common, copy=False)
    return input, target


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
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
    check_reduction(reduction)
    shape = tuple(raw(input).shape)
    if tuple(raw(target).shape) != shape:
        raise ShapeError(
            f"binary_cross_entropy_with_logits with an input of shape {shape} expects a target of that shape, received "
            f"{tuple(raw(target).shape)}"
        )
    _check_factors(shape, weight=weight, pos_weight=pos_weight)
    if wrap(raw(target)).dtype.kind not in "fc":
        target = ops.astype(target, raw(input).dtype)
    losses = _bce(input, target) if pos_weight is None else _bce(input, target, pos_weight)
    return _reduce(losses if weight is None else losses * weight, reduction)


def _check_factors(shape: tuple[int, ...], **factors: Any) -> None:
    wrong = []
    for name, factor in factors.items():
        if factor is not None:
            received = tuple(raw(factor).shape)
            try:
                fits = np.broadcast_shapes(received, shape) == shape
            except ValueError:
                fits = False
            wrong += [] if fits else [f"a {name} that broadcasts to it is expected, received shape {received}"]
    if wrong:
        raise ShapeError(f"binary_cross_entropy_with_logits with an input of shape {shape}: {'; '.join(wrong)}")
