"""Parametrizations of weights, under torch.nn.utils.parametrizations' names."""

from __future__ import annotations

from math import factorial
from typing import Any

import numpy as np

from ... import random
from ...autograd.tape import no_grad
from ...errors import ShapeError
from ...linalg import qr
from ...ops import ops
from ...tensor import Tensor, to_numpy
from ..functional.distance import normalize
from ..module import Module
from ..parameter import Buffer
from .parametrize import register_parametrization
from .spectral_norm import as_matrix, axis_of_outputs, largest_value, unit_vector
from .weight_norm import lengths, with_lengths

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]

_MAPS = ("matrix_exp", "cayley", "householder")


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Learn a weight's lengths, `original0`, and its directions, `original1` (Salimans and Kingma 2016).

    Args:
        module: where the weight is.
        name: its name.
        dim: the axis along which each slice has a length; None for one length of all.

    Returns:
        The module; the weight is g v / |v|.
    """
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


class _WeightNorm(Module):
    def __init__(self, dim: int | None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return with_lengths(weight_g, weight_v, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return lengths(weight, self.dim), weight


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """Divide a weight by its largest singular value (Miyato et al. 2018), a vector by its length.

    Args:
        module: where the weight is.
        name: its name.
        n_power_iterations: steps towards the singular vectors at each call, or other reading, in training.
        eps: the least norm that is divided by.
        dim: the axis of the outputs; by default 0, and 1 for transposed convolutions.

    Raises:
        ValueError: there is no such tensor, or n_power_iterations is not positive.
        IndexError: the weight has no axis `dim`.
    """
    weight = _weight(module, name)
    return register_parametrization(
        module, name, _SpectralNorm(weight.detach(), n_power_iterations, axis_of_outputs(module, dim), eps)
    )


class _SpectralNorm(Module):
    def __init__(self, weight: Tensor, n_power_iterations: int, dim: int, eps: float) -> None:
        super().__init__()
        if not -weight.ndim <= dim < weight.ndim:
            raise IndexError(f"dim {dim} is out of range for a weight of shape {weight.shape}")
        if n_power_iterations <= 0:
            raise ValueError(f"n_power_iterations must be positive, received {n_power_iterations}")
        self.dim, self.eps, self.n_power_iterations = dim % weight.ndim, eps, n_power_iterations
        if weight.ndim > 1:
            matrix = as_matrix(weight, self.dim)
            self._u, self._v = (unit_vector(matrix, n, eps) for n in matrix.shape)
            self._iterate(matrix, 15)

    def _iterate(self, matrix: Tensor, times: int) -> None:
        with no_grad():
            for _ in range(times):
                self._u.array = normalize(ops.matmul(matrix, self._v), dim=0, eps=self.eps).array
                v = ops.matmul(ops.matrix_transpose(ops.conj(matrix)), self._u)
                self._v.array = normalize(v, dim=0, eps=self.eps).array

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._iterate(matrix, self.n_power_iterations)
        return weight / largest_value(matrix, ops.conj(self._u), self._v)

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def orthogonal(
    module: Module, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> Module:
    """Keep a matrix, or each matrix of a batch (..., m, n), orthogonal (or unitary).

    The shorter of rows and columns are orthonormal. The first value is the given one, made orthogonal.

    Args:
        module: where the matrix is.
        name: its name.
        orthogonal_map: how it comes from a matrix without constraints: "matrix_exp" and "cayley" from its skew part,
            "householder" as a product of reflections. By default "householder", and "matrix_exp" for square and
            complex matrices.
        use_trivialization: whether the result is multiplied by a fixed orthogonal matrix, the buffer `base`
            (Lezcano-Casado 2019, "Trivializations for gradient-based optimization on manifolds").

    Raises:
        ValueError: there is no such matrix, no such map, or "householder" is to make complex matrices.
    """
    weight = _weight(module, name)
    if weight.ndim < 2:
        raise ValueError(f"orthogonal needs a matrix or a batch of matrices, received shape {weight.shape}")
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1]
        orthogonal_map = "matrix_exp" if square or weight.dtype.kind == "c" else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(f"orthogonal_map must be one of {', '.join(_MAPS)}; received {orthogonal_map!r}")
    if orthogonal_map == "householder" and weight.dtype.kind == "c":
        raise ValueError('orthogonal_map "householder" is for real matrices; use "matrix_exp" or "cayley"')
    parametrization = _Orthogonal(weight.shape, orthogonal_map, use_trivialization)
    return register_parametrization(module, name, parametrization, unsafe=True)


class _Orthogonal(Module):
    base: Any

    def __init__(self, shape: tuple[int, ...], orthogonal_map: str, use_trivialization: bool) -> None:
        super().__init__()
        self.shape, self.orthogonal_map, self.use_trivialization = shape, orthogonal_map, use_trivialization
        if use_trivialization:
            self.base = None

    def forward(self, x: Tensor) -> Tensor:
        wide = x.shape[-2] < x.shape[-1]
        x = ops.matrix_transpose(x) if wide else x
        q = _reflections(x) if self.orthogonal_map == "householder" else _rotation(x, self.orthogonal_map)
        if self.use_trivialization:
            q = ops.matmul(self.base, q)
        return ops.matrix_transpose(q) if wide else q

    @no_grad()
    def right_inverse(self, q: Tensor) -> Tensor:
        if q.shape != self.shape:
            raise ShapeError(f"the matrix must have shape {self.shape}, received {q.shape}")
        wide = q.shape[-2] < q.shape[-1]
        tall = ops.matrix_transpose(q) if wide else q
        n, k = tall.shape[-2:]
        if not self.use_trivialization:
            if self.orthogonal_map != "householder":
                raise NotImplementedError(f'"{self.orthogonal_map}" has no inverse without a trivialization')
            found = _reflectors(tall)
            return ops.matrix_transpose(found) if wide else found
        if n != k:
            drawn = random.randn(*tall.shape[:-2], n, n - k, dtype=tall.dtype, device=tall.device)
            tall = _orthonormal(ops.concat([tall, drawn], axis=-1))
        elif not _is_orthogonal(tall):
            tall = _orthonormal(tall)
        self.base = Buffer(ops.copy(tall.detach()))
        minus_one = -ops.eye(q.shape[-2], q.shape[-1], dtype=q.dtype, device=q.device)
        return ops.copy(ops.broadcast_to(minus_one, q.shape))  # where each map gives the identity


def _rotation(x: Tensor, name: str) -> Tensor:
    """The orthogonal (n, k) matrix of the lower triangle of `x`, (n, k) with n >= k."""
    n, k = x.shape[-2:]
    x = ops.tril(x)
    if n != k:
        x = ops.concat([x, ops.zeros((*x.shape[:-1], n - k), dtype=x.dtype, device=x.device)], axis=-1)
    skew = x - ops.matrix_transpose(ops.conj(x))
    if name == "matrix_exp":
        q = _matrix_exp(skew)
    else:
        one = ops.eye(n, dtype=x.dtype, device=x.device)
        q = ops.solve(one - skew * 0.5, one + skew * 0.5)
    return q[..., :k] if n != k else q


def _matrix_exp(a: Tensor, squarings: int = 12) -> Tensor:
    """exp(a) by its power series of degree 16 for a / 2^s, small enough, and `s` squarings, at most 12.

    Higham 2008, "Functions of matrices", chapter 10.
    """
    size = ops.max(ops.sum(ops.abs(a.detach()), axis=-1), axis=-1, keepdims=True)[..., None]
    s = ops.clip(ops.ceil(ops.log2(ops.maximum(2 * size, ops.ones_like(size)))), 0, squarings)
    a = a * ops.astype(2.0**-s, a.dtype)
    one = ops.eye(a.shape[-1], dtype=a.dtype, device=a.device)
    a2 = ops.matmul(a, a)
    powers = (one, a, a2, ops.matmul(a2, a))
    a4 = ops.matmul(a2, a2)
    y: Any = one * (1 / factorial(16))
    for first in (12, 8, 4, 0):
        y = ops.matmul(y, a4)
        for i, power in enumerate(powers):
            y = y + power * (1 / factorial(first + i))
    for i in range(squarings):
        y = ops.where(i < s, ops.matmul(y, y), y)
    return y


def _reflections(x: Tensor) -> Tensor:
    """The first columns of the product of the reflections along the columns of the lower triangle of `x`, whose
    diagonal counts as 1; the signs on the diagonal of `x` are those of the columns.

    In compact form, Q = I - V T V^T (Schreiber and Van Loan 1989).
    """
    n, k = x.shape[-2:]
    how = {"dtype": x.dtype, "device": x.device}
    below = ops.tril(x, k=-1)
    first = ops.eye(n, k, **how)
    v = below + first
    half = (1 + ops.sum(below * below, axis=-2)) / 2
    inverse_t = ops.triu(ops.matmul(ops.matrix_transpose(v), v), k=1) + ops.eye(k, **how) * half[..., None, :]
    q = first - ops.matmul(v, ops.solve(inverse_t, ops.matrix_transpose(v[..., :k, :])))
    signs = ops.trunc(ops.sum(x.detach() * first, axis=-2))
    return q * signs[..., None, :]


def _reflectors(q: Tensor) -> Tensor:
    """The inverse of `_reflections`, of `q` made orthogonal, from LAPACK's QR decomposition on the host."""
    host = to_numpy(q.detach())
    raw, tau = np.linalg.qr(host, mode="raw")
    found = np.array(np.swapaxes(raw, -1, -2))
    i = np.arange(found.shape[-1])
    found[..., i, i] = np.sign(found[..., i, i]) * np.where(tau == 0, -1, 1)
    return ops.asarray(found, dtype=q.dtype, device=q.device)


def _orthonormal(a: Tensor) -> Tensor:
    """The Q of a = QR with a positive diagonal of R."""
    q, r = qr(a)
    diagonal = ops.diagonal(r)
    return q * ops.expand_dims(diagonal / ops.astype(ops.abs(diagonal), q.dtype), axis=-2)


def _is_orthogonal(q: Tensor) -> bool:
    n, k = q.shape[-2:]
    one = ops.eye(k, dtype=q.dtype, device=q.device)
    off = ops.max(ops.abs(ops.matmul(ops.matrix_transpose(ops.conj(q)), q) - one))
    return float(off) <= 10 * n * float(ops.finfo(q.dtype).eps)


def _weight(module: Module, name: str) -> Tensor:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"{type(module).__name__} has no parameter or buffer {name!r}")
    return weight
