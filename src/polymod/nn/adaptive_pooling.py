"""Pooling layers that are made with the size of their result. The functions of the same names in `nn.functional` say
what each does.

All of them raise TypeError or ValueError at construction for arguments that no pooling has, and ShapeError at the
call for an input that does not fit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from ..tensor import Tensor
from . import functional as F
from .functional.adaptive_pooling import Outputs, output_sizes
from .functional.conv import Size
from .functional.fractional_pooling import Ratio, ratios
from .functional.pooling_windows import sizes
from .module import Module

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
]


class _AdaptiveAvgPool(Module):
    axes: ClassVar[int]
    pool: ClassVar[Callable[..., Any]]

    def __init__(self, output_size: Outputs) -> None:
        super().__init__()
        output_sizes(output_size, self.axes)
        self.output_size = output_size

    def forward(self, input: Any) -> Tensor:
        result: Tensor = self.pool(input, self.output_size)
        return result

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Means over `output_size` windows that divide (N, C, L) or (C, L) evenly."""

    axes, pool = 1, staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Means over windows that divide (N, C, H, W) or (C, H, W) evenly into `output_size`: an integer, None (as the
    input), or one of these per axis."""

    axes, pool = 2, staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Means over windows that divide (N, C, D, H, W) or (C, D, H, W) evenly into `output_size`: an integer, None (as
    the input), or one of these per axis."""

    axes, pool = 3, staticmethod(F.adaptive_avg_pool3d)


class _AdaptiveMaxPool(Module):
    axes: ClassVar[int]
    pool: ClassVar[Callable[..., Any]]

    def __init__(self, output_size: Outputs, return_indices: bool = False) -> None:
        super().__init__()
        output_sizes(output_size, self.axes)
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input: Any) -> Any:
        return self.pool(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest elements of `output_size` windows that divide (N, C, L) or (C, L) evenly, and with return_indices
    where they lie."""

    axes, pool = 1, staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest elements of windows that divide (N, C, H, W) or (C, H, W) evenly into `output_size` (an integer,
    None, or one of these per axis), and with return_indices where they lie."""

    axes, pool = 2, staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The largest elements of windows that divide (N, C, D, H, W) or (C, D, H, W) evenly into `output_size` (an
    integer, None, or one of these per axis), and with return_indices where they lie."""

    axes, pool = 3, staticmethod(F.adaptive_max_pool3d)


class _FractionalMaxPool(Module):
    axes: ClassVar[int]
    pool: ClassVar[Callable[..., Any]]
    _random_samples: Any

    def __init__(
        self,
        kernel_size: Size,
        output_size: Size | None = None,
        output_ratio: Ratio | None = None,
        return_indices: bool = False,
        _random_samples: Any = None,
    ) -> None:
        super().__init__()
        if (output_size is None) == (output_ratio is None):
            given = f"output_size {output_size}, output_ratio {output_ratio}"
            raise ValueError(f"{type(self).__name__} needs output_size or output_ratio, one of them; received {given}")
        self.kernel_size = sizes(kernel_size, self.axes, "kernel_size", 1)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else sizes(output_size, self.axes, "output_size", 1)
        self.output_ratio = None if output_ratio is None else ratios(output_ratio, self.axes)

    def forward(self, input: Any) -> Any:
        return self.pool(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices, self._random_samples
        )


class FractionalMaxPool2d(_FractionalMaxPool):
    """The largest elements of windows at random places of (N, C, H, W) or (C, H, W), and with return_indices where
    they lie. `_random_samples` fixes the places and is a buffer."""

    axes, pool = 2, staticmethod(F.fractional_max_pool2d)


class FractionalMaxPool3d(_FractionalMaxPool):
    """The largest elements of windows at random places of (N, C, D, H, W) or (C, D, H, W), and with return_indices
    where they lie. `_random_samples` fixes the places and is a buffer."""

    axes, pool = 3, staticmethod(F.fractional_max_pool3d)
