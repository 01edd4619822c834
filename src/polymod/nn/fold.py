"""Layers that lay out the windows of images as columns, and put them back."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import functional as F
from .functional.conv import Size, per_axis
from .module import Module

__all__ = ["Fold", "Unfold"]


class _Windows(Module):
    def __init__(self, kernel_size: Size, dilation: Size, padding: Size, stride: Size) -> None:
        super().__init__()
        for name, value, least in (
            ("kernel_size", kernel_size, 1),
            ("dilation", dilation, 1),
            ("padding", padding, 0),
            ("stride", stride, 1),
        ):
            per_axis(value, 2, name, least)
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"


class Unfold(_Windows):
    """What each sliding window sees of an image, as a column: (N, C, H, W) -> (N, C KH KW, L). See `F.unfold`.

    Args:
        kernel_size, dilation, padding, stride: an integer, or one per axis.
    """

    def __init__(self, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1) -> None:
        super().__init__(kernel_size, dilation, padding, stride)

    def forward(self, input: Any) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)


class Fold(_Windows):
    """The transpose of `Unfold`, sums where windows overlap: (N, C KH KW, L) -> (N, C, *output_size). See `F.fold`.

    Args:
        output_size: height and width of the image.
        kernel_size, dilation, padding, stride: an integer, or one per axis.
    """

    def __init__(
        self, output_size: Size, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
    ) -> None:
        super().__init__(kernel_size, dilation, padding, stride)
        per_axis(output_size, 2, "output_size", 1)
        self.output_size = output_size

    def forward(self, input: Any) -> Tensor:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}, {super().extra_repr()}"
