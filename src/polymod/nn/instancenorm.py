"""Instance normalisation."""

from __future__ import annotations

import warnings
from typing import Any

from ..errors import ShapeError
from ..ops import ops
from ..tensor import Tensor, raw
from . import functional as F
from .batchnorm import ChannelNorm, LazyChannelNorm

__all__ = [
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
]


class _InstanceNorm(ChannelNorm):
    def __init__(
        self,
        num_features: int | None,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def _channel_axis(self, input: Any) -> int:
        return raw(input).ndim - self.axes[0]

    def forward(self, input: Any) -> Tensor:
        self._prepare(input)
        axis = self._channel_axis(input)
        channels = raw(input).shape[axis]
        if channels != self.num_features:
            text = f"{type(self).__name__}({self.num_features}) received {channels} channels, in shape "
            text += f"{tuple(raw(input).shape)}"
            if self._vectors():
                raise ShapeError(text)
            warnings.warn(f"{text}; without weight and running statistics the difference is ignored", stacklevel=2)
        y = F.instance_norm(
            ops.expand_dims(input, axis=0) if axis == 0 else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return ops.squeeze(y, axis=0) if axis == 0 else y


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation of (N, C, L) or (C, L). See `InstanceNorm2d`."""

    axes = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """(x - mean) / sqrt(var + eps) * weight + bias for each channel of each example: (N, C, H, W) or (C, H, W).

    Mean and variance are those of the H x W elements, in training and in evaluation; with running statistics, these
    follow in training and are used in evaluation (D. Ulyanov, A. Vedaldi, V. Lempitsky, arXiv:1607.08022).

    Args:
        num_features: C; None takes it from the first input.
        eps: added to the variance.
        momentum: the weight of a new batch in the running statistics; with None they stay as they are.
        affine: whether there are a weight and a bias.
        track_running_stats: whether running statistics are kept. `num_batches_tracked` stays 0, as in torch.
        device, dtype: of parameters and buffers.
        bias: whether there is a bias, if affine.

    Raises:
        TypeError, ValueError: at construction, if num_features is no number of channels.
        ShapeError: at the call, for an input that does not fit, or one element per channel where its own mean is used.
    """

    axes = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of (N, C, D, H, W) or (C, D, H, W). See `InstanceNorm2d`."""

    axes = (4, 5)


class LazyInstanceNorm1d(LazyChannelNorm, InstanceNorm1d):
    """An `InstanceNorm1d` that takes the number of channels from its first input; affine, with running statistics."""

    becomes = InstanceNorm1d


class LazyInstanceNorm2d(LazyChannelNorm, InstanceNorm2d):
    """An `InstanceNorm2d` that takes the number of channels from its first input; affine, with running statistics."""

    becomes = InstanceNorm2d


class LazyInstanceNorm3d(LazyChannelNorm, InstanceNorm3d):
    """An `InstanceNorm3d` that takes the number of channels from its first input; affine, with running statistics."""

    becomes = InstanceNorm3d
