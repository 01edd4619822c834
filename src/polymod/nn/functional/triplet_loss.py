"""Losses that ask for a margin between two distances: to what is like an anchor and to what is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import ShapeError
from ...ops import ops
from ...tensor import Tensor, raw
from .distance import pairwise_distance
from .margin_loss import above
from .reduction import reduced, reduction_of, shape_of

__all__ = ["triplet_margin_loss", "triplet_margin_with_distance_loss"]


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin + |anchor - positive| - |anchor - negative|).

    Args:
        anchor, positive, negative: vectors (..., D), which broadcast.
        margin: above 0.
        p: of the norm.
        eps: added to each difference.
        swap: use |positive - negative| where it is smaller than |anchor - negative| (V. Balntas et al., "Learning
            local feature descriptors with triplets and shallow convolutional neural networks", BMVC 2016).

    Raises:
        ValueError: `margin` is not positive.
    """
    reduction = reduction_of(reduction, size_average, reduce)

    def distance(a: Any, b: Any) -> Tensor:
        return pairwise_distance(a, b, p, eps)

    return _triplet("triplet_margin_loss", anchor, positive, negative, distance, margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    distance_function: Callable[[Any, Any], Any] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin + d(anchor, positive) - d(anchor, negative)).

    Args:
        anchor, positive, negative: what the distance function takes, with equally many axes.
        distance_function: d, a function of two Tensors; None for the Euclidean distance along the last axis.
        margin, swap, reduction: as of `triplet_margin_loss`.
    """
    reduction = reduction_of(reduction)
    d = pairwise_distance if distance_function is None else distance_function
    return _triplet("triplet_margin_with_distance_loss", anchor, positive, negative, d, margin, swap, reduction)


def check_margin(name: str, margin: float) -> float:
    """Raises ValueError where this is not positive."""
    if not margin > 0:
        raise ValueError(f"{name}: margin must be positive, received {margin}")
    return margin


def _triplet(
    name: str,
    anchor: Any,
    positive: Any,
    negative: Any,
    d: Callable[..., Any],
    margin: float,
    swap: bool,
    reduction: str,
) -> Tensor:
    check_margin(name, margin)
    if len({len(raw(x).shape) for x in (anchor, positive, negative)}) > 1:
        raise ShapeError(
            f"{name} expects anchor, positive and negative with equally many axes, received {shape_of(anchor)}, "
            f"{shape_of(positive)} and {shape_of(negative)}"
        )
    far = d(anchor, negative)
    if swap:
        far = ops.minimum(far, d(positive, negative))
    return reduced(above(margin + d(anchor, positive) - far), reduction)
