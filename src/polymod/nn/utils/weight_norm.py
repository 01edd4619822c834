"""Weights given by a length and a direction (Salimans and Kingma 2016, "Weight normalization"), under
torch.nn.utils' names."""

from __future__ import annotations

from typing import Any

from ...autograd.tape import no_grad
from ...errors import StateError
from ...ops import ops
from ...tensor import Tensor
from ..module import Module
from ..parameter import Parameter, is_lazy
from .computed import Source, compute, sources_of, stop_computing

__all__ = ["remove_weight_norm", "weight_norm"]


def lengths(v: Tensor, dim: int | None) -> Tensor:
    """The norm of each slice of `v` along `dim`, with the other axes kept as 1; of all of it, 0-d, for None or -1."""
    if dim is None or dim == -1:
        return ops.sqrt(ops.sum(ops.square(v)))
    axes = tuple(i for i in range(v.ndim) if i != dim % v.ndim)
    return ops.sqrt(ops.sum(ops.square(v), axis=axes, keepdims=True))


def with_lengths(g: Tensor, v: Tensor, dim: int | None) -> Tensor:
    """`v` with the lengths `g`."""
    return v * (g / lengths(v, dim))


class WeightNorm(Source):
    """The weight `name` from `name_g` and `name_v`."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name, self.dim = name, dim

    def compute(self, module: Any) -> Tensor:
        return with_lengths(getattr(module, self.name + "_g"), getattr(module, self.name + "_v"), self.dim)


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Learn a weight's lengths `name_g` and its directions `name_v` in place of the weight itself.

    `parametrizations.weight_norm` does the same with other names.

    Args:
        module: where the weight is.
        name: its name.
        dim: the axis along which each slice has a length; None for one length of all.

    Returns:
        The module; its weight is g v / |v| whenever it is read.

    Raises:
        StateError: the weight has no values yet, or is normalized already.
        ValueError: there is no such parameter.
    """
    if isinstance(sources_of(module).get(name), WeightNorm):
        raise StateError(f"{name!r} of {type(module).__name__} has weight_norm already")
    weight = parameter_of(module, name)
    with no_grad():
        g = lengths(weight, dim)
    del module.__dict__[name]
    setattr(module, name + "_g", Parameter(g.detach()))
    setattr(module, name + "_v", Parameter(ops.copy(weight.detach())))
    compute(module, name, WeightNorm(name, dim))
    return module


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Make the weight an ordinary parameter again, with the value that it has.

    Raises:
        ValueError: it has no weight_norm.
    """
    if not isinstance(sources_of(module).get(name), WeightNorm):
        raise ValueError(f"{name!r} of {type(module).__name__} has no weight_norm")
    with no_grad():
        weight = getattr(module, name)
    stop_computing(module, name)
    del module.__dict__[name + "_g"], module.__dict__[name + "_v"]
    setattr(module, name, Parameter(weight.detach()))
    return module


def parameter_of(module: Module, name: str) -> Parameter:
    """The parameter `name` of `module` itself.

    Raises:
        ValueError: there is none.
        StateError: it has no values yet.
    """
    found = module.__dict__.get(name)
    if not isinstance(found, Parameter):
        raise ValueError(f"{type(module).__name__} has no parameter {name!r}")
    if is_lazy(found):
        raise StateError(f"{name!r} of {type(module).__name__} has no values before the module's first call")
    return found
