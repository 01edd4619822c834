"""What the namespace can do, as the standard lets code ask: `polymod.__array_namespace_info__()`."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..backend import Device, current_device, device
from .data_types import isdtype

__all__ = ["__array_namespace_info__"]

_BEYOND = ("float16", "bfloat16")  # dtypes that the standard does not have


class NamespaceInfo:
    """Answers for the current backend (`use_backend`, `set_backend`), or for the device that is asked about."""

    def capabilities(self) -> dict[str, Any]:
        """Whether boolean masks and data-dependent shapes work, and the largest number of axes, None if any."""
        default = {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": None}
        engine = _engine_info(current_device())
        given = engine.capabilities() if engine is not None else {}
        return {name: given.get(name, value) for name, value in default.items()}

    def default_device(self) -> Device:
        """The device of arrays that are created without one."""
        return current_device()

    def default_dtypes(self, *, device: Any = None) -> dict[str, dtypes.DType]:
        """The dtypes of arrays that are created without one, by kind; they are the same on every device."""
        return {
            "real floating": dtypes.default_float(),
            "complex floating": dtypes.default_complex(),
            "integral": dtypes.int64,
            "indexing": dtypes.int64,
        }

    def devices(self) -> tuple[Device, ...]:
        """The devices of the current backend."""
        backend = current_device().backend
        return tuple(Device(backend, native) for native in backend.devices())

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, dtypes.DType]:
        """The standard's dtypes that `device` (default: the current one) has, of `kind` as in `isdtype`, by name."""
        return {name: d for name, d in _dtypes(device).items() if kind is None or isdtype(d, kind)}


def _engine_info(where: Device) -> Any:
    """What the engine says of itself, or None if it says nothing."""
    ask = getattr(where.backend.xp, "__array_namespace_info__", None)
    return None if ask is None else ask()


def _dtypes(where: Any) -> dict[str, dtypes.DType]:
    target = device(where)
    engine = _engine_info(target)
    native = target.backend.xp if engine is None else engine.dtypes(device=target.native)
    has = native.__contains__ if isinstance(native, dict) else lambda name: hasattr(native, name)
    return {name: d for name, d in dtypes.every.items() if name not in _BEYOND and has(name)}


_info = NamespaceInfo()


def __array_namespace_info__() -> NamespaceInfo:
    """An object that tells the devices, dtypes, defaults and limits of this namespace."""
    return _info
