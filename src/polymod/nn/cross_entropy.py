"""Losses of class scores as modules."""

from __future__ import annotations

from math import prod
from typing import Any

from ..errors import ShapeError
from ..tensor import Tensor
from . import functional as F
from .checks import size
from .functional.cross_entropy import check_smoothing
from .functional.linear_cross_entropy import LinearCrossEntropyOptions
from .functional.reduction import shape_of
from .linear import Linear
from .loss import WeightedLoss

__all__ = ["CrossEntropyLoss", "LinearCrossEntropyLoss", "LinearCrossEntropyOptions", "NLLLoss", "NLLLoss2d"]


class NLLLoss(WeightedLoss):
    """The negative log-probability of the target's class; see `functional.nll_loss`.

    Args:
        weight: (C,), the weight of each class; a buffer.
        size_average, ignore_index, reduce, reduction: as of the function.
    """

    def __init__(
        self,
        weight: Any = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Any, target: Any) -> Tensor:
        return F.nll_loss(input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction)


class NLLLoss2d(NLLLoss):
    """Another name of `NLLLoss`."""


class CrossEntropyLoss(WeightedLoss):
    """The negative log-softmax of the scores at the target's class; see `functional.cross_entropy`.

    Args:
        weight: (C,), the weight of each class; a buffer.
        size_average, ignore_index, reduce, reduction, label_smoothing: as of the function.
    """

    def __init__(
        self,
        weight: Any = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
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


class LinearCrossEntropyLoss(WeightedLoss):
    """Cross entropy of the scores that a linear layer of its own gives; see `functional.linear_cross_entropy`.

    Args:
        in_features: the width of the input.
        num_classes: how many classes, C.
        out_features: (d1, ..., dK), further axes of the scores.
        bias: whether the layer has a bias.
        device, dtype: of its parameters.
        weight: (C,), the weight of each class; a buffer.
        reduction, ignore_index, label_smoothing, options: as of the function.

    Its parameters are `linear.weight`, (C d1 ... dK, in_features), and `linear.bias`, (C d1 ... dK,).
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        reduction: str = "mean",
        weight: Any = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: LinearCrossEntropyOptions | None = None,
    ) -> None:
        num_classes = size(num_classes, "num_classes")
        if weight is not None and shape_of(weight) != (num_classes,):
            raise ShapeError(
                f"LinearCrossEntropyLoss expects a weight of shape ({num_classes},), received {shape_of(weight)}"
            )
        super().__init__(weight, reduction=reduction)
        self.num_classes, self.out_features = num_classes, tuple(out_features)
        self.ignore_index, self.label_smoothing = ignore_index, check_smoothing(label_smoothing)
        self.linear = Linear(
            size(in_features, "in_features"), prod(out_features, start=num_classes), bias, device, dtype
        )
        self.options = options

    def forward(self, input: Any, target: Any) -> Tensor:
        scores = (self.num_classes, *self.out_features)
        weight, bias = self.linear.weight, self.linear.bias
        return F.linear_cross_entropy(
            input,
            weight.reshape((*scores, weight.shape[-1])) if self.out_features else weight,
            target,
            linear_bias=bias if bias is None or not self.out_features else bias.reshape(scores),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )

    def extra_repr(self) -> str:
        names = ("num_classes", "out_features", "bias", "reduction", "ignore_index", "label_smoothing", "options")
        values = vars(self) | {"bias": self.linear.bias is not None}
        return ", ".join([f"in_features={self.linear.in_features}", *(f"{n}={values[n]}" for n in names)])
