"""Weights divided by their largest singular value (Miyato et al. 2018, "Spectral normalization for generative
adversarial networks"), under torch.nn.utils' names."""

from __future__ import annotations

from typing import Any

from ... import random
from ...autograd.tape import no_grad
from ...errors import StateError
from ...ops import ops
from ...tensor import Tensor
from ..conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ..functional.distance import normalize
from ..module import Module
from ..parameter import Buffer, Parameter
from .computed import Source, compute, sources_of, stop_computing
from .weight_norm import parameter_of

__all__ = ["remove_spectral_norm", "spectral_norm"]


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """`weight` with `dim` as the rows and all other axes as the columns."""
    if dim:
        weight = ops.permute_dims(weight, (dim, *(i for i in range(weight.ndim) if i != dim)))
    return ops.reshape(weight, (weight.shape[0], -1))


def axis_of_outputs(module: Module, dim: int | None) -> int:
    """`dim`, by default the axis of the output channels of the module's weight."""
    if dim is None:
        return 1 if isinstance(module, ConvTranspose1d | ConvTranspose2d | ConvTranspose3d) else 0
    return dim


def unit_vector(matrix: Tensor, length: int, eps: float) -> Buffer:
    """A random direction, where `matrix` is."""
    drawn = random.randn(length, dtype=matrix.dtype, device=matrix.device)
    return Buffer(normalize(drawn, dim=0, eps=eps))


def largest_value(matrix: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """The singular value of the singular vectors `u` and `v`, which are held fixed."""
    return ops.sum(ops.copy(u.detach()) * ops.matmul(matrix, ops.copy(v.detach())))


class SpectralNorm(Source):
    """The weight `name` from `name_orig`; `name_u` and `name_v` come closer to its singular vectors with each call in
    training."""

    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float) -> None:
        self.name, self.n_power_iterations, self.dim, self.eps = name, n_power_iterations, dim, eps

    def compute(self, module: Any) -> Tensor:
        weight, u, v = (getattr(module, self.name + end) for end in ("_orig", "_u", "_v"))
        return weight / largest_value(as_matrix(weight, self.dim), u, v)

    def __call__(self, module: Any, args: Any) -> None:
        if not module.training:
            return
        weight, u, v = (getattr(module, self.name + end) for end in ("_orig", "_u", "_v"))
        with no_grad():
            matrix = as_matrix(weight, self.dim)
            for _ in range(self.n_power_iterations):
                v.array = normalize(ops.matmul(ops.matrix_transpose(matrix), u), dim=0, eps=self.eps).array
                u.array = normalize(ops.matmul(matrix, v), dim=0, eps=self.eps).array


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divide a weight by its largest singular value, found by power iteration.

    The parameter is `name_orig` from now on; the buffers `name_u` and `name_v` are the singular vectors.
    `parametrizations.spectral_norm` does the same with other names.

    Args:
        module: where the weight is.
        name: its name.
        n_power_iterations: at each call in training.
        eps: the least norm that is divided by.
        dim: the axis of the outputs; by default 0, and 1 for transposed convolutions.

    Raises:
        ValueError: there is no such parameter, or n_power_iterations is not positive.
        StateError: the weight has no values yet, or is normalized already.
    """
    if n_power_iterations <= 0:
        raise ValueError(f"n_power_iterations must be positive, received {n_power_iterations}")
    if isinstance(sources_of(module).get(name), SpectralNorm):
        raise StateError(f"{name!r} of {type(module).__name__} has spectral_norm already")
    weight = parameter_of(module, name)
    source = SpectralNorm(name, n_power_iterations, axis_of_outputs(module, dim), eps)
    matrix = as_matrix(weight.detach(), source.dim)
    vectors = [unit_vector(matrix, n, eps) for n in matrix.shape]
    del module.__dict__[name]
    setattr(module, name + "_orig", weight)
    for end, vector in zip(("_u", "_v"), vectors, strict=True):
        setattr(module, name + end, vector)
    compute(module, name, source)
    module.register_forward_pre_hook(source)
    return module


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Make the weight an ordinary parameter again, with the value that it has.

    Raises:
        ValueError: it has no spectral_norm.
    """
    source = sources_of(module).get(name)
    if not isinstance(source, SpectralNorm):
        raise ValueError(f"{name!r} of {type(module).__name__} has no spectral_norm")
    with no_grad():
        weight = getattr(module, name)
    stop_computing(module, name)
    for end in ("_orig", "_u", "_v"):
        del module.__dict__[name + end]
    hooks = module._hooked().forward_pre
    hooks[:] = [entry for entry in hooks if entry[0] is not source]
    setattr(module, name, Parameter(weight.detach()))
    return module
