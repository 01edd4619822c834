"""Losses as modules, less torch's deprecated arguments `size_average` and `reduce`."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import functional as F
from .functional.loss import check_reduction, check_smoothing
from .module import Module
from .parameter import Buffer

__all__ = ["BCEWithLogitsLoss", "CrossEntropyLoss", "MSELoss", "NLLLoss"]


class _Loss(Module):
    """What the losses have in common: `reduction` is "none", "sum" or "mean"; ValueError for another."""

    def __init__(self, reduction: str) -> None:
        super().__init__()
        self.reduction = check_reduction(reduction)


class MSELoss(_Loss):
    """The squared difference of input and target; see `functional.mse_loss`."""

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    def forward(self, input: Any, target: Any) -> Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class CrossEntropyLoss(_Loss):
    """The negative log-softmax of the scores at the target's class; see `functional.cross_entropy`.

    Args:
        weight: (C,), the weight of each class; a buffer.
        ignore_index, reduction, label_smoothing: as of the function.
    """

    def __init__(
        self, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0
    ) -> None:
        super().__init__(reduction)
        self.weight = None if weight is None else Buffer(weight)
        self.ignore_index, self.label_smoothing = ignore_index, check_smoothing(label_smoothing)

    def forward(self, input: Any, target: Any) -> Tensor:
        return F.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_Loss):
    """The negative log-probability of the target's class; see `functional.nll_loss`.

    Args:
        weight: (C,), the weight of each class; a buffer.
        ignore_index, reduction: as of the function.
    """

    def __init__(self, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.weight = None if weight is None else Buffer(weight)
        self.ignore_index = ignore_index

    def forward(self, input: Any, target: Any) -> Tensor:
        return F.nll_loss(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """Binary cross entropy of scores; see `functional.binary_cross_entropy_with_logits`.

    Args:
        weight, pos_weight: as of the function; buffers.
        reduction: as of the function.
    """

    def __init__(self, weight: Any = None, *, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(reduction)
        self.weight = None if weight is None else Buffer(weight)
        self.pos_weight = None if pos_weight is None else Buffer(pos_weight)

    def forward(self, input: Any, target: Any) -> Tensor:
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )
