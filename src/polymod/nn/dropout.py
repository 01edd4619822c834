"""Dropout: layers that set a part of their input to zero in training, and do nothing in evaluation.

`p` is the probability of dropping, in [0, 1] (ValueError for another); `inplace` is accepted and changes nothing.
"""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import functional as F
from .functional.dropout import check_probability
from .module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        check_probability(p)
        self.p, self.inplace = p, inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """Sets each element to 0 with probability `p` and divides the others by 1 - p."""

    def forward(self, input: Any) -> Tensor:
        return F.dropout(input, self.p, self.training)


class Dropout1d(_Dropout):
    """Sets each channel of (N, C, L) or (C, L) to 0 with probability `p` and divides the others by 1 - p."""

    def forward(self, input: Any) -> Tensor:
        return F.dropout1d(input, self.p, self.training)


class Dropout2d(_Dropout):
    """Sets each channel of (N, C, H, W) to 0 with probability `p` and divides the others by 1 - p.

    As in torch, an input with three axes is read as (N, C, L).
    """

    def forward(self, input: Any) -> Tensor:
        return F.dropout2d(input, self.p, self.training)


class Dropout3d(_Dropout):
    """Sets each channel of (N, C, D, H, W) or (C, D, H, W) to 0 with probability `p`, divides the others by 1 - p."""

    def forward(self, input: Any) -> Tensor:
        return F.dropout3d(input, self.p, self.training)


class AlphaDropout(_Dropout):
    """Sets each element to the least value of SELU with probability `p`; mean 0 and variance 1 are kept.

    For networks with `SELU` activations (G. Klambauer et al., arXiv:1706.02515).
    """

    def forward(self, input: Any) -> Tensor:
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_Dropout):
    """`AlphaDropout` of whole channels of (N, C, ...)."""

    def forward(self, input: Any) -> Tensor:
        return F.feature_alpha_dropout(input, self.p, self.training)
