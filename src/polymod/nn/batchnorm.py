"""Batch normalisation, and what it shares with instance normalisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import dtypes
from ..errors import ShapeError
from ..ops import ops
from ..tensor import Tensor, raw
from . import functional as F
from . import init
from .checks import size
from .module import Module
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter, is_lazy

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "SyncBatchNorm",
]


class ChannelNorm(Module):
    """A weight, a bias and running statistics for each channel: what batch norm and instance norm consist of."""

    axes: Sequence[int]  # how many an input may have
    becomes: type[ChannelNorm] | None = None  # of a lazy layer: its class after the first call

    def __init__(
        self,
        num_features: int | None,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = None if num_features is None else size(num_features, "num_features")
        self.eps, self.momentum, self.affine, self.track_running_stats = eps, momentum, affine, track_running_stats
        where = {"device": device, "dtype": dtype}
        self.weight = self._vector(Parameter, UninitializedParameter, where) if affine else None
        self.bias = self._vector(Parameter, UninitializedParameter, where) if affine and bias else None
        self.running_mean = self._vector(Buffer, UninitializedBuffer, where) if track_running_stats else None
        self.running_var = self._vector(Buffer, UninitializedBuffer, where) if track_running_stats else None
        counter = Buffer(ops.zeros((), dtype=dtypes.int64, device=device)) if track_running_stats else None
        self.num_batches_tracked = counter
        self.reset_parameters()

    def _vector(self, known: Any, unknown: Any, where: dict[str, Any]) -> Any:
        return unknown(**where) if self.num_features is None else known(ops.zeros((self.num_features,), **where))

    def _vectors(self) -> list[tuple[Any, int]]:
        """What there is for each channel, and its first value."""
        every = ((self.weight, 1), (self.bias, 0), (self.running_mean, 0), (self.running_var, 1))
        return [(tensor, value) for tensor, value in every if tensor is not None]

    def reset_running_stats(self) -> None:
        """Forget the running statistics: mean 0, variance 1, no batches."""
        for buffer, value in ((self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0)):
            if buffer is not None and not is_lazy(buffer):
                init.constant_(buffer, value)

    def reset_parameters(self) -> None:
        """Set the weight to ones, the bias to zeros, and forget the running statistics."""
        self.reset_running_stats()
        for tensor, value in self._vectors():
            if not is_lazy(tensor):
                init.constant_(tensor, value)

    def _prepare(self, input: Any) -> None:
        """Check the number of the input's axes, and take the number of channels from a first input."""
        if raw(input).ndim not in self.axes:
            expected = f"{self.axes[0]} or more" if len(self.axes) > 2 else " or ".join(map(str, self.axes))
            raise ShapeError(
                f"{type(self).__name__} expects an input with {expected} axes, received shape {tuple(raw(input).shape)}"
            )
        if self.num_features is None:
            self._find_features(raw(input).shape[self._channel_axis(input)])
        if self.becomes is not None:
            self.__class__ = self.becomes

    def _channel_axis(self, input: Any) -> int:
        return 1

    def _find_features(self, channels: int) -> None:
        """Take the number of channels of the first input, or of what was loaded before."""
        vectors = self._vectors()
        features: int = next((t.shape[0] for t, _ in vectors if not is_lazy(t)), channels)
        for tensor, value in vectors:
            if is_lazy(tensor):
                tensor.materialize((features,))
                init.constant_(tensor, value)
        self.num_features = features

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class LazyChannelNorm(ChannelNorm):
    """The constructor of the layers that find the number of channels at the first call and then are ordinary ones."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(None, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)


class _BatchNorm(ChannelNorm):
    def forward(self, input: Any) -> Tensor:
        self._prepare(input)
        own_statistics = self.training or (self.running_mean is None and self.running_var is None)
        kept = not self.training or self.track_running_stats
        mean, var = (self.running_mean, self.running_var) if kept else (None, None)
        momentum: Any = self.momentum
        batches = None
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            batches = self.num_batches_tracked.detach() + 1
            if momentum is None:  # the plain average of all batches so far
                momentum = 1 / ops.astype(batches, self.running_mean.dtype)  # type: ignore[union-attr]
        y = F.batch_norm(input, mean, var, self.weight, self.bias, own_statistics, momentum, self.eps)
        if batches is not None:
            self.num_batches_tracked.array = batches.array  # type: ignore[union-attr]
        return y


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L). See `BatchNorm2d`."""

    axes = (2, 3)


