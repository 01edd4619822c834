"""Layers that normalise by the channels nearby."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..errors import ShapeError
from ..ops import ops
from ..tensor import Tensor, wrap
from . import functional as F
from .checks import size as checked_size
from .functional.local_response import near
from .module import Module

__all__ = ["CrossMapLRN2d", "LocalResponseNorm"]


class _ChannelNorm(Module):
    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = checked_size(size, "size", 1), alpha, beta, k

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class LocalResponseNorm(_ChannelNorm):
    """x / (k + alpha mean of the squares of `size` channels around)**beta. See `nn.functional.local_response_norm`.

    Raises:
        TypeError, ValueError: at construction, for a size that is no positive integer.
        ShapeError: at the call, for an input that is not (N, C, *S) with at least one spatial axis.
    """

    def forward(self, input: Any) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)


class CrossMapLRN2d(_ChannelNorm):
    """x / (k + alpha / size * sum of the squares of channels around)**beta, for (N, C, H, W).

    Channel c is normalised by those from c - (size - 1) // 2 to c + (size - 1) // 2. As torch computes it, the first
    channel stays in the sum once it is farther away; `LocalResponseNorm` is without this. Derivatives are those of
    the result, which are not what torch's own backward pass of this layer gives.

    Raises:
        TypeError, ValueError: at construction, for a size that is no positive integer.
        ShapeError: at the call, for an input that is not (N, C, H, W).
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__(size, alpha, beta, k)

    def forward(self, input: Any) -> Tensor:
        if input.ndim != 4:
            raise ShapeError(f"CrossMapLRN2d needs an input (N, C, H, W), received shape {tuple(input.shape)}")
        x = input if isinstance(input, Tensor) else wrap(input)
        reach = (self.size - 1) // 2
        squares = x * x
        sums = near(squares, reach, reach)
        if x.shape[1] > reach + 1:
            channels = ops.arange(x.shape[1], dtype=dtypes.int64, device=x.device)
            far = ops.reshape(channels > reach, (-1, 1, 1))
            sums = sums + ops.where(far, squares[:, :1], 0)
        return x / (self.k + self.alpha / self.size * sums) ** self.beta
