"""Normalisation by the channels nearby, as torch.nn.functional has it."""

from __future__ import annotations

from math import prod
from typing import Any

from ... import dtypes
from ...errors import ShapeError
from ...ops import ops
from ...rules import primitives
from ...tensor import Tensor, raw, wrap

__all__ = ["local_response_norm"]

_sum_pool = primitives["sum_pool"]


def local_response_norm(input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """input / (k + alpha mean of the squares of `size` channels around)**beta; channels beyond the ends count as 0.

    A. Krizhevsky et al., NIPS 25 (2012), section 3.3. Of an even number of channels there is one more before than
    after. The mean of whole numbers is rounded down.

    Args:
        input: (N, C, *S), with at least one spatial axis.

    Raises:
        ShapeError: the input has fewer than three axes.
        ValueError: `size` is below 1.
    """
    shape = tuple(raw(input).shape)
    if len(shape) < 3:
        raise ShapeError(f"local_response_norm needs an input (N, C, *S) with three axes or more, received {shape}")
    if size < 1:
        raise ValueError(f"size must be at least 1, received {size}")
    x = input if isinstance(input, Tensor) else wrap(input)
    if x.size == 0:
        return x
    squares = near(x * x, size // 2, (size - 1) // 2)
    if x.dtype.kind in "iu":
        return ops.astype(x, dtypes.default_float()) / (k + alpha * (squares // size)) ** beta
    return x / (k + alpha / size * squares) ** beta


def near(x: Any, before: int, after: int) -> Tensor:
    """The sum over `before` channels before each one, itself, and `after` channels after it."""
    shape = tuple(x.shape)
    columns = ops.reshape(x, (shape[0], 1, shape[1], prod(shape[2:])))
    how = {"size": (before + after + 1, 1), "stride": (1, 1), "padding": ((before, after), (0, 0))}
    return ops.reshape(_sum_pool(columns, **how), shape)
