"""Host arrays of every dtype, and what they have to be on an engine."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import Device, device

DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float32", "float64", "complex64", "complex128"),
)


def numbers(dtype: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    bits = np.random.default_rng(seed).integers(0, 2**64, size=(*shape, 2), dtype=np.uint64)
    if dtype == "bool":
        return np.asarray(bits[..., 0] % 3 == 0)
    if np.dtype(dtype).kind in "iu":  # every bit is used, so that sums wrap
        return bits[..., 0].astype(dtype)
    small = (bits % np.uint64(1000)).astype(np.float64) - 500  # whole, so that sums are exact in any order
    return np.asarray(small[..., 0] + 1j * small[..., 1] if dtype.startswith("c") else small[..., 0]).astype(dtype)


def elsewhere(engine: Device) -> Device:
    """Another device of the engine, or the host's where it has one device. On the host's only, it is `engine`."""
    others = [native for native in engine.backend.devices() if native != engine.native]
    return Device(engine.backend, others[0]) if others else device("numpy")


def there(part: Any, place: Device) -> Any:
    """A key, or values, with arrays of the engine for NumPy's."""
    if isinstance(part, tuple):
        return tuple(there(p, place) for p in part)
    return place.backend.from_numpy(part, place.native) if isinstance(part, np.ndarray) else part


def same(array: Any, expected: np.ndarray, place: Device) -> None:
    """It is the engine's, on this device, with this shape, this dtype and these values."""
    assert isinstance(array, place.backend.array_types), f"{type(array).__name__} is no array of the engine"
    assert place.backend.device_of(array) == place.native, f"it is on {place.backend.device_of(array)}, not on {place}"
    host = place.backend.to_numpy(array)
    assert type(host) is np.ndarray, f"to_numpy gave {type(host).__name__}"
    assert host.dtype == expected.dtype, f"{host.dtype}, not {expected.dtype}"
    np.testing.assert_array_equal(host, expected, strict=True)
