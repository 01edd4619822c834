"""What the special functions make of their arguments."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from .. import dtypes
from ..ops import ops
from ..tensor import Tensor, raw, wrap


def floats(*args: Any) -> list[Tensor]:
    """The arguments as Tensors of one real floating dtype, on the device of the first array among them."""
    if all(type(x) is Tensor for x in args) and len({x.dtype for x in args}) == 1 and args[0].dtype.kind == "f":
        return list(args)  # as mostly
    arrays = [x for x in args if hasattr(raw(x), "dtype") and hasattr(raw(x), "shape")]
    floating = [x for x in arrays if dtypes.dtype(raw(x).dtype).kind == "f"]
    if any(dtypes.dtype(raw(x).dtype).kind == "c" for x in arrays):
        raise TypeError("polymod.special takes real arguments; received a complex array")
    dtype = ops.result_type(*floating) if floating else dtypes.default_float()
    device = wrap(raw(arrays[0])).device if arrays else None
    return [
        ops.astype(x, dtype, copy=False) if any(x is a for a in arrays) else ops.asarray(x, dtype=dtype, device=device)
        for x in args
    ]


def of_floats(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Decorator: call `function` with its positional arguments as Tensors of one floating dtype."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Tensor:
        return function(*floats(*args), **kwargs)

    return call
