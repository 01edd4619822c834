"""Activations as torch.nn.functional has them."""

from __future__ import annotations

import warnings
from typing import Any

from ...ops import ops
from ...rules import primitives
from ...tensor import Tensor, raw

__all__ = ["gelu", "log_softmax", "relu", "sigmoid", "softmax", "tanh"]

_relu, _sigmoid, _tanh, _gelu = (primitives[n] for n in ("relu", "sigmoid", "tanh", "gelu"))
_softmax, _log_softmax = primitives["softmax"], primitives["log_softmax"]


def relu(input: Any, inplace: bool = False) -> Tensor:
    """max(input, 0), elementwise; its derivative at 0 is 0. `inplace` is accepted and changes nothing."""
    return _relu(input)


def sigmoid(input: Any) -> Tensor:
    """1 / (1 + exp(-input)), elementwise."""
    return _sigmoid(input)


def tanh(input: Any) -> Tensor:
    """The hyperbolic tangent, elementwise."""
    return _tanh(input)


def gelu(input: Any, approximate: str = "none") -> Tensor:
    """input times the probability that a standard normal variable is below it, elementwise.

    Args:
        approximate: "none", or "tanh" for 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x**3)));
            D. Hendrycks and K. Gimpel, arXiv:1606.08415.

    Raises:
        ValueError: `approximate` is neither.
    """
    if approximate == "none":
        return _gelu(input)
    return _gelu(input, approximate=check_approximate(approximate))


def check_approximate(approximate: str) -> str:
    """Raises ValueError where this is not a form of `gelu`."""
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate must be 'none' or 'tanh', received {approximate!r}")
    return approximate


def softmax(input: Any, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """exp(input) / sum(exp(input)) along `dim`, without overflow.

    Args:
        dim: the axis whose elements sum to one. None, which is deprecated, means axis 0 of arrays with 0, 1 or 3
            axes and axis 1 of others, as in torch, with a warning.
        dtype: cast the input to it first.

    Raises:
        IndexError: there is no axis `dim`.
    """
    input = input if dtype is None else ops.astype(input, dtype, copy=False)
    return _along(_softmax, "softmax", input, dim)


def log_softmax(input: Any, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """log(softmax(input)) along `dim`, computed without the loss of digits that the two in turn would have.

    Arguments and errors as of `softmax`.
    """
    input = input if dtype is None else ops.astype(input, dtype, copy=False)
    return _along(_log_softmax, "log_softmax", input, dim)


def _along(primitive: Any, name: str, x: Any, dim: int | None) -> Tensor:
    ndim = raw(x).ndim
    if dim is None:
        dim = 0 if ndim in (0, 1, 3) else 1
        warnings.warn(f"{name} without dim is deprecated; dim={dim} is taken, name it", stacklevel=3)
    if ndim == 0 and dim in (0, -1):  # a number is a vector of one element
        return ops.reshape(primitive(ops.reshape(x, (1,)), axis=0), ())
    if not -ndim <= dim < ndim:
        raise IndexError(f"{name} along axis {dim} of an array of shape {tuple(raw(x).shape)}, which has {ndim} axes")
    return primitive(x, axis=dim)
