"""Reading, writing and adding to elements by keys of every kind: NumPy's meaning, and `index_add` counts duplicates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import polymod as pm
from polymod.testing.arrays import DTYPES, numbers, same, there
from polymod.testing.compare import has
from polymod.testing.samples.keys import KEYS, OUT_OF_RANGE, X, random_key

each_key = pytest.mark.parametrize("key", KEYS.values(), ids=[name.replace(" ", "_") for name in KEYS])
precise = X.astype(np.float32)  # whole numbers, exact in every dtype


def index_add(x: np.ndarray, key: Any, values: Any, engine: pm.Device) -> Any:
    return engine.backend.index_add(there(x, engine), there(key, engine), there(values, engine))


def added(x: np.ndarray, key: Any, values: Any) -> np.ndarray:
    result = x.copy()
    np.add.at(result, key, values)
    return result


@each_key
def test_index_add_counts_every_value(key: Any, engine: pm.Device) -> None:
    values = np.arange(1, 1 + precise[key].size, dtype=np.float32).reshape(precise[key].shape)
    same(index_add(precise, key, values, engine), added(precise, key, values), engine)


def test_index_add_leaves_its_argument_alone(engine: pm.Device) -> None:
    x = there(precise, engine)
    result = engine.backend.index_add(x, 0, there(precise[0], engine))
    same(x, precise, engine)
    engine.backend.index_add(result, 0, there(precise[0], engine))
    same(result, added(precise, 0, precise[0]), engine)


@pytest.mark.parametrize("dtype", DTYPES)
def test_index_add_in_every_dtype(dtype: str, engine: pm.Device) -> None:
    if not has(engine, dtype):
        pytest.skip(f"the engine says that it has no {dtype}")
    for key in (np.array([0, 3, 0, 0, -1]), (..., slice(1, 4)), (np.array([1, 1]), 0)):
        x = numbers(dtype, (4, 5), seed=1)
        values = numbers(dtype, x[key].shape, seed=2)
        same(index_add(x, key, values, engine), added(x, key, values), engine)


def test_index_add_broadcasts_values(engine: pm.Device) -> None:
    x, key = np.zeros((4, 3), np.float32), np.array([1, 1, 3])
    for values in (np.full((), 2, np.float32), np.float32(2), np.array([1, 2, 3], np.float32), 5.0):
        same(index_add(x, key, values, engine), added(x, key, values), engine)


@each_key
def test_reads(key: Any, engine: pm.Device) -> None:
    found = engine.backend.namespace.index(there(precise, engine), key=there(key, engine))
    np.testing.assert_array_equal(engine.backend.to_numpy(found), precise[key], strict=True)


@each_key
def test_writes(key: Any, engine: pm.Device) -> None:
    places = np.arange(X.size).reshape(X.shape)[key]  # with one value for each element duplicates are no matter
    x, native, index_set = there(precise, engine), there(key, engine), engine.backend.namespace.index_set
    for values in ((places + 0.5).astype(np.float32), np.full((), 7, np.float32)):
        expected = precise.copy()
        expected[key] = values
        same(index_set(x, there(values, engine), key=native), expected, engine)
    same(x, precise, engine)


def test_random_keys(engine: pm.Device, rng: np.random.Generator) -> None:
    x = there(precise, engine)
    for _ in range(40):
        key = random_key(rng)
        try:
            picked = precise[key]
        except IndexError:  # index arrays that don't broadcast together
            continue
        found = engine.backend.namespace.index(x, key=there(key, engine))
        np.testing.assert_array_equal(engine.backend.to_numpy(found), picked, strict=True, err_msg=f"{key}")
        values = rng.integers(-9, 9, size=picked.shape).astype(np.float32)
        total = engine.backend.to_numpy(index_add(precise, key, values, engine))
        np.testing.assert_array_equal(total, added(precise, key, values), strict=True, err_msg=f"{key}")


@pytest.mark.parametrize("key", OUT_OF_RANGE, ids=range(len(OUT_OF_RANGE)))
def test_integers_out_of_range_are_refused(key: Any, engine: pm.Device) -> None:
    x, native = there(precise, engine), there(key, engine)
    calls: list[Callable[[], Any]] = [
        lambda: engine.backend.namespace.index(x, key=native),
        lambda: engine.backend.index_add(x, native, 1.0),
    ]
    for call in calls:
        with pytest.raises(IndexError):
            call()


def test_tensors_are_read_and_written(engine: pm.Device) -> None:
    x = pm.tensor(precise)
    np.testing.assert_array_equal(pm.to_numpy(x[1, ..., -1]), precise[1, ..., -1])
    x[0, 1] = 5.0
    x[1] += 1
    expected = precise.copy()
    expected[0, 1] = 5
    expected[1] += 1
    same(x.array, expected, engine)
