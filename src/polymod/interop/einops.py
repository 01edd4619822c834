"""einops on Tensors: rearrange, reduce, repeat, pack, unpack, einsum.

einops finds a backend among the subclasses of its AbstractBackend, so importing this module is all it takes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from einops._backends import AbstractBackend

from ..functions.creation import arange, tensor
from ..ops import ops
from ..tensor import Tensor, to_numpy


class PolymodBackend(AbstractBackend):
    """What einops asks of an array library."""

    framework_name = "polymod"

    def is_appropriate_type(self, tensor: Any) -> bool:
        return isinstance(tensor, Tensor)

    def from_numpy(self, x: np.ndarray) -> Tensor:
        return tensor(x)

    def to_numpy(self, x: Tensor) -> np.ndarray:
        return to_numpy(x)

    def arange(self, start: int, stop: int) -> Tensor:
        return arange(start, stop)

    def transpose(self, x: Tensor, axes: Any) -> Tensor:
        return ops.permute_dims(x, tuple(axes))

    def stack_on_zeroth_dimension(self, tensors: list[Tensor]) -> Tensor:
        return ops.stack(tensors)

    def add_axis(self, x: Tensor, new_position: int) -> Tensor:
        return ops.expand_dims(x, axis=new_position)

    def tile(self, x: Tensor, repeats: Any) -> Tensor:
        return ops.tile(x, tuple(repeats))

    def concat(self, tensors: list[Tensor], axis: int) -> Tensor:
        return ops.concat(tensors, axis=axis)

    def is_float_type(self, x: Tensor) -> bool:
        return x.dtype.kind in "fc"

    def einsum(self, pattern: str, *x: Tensor) -> Tensor:
        return ops.einsum(pattern, *x)
