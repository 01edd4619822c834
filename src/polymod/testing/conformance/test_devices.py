"""Devices: listed, named so that the name is understood, and those that arrays are on."""

from __future__ import annotations

import numpy as np
import pytest

import polymod as pm
from polymod.backend import backend_of, load_backend
from polymod.testing.arrays import there


def test_backend_is_found_by_name(engine: pm.Device) -> None:
    backend = engine.backend
    assert backend.name in pm.backend_names()
    assert load_backend(backend.name) is backend
    assert backend.version, "the backend tells no version of its library"


def test_devices_are_listed(engine: pm.Device) -> None:
    devices = list(engine.backend.devices())
    assert devices, "the backend has no device"
    assert engine.native in devices
    assert pm.device(engine.backend.name).native == devices[0]


def test_names_differ_and_are_understood(engine: pm.Device) -> None:
    backend = engine.backend
    names = [backend.device_name(native) for native in backend.devices()]
    assert len(set(names)) == len(names), f"devices share a name: {names}"
    for native, name in zip(backend.devices(), names, strict=True):
        device = pm.device(f"{backend.name}:{name}")
        assert device.backend is backend and device.native == native
        assert pm.device(str(device)) == device
        assert hash(pm.device(str(device))) == hash(device)


def test_arrays_tell_their_device(engine: pm.Device) -> None:
    for native in engine.backend.devices():
        array = engine.backend.from_numpy(np.ones(3, np.float32), native)
        assert engine.backend.device_of(array) == native
        assert backend_of(array) is engine.backend


def test_results_are_where_arrays_are(engine: pm.Device) -> None:
    """Also on devices that are not the current one; new arrays are made where they are asked for."""
    for native in engine.backend.devices():
        other = pm.Device(engine.backend, native)
        x = pm.tensor(np.ones((2, 2), np.float32), device=other)
        results = (x + 1, x @ x, x.sum(), x[0], pm.zeros((2,), device=other), pm.zeros_like(x), pm.ops.relu(x))
        assert {str(y.device) for y in results} == {str(other)}
        with pm.use_backend(other):
            assert pm.ones((2,)).device == other


def test_synchronize(engine: pm.Device) -> None:
    x = there(np.ones((64, 64), np.float32), engine)
    y = engine.backend.xp.matmul(x, x)
    engine.backend.synchronize()
    assert engine.backend.to_numpy(y)[0, 0] == 64


def test_an_unknown_device_is_refused(engine: pm.Device) -> None:
    """With the names of those that exist."""
    backend = engine.backend
    with pytest.raises(pm.BackendError, match="no-such-device") as caught:
        pm.device(f"{backend.name}:no-such-device")
    assert all(backend.device_name(native) in str(caught.value) for native in backend.devices())
