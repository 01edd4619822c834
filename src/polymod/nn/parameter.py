"""Parameters and buffers: the Tensors that belong to a module."""

from __future__ import annotations

import copy
from typing import Any, TypeGuard

from .. import dtypes
from ..autograd.tape import Leaf
from ..backend import Device, backend_of, place
from ..errors import StateError
from ..ops import ops
from ..tensor import Tensor, wrap

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter"]


class Parameter(Tensor):
    """A Tensor that is learned: a module it is assigned to lists it in `parameters()` and saves it.

    Args:
        data: a Tensor, an engine's array (shared), numbers or nested lists of numbers.
        requires_grad: whether its gradient is wanted.
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        self.array = ops.asarray(data).array
        self.node = None
        if requires_grad:
            self.requires_grad_()

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class Buffer(Tensor):
    """A Tensor that belongs to a module but is not learned, such as a running mean.

    Args:
        data: a Tensor, an engine's array (shared), numbers or nested lists of numbers.
        persistent: whether it is part of `state_dict()`.
    """

    __slots__ = ("persistent",)

    def __init__(self, data: Any, persistent: bool = True) -> None:
        self.array = ops.asarray(data).array
        self.node = None
        self.persistent = persistent

    def __deepcopy__(self, memo: dict) -> Tensor:
        twin = super().__deepcopy__(memo)
        twin.persistent = self.persistent  # type: ignore[attr-defined]
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle_buffer, (super().__reduce__(), self.persistent)


def _unpickle_buffer(reduced: tuple, persistent: bool) -> Tensor:
    buffer = reduced[0](*reduced[1])
    buffer.persistent = persistent
    return buffer


class Pending:
    """Stands for the array of a parameter whose shape is not known yet."""

    def __init__(self, device: Device, dtype: dtypes.DType) -> None:
        self.device, self.dtype = device, dtype

    @property
    def shape(self) -> Any:
        raise StateError(
            "this parameter has no shape before its module is called for the first time; call the model once, or "
            "model.output_shape(input_shape), to find it"
        )

    ndim = shape


class Uninitialized:
    """What parameters and buffers of unknown shape have in common."""

    __slots__ = ()
    becomes: type[Tensor]
    array: Any

    @property
    def device(self) -> Device:
        return self.array.device

    def materialize(self, shape: tuple[int, ...]) -> None:
        """Give it `shape`, and become an ordinary parameter or buffer, still the same object; values are zeros."""
        pending = self.array
        self.array = ops.zeros(shape, dtype=pending.dtype, device=pending.device).array
        self.__class__ = self.becomes  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(dtype={self.array.dtype}, device={str(self.array.device)!r})"

    def __deepcopy__(self, memo: dict) -> Any:
        twin: Any = type(self).__new__(type(self))
        memo[id(self)] = twin
        for slot in ("persistent",):
            if hasattr(self, slot):
                setattr(twin, slot, getattr(self, slot))
        twin.array, twin.node = copy.copy(self.array), Leaf() if self.node is not None else None  # type: ignore[attr-defined]
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        state = (self.array.dtype, str(self.array.device), self.node is not None, getattr(self, "persistent", None))  # type: ignore[attr-defined]
        return _unpickle_uninitialized, (type(self), *state)


class UninitializedParameter(Uninitialized, Parameter):
    """A Parameter whose shape its module finds at its first call (or from the state dict it loads)."""

    __slots__ = ()
    becomes = Parameter

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        self.array = Pending(place(device), dtypes.default_float() if dtype is None else dtypes.dtype(dtype))
        self.node = Leaf() if requires_grad else None


class UninitializedBuffer(Uninitialized, Buffer):
    """A Buffer whose shape its module finds at its first call (or from the state dict it loads)."""

    __slots__ = ()
    becomes = Buffer

    def __init__(self, persistent: bool = True, device: Any = None, dtype: Any = None) -> None:
        self.array = Pending(place(device), dtypes.default_float() if dtype is None else dtypes.dtype(dtype))
        self.node = None
        self.persistent = persistent


def _unpickle_uninitialized(cls: Any, dtype: Any, device: str, requires_grad: bool, persistent: bool | None) -> Any:
    if persistent is None:
        return cls(requires_grad=requires_grad, device=device, dtype=dtype)
    return cls(persistent=persistent, device=device, dtype=dtype)


def is_lazy(tensor: Any) -> TypeGuard[UninitializedParameter | UninitializedBuffer]:
    """True for a parameter or buffer whose shape is not known yet."""
    return isinstance(tensor, Uninitialized)


def converted(tensor: Tensor, device: Device | None, dtype: dtypes.DType | None) -> Any:
    """The array that `tensor` would have on `device`, with `dtype` if it is floating; its own if nothing changes."""
    array = tensor.array
    if isinstance(array, Pending):
        return Pending(device or array.device, dtype or array.dtype)
    moved = wrap(array) if device is None else wrap(array).to_device(device)
    if dtype is not None and moved.dtype.kind in "fc" and (moved.dtype.kind == dtype.kind or dtype.kind == "c"):
        moved = ops.astype(moved, dtype, copy=False)
    return moved.array


def device_of(tensor: Tensor) -> Device:
    """Where a parameter or buffer is or, while its shape is unknown, will be."""
    if isinstance(tensor.array, Pending):
        return tensor.array.device
    backend = backend_of(tensor.array)
    return Device(backend, backend.device_of(tensor.array))
