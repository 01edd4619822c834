"""Convolution layers and transposed ones."""

from __future__ import annotations

import math
from typing import Any

from ..errors import ShapeError
from ..ops import ops
from ..tensor import Tensor, raw
from . import functional as F
from . import init
from .checks import size
from .functional.conv import check_output_padding, padding_pairs, per_axis
from .module import Module
from .parameter import Parameter, UninitializedParameter, is_lazy

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
]

Size = int | tuple[int, ...]
PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _AnyConv(Module):
    """What convolutions and transposed ones have in common."""

    axes: int  # of space
    becomes: type[_AnyConv] | None = None  # the class of a Lazy one once it knows its channels
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int | None,
        out_channels: int,
        kernel_size: Size,
        stride: Size,
        padding: Size | str,
        dilation: Size,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        self.in_channels = None if in_channels is None else size(in_channels, "in_channels", 1)
        self.out_channels, self.groups = size(out_channels, "out_channels", 1), size(groups, "groups", 1)
        if out_channels % groups or (in_channels is not None and in_channels % groups):
            raise ValueError(
                f"in_channels {in_channels} and out_channels {out_channels} must be divisible by groups {groups}"
            )
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"padding_mode must be one of {', '.join(PADDING_MODES)}, received {padding_mode!r}")
        self.kernel_size = per_axis(kernel_size, self.axes, "kernel_size", 1)
        self.stride = per_axis(stride, self.axes, "stride", 1)
        self.padding = padding if isinstance(padding, str) else per_axis(padding, self.axes, "padding", 0)
        self.dilation = per_axis(dilation, self.axes, "dilation", 1)
        self.padding_mode = padding_mode
        if in_channels is None:
            self.weight = UninitializedParameter(device=device, dtype=dtype)
        else:
            self.weight = Parameter(ops.zeros(self._weight_shape(in_channels), dtype=dtype, device=device))
        self.bias = Parameter(ops.zeros((out_channels,), dtype=dtype, device=device)) if bias else None
        if in_channels is not None:
            self.reset_parameters()

    def _weight_shape(self, in_channels: int) -> tuple[int, ...]:
        """The shape of the weight for so many channels of the input."""
        raise NotImplementedError(f"{type(self).__name__} has to say what shape its weight has")

    def _channels(self, weight_shape: tuple[int, ...]) -> int:
        """in_channels, as the weight has them."""
        raise NotImplementedError(f"{type(self).__name__} has to say where its weight has the input's channels")

    def reset_parameters(self) -> None:
        """Draw new values: weight and bias uniform in +-1 / sqrt(fan_in), as torch does."""
        if not is_lazy(self.weight):
            init.kaiming_uniform_(self.weight, a=math.sqrt(5))
            if self.bias is not None:
                init.fan_in_uniform_(self.bias, math.prod(self.weight.shape[1:]))

    def _find_channels(self, shape: tuple[int, ...]) -> None:
        """Take the number of channels of the first input, or of the weight that was loaded before."""
        if is_lazy(self.weight):
            if len(shape) not in (self.axes + 1, self.axes + 2):
                raise ShapeError(
                    f"{type(self).__name__} expects an input with {self.axes + 1} or {self.axes + 2} axes, received "
                    f"shape {shape}"
                )
            channels = shape[-self.axes - 1]
            if channels == 0 or channels % self.groups:
                raise ShapeError(
                    f"the {channels} channels of an input of shape {shape} can't be divided into {self.groups} groups"
                )
            self.weight.materialize(self._weight_shape(channels))
            self.reset_parameters()
        self.in_channels = self._channels(self.weight.shape)
        if self.becomes is not None:
            self.__class__ = self.becomes

    def extra_repr(self) -> str:
        ones, zeros = (1,) * self.axes, (0,) * self.axes
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        for name, value, usual in (
            ("padding", self.padding, zeros),
            ("dilation", self.dilation, ones),
            ("output_padding", getattr(self, "output_padding", zeros), zeros),
            ("groups", self.groups, 1),
            ("bias", self.bias is not None, True),
        ):
            text += f", {name}={value}" if value != usual else ""
        return text + (f", padding_mode={self.padding_mode}" if self.padding_mode != "zeros" else "")


# ------------------------------------------------------------------------------------------------- convolution


