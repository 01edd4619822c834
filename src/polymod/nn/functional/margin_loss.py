"""Losses that ask for a margin: between a score and a bound, two scores, a class and the others.

Every one takes `reduction`, "none", "sum" or "mean", and torch's deprecated arguments `size_average` and `reduce`,
which set it, with a warning. Where shapes are not what they should be they raise ShapeError, and ValueError for a
reduction that does not exist.
"""

from __future__ import annotations

from typing import Any

from ...errors import ShapeError
from ...ops import ops
from ...rules import primitives
from ...tensor import Tensor
from .activation import relu
from .indices import check_range, integers, on_host
from .reduction import check_factors, common_shape, of_one_dtype, reduced, reduction_of, shape_of

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "soft_margin_loss",
]

_log_expit, _bce_with_logits = primitives["log_expit"], primitives["bce_with_logits"]
_NORM_EPSILON = 9.999999960041972e-13  # torch's of cosine_embedding_loss: 1e-12 in float32


def above(x: Any, least: float = 0.0) -> Tensor:
    """max(x, least), whose derivative where they are equal is 1, as torch has it."""
    return ops.clip(x, least, None)


# ------------------------------------------------------------------------------------------------- one score


def hinge_embedding_loss(
    input: Any,
    target: Any,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`input` where the target is 1, max(0, margin - input) where it is -1; both where it is neither.

    Args:
        input: distances.
        target: 1 and -1; broadcasts against `input`.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    common_shape("hinge_embedding_loss", input=input, target=target)
    near = ops.where(ops.not_equal(target, -1), input, 0.0)
    far = ops.where(ops.not_equal(target, 1), above(ops.subtract(margin, input)), 0.0)
    return reduced(far + near, reduction)


def soft_margin_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(-target input)), without overflow.

    Args:
        input: scores.
        target: 1 and -1; broadcasts against `input`.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    common_shape("soft_margin_loss", input=input, target=target)
    input, target = of_one_dtype(input, target)
    return reduced(-_log_expit(ops.multiply(target, input)), reduction)


def multilabel_soft_margin_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Binary cross entropy of the scores of C independent classes, a mean over the classes.

    Args:
        input: scores (..., C).
        target: 0 and 1, of input's shape.
        weight: factors that broadcast against the scores, e.g. (C,).

    Returns:
        With reduction "none" a loss per row, (...).
    """
    reduction = reduction_of(reduction, size_average, reduce)
    if not shape_of(input):
        raise ShapeError("multilabel_soft_margin_loss expects an input of shape (..., C), received ()")
    common_shape("multilabel_soft_margin_loss", input=input, target=target)
    input, target = of_one_dtype(input, target)
    losses = _bce_with_logits(input, target)
    if weight is not None:
        check_factors("multilabel_soft_margin_loss", losses.shape, weight=weight)
        losses = losses * weight
    return reduced(ops.sum(losses, axis=-1) / losses.shape[-1], reduction)


# ------------------------------------------------------------------------------------------------- two scores


def margin_ranking_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin - target (input1 - input2)).

    Args:
        input1, input2: scores.
        target: 1 where the first should be the larger one, -1 where the second. All three have as many axes as the
            others and broadcast.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    shapes = [shape_of(x) for x in (input1, input2, target)]
    if len({len(s) for s in shapes}) > 1:
        raise ShapeError(
            f"margin_ranking_loss expects inputs and a target with equally many axes, received {shapes[0]}, "
            f"{shapes[1]} and {shapes[2]}"
        )
    common_shape("margin_ranking_loss", input1=input1, input2=input2, target=target)
    input1, input2, target = of_one_dtype(input1, input2, target)
    return reduced(above(margin - target * ops.subtract(input1, input2)), reduction)


def cosine_embedding_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos where the target is 1, max(0, cos - margin) where it is -1, with the cosine of the vectors' angle.

    Args:
        input1, input2: vectors (N, D), or one (D,).
        target: (N,), or () for one pair.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    shape, axes = shape_of(target), {len(shape_of(x)) for x in (input1, input2)}
    if len(shape) > 1 or axes != {len(shape) + 1}:
        raise ShapeError(
            "cosine_embedding_loss expects inputs (N, D) and a target (N,), or inputs (D,) and a target (); received "
            f"{shape_of(input1)}, {shape_of(input2)} and {shape}"
        )
    common_shape("cosine_embedding_loss", input1=input1, input2=input2)
    input1, input2 = of_one_dtype(input1, input2)
    product = ops.sum(ops.multiply(input1, input2), axis=-1)
    squares = [ops.sum(ops.multiply(x, x), axis=-1) + _NORM_EPSILON for x in (input1, input2)]
    cosine = product / ops.sqrt(squares[0] * squares[1])
    common_shape("cosine_embedding_loss", cosine=cosine, target=target)
    same = ops.where(ops.equal(target, 1), 1 - cosine, 0.0)
    different = ops.where(ops.equal(target, -1), above(cosine - margin), 0.0)
    return reduced(same + different, reduction)


# ---------------------------------------------------------------------------------------- a class and the others


def multi_margin_loss(
    input: Any,
    target: Any,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The sum over all other classes i of max(0, margin - input[target] + input[i])**p, over C.

    Args:
        input: scores (N, C), or (C,).
        target: class numbers (N,), or ().
        p: 1 or 2.
        weight: (C,), factors of each target's loss.

    Raises:
        IndexError: a class number is out of range (looked at only where the engine's arrays are in host memory).
        ValueError: `p` is another number.
    """
    reduction = reduction_of(reduction, size_average, reduce)
    check_power(p)
    shape, target = shape_of(input), integers(target, "multi_margin_loss's target", input)
    scores = ops.reshape(input, (1, -1)) if len(shape) < 2 else input
    rows, classes = shape_of(scores) if len(shape) <= 2 else (-1, -1)
    if rows < 0 or (target.shape != (rows,) and not (len(shape) < 2 and target.shape == ())):
        raise ShapeError(
            f"multi_margin_loss expects an input (N, C) and a target (N,), or (C,) and (), received {shape} and "
            f"{target.shape}"
        )
    if weight is not None and shape_of(weight) != (classes,):
        raise ShapeError(f"multi_margin_loss expects a weight of shape ({classes},), received {shape_of(weight)}")
    check_range(target, classes, "multi_margin_loss's target class")
    column = ops.reshape(target, (-1, 1))
    others = ops.arange(classes, dtype=column.dtype, device=column.device) != column
    excess = relu(margin - ops.take_along_axis(scores, column, axis=1) + scores)
    excess = ops.where(others, excess if p == 1 else excess * excess, 0.0)
    losses = ops.sum(excess, axis=1) / classes
    if weight is not None:
        losses = losses * ops.take(weight, ops.reshape(target, (-1,)), axis=0)
    return reduced(ops.reshape(losses, target.shape), reduction)


