"""Pooling layers. The functions of the same names in `nn.functional` say what each does.

All of them raise TypeError or ValueError at construction for arguments that no pooling has, and ShapeError at the
call for an input that does not fit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from ..tensor import Tensor
from . import functional as F
from .functional.conv import Size
from .functional.pooling_windows import check_divisor, geometry, sizes
from .functional.unpooling import unpool_geometry
from .module import Module

__all__ = [
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


class _MaxPool(Module):
    axes: ClassVar[int]
    pool: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        geometry(self.axes, kernel_size, stride, padding)
        sizes(dilation, self.axes, "dilation", 1)
        self.kernel_size, self.padding, self.dilation = kernel_size, padding, dilation
        self.stride = kernel_size if stride is None else stride
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Any) -> Any:
        return self.pool(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The largest element of each window of (N, C, L) or (C, L), and with return_indices where it lies."""

    axes, pool = 1, staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPool):
    """The largest element of each window of (N, C, H, W) or (C, H, W), and with return_indices where it lies."""

    axes, pool = 2, staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPool):
    """The largest element of each window of (N, C, D, H, W) or (C, D, H, W), and with return_indices where it lies."""

    axes, pool = 3, staticmethod(F.max_pool3d)


class _MaxUnpool(Module):
    axes: ClassVar[int]
    unpool: ClassVar[Callable[..., Any]]

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = unpool_geometry(self.axes, kernel_size, stride, padding)

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Tensor:
        result: Tensor = self.unpool(input, indices, self.kernel_size, self.stride, self.padding, output_size)
        return result

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """The elements of (N, C, L) or (C, L) where `MaxPool1d` found them, and 0 elsewhere."""

    axes, unpool = 1, staticmethod(F.max_unpool1d)


class MaxUnpool2d(_MaxUnpool):
    """The elements of (N, C, H, W) or (C, H, W) where `MaxPool2d` found them, and 0 elsewhere."""

    axes, unpool = 2, staticmethod(F.max_unpool2d)


class MaxUnpool3d(_MaxUnpool):
    """The elements of (N, C, D, H, W) or (C, D, H, W) where `MaxPool3d` found them, and 0 elsewhere."""

    axes, unpool = 3, staticmethod(F.max_unpool3d)


class AvgPool1d(Module):
    """The mean of each window of (N, C, L) or (C, L)."""

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = geometry(1, kernel_size, stride, padding)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Any) -> Tensor:
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPool(Module):
    axes: ClassVar[int]
    pool: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        geometry(self.axes, kernel_size, stride, padding)
        check_divisor(divisor_override)
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride
        self.ceil_mode, self.count_include_pad, self.divisor_override = ceil_mode, count_include_pad, divisor_override

    def forward(self, input: Any) -> Tensor:
        more = self.ceil_mode, self.count_include_pad, self.divisor_override
        result: Tensor = self.pool(input, self.kernel_size, self.stride, self.padding, *more)
        return result

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPool):
    """The mean of each window of (N, C, H, W) or (C, H, W)."""

    axes, pool = 2, staticmethod(F.avg_pool2d)


class AvgPool3d(_AvgPool):
    """The mean of each window of (N, C, D, H, W) or (C, D, H, W)."""

    axes, pool = 3, staticmethod(F.avg_pool3d)


class _LPPool(Module):
    axes: ClassVar[int]
    pool: ClassVar[Callable[..., Any]]

    def __init__(
        self, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        geometry(self.axes, kernel_size, stride, 0)
        if norm_type == 0:
            raise ValueError("norm_type must not be 0")
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def forward(self, input: Any) -> Tensor:
        result: Tensor = self.pool(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)
        return result

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """The norm sum(x**p)**(1 / p), p = norm_type, of each window of (N, C, L) or (C, L)."""

    axes, pool = 1, staticmethod(F.lp_pool1d)


class LPPool2d(_LPPool):
    """The norm sum(x**p)**(1 / p), p = norm_type, of each window of (N, C, H, W) or (C, H, W)."""

    axes, pool = 2, staticmethod(F.lp_pool2d)


class LPPool3d(_LPPool):
    """The norm sum(x**p)**(1 / p), p = norm_type, of each window of (N, C, D, H, W) or (C, D, H, W)."""

    axes, pool = 3, staticmethod(F.lp_pool3d)
