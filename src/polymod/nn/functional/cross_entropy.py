"""Losses of class scores: negative log-likelihood and cross entropy."""

from __future__ import annotations

from math import prod
from typing import Any

from ...errors import ShapeError
from ...ops import ops
from ...rules import primitives
from ...rules.losses import along_classes
from ...tensor import Tensor, raw, wrap
from .activation import log_softmax
from .indices import check_range, integers
from .reduction import reduced, reduction_of, shape_of

__all__ = ["cross_entropy", "nll_loss"]

_nll, _cross_entropy = primitives["nll_loss"], primitives["cross_entropy"]


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """The negative log-softmax of `input` at the target's class.

    Args:
        input: scores (logits), (N, C, d1, ..., dK), (N, C), or (C,).
        target: class numbers of any integer dtype, of input's shape without C; or, with input's shape and a
            floating dtype, the probability of each class.
        weight: (C,), the weight of each class; carries no gradient.
        size_average, reduce: deprecated; they set `reduction`.
        ignore_index: a class number that does not count.
        reduction: "none"; "sum"; or "mean", the sum over the sum of the targets' weights (of class numbers) or over
            N d1 ... dK (of probabilities). NaN where nothing counts.
        label_smoothing: mix the target with the uniform distribution in this proportion, in [0, 1].

    Raises:
        ShapeError: the shapes are not these.
        IndexError: a class number is out of range. On engines whose arrays are not in host memory, where the check
            would have to wait for them, the loss is NaN instead.
        TypeError: `target` is boolean or complex.
        ValueError: `reduction` or `label_smoothing` is none of these, or probabilities come with an `ignore_index`.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    check_smoothing(label_smoothing)
    if is_floating(target) and shape_of(target) == shape_of(input):
        if ignore_index >= 0:
            raise ValueError(
                f"cross_entropy: ignore_index={ignore_index} has no meaning where targets are probabilities"
            )
        return _of_probabilities(input, target, weight, reduction, label_smoothing)
    target = _classes("cross_entropy", input, target, weight, ignore_index)
    args = (input, target) if weight is None else (input, target, weight)
    return _cross_entropy(*args, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing)


def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The negative of `input`, log-probabilities, at the target's class.

    Arguments and errors as of `cross_entropy`, with class numbers.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    target = _classes("nll_loss", input, target, weight, ignore_index)
    args = (input, target) if weight is None else (input, target, weight)
    return _nll(*args, ignore_index=ignore_index, reduction=reduction)


def check_smoothing(label_smoothing: float) -> float:
    """Raises ValueError where this is not in [0, 1]."""
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing must be in [0, 1], received {label_smoothing}")
    return label_smoothing


def is_floating(x: Any) -> bool:
    return hasattr(x, "dtype") and wrap(raw(x)).dtype.kind == "f"


def _classes(name: str, input: Any, target: Any, weight: Any, ignore_index: int) -> Tensor:
    """The target as integers, after everything is checked."""
    shape = shape_of(input)
    if is_floating(target):
        raise ShapeError(
            f"{name} with an input of shape {shape} and a target of {wrap(raw(target)).dtype} and shape "
            f"{shape_of(target)}: class numbers are integers, e.g. target.astype(polymod.int64)"
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
    if weight is not None and shape_of(weight) != (classes,):
        wrong.append(f"a weight of shape ({classes},) is expected, received {shape_of(weight)}")
    if wrong:
        raise ShapeError(f"{name} with an input of shape {shape}: {'; '.join(wrong)}")


def _of_probabilities(input: Any, target: Any, weight: Any, reduction: str, label_smoothing: float) -> Tensor:
    shape = shape_of(input)
    _check_classes("cross_entropy", shape, None, weight)
    axis = 0 if len(shape) == 1 else 1
    if label_smoothing:
        target = ops.add(ops.multiply(target, 1 - label_smoothing), label_smoothing / shape[axis])
    product = log_softmax(input, axis) * target
    if weight is not None:
        product = product * along_classes(ops, weight, len(shape))  # type: ignore[no-untyped-call]
    losses = -ops.sum(product, axis=axis)
    return ops.sum(losses) / prod(losses.shape) if reduction == "mean" else reduced(losses, reduction)