def check_power(p: int) -> int:
    """Raises ValueError where this is neither 1 nor 2."""
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: p must be 1 or 2, received {p!r}")
    return p


def multilabel_margin_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The sum over the target's classes j and all classes i that are not of them of max(0, 1 - input[j] + input[i]),
    over C.

    Args:
        input: scores (N, C), or (C,).
        target: class numbers, of input's shape; those from the first -1 on do not count.

    Raises:
        IndexError: a class number is out of range (looked at only where the engine's arrays are in host memory).
    """
    reduction = reduction_of(reduction, size_average, reduce)
    shape, target = shape_of(input), integers(target, "multilabel_margin_loss's target", input)
    if len(shape) > 2 or (target.shape != shape and not (shape in ((), (1,)) and target.shape in ((), (1,)))):
        raise ShapeError(
            f"multilabel_margin_loss expects an input (N, C) or (C,) and a target of its shape, received {shape} and "
            f"{target.shape}"
        )
    if len(shape) < 2:
        input, target = ops.reshape(input, (1, -1)), ops.reshape(target, (1, -1))
    classes = target.shape[1]
    given = ops.cumulative_sum(ops.astype(target < 0, target.dtype), axis=1) == 0
    known = on_host(given)
    if known is not None:  # (N, J, C) numbers follow, for at most J classes of a target
        most = int(known.sum(axis=1).max(initial=0))
        target, given = target[:, :most], given[:, :most]
    target = ops.where(given, target, 0)
    check_range(target, classes, "multilabel_margin_loss's target class")
    numbers = ops.arange(classes, dtype=target.dtype, device=target.device)
    named = ops.any((ops.expand_dims(target, axis=2) == numbers) & ops.expand_dims(given, axis=2), axis=1)
    theirs = ops.expand_dims(ops.take_along_axis(input, target, axis=1), axis=2)
    counts = ops.expand_dims(given, axis=2) & ~ops.expand_dims(named, axis=1)
    excess = ops.where(counts, relu(1 - theirs + ops.expand_dims(input, axis=1)), 0.0)
    losses = ops.sum(excess, axis=(1, 2)) / (classes or 1)
    if len(shape) < 2:
        losses = ops.reshape(losses, ())
    return ops.sum(losses) / (losses.size or 1) if reduction == "mean" else reduced(losses, reduction)
