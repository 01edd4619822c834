"""Axes joined into one, and one split into several."""

from __future__ import annotations

from math import prod
from typing import Any

from ..errors import ShapeError
from ..ops import ops
from ..tensor import Tensor, raw
from .checks import size
from .module import Module

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """The axes from `start_dim` to `end_dim`, both included, as one.

    Raises:
        ShapeError: (when called) the input lacks one of these axes, or they are in the wrong order.
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        for name, value in (("start_dim", start_dim), ("end_dim", end_dim)):
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"{name} must be an integer, received {value!r}")
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Any) -> Tensor:
        try:
            return ops.flatten(input, start_dim=self.start_dim, end_dim=self.end_dim)
        except (IndexError, ValueError) as error:
            raise ShapeError(
                f"Flatten expects an input with the axes {self.start_dim} to {self.end_dim}, in this order; received "
                f"shape {tuple(raw(input).shape)}"
            ) from error

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """The axis `dim` as several, of the sizes `unflattened_size`, one of which may be -1.

    Raises:
        ShapeError: (when called) there is no such axis, or its size is not the product of these.
    """

    def __init__(self, dim: int, unflattened_size: Any) -> None:
        super().__init__()
        sizes = unflattened_size if isinstance(unflattened_size, tuple | list) else (unflattened_size,)
        self.dim, self.unflattened_size = dim, tuple(size(n, "unflattened_size", -1) for n in sizes)
        if self.unflattened_size.count(-1) > 1:
            raise ValueError(f"only one of unflattened_size may be -1, received {self.unflattened_size}")

    def forward(self, input: Any) -> Tensor:
        shape, sizes = tuple(raw(input).shape), self.unflattened_size
        if not -len(shape) <= self.dim < len(shape):
            raise ShapeError(f"Unflatten expects an input with an axis {self.dim}, received shape {shape}")
        axis = self.dim % len(shape)
        known = prod(n for n in sizes if n != -1)
        if -1 in sizes and known and shape[axis] % known == 0:
            sizes = tuple(shape[axis] // known if n == -1 else n for n in sizes)
        if prod(sizes) != shape[axis]:
            raise ShapeError(f"Unflatten expects axis {self.dim} to have the size of {sizes}, received shape {shape}")
        return ops.reshape(input, (*shape[:axis], *sizes, *shape[axis + 1 :]))

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
