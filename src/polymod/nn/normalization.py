"""Normalisation layers."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..errors import ShapeError
from ..ops import ops
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter, is_lazy

__all__ = ["BatchNorm1d", "BatchNorm2d", "LayerNorm"]


class LayerNorm(Module):
    """(x - mean) / sqrt(var + eps) * weight + bias, with mean and biased variance over the last axes.

    Args:
        normalized_shape: the sizes of the axes to normalise over, or an integer for the last axis alone. The last
            of them may be None: it is taken from the first input.
        eps: added to the variance.
        elementwise_affine: whether there are a weight and a bias, both of normalized_shape.
        bias: whether there is a bias, if elementwise_affine.
        device, dtype: of the parameters.

    Raises:
        ValueError: at construction, for sizes that are not positive.
        ShapeError: at the call, for an input whose shape does not end in normalized_shape.
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int | None, ...] | list[int | None] | None,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shape = tuple(normalized_shape) if isinstance(normalized_shape, tuple | list) else (normalized_shape,)
        known = shape[:-1] if shape and shape[-1] is None else shape
        if not shape or not all(isinstance(n, int) and n > 0 for n in known):
            raise ValueError(
                "normalized_shape must be a positive integer or a tuple of them, of which the last may be None; "
                f"received {normalized_shape!r}"
            )
        self.normalized_shape, self.eps, self.elementwise_affine = shape, eps, elementwise_affine
        self.weight = self._parameter(device, dtype) if elementwise_affine else None
        self.bias = self._parameter(device, dtype) if elementwise_affine and bias else None
        self.reset_parameters()

    def _parameter(self, device: Any, dtype: Any) -> Parameter:
        if self.normalized_shape[-1] is None:
            return UninitializedParameter(device=device, dtype=dtype)
        return Parameter(ops.zeros(self.normalized_shape, dtype=dtype, device=device))

    def reset_parameters(self) -> None:
        """Set the weight to ones and the bias to zeros."""
        if self.weight is not None and not is_lazy(self.weight):
            init.ones_(self.weight)
        if self.bias is not None and not is_lazy(self.bias):
            init.zeros_(self.bias)

    def _find_size(self, x: Any) -> None:
        """Take the last size from the first input, or from the weight that was loaded before."""
        if self.weight is not None and not is_lazy(self.weight):
            self.normalized_shape = self.weight.shape
            return
        known = self.normalized_shape[:-1]
        if x.ndim < len(known) + 1 or tuple(x.shape[x.ndim - 1 - len(known) : -1]) != known:
            expected = ", ".join(map(str, (*known, "any")))
            raise ShapeError(f"LayerNorm expects an input of shape (..., {expected}), received {tuple(x.shape)}")
        shape = (*known, x.shape[-1])
        lazy = [parameter for parameter in (self.weight, self.bias) if is_lazy(parameter)]
        for parameter in lazy:
            parameter.materialize(shape)
        if lazy:  # what a state dict has brought stays
            self.reset_parameters()
        self.normalized_shape = shape

    def forward(self, input: Any) -> Tensor:
        if self.normalized_shape[-1] is None:
            self._find_size(input)
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)  # type: ignore[arg-type]

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class _BatchNorm(Module):
    axes: tuple[int, ...]  # how many an input may have

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
        if num_features is not None and not (isinstance(num_features, int) and num_features > 0):
            raise ValueError(f"num_features must be a positive integer or None, received {num_features!r}")
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        where = {"device": device, "dtype": dtype}

        def parameter() -> Parameter:
            if num_features is None:
                return UninitializedParameter(**where)
            return Parameter(ops.zeros((num_features,), **where))

        def buffer() -> Buffer:
            return UninitializedBuffer(**where) if num_features is None else Buffer(ops.zeros((num_features,), **where))

        self.weight = parameter() if affine else None
        self.bias = parameter() if affine and bias else None
        self.running_mean = buffer() if track_running_stats else None
        self.running_var = buffer() if track_running_stats else None
        self.num_batches_tracked = (
            Buffer(ops.zeros((), dtype=dtypes.int64, device=device)) if track_running_stats else None
        )
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the running statistics: mean 0, variance 1, no batches."""
        for buffer, value in ((self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0)):
            if buffer is not None and not is_lazy(buffer):
                init.constant_(buffer, value)

    def reset_parameters(self) -> None:
        """Set the weight to ones, the bias to zeros, and forget the running statistics."""
        self.reset_running_stats()
        for parameter, value in ((self.weight, 1), (self.bias, 0)):
            if parameter is not None and not is_lazy(parameter):
                init.constant_(parameter, value)

    def _find_features(self, x: Any) -> None:
        """Take the number of channels of the first input, or of what was loaded before."""
        held = [t for t in (self.weight, self.bias, self.running_mean, self.running_var) if t is not None]
        loaded = [t.shape[0] for t in held if not is_lazy(t)]
        features = loaded[0] if loaded else x.shape[1]
        for tensor, value in ((self.weight, 1), (self.bias, 0), (self.running_mean, 0), (self.running_var, 1)):
            if tensor is not None and is_lazy(tensor):
                tensor.materialize((features,))
                init.constant_(tensor, value)
        self.num_features = features

    def forward(self, input: Any) -> Tensor:
        if input.ndim not in self.axes:
            raise ShapeError(
                f"{type(self).__name__} expects an input with {' or '.join(map(str, self.axes))} axes (N, C, ...), "
                f"received shape {tuple(input.shape)}"
            )
        if self.num_features is None:
            self._find_features(input)
        batch_statistics = self.training or self.running_mean is None
        kept = not self.training or self.track_running_stats
        mean, var = (self.running_mean, self.running_var) if kept else (None, None)
        momentum: Any = self.momentum
        batches = None
        if self.training and self.num_batches_tracked is not None:
            batches = self.num_batches_tracked.detach() + 1
            if momentum is None:  # the plain average of all batches so far
                momentum = 1 / ops.astype(batches, self.running_mean.dtype)  # type: ignore[union-attr]
        y = F.batch_norm(input, mean, var, self.weight, self.bias, batch_statistics, momentum, self.eps)
        if batches is not None:
            self.num_batches_tracked.array = batches.array  # type: ignore[union-attr]
        return y

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L). See `BatchNorm2d`."""

    axes = (2, 3)


class BatchNorm2d(_BatchNorm):
    """(x - mean) / sqrt(var + eps) * weight + bias for each channel of (N, C, H, W).

    In training, mean and variance are those of the batch, and the running ones follow them; in evaluation the
    running ones are used (Ioffe and Szegedy 2015).

    Args:
        num_features: C; None takes it from the first input.
        eps: added to the variance.
        momentum: the weight of a new batch in the running statistics; None for the average of all batches.
        affine: whether there are a weight and a bias.
        track_running_stats: whether running statistics are kept; without them the batch's own are always used.
        device, dtype: of parameters and buffers (`num_batches_tracked` is a 0-d int64).
        bias: whether there is a bias, if affine.

    Raises:
        ValueError: at construction, if num_features is not positive.
        ShapeError: at the call, for an input that does not fit, or one element per channel in training.
    """

    axes = (4,)
