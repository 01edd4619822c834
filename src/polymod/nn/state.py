"""A module's state dict: read, checked as a whole, and loaded or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import StateError
from ..ops import ops
from ..tensor import Tensor, to_numpy, wrap
from . import members
from .parameter import device_of, is_lazy

if TYPE_CHECKING:
    from .module import Module


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` found no value for, and what it had no use for."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def _entries(module: Module) -> list[tuple[str, Tensor]]:
    """Every name in the state dict, and its Tensor."""
    return [
        (path, tensor)
        for path, tensor, _, _ in members.tensors(module, shared=True)
        if getattr(tensor, "persistent", True)
    ]


def state_dict(module: Module, prefix: str) -> dict[str, Tensor]:
    entries = _entries(module)
    lazy = [path for path, tensor in entries if is_lazy(tensor)]
    if lazy:
        raise StateError(
            f"{_few(lazy)} have no values before the model's first call; call it once, or "
            "model.output_shape(input_shape)"
        )
    return {prefix + path: wrap(tensor.array) for path, tensor in entries}


def load_state_dict(module: Module, given: Any, strict: bool) -> IncompatibleKeys:
    if not hasattr(given, "keys"):
        raise TypeError(f"a state dict maps paths to arrays, received {type(given).__name__}")
    entries = _entries(module)
    missing = [path for path, _ in entries if path not in given]
    known = dict(entries)
    unexpected = [path for path in given if path not in known]
    problems = []
    if strict:
        absent = [path for path, tensor in entries if path in missing and not _may_be_missing(path, tensor)]
        absent = [path for path in absent if not _has_another_name(path, entries, given)]
        if absent:
            problems.append(f"missing keys: {_few(absent)}")
        if unexpected:
            problems.append(f"unexpected keys: {_few(unexpected)}")
    values, misfits = _fitted(entries, given)
    problems += misfits
    if problems:
        raise StateError(
            f"the state dict does not fit {type(module).__name__}, which is unchanged:\n  " + "\n  ".join(problems)
        )
    for tensor, array in values:
        if is_lazy(tensor):
            tensor.materialize(tuple(array.shape))
        tensor.array = array
    return IncompatibleKeys(missing, unexpected)


def _may_be_missing(path: str, tensor: Tensor) -> bool:
    """Counters that old checkpoints lack, and plain Tensors, which other libraries do not save."""
    return path.rpartition(".")[2] == "num_batches_tracked" or type(tensor) is Tensor


def _has_another_name(path: str, entries: list[tuple[str, Tensor]], given: Any) -> bool:
    """Whether the Tensor at `path` is tied to one that the state dict has."""
    tensor = next(t for p, t in entries if p == path)
    return any(t is tensor and p in given for p, t in entries)


def _fitted(entries: list[tuple[str, Tensor]], given: Any) -> tuple[list[tuple[Tensor, Any]], list[str]]:
    """The new array for each Tensor that `given` has a value for, and what does not fit."""
    values: dict[int, tuple[Tensor, Any, str]] = {}
    problems = []
    for path, tensor in entries:
        if path not in given:
            continue
        try:
            value = given[path] if isinstance(given[path], Tensor) else ops.asarray(given[path])
        except (TypeError, ValueError) as error:
            problems.append(f"{path}: {error}")
            continue
        if is_lazy(value):
            problems.append(f"{path}: the given parameter has no values yet")
            continue
        if not is_lazy(tensor) and value.shape != tensor.shape:
            problems.append(f"{path}: the shape is {tensor.shape}, received {value.shape}")
            continue
        dtype = tensor.array.dtype
        if value.dtype.kind == "c" and wrap(tensor.array).dtype.kind != "c":
            problems.append(f"{path}: {value.dtype} does not fit into {wrap(tensor.array).dtype}")
            continue
        if id(tensor) in values:
            first = values[id(tensor)]
            if not np.array_equal(to_numpy(first[1]), to_numpy(_converted(value, dtype, tensor)), equal_nan=True):
                problems.append(f"{first[2]} and {path} are one tied parameter but have different values")
            continue
        values[id(tensor)] = (tensor, _converted(value, dtype, tensor), path)
    return [(tensor, array) for tensor, array, _ in values.values()], problems


def _converted(value: Tensor, dtype: Any, tensor: Tensor) -> Any:
    """A copy of `value` with the dtype and on the device of `tensor`."""
    source = value.detach()
    cast = ops.astype(source, dtype, copy=False).to_device(device_of(tensor))
    return ops.copy(cast).array if cast.array is value.array else cast.array


def _few(names: list[str], limit: int = 20) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
