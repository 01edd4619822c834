"""Convolution layers."""

from __future__ import annotations

import math
from typing import Any

from ..errors import ShapeError
from ..ops import ops
from ..tensor import Tensor
from . import functional as F
from . import init
from .functional.conv import padding_pairs as pairs_of
from .functional.conv import per_axis
from .module import Module
from .parameter import Parameter, UninitializedParameter, is_lazy

__all__ = ["Conv1d", "Conv2d", "Conv3d"]


class _Conv(Module):
    axes: int  # of space

    def __init__(
        self,
        in_channels: int | None,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] | str = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        for name, count in (("in_channels", in_channels), ("out_channels", out_channels), ("groups", groups)):
            if not (isinstance(count, int) and count > 0) and not (name == "in_channels" and count is None):
                raise ValueError(f"{name} must be a positive integer, received {count!r}")
        if out_channels % groups or (in_channels is not None and in_channels % groups):
            raise ValueError(
                f"in_channels {in_channels} and out_channels {out_channels} must be divisible by groups {groups}"
            )
        if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise ValueError(f"padding_mode must be zeros, reflect, replicate or circular, received {padding_mode!r}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = per_axis(kernel_size, self.axes, "kernel_size", 1)
        self.stride = per_axis(stride, self.axes, "stride", 1)
        self.dilation = per_axis(dilation, self.axes, "dilation", 1)
        pairs = pairs_of(padding, self.kernel_size, self.stride, self.dilation)
        self.padding = padding if isinstance(padding, str) else tuple(p for p, _ in pairs)
        self.padding_mode = padding_mode
        self._pad = tuple(n for pair in reversed(pairs) for n in pair)  # as F.pad takes it
        if in_channels is None:
            self.weight: Parameter = UninitializedParameter(device=device, dtype=dtype)
        else:
            self.weight = Parameter(ops.zeros(self._weight_shape(in_channels), dtype=dtype, device=device))
        self.bias = Parameter(ops.zeros((out_channels,), dtype=dtype, device=device)) if bias else None
        if in_channels is not None:
            self.reset_parameters()

    def _weight_shape(self, in_channels: int) -> tuple[int, ...]:
        return (self.out_channels, in_channels // self.groups, *self.kernel_size)

    def reset_parameters(self) -> None:
        """Draw new values: weight and bias uniform in +-1 / sqrt(fan_in), as torch does."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            init.fan_in_uniform_(self.bias, math.prod(self.weight.shape[1:]))

    def _find_channels(self, x: Any) -> None:
        """Take the number of channels of the first input, or of the weight that was loaded before."""
        if is_lazy(self.weight):
            if x.ndim not in (self.axes + 1, self.axes + 2):
                raise ShapeError(
                    f"{type(self).__name__} expects an input with {self.axes + 1} or {self.axes + 2} axes, received "
                    f"shape {tuple(x.shape)}"
                )
            channels = x.shape[-self.axes - 1]
            if channels == 0 or channels % self.groups:
                raise ShapeError(
                    f"the {channels} channels of an input of shape {tuple(x.shape)} can't be divided into "
                    f"{self.groups} groups"
                )
            self.weight.materialize(self._weight_shape(channels))
            self.reset_parameters()
        self.in_channels = self.weight.shape[1] * self.groups

    def forward(self, input: Any) -> Tensor:
        if self.in_channels is None:
            self._find_channels(input)
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._pad, mode=self.padding_mode), 0
        convolve = getattr(F, f"conv{self.axes}d")
        return convolve(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        ones, zeros = (1,) * self.axes, (0,) * self.axes
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        text += f", padding={self.padding}" if self.padding != zeros else ""
        text += f", dilation={self.dilation}" if self.dilation != ones else ""
        text += f", groups={self.groups}" if self.groups != 1 else ""
        text += ", bias=False" if self.bias is None else ""
        return text + (f", padding_mode={self.padding_mode}" if self.padding_mode != "zeros" else "")


class Conv1d(_Conv):
    """Convolution over one axis: (N, in_channels, L) or (in_channels, L). See `Conv2d`."""

    axes = 1


class Conv2d(_Conv):
    """Convolution of images with learned kernels, plus a bias per output channel.

    Args:
        in_channels: channels of the input; None takes them from the first input.
        out_channels: channels of the output.
        kernel_size, stride, dilation: an integer, or one per axis.
        padding: sizes, "same" (stride 1) or "valid".
        groups: divides input and output channels into groups that are convolved separately.
        bias: whether to add a learned bias.
        padding_mode: what the padding holds: "zeros", "reflect", "replicate" or "circular".
        device, dtype: of the parameters.

    Shapes: input (N, in_channels, H, W) or (in_channels, H, W); output (N, out_channels, OH, OW) or without N,
    with OH = (H + 2 padding - dilation (kernel_size - 1) - 1) // stride + 1. Parameters: weight (out_channels,
    in_channels / groups, *kernel_size), bias (out_channels,).

    Raises:
        TypeError, ValueError: at construction, for arguments that no convolution has.
        ShapeError: at the call, for an input that does not fit.
    """

    axes = 2


class Conv3d(_Conv):
    """Convolution over three axes: (N, in_channels, D, H, W) or (in_channels, D, H, W). See `Conv2d`."""

    axes = 3
