"""Parameters as one vector and back, under torch.nn.utils' names."""

from __future__ import annotations

from collections.abc import Iterable

from ...errors import ShapeError
from ...ops import ops
from ...tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of `parameters`, which are on one device, one after the other: a differentiable 1-d Tensor."""
    return ops.concat([ops.reshape(p, (-1,)) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Give `parameters` new values, one after the other from the 1-d Tensor `vec`; they stay the same objects.

    Raises:
        TypeError: `vec` is no Tensor.
        ShapeError: `vec` is not 1-d, or has another number of elements than they have together.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"vec must be a Tensor, received {type(vec).__name__}")
    held = list(parameters)
    total = sum(p.size for p in held)
    if vec.shape != (total,):
        raise ShapeError(f"the parameters have {total} elements, received a vector of shape {vec.shape}")
    start = 0
    values = vec.detach()
    for p in held:
        part = ops.reshape(values[start : start + p.size], p.shape)
        p.array = ops.copy(ops.astype(part, p.dtype, copy=False)).array
        start += p.size
