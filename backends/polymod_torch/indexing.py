"""Indexing by NumPy's rules. torch's own differ:

- slices can't have a negative step;
- an integer beside index arrays is applied first, so that `x[0, :, i]` puts the axis of `i` elsewhere;
- arrays of uint8 are taken for masks, and other small integers are refused;
- unsigned integers wider than 8 bits can't be added or written through index arrays;
- `take_along_dim` takes int64 only.

A key is therefore split in two: a basic part, which gives a view, and what is left for index arrays.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import torch

_SIGNED = {torch.uint16: torch.int16, torch.uint32: torch.int32, torch.uint64: torch.int64}
_ALL = slice(None)


def index(x: torch.Tensor, *, key: Any) -> torch.Tensor:
    x = x.detach()
    parts = key if isinstance(key, tuple) else (key,)
    if all(map(_agrees, parts)) and parts.count(...) < 2:
        return x[key]
    flipped, basic, arrays = split(x, key)
    view = (x.flip(flipped) if flipped else x)[basic]
    return view[tuple(_ALL if a is None else a for a in arrays)] if arrays else view


def index_set(x: torch.Tensor, values: Any, *, key: Any) -> torch.Tensor:
    return _replaced(x, key, values, accumulate=False)


def take_along_axis(x: torch.Tensor, indices: torch.Tensor, *, axis: int = -1) -> torch.Tensor:
    return torch.take_along_dim(x, indices.to(torch.int64), dim=axis)


def _agrees(part: Any) -> bool:
    """True for what torch reads as NumPy does, if a key has nothing else in it."""
    if isinstance(part, slice):
        return part.step is None or part.step > 0
    return part is None or part is Ellipsis or type(part) is int


def index_add(x: torch.Tensor, key: Any, values: Any) -> torch.Tensor:
    return _replaced(x, key, values, accumulate=True)


def _replaced(x: torch.Tensor, key: Any, values: Any, accumulate: bool) -> torch.Tensor:
    values = _values(x, values)
    if x.dtype in _SIGNED:  # the bits of a sum are the same
        signed = _SIGNED[x.dtype]
        return _replaced(x.view(signed), key, values.view(signed), accumulate).view(x.dtype)
    flipped, basic, arrays = split(x, key)
    result = x.detach().flip(flipped) if flipped else x.detach().clone()
    view = result[basic]
    if arrays:
        torch.ops.aten.index_put_(view, arrays, values, accumulate)  # Tensor.index_put_ takes no None
    elif accumulate:
        view += values
    else:
        view.copy_(values)
    return result.flip(flipped) if flipped else result


def _values(x: torch.Tensor, values: Any) -> torch.Tensor:
    if isinstance(values, torch.Tensor):
        return values.detach().to(x.dtype)
    if not isinstance(values, int | float | complex | np.generic):
        raise TypeError(f"values must be a torch.Tensor or a number, not {type(values).__qualname__}")
    return torch.as_tensor(values, dtype=x.dtype, device=x.device)


def split(x: torch.Tensor, key: Any) -> tuple[list[int], tuple[Any, ...], tuple[torch.Tensor | None, ...]]:
    """Split NumPy's `key` into what torch does by NumPy's rules.

    Returns:
        The axes to reverse first; a basic key (integers, slices, None) for the reversed array, which gives a
        view; and the index arrays for the view, with None for an axis that has none, or () if there are none.

    Raises:
        IndexError: too many indices, or one of a kind that is no index.
    """
    parts = _expand(x, key)
    has_arrays = any(isinstance(p, torch.Tensor) and p.ndim for p in parts)
    flipped: list[int] = []
    basic: list[Any] = []
    arrays: list[torch.Tensor | None] = []
    axis = 0
    for part in parts:
        if part is None:
            basic.append(None)
            arrays.append(None)
        elif isinstance(part, slice):
            n = x.shape[axis]
            if part.step is not None and operator.index(part.step) < 0:
                flipped.append(axis)
                start, stop, step = part.indices(n)
                part = slice(n - 1 - start, n - 1 - stop, -step)
            basic.append(part)
            arrays.append(None)
            axis += 1
        elif isinstance(part, torch.Tensor) and part.dtype is torch.bool:
            masked = part.ndim
            basic += [_ALL] * masked or [None]
            arrays.append(part if masked else torch.arange(int(part), device=x.device))
            axis += masked
            has_arrays = True
        elif has_arrays:
            basic.append(_ALL)
            array = torch.as_tensor(part, device=x.device)
            arrays.append(array.long() if array.ndim else array.long().reshape(1))
            axis += 1
        else:
            basic.append(operator.index(part))
            axis += 1
    return flipped, tuple(basic), tuple(arrays) if has_arrays else ()


def _expand(x: torch.Tensor, key: Any) -> list[Any]:
    """The parts of a key, with full slices for the Ellipsis, and tensors for lists and truth values."""
    parts = [_part(p, x.device) for p in (key if isinstance(key, tuple) else (key,))]
    used = sum(_axes(p) for p in parts)
    if used > x.ndim:
        raise IndexError(f"too many indices: the array has {x.ndim} axes, the key {used}")
    where = [i for i, p in enumerate(parts) if p is Ellipsis]
    if len(where) > 1:
        raise IndexError("an index can have only one Ellipsis ('...')")
    if where:
        parts[where[0] : where[0] + 1] = [_ALL] * (x.ndim - used)
    return parts


def _part(part: Any, device: torch.device) -> Any:
    if part is None or part is Ellipsis or isinstance(part, slice | torch.Tensor):
        if isinstance(part, torch.Tensor) and (part.is_floating_point() or part.is_complex()):
            raise IndexError(f"index arrays must be of integers or bool, received {part.dtype}")
        return part
    if isinstance(part, bool | list):
        return torch.as_tensor(part, device=device)
    try:
        return operator.index(part)
    except TypeError:
        raise IndexError(
            f"{type(part).__name__} is no index; expected an integer, a slice, ..., None, or a tensor of "
            "integers or bool"
        ) from None


def _axes(part: Any) -> int:
    """How many axes of the array one part of a key uses up."""
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if isinstance(part, torch.Tensor) and part.dtype is torch.bool else 1
