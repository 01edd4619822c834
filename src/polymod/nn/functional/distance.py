"""Distances between vectors, their angles, and vectors brought to length one, as torch.nn.functional has them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ShapeError
from ...linalg.inputs import floating, together
from ...linalg.norms import vector_norm
from ...ops import ops
from ...tensor import Tensor

__all__ = ["cosine_similarity", "normalize", "pairwise_distance", "pdist"]


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between `x1` and `x2` along `dim`: sum(x1 * x2) / (max(|x1|, eps) max(|x2|, eps)).

    Args:
        x1, x2: shapes that broadcast; whole numbers count as the default float dtype.
        dim: the axis, of the shape they broadcast to, that the result lacks.
        eps: bounds the lengths from below. The derivative is that of the formula without the bounds.

    Raises:
        ShapeError: the shapes do not broadcast, or there is no axis `dim`.
    """
    x1, x2 = _broadcast("cosine_similarity", *together(x1, x2))
    if x1.ndim == 0 and dim in (0, -1):
        return cosine_similarity(ops.reshape(x1, (1,)), ops.reshape(x2, (1,)), 0, eps)
    _check_axis("cosine_similarity", x1, dim)
    return ops.sum(x1 / _bounded_length(x1, dim, eps) * (x2 / _bounded_length(x2, dim, eps)), axis=dim)


def _bounded_length(x: Tensor, dim: int, eps: float) -> Tensor:
    """max(|x|, eps), with the derivative of |x|."""
    length = vector_norm(x, axis=dim, keepdims=True)
    free = length.detach()
    return length + (ops.clip(free, eps, None) - free)


def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last axis.

    Args:
        x1, x2: (N, D) or (D,), or any shapes that broadcast.
        p: of the norm; any number, or an infinity.
        eps: added to every difference, which keeps the derivative finite.
        keepdim: keep the last axis with length one.

    Raises:
        ShapeError: the shapes do not broadcast.
    """
    x1, x2 = _broadcast("pairwise_distance", *together(x1, x2))
    return vector_norm(x1 - x2 + eps, axis=-1, keepdims=keepdim, ord=p)


def pdist(input: Any, p: float = 2.0) -> Tensor:
    """The p-norm distances between every two rows: (N, M) -> (N * (N - 1) / 2,).

    They come in the order of a matrix's upper triangle, row by row; SciPy's `pdist` has the same.

    Raises:
        ShapeError: `input` is no matrix.
        ValueError: `p` is negative.
    """
    x = floating(input)
    if x.ndim != 2:
        raise ShapeError(f"pdist expects a matrix (N, M), received shape {x.shape}")
    if p < 0:
        raise ValueError(f"pdist: p must not be negative, received {p}")
    rows, columns = (ops.asarray(i, device=x.device) for i in np.triu_indices(x.shape[0], 1))
    return vector_norm(ops.take(x, rows, axis=0) - ops.take(x, columns, axis=0), axis=-1, ord=p)


def normalize(
    input: Any, p: float = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """`input` divided by max(its p-norm along `dim`, eps).

    Args:
        input: any shape, real or complex.
        p: of the norm.
        dim: the axis or axes of a vector.
        eps: bounds the norm from below, so that zeros stay zeros.
        out: a Tensor that gets the result.

    Raises:
        ShapeError: there is no axis `dim`.
    """
    x = floating(input)
    axes = tuple(dim) if isinstance(dim, tuple | list) else (dim,)
    if x.ndim == 0 and set(axes) <= {0, -1}:
        length = vector_norm(ops.reshape(x, (1,)), ord=p)
    else:
        for axis in axes:
            _check_axis("normalize", x, axis)
        length = vector_norm(x, axis=axes, keepdims=True, ord=p)
    y = x / ops.clip(length, eps, None)
    return y if out is None else out._rebind(y, "normalize(out=)")


def _broadcast(name: str, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    if a.shape == b.shape:
        return a, b
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ShapeError(f"{name} expects shapes that broadcast, received {a.shape} and {b.shape}") from None
    return ops.broadcast_to(a, shape), ops.broadcast_to(b, shape)


def _check_axis(name: str, x: Tensor, dim: int) -> None:
    if not -x.ndim <= dim < x.ndim:
        raise ShapeError(f"{name} expects an axis {dim}, received shape {x.shape}")
