"""Normalisation of each example by itself: layer norm, RMS norm, group norm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ShapeError
from ..ops import ops
from ..tensor import Tensor, raw
from . import functional as F
from . import init
from .checks import size
from .module import Module
from .parameter import Parameter, UninitializedParameter, is_lazy

__all__ = ["GroupNorm", "LayerNorm", "RMSNorm"]


class _Norm(Module):
    """A weight and a bias of a shape of which one size may be unknown until the first call."""

    weight: Parameter | None
    bias: Parameter | None

    def _give_parameters(self, shape: tuple[Any, ...], affine: bool, bias: bool, device: Any, dtype: Any) -> None:
        def parameter() -> Parameter:
            if None in shape:
                return UninitializedParameter(device=device, dtype=dtype)
            return Parameter(ops.zeros(shape, dtype=dtype, device=device))

        self.weight = parameter() if affine else None
        self.bias = parameter() if affine and bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight to ones and the bias to zeros."""
        if self.weight is not None and not is_lazy(self.weight):
            init.ones_(self.weight)
        if self.bias is not None and not is_lazy(self.bias):
            init.zeros_(self.bias)

    def _known_shape(self, found: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the parameters: `found`, which they get now, or that of a weight that was loaded before."""
        if self.weight is not None and not is_lazy(self.weight):
            return self.weight.shape
        lazy = [parameter for parameter in (self.weight, self.bias) if is_lazy(parameter)]
        for parameter in lazy:
            parameter.materialize(found)
        if lazy:
            self.reset_parameters()
        return found


class _LastAxesNorm(_Norm):
    """Normalisation over the last axes."""

    normalized_shape: tuple[int | None, ...]

    def _take_shape(self, normalized_shape: Any) -> tuple[int | None, ...]:
        given = tuple(normalized_shape) if isinstance(normalized_shape, Sequence) else (normalized_shape,)
        if not given:
            raise ValueError("normalized_shape must have at least one size, received ()")
        last = None if given[-1] is None else size(given[-1], "the last size of normalized_shape")
        self.normalized_shape = (*(size(n, "a size of normalized_shape") for n in given[:-1]), last)
        return self.normalized_shape

    def _shape_for(self, input: Any) -> tuple[int, ...]:
        """normalized_shape, with its last size taken from a first input."""
        *known, last = self.normalized_shape
        if last is None:
            received = tuple(raw(input).shape)
            axes = len(known) + 1
            if len(received) < axes or received[-axes:-1] != tuple(known):
                expected = ", ".join(map(str, (*known, "any")))
                raise ShapeError(
                    f"{type(self).__name__} expects an input of shape (..., {expected}), received {received}"
                )
            self.normalized_shape = self._known_shape(received[-axes:])
        return self.normalized_shape  # type: ignore[return-value]


class LayerNorm(_LastAxesNorm):
    """(x - mean) / sqrt(var + eps) * weight + bias, with mean and biased variance over the last axes.

    J. Ba, J. Kiros, G. Hinton, arXiv:1607.06450.

    Args:
        normalized_shape: the sizes of the axes to normalise over, or an integer for the last axis alone. The last
            of them may be None: it is taken from the first input.
        eps: added to the variance.
        elementwise_affine: whether there are a weight and a bias, both of normalized_shape.
        bias: whether there is a bias, if elementwise_affine.
        device, dtype: of the parameters.

    Raises:
        TypeError, ValueError: at construction, for what is no shape.
        ShapeError: at the call, for an input whose shape does not end in normalized_shape.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int | None] | None,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shape = self._take_shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self._give_parameters(shape, elementwise_affine, bias, device, dtype)

    def forward(self, input: Any) -> Tensor:
        return F.layer_norm(input, self._shape_for(input), self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(_LastAxesNorm):
    """x / sqrt(mean(x * x) + eps) * weight, with the mean over the last axes.

    B. Zhang, R. Sennrich, arXiv:1910.07467.

    Args:
        normalized_shape: as of `LayerNorm`.
        eps: added to the mean; None for the input's precision, as `functional.rms_norm` has it.
        elementwise_affine: whether there is a weight, of normalized_shape.
        device, dtype: of the weight.

    Raises:
        TypeError, ValueError: at construction, for what is no shape.
        ShapeError: at the call, for an input whose shape does not end in normalized_shape.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int | None] | None,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        shape = self._take_shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self._give_parameters(shape, elementwise_affine, False, device, dtype)

    def forward(self, x: Any) -> Tensor:
        return F.rms_norm(x, self._shape_for(x), self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(_Norm):
    """(x - mean) / sqrt(var + eps) * weight + bias, with mean and biased variance over groups of channels.

    Y. Wu, K. He, arXiv:1803.08494.

    Args:
        num_groups: into how many groups the channels of each example are divided.
        num_channels: C of the input (N, C, ...); None takes it from the first input.
        eps: added to the variance.
        affine: whether there are a weight and a bias, both (C,).
        device, dtype: of the parameters.
        bias: whether there is a bias, if affine.

    Raises:
        TypeError, ValueError: at construction, for what are no numbers, or if num_groups does not divide num_channels.
        ShapeError: at the call, for an input that does not fit.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int | None,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_groups = size(num_groups, "num_groups", 1)
        self.num_channels = None if num_channels is None else size(num_channels, "num_channels")
        if self.num_channels is not None and self.num_channels % self.num_groups:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.eps, self.affine = eps, affine
        self._give_parameters((self.num_channels,), affine, bias, device, dtype)

    def forward(self, input: Any) -> Tensor:
        if self.num_channels is None:
            received = tuple(raw(input).shape)
            if len(received) < 2 or received[1] % self.num_groups:
                raise ShapeError(
                    f"GroupNorm expects an input (N, C, ...) with C divisible by {self.num_groups}, received {received}"
                )
            self.num_channels = self._known_shape(received[1:2])[0]
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )
