"""Copies from the host and to it, and moves between devices and to NumPy: the same bits, and memory of their own."""

from __future__ import annotations

import numpy as np
import pytest

import polymod as pm
from polymod.backend import move
from polymod.testing.arrays import DTYPES, numbers, same, there
from polymod.testing.compare import has

each_dtype = pytest.mark.parametrize("dtype", [*DTYPES, "float16"])


def hosts(dtype: str) -> list[np.ndarray]:
    """Arrays of several layouts: plain, 0-d, empty, with negative steps and exchanged axes, broadcast, read-only."""
    plain = numbers(dtype, (3, 4))
    frozen = plain.copy()
    frozen.flags.writeable = False
    views = [numbers(dtype, (5, 6))[::-2].T, np.asfortranarray(plain), np.broadcast_to(plain[0], (2, 4)), frozen]
    return [plain, numbers(dtype, ()), numbers(dtype, (0, 2)), *views]


@each_dtype
def test_round_trip(dtype: str, engine: pm.Device) -> None:
    if not has(engine, dtype):
        pytest.skip(f"the engine says that it has no {dtype}")
    for host in hosts(dtype):
        array = there(host, engine)
        same(array, host, engine)
        assert engine.backend.to_numpy(array).flags.writeable, "to_numpy gave a read-only array"
        assert pm.dtypes.dtype(array.dtype) == host.dtype


@each_dtype
def test_bits_are_kept(dtype: str, engine: pm.Device) -> None:
    if not has(engine, dtype):
        pytest.skip(f"the engine says that it has no {dtype}")
    host = numbers(dtype, (3, 4))
    if host.dtype.kind in "fc":
        host.reshape(-1)[:4] = np.nan, -0.0, np.inf, -np.inf
    assert engine.backend.to_numpy(there(host, engine)).tobytes() == host.tobytes()


def test_tensors_of_arrays_in_another_byte_order(engine: pm.Device) -> None:
    for order in "<>":
        host = np.arange(6, dtype=f"{order}f4").reshape(2, 3)
        x = pm.tensor(host)
        assert x.dtype == pm.float32 and x.device == engine
        np.testing.assert_array_equal(pm.to_numpy(x + 1), host.astype(np.float32) + 1, strict=True)


def test_from_numpy_copies(engine: pm.Device) -> None:
    host = np.arange(64, dtype=np.float32)
    array = there(host, engine)
    host[:] = -1
    same(array, np.arange(64, dtype=np.float32), engine)


def test_to_numpy_copies(engine: pm.Device) -> None:
    array = there(np.arange(64, dtype=np.float32), engine)
    out = engine.backend.to_numpy(array)
    out[:] = -2
    same(array, np.arange(64, dtype=np.float32), engine)


def test_views_of_the_engine_are_read(engine: pm.Device) -> None:
    """to_numpy of arrays whose elements don't lie in order."""
    host = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    array = engine.backend.xp.permute_dims(there(host, engine), (2, 0, 1))
    same(array, host.transpose(2, 0, 1), engine)
    same(array[1:3, ...], host.transpose(2, 0, 1)[1:3], engine)


def test_moves_between_devices(engine: pm.Device) -> None:
    host = np.array([[np.nan, -0.0], [np.inf, 1.5]], np.float32)
    array = there(host, engine)
    assert move(array, engine) is array
    for native in engine.backend.devices():
        other = pm.Device(engine.backend, native)
        if not has(other, "float32"):
            continue
        moved = move(array, other)
        same(moved, host, other)
        same(move(moved, engine), host, engine)
        assert engine.backend.to_numpy(moved).tobytes() == host.tobytes()
    same(array, host, engine)


@each_dtype
def test_moves_to_numpy_and_back(dtype: str, engine: pm.Device) -> None:
    if not has(engine, dtype):
        pytest.skip(f"the engine says that it has no {dtype}")
    host, numpy = numbers(dtype, (3, 4)), pm.device("numpy")
    there_ = move(there(host, engine), numpy)
    same(there_, host, numpy)
    same(move(there_, engine), host, engine)


def test_tensors_move(engine: pm.Device) -> None:
    x = pm.tensor(np.arange(3, dtype=np.float32), requires_grad=True)
    assert x.device == engine
    home = x.to("numpy")
    assert home.device == pm.device("numpy")
    (home * 2).sum().backward()
    assert x.grad is not None and x.grad.device == engine
    np.testing.assert_array_equal(pm.to_numpy(x.grad), [2, 2, 2])
