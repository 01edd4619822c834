"""The standard's names, dtypes and promotions, as far as the backend says that its engine has them."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest

import polymod as pm
from polymod.testing.arrays import numbers, same, there
from polymod.testing.compare import claimed, has
from polymod.testing.standard import CONSTANTS, DTYPES, EXTENSIONS, FUNCTIONS, OPERATORS, PROMOTIONS

functions = [(group, name) for group, names in FUNCTIONS.items() for name in names.split()]


@pytest.mark.parametrize(("group", "name"), functions, ids=[f"{group}-{name}" for group, name in functions])
def test_has_function(group: str, name: str, engine: pm.Device) -> None:
    home = getattr(engine.backend.xp, group) if group in EXTENSIONS else engine.backend.xp
    assert callable(getattr(home, name, None)), f"the namespace has no {name}"


def test_has_constants(engine: pm.Device) -> None:
    xp = engine.backend.xp
    assert [name for name in CONSTANTS if not hasattr(xp, name)] == []
    assert (xp.pi, xp.e, xp.inf, xp.newaxis) == (np.pi, np.e, np.inf, None)
    assert xp.nan != xp.nan


def test_arrays_have_operators(engine: pm.Device) -> None:
    x = there(np.ones(2, np.float32), engine)
    assert [name for name in OPERATORS if not hasattr(x, f"__{name}__")] == []
    assert x.shape == (2,) and x.ndim == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_has_dtype(dtype: str, engine: pm.Device) -> None:
    if not claimed(engine, dtype):
        pytest.skip(f"the engine says that it has no {dtype}")
    native = engine.backend.dtype(dtype)
    assert pm.dtypes.dtype(native).name == dtype
    x = engine.backend.xp.zeros((2,), dtype=native, device=engine.native)
    same(x, np.zeros(2, dtype), engine)


def test_info(engine: pm.Device) -> None:
    """`__array_namespace_info__`, where the engine has it, is in accord with the backend."""
    ask = getattr(engine.backend.xp, "__array_namespace_info__", None)
    if ask is None:
        pytest.skip("the engine has no __array_namespace_info__")
    info = ask()
    assert set(info.capabilities()) >= {"boolean indexing", "data-dependent shapes"}
    for name, native in info.dtypes(device=engine.native).items():
        assert pm.dtypes.dtype(native).name == name
    listed = {engine.backend.device_name(native) for native in engine.backend.devices()}
    told = {engine.backend.device_name(d) for d in info.devices() if d is not None}
    assert listed & told, f"the backend lists {listed}, the library {told}"


@pytest.mark.parametrize(("a", "b", "expected"), PROMOTIONS, ids=["-".join(p[:2]) for p in PROMOTIONS])
def test_promotes(a: str, b: str, expected: str, engine: pm.Device) -> None:
    if not all(has(engine, d) for d in (a, b, expected)):
        pytest.skip("the engine says that it has not all of these dtypes")
    hosts = numbers(a, (3,), seed=1), numbers(b, (3,), seed=2)
    x, y = (there(h, engine) for h in hosts)
    same(engine.backend.xp.add(x, y), np.add(*hosts, dtype=expected, casting="unsafe"), engine)
    assert pm.dtypes.dtype(engine.backend.xp.result_type(x, y)).name == expected
    assert (pm.tensor(hosts[0]) * pm.tensor(hosts[1])).dtype == expected


@pytest.mark.parametrize("source", DTYPES)
def test_casts(source: str, engine: pm.Device) -> None:
    """To every dtype that holds small whole numbers."""
    if not has(engine, source):
        pytest.skip(f"the engine says that it has no {source}")
    host = np.array([0, 1, 1, 0] if source == "bool" else [0, 1, 5, 100], source)
    x = there(host, engine)
    for target in DTYPES:
        if has(engine, target) and not (source.startswith("complex") and not target.startswith("complex")):
            native = engine.backend.dtype(target)
            same(engine.backend.xp.astype(x, native), host.astype(target), engine)


@pytest.mark.parametrize("dtype", DTYPES)
def test_computes_in(dtype: str, engine: pm.Device) -> None:
    """Arithmetic, comparisons and sums in every dtype, integers modulo their range."""
    if not has(engine, dtype):
        pytest.skip(f"the engine says that it has no {dtype}")
    hosts = numbers(dtype, (2, 3), seed=1), numbers(dtype, (3,), seed=2)
    x, y = (there(h, engine) for h in hosts)
    xp = engine.backend.xp
    binary: list[Any] = [operator.eq, operator.ne]
    if dtype == "bool":
        binary += [operator.and_, operator.or_, operator.xor]
    else:
        binary += [operator.add, operator.sub, operator.mul]
        binary += [] if dtype.startswith("complex") else [operator.lt, operator.ge]
    for f in binary:
        same(f(x, y), f(*hosts), engine)
    same(xp.reshape(x, (3, 2)), hosts[0].reshape(3, 2), engine)
    same(xp.concat([x, x], axis=1), np.concatenate([hosts[0]] * 2, axis=1), engine)
    same(xp.where(there(hosts[0] == hosts[1], engine), x, y), np.where(hosts[0] == hosts[1], *hosts), engine)
    if dtype != "bool":
        total = xp.sum(x)
        expected = numpy_sum(hosts[0])
        assert pm.dtypes.dtype(total.dtype).name == expected.dtype.name
        np.testing.assert_array_equal(engine.backend.to_numpy(total), expected)


def numpy_sum(x: np.ndarray) -> np.ndarray:
    """As the standard has it: small integers in the default integer dtype."""
    if x.dtype.kind == "i":
        return np.asarray(np.sum(x, dtype=np.int64))
    return np.asarray(np.sum(x, dtype=np.uint64 if x.dtype.kind == "u" else x.dtype))
