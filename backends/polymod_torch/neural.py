"""torch's own activations and affine map, under the signatures of polymod's portable definitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from polymod.backend import portable
from polymod.rules.activation import SATURATED

aten = torch.ops.aten


def erf(x: torch.Tensor) -> torch.Tensor:
    return torch.special.erf(x)


def relu(x: torch.Tensor) -> torch.Tensor:
    return torch.relu(x)


def sigmoid(x: torch.Tensor) -> torch.Tensor:
    return torch.sigmoid(x)


def softmax(x: torch.Tensor, *, axis: int) -> torch.Tensor:
    return torch.softmax(x, axis)


def log_softmax(x: torch.Tensor, *, axis: int) -> torch.Tensor:
    return torch.log_softmax(x, axis)


def gelu(x: torch.Tensor, *, approximate: str = "none") -> torch.Tensor:
    return F.gelu(x, approximate=approximate)


def gelu_slope(x: torch.Tensor, *, approximate: str = "none") -> torch.Tensor:
    x = x.clamp(-SATURATED, SATURATED)  # torch's own gives NaN where x**3 overflows
    return aten.gelu_backward(torch.ones_like(x), x, approximate=approximate)


def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    if x.dtype != weight.dtype or (bias is not None and bias.dtype != x.dtype):
        from . import backend  # it is made after its kernels

        return portable["linear"](backend.namespace, x, weight, bias)
    return F.linear(x, weight, bias)


kernels: dict[str, Callable[..., Any]] = {
    f.__name__: f for f in (erf, relu, sigmoid, softmax, log_softmax, gelu, gelu_slope, linear)
}
