"""DLPack, where the engine's arrays offer it: values, dtypes, and memory that is shared where it can be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import polymod as pm
from polymod.testing.arrays import DTYPES, numbers, same, there
from polymod.testing.compare import has

CPU = 1  # DLPack's number


def exported(dtype: str, engine: pm.Device) -> Any:
    if not has(engine, dtype):
        pytest.skip(f"the engine says that it has no {dtype}")
    array = there(numbers(dtype, (3, 4)), engine)
    if not (hasattr(array, "__dlpack__") and hasattr(array, "__dlpack_device__")):
        pytest.skip("the engine's arrays offer no DLPack")
    return array


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_engine_reads_its_own(dtype: str, engine: pm.Device) -> None:
    array = exported(dtype, engine)
    same(engine.backend.xp.from_dlpack(array), numbers(dtype, (3, 4)), engine)


@pytest.mark.parametrize("dtype", DTYPES)
def test_numpy_reads_what_is_on_the_host(dtype: str, engine: pm.Device) -> None:
    array = exported(dtype, engine)
    if array.__dlpack_device__()[0] != CPU:
        pytest.skip("the memory is not the host's")
    np.testing.assert_array_equal(np.from_dlpack(array), numbers(dtype, (3, 4)), strict=True)


def test_tensors_are_read(engine: pm.Device) -> None:
    """By polymod, from a Tensor and from the engine's array."""
    array = exported("float32", engine)
    for source in (array, pm.asarray(array)):
        same(pm.from_dlpack(source).array, numbers("float32", (3, 4)), engine)


def test_the_engine_reads_tensors(engine: pm.Device) -> None:
    array = exported("float32", engine)
    same(engine.backend.xp.from_dlpack(pm.asarray(array)), numbers("float32", (3, 4)), engine)


def test_tensors_share_the_engines_arrays(engine: pm.Device) -> None:
    """Without a copy, both ways."""
    array = there(np.zeros(3, np.float32), engine)
    assert pm.asarray(array).array is array
    if engine.backend.capabilities.mutable:
        x = pm.asarray(array)
        array[0] = 5.0
        np.testing.assert_array_equal(pm.to_numpy(x), [5, 0, 0])