class BatchNorm2d(_BatchNorm):
    """(x - mean) / sqrt(var + eps) * weight + bias for each channel of (N, C, H, W).

    In training, mean and variance are those of the batch, and the running ones follow them; in evaluation the
    running ones are used (S. Ioffe, C. Szegedy, arXiv:1502.03167).

    Args:
        num_features: C; None takes it from the first input.
        eps: added to the variance.
        momentum: the weight of a new batch in the running statistics; None for the average of all batches.
        affine: whether there are a weight and a bias.
        track_running_stats: whether running statistics are kept; without them the batch's own are always used.
        device, dtype: of parameters and buffers (`num_batches_tracked` is a 0-d int64).
        bias: whether there is a bias, if affine.

    Raises:
        TypeError, ValueError: at construction, if num_features is no number of channels.
        ShapeError: at the call, for an input that does not fit, or one element per channel in training.
    """

    axes = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of (N, C, D, H, W). See `BatchNorm2d`."""

    axes = (5,)


class LazyBatchNorm1d(LazyChannelNorm, BatchNorm1d):
    """A `BatchNorm1d` that takes the number of channels from its first input."""

    becomes = BatchNorm1d


class LazyBatchNorm2d(LazyChannelNorm, BatchNorm2d):
    """A `BatchNorm2d` that takes the number of channels from its first input."""

    becomes = BatchNorm2d


class LazyBatchNorm3d(LazyChannelNorm, BatchNorm3d):
    """A `BatchNorm3d` that takes the number of channels from its first input."""

    becomes = BatchNorm3d


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation of (N, C, ...) with two axes or more. See `BatchNorm2d`.

    It takes the name and the arguments of torch's layer, which gathers statistics from several processes; polymod
    runs in one, where that is batch normalisation. `process_group` is kept and not used.
    """

    axes = range(2, 65)

    def __init__(
        self,
        num_features: int | None,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """Put a SyncBatchNorm, with the same parameters and buffers, in the place of every BatchNorm in `module`.

        Returns:
            `module`, or the new layer if `module` itself is a BatchNorm.
        """
        return _replaced(module, lambda layer: cls._in_place_of(layer, process_group), {})

    @classmethod
    def _in_place_of(cls, other: _BatchNorm, process_group: Any) -> SyncBatchNorm:
        layer = cls(other.num_features, other.eps, other.momentum, False, False, process_group)
        layer.affine, layer.track_running_stats = other.affine, other.track_running_stats
        for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            setattr(layer, name, getattr(other, name))
        return layer.train(other.training)


def _replaced(value: Any, convert: Callable[[Any], Any], done: dict[int, tuple[Any, Any]]) -> Any:
    """`value`, a module or a list, tuple or dict of modules, with each batch norm in it converted, shared ones once."""
    if id(value) in done:
        return done[id(value)][1]
    if isinstance(value, _BatchNorm):
        done[id(value)] = value, convert(value)  # with the old one, so that no other object gets its id
        return done[id(value)][1]
    if isinstance(value, Module):
        done[id(value)] = value, value
        vars(value).update({name: _replaced(held, convert, done) for name, held in vars(value).items()})
    elif isinstance(value, dict):
        value.update({name: _replaced(held, convert, done) for name, held in value.items()})
    elif isinstance(value, list | tuple):
        new = [_replaced(held, convert, done) for held in value]
        if any(a is not b for a, b in zip(value, new, strict=True)):
            if isinstance(value, list):
                value[:] = new
            else:
                value = type(value)(*new) if hasattr(value, "_fields") else type(value)(new)
    return value
