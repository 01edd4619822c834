"""dpnp's plugin: what dpnp itself lacks or does otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import polymod as pm
from polymod.backend import load_backend

pytestmark = pytest.mark.engine("dpnp")

dpnp = pytest.importorskip("dpnp")

A, B = np.asarray([1, 0, -1]), np.asarray([[0, 2], [-1, 1]])
KEYS: dict[str, Any] = {
    "number": 1,
    "reversed": (slice(None, None, -2), ..., -1),
    "beyond the end": (slice(1, 99), slice(7, None)),
    "new axes": (None, 0, ..., None),
    "array": A,
    "array behind": (..., A),
    "small integers": A.astype("int8"),
    "unsigned integers": np.asarray([1, 0], dtype="uint16"),
    "0-d array": np.asarray(1),
    "two arrays": (A[:2], B),
    "two arrays apart": (A, slice(None), np.asarray([0, 1, 3])),
    "apart by None": (A, None, A),
    "apart, not all axes": (slice(1), np.asarray([0, 2]), None, np.asarray([3, 0])),
    "number and array": (1, A),
    "number and array apart": (1, slice(None), A),
    "array and number apart": (B[:, :1], ..., -2),
    "array, slice backwards": (slice(None, None, -1), B, slice(3, 0, -1)),
    "empty array": np.zeros(0, dtype="int64"),
    "mask": np.asarray([True, False]),
    "mask of all": np.arange(24).reshape(2, 3, 4) % 3 == 0,
    "mask of two axes": np.arange(6).reshape(2, 3) % 2 == 0,
    "mask behind": (0, ..., np.asarray([True, False, True, True])),
    "mask and array apart": (np.asarray([True, True]), slice(None), np.asarray([3, 0])),
    "mask of nothing": np.zeros((2, 3), dtype=bool),
    "0-d mask": np.asarray(True),
}
each_key = pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
X = np.arange(24.0).reshape(2, 3, 4)


def there(key: Any) -> Any:
    return tuple(map(there, key)) if isinstance(key, tuple) else pm.tensor(key) if isinstance(key, np.ndarray) else key


@each_key
def test_reading(key: Any) -> None:
    np.testing.assert_array_equal(pm.to_numpy(pm.tensor(X)[there(key)]), X[key])


@each_key
def test_writing(key: Any, rng: np.random.Generator) -> None:
    values, expected, x = rng.normal(size=X[key].shape), X.copy(), pm.tensor(X)
    if isinstance(key, tuple) or not isinstance(key, np.ndarray) or np.unique(key).size == key.size:
        for v in (values, values[..., :1], np.asarray(7.0)):
            expected[key] = v
            x[there(key)] = pm.tensor(v)
            np.testing.assert_array_equal(pm.to_numpy(x), expected)


@each_key
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "int8", "uint32", "bool"])
def test_adding(key: Any, dtype: str, rng: np.random.Generator) -> None:
    x = (X % 5 > 2) if dtype == "bool" else X.astype(dtype)
    values = (rng.normal(size=X[key].shape) * 9).astype(dtype)
    expected = x.copy()
    np.add.at(expected, key, values)
    found = pm.index_add(pm.tensor(x), there(key), pm.tensor(values))
    assert pm.to_numpy(found).dtype == x.dtype
    np.testing.assert_allclose(pm.to_numpy(found), expected, rtol=1e-5, atol=1e-5)
    np.add.at(expected, key, x.dtype.type(3))
    found = pm.index_add(found, there(key), 3)
    np.testing.assert_allclose(pm.to_numpy(found), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("n", [1, 2, 1000, 4097])
def test_many_additions_to_few_rows(n: int, rng: np.random.Generator) -> None:
    rows, values = rng.integers(0, 5, n), rng.normal(size=(n, 3))
    found = [pm.to_numpy(pm.index_add(pm.zeros((7, 3), dtype="float64"), pm.tensor(rows), pm.tensor(values)))] * 2
    expected = np.zeros((7, 3))
    np.add.at(expected, rows, values)
    np.testing.assert_allclose(found[0], expected, rtol=1e-12, atol=1e-12)
    again = pm.index_add(pm.zeros((7, 3), dtype="float64"), pm.tensor(rows), pm.tensor(values))
    np.testing.assert_array_equal(found[0], pm.to_numpy(again))


LAYOUTS: dict[str, Any] = {  # (2, 4, 4) of (4, 8, 8)
    "plain": lambda xp, x: x[:2, :4, :4],
    "reversed": lambda xp, x: x[1::-1, :4, 3::-1],
    "last reversed": lambda xp, x: x[:2, :4, 3::-1],
    "transposed": lambda xp, x: xp.permute_dims(x[:2, :4, :4], (0, 2, 1)),
    "steps": lambda xp, x: x[::2, 1::2, ::2],
    "one number": lambda xp, x: xp.broadcast_to(x[:1, :1, :1], (2, 4, 4)),
    "stack of one": lambda xp, x: xp.broadcast_to(x[:1, :4, :4], (2, 4, 4)),
    "columns": lambda xp, x: xp.broadcast_to(x[:2, :4, :1], (2, 4, 4)),
    "rows": lambda xp, x: xp.broadcast_to(x[:2, :1, :4], (2, 4, 4)),
}
OPERATIONS: dict[str, Any] = {
    "matmul": lambda xp, x: xp.matmul(x, x),
    "matmul with a vector": lambda xp, x: xp.matmul(x, x[0, 0]),
    "vector with matmul": lambda xp, x: xp.matmul(x[0, :, 0], x),
    "matrices": lambda xp, x: xp.matmul(x[0], x[-1]),
    "vecdot": lambda xp, x: xp.vecdot(x, x[:1]),
    "where": lambda xp, x: xp.where(x > 0, x, 0.0),
    "where of a row": lambda xp, x: xp.where(x > 0, x[:, :1], x),
    "where by a column": lambda xp, x: xp.where(x[..., :1] > 0, 1.0, x),
    "clip": lambda xp, x: xp.clip(x, x[..., :1] - 0.5, None),
    "rfft": lambda xp, x: xp.fft.rfft(x),
    "rfft of rows": lambda xp, x: xp.fft.rfft(x, axis=1),
    "irfft": lambda xp, x: xp.fft.irfft(x * (1 + 2j), n=7),
    "fftn": lambda xp, x: xp.fft.fftn(x * (1 + 2j)),
    "sort": lambda xp, x: xp.sort(x, axis=1),
    "sum": lambda xp, x: xp.sum(x, axis=(0, 2)),
    "inverse": lambda xp, x: xp.linalg.inv(x + 9 * xp.eye(4, dtype=x.dtype)),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_every_layout_in_memory(operation: Any, layout: Any, rng: np.random.Generator) -> None:
    x = rng.normal(size=(4, 8, 8))
    found = pm.to_numpy(operation(pm, layout(pm, pm.tensor(x))))
    np.testing.assert_allclose(found, operation(np, layout(np, x)), rtol=1e-9, atol=1e-9)


def test_transforms_of_nothing() -> None:
    for host in (np.zeros((0, 5), "float32"), np.zeros((0, 5), "float64")):
        x = pm.tensor(host)
        forth = np.fft.rfft(host)
        found = [pm.fft.rfft(x), pm.fft.irfft(pm.tensor(forth), n=6)]
        for f, e in zip(found, (forth, np.fft.irfft(forth, n=6)), strict=True):
            assert (f.shape, f.dtype) == (e.shape, e.dtype)


def test_wrong_keys() -> None:
    x = pm.tensor(X)
    for key in ((2, A), (slice(None), -4, A), 5):
        with pytest.raises(IndexError, match=r"out of (bounds|range)"):
            x[there(key)]
    with pytest.raises(TypeError, match="values must be"):
        load_backend("dpnp").index_add(x.array, 0, X[0])


def test_nothing_becomes_a_numpy_array_unasked() -> None:
    with pytest.raises(TypeError, match=r"dpnp:.*to_numpy"):
        np.asarray(pm.tensor(X))


def test_copies(engine: pm.Device) -> None:
    host = X.copy()
    x = engine.backend.from_numpy(host, engine.native)
    host[:] = 0
    back = engine.backend.to_numpy(x)
    np.testing.assert_array_equal(back, X)
    back[:] = 0
    np.testing.assert_array_equal(engine.backend.to_numpy(x), X)


def sycl(kind: str, backend: str, score: int, number: int = 0, fp64: bool = True) -> Any:
    kind_ = SimpleNamespace(name=kind)
    made = type("SyclDevice", (), {"__hash__": object.__hash__})()
    made.device_type, made.backend, made.default_selector_score = kind_, backend, score
    made.filter_string, made.has_aspect_fp64, made.name = f"{backend}:{kind}:{number}", fp64, "made up"
    return made


def test_names_of_devices() -> None:
    from polymod_dpnp.devices import names_of

    cpu, twin = sycl("cpu", "opencl", 300), sycl("gpu", "opencl", 400)
    gpus = [sycl("gpu", "level_zero", 550, n) for n in range(2)]
    assert list(names_of([twin, cpu, *gpus]).items()) == [
        (cpu, "cpu"),
        (gpus[0], "gpu:0"),
        (gpus[1], "gpu:1"),
        (twin, "opencl:gpu:0"),
    ]
    assert sorted(names_of([cpu, sycl("cpu", "opencl", 300, 1)]).values()) == ["cpu:0", "cpu:1"]


def test_a_device_without_float64_refuses_it() -> None:
    from polymod_dpnp.devices import from_numpy

    device = SimpleNamespace(sycl_device=sycl("gpu", "level_zero", 550, fp64=False))
    for dtype, other in (("float64", "float32"), ("complex128", "complex64")):
        with pytest.raises(TypeError, match=f"level_zero:gpu:0 .* has no {dtype}; use {other}"):
            from_numpy(np.zeros(2, dtype), device)


CHILD = """
import os, sys
before = dict(os.environ)
import polymod as pm
try:
    print(pm.device("dpnp"), dict(os.environ) == before)
except pm.BackendError as error:
    print(error)
"""


def told(**variables: str) -> str:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OCL_", "ONEAPI_"))} | variables
    return subprocess.run([sys.executable, "-c", CHILD], env=env, capture_output=True, text=True, check=True).stdout


def test_the_cpu_runtime_is_found_and_the_environment_stays() -> None:
    from polymod_dpnp.runtime import LIBRARY

    if not LIBRARY.exists():
        pytest.skip("intel-opencl-rt is not installed")
    assert told() == "dpnp:cpu True\n"


def test_where_there_is_no_device_the_error_says_what_to_do() -> None:
    text = told(ONEAPI_DEVICE_SELECTOR="level_zero:accelerator")
    assert "finds no SYCL device" in text and "pip install intel-opencl-rt" in text and "OCL_ICD_FILENAMES=" in text