class _Conv(_AnyConv):
    def __init__(
        self,
        in_channels: int | None,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )
        pairs = padding_pairs(padding, self.kernel_size, self.stride, self.dilation)
        self._pad = tuple(n for pair in reversed(pairs) for n in pair)  # as F.pad takes it

    def _weight_shape(self, in_channels: int) -> tuple[int, ...]:
        return (self.out_channels, in_channels // self.groups, *self.kernel_size)

    def _channels(self, weight_shape: tuple[int, ...]) -> int:
        return weight_shape[1] * self.groups

    def forward(self, input: Any) -> Tensor:
        if self.in_channels is None:
            self._find_channels(tuple(raw(input).shape))
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._pad, mode=self.padding_mode), 0
        convolve = (F.conv1d, F.conv2d, F.conv3d)[self.axes - 1]
        return convolve(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


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


# -------------------------------------------------------------------------------------------------- transposed


class _ConvTranspose(_AnyConv):
    padding: tuple[int, ...]

    def __init__(
        self,
        in_channels: int | None,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'{type(self).__name__} takes padding_mode "zeros" only, received {padding_mode!r}')
        per_axis(padding, self.axes, "padding", 0)  # it has no names here
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )
        self.output_padding = per_axis(output_padding, self.axes, "output_padding", 0)
        check_output_padding(self.output_padding, self.stride, self.dilation)

    def _weight_shape(self, in_channels: int) -> tuple[int, ...]:
        return (in_channels, self.out_channels // self.groups, *self.kernel_size)

    def _channels(self, weight_shape: tuple[int, ...]) -> int:
        return weight_shape[0]

    def forward(self, input: Any, output_size: Any = None) -> Tensor:
        """`output_size`, with or without batch and channels, is one of the `stride` sizes that convolve to the
        input's; None takes the one that `output_padding` gives."""
        shape = tuple(raw(input).shape)
        if self.in_channels is None:
            self._find_channels(shape)
        padding = self.output_padding if output_size is None else self._output_padding(shape, output_size)
        convolve = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[self.axes - 1]
        return convolve(input, self.weight, self.bias, self.stride, self.padding, padding, self.groups, self.dilation)

    def _output_padding(self, shape: tuple[int, ...], output_size: Any) -> tuple[int, ...]:
        """What gives an output of `output_size`."""
        wanted = tuple(output_size)
        if len(wanted) == len(shape):
            wanted = wanted[-self.axes :]
        smallest = tuple(
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(
                shape[-self.axes :], self.stride, self.padding, self.dilation, self.kernel_size, strict=False
            )
        )
        largest = tuple(n + s - 1 for n, s in zip(smallest, self.stride, strict=False))
        if len(wanted) != self.axes or not all(a <= n <= b for a, n, b in zip(smallest, wanted, largest, strict=True)):
            raise ValueError(
                f"output_size of an input of shape {shape} must be from {smallest} to {largest}, received {wanted}"
            )
        return tuple(n - a for n, a in zip(wanted, smallest, strict=True))


class ConvTranspose1d(_ConvTranspose):
    """The transpose of `Conv1d`: (N, in_channels, L) or (in_channels, L). See `ConvTranspose2d`."""

    axes = 1


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution, plus a bias: each pixel puts down a learned kernel, times its value.

    It takes the shape of a result of `Conv2d` with the same arguments back to that of its input.

    Args:
        in_channels: channels of the input; None takes them from the first input.
        out_channels: channels of the output.
        kernel_size: an integer, or one per axis.
        stride: how far apart neighbouring pixels put their kernels.
        padding: how many rows and columns are cut off on each side.
        output_padding: how many are cut off less at the end; below `stride` or `dilation`.
        groups: divides input and output channels into groups that are convolved separately.
        bias: whether to add a learned bias.
        dilation: how far apart the kernel's elements are put.
        padding_mode: "zeros".
        device, dtype: of the parameters.

    Shapes: input (N, in_channels, H, W) or (in_channels, H, W); output (N, out_channels, OH, OW) or without N, with
    OH = (H - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1. Parameters: weight
    (in_channels, out_channels / groups, *kernel_size), bias (out_channels,).

    Raises:
        TypeError, ValueError: at construction, for arguments that no convolution has.
        ShapeError: at the call, for an input that does not fit.
        ValueError: at the call, for an `output_size` that can't be.
    """

    axes = 2


class ConvTranspose3d(_ConvTranspose):
    """The transpose of `Conv3d`: (N, in_channels, D, H, W) or (in_channels, D, H, W). See `ConvTranspose2d`."""

    axes = 3


# -------------------------------------------------------------------------- channels found at the first call


class _LazyConv(_Conv):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            None, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )


class LazyConv1d(_LazyConv, Conv1d):
    """A `Conv1d` that takes in_channels from its first input, and is a `Conv1d` from then on."""

    becomes = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    """A `Conv2d` that takes in_channels from its first input, and is a `Conv2d` from then on."""

    becomes = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    """A `Conv3d` that takes in_channels from its first input, and is a `Conv3d` from then on."""

    becomes = Conv3d


class _LazyConvTranspose(_ConvTranspose):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            None,
            out_channels,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            bias,
            dilation,
            padding_mode,
            device,
            dtype,
        )


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    """A `ConvTranspose1d` that takes in_channels from its first input, and is a `ConvTranspose1d` from then on."""

    becomes = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    """A `ConvTranspose2d` that takes in_channels from its first input, and is a `ConvTranspose2d` from then on."""

    becomes = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    """A `ConvTranspose3d` that takes in_channels from its first input, and is a `ConvTranspose3d` from then on."""

    becomes = ConvTranspose3d
