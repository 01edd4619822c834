"""Functions of the standard that the plugin puts right, against NumPy's."""

from __future__ import annotations

import array_api_compat.numpy as expected
import numpy as np
import pytest

import polymod as pm

pytestmark = pytest.mark.engine("cupy")

X = np.array([1.0, np.nan, -3, 0, -0.0, np.inf, -np.inf, 2.5])


def there(x):
    return pm.asarray(pm.tensor(x)).array if isinstance(x, np.ndarray) else x


@pytest.fixture
def xp(engine):
    return engine.backend.namespace


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint8", "int64"])
@pytest.mark.parametrize("bounds", [(0, 2), (None, 2), (1, None), (None, None), (2, 1)])
def test_clip(dtype, bounds, xp):
    x = np.nan_to_num(X, posinf=100, neginf=0 if dtype == "uint8" else -100).clip(0, None).astype(dtype)
    found = xp.clip(there(x), *bounds)
    assert found.dtype == dtype
    np.testing.assert_array_equal(pm.to_numpy(found), expected.clip(x, *bounds))


@pytest.mark.parametrize("low", [None, -1.5, np.nan, np.array([[0.0], [2.0]]), np.array(1, np.float32)])
@pytest.mark.parametrize("high", [None, 2.0, np.nan, np.array([1.0, np.nan, 2, 3, 4, 5, 6, 7])])
def test_clip_between_numbers_and_arrays(low, high, xp):
    found = xp.clip(there(X), there(low), there(high))
    np.testing.assert_array_equal(pm.to_numpy(found), expected.clip(X, low, high))


def test_integer_bounds_beyond_the_dtype(xp):
    x = np.array([0, 1, 200], np.uint8)
    assert pm.to_numpy(xp.clip(there(x), -4, 300)).tolist() == [0, 1, 200]
    assert pm.to_numpy(xp.clip(there(x), 300, None)).tolist() == [255, 255, 255]
    assert pm.to_numpy(xp.clip(there(x), None, -4)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "uint8", "complex64", "complex128"])
def test_sign(dtype, xp):
    x = np.array([3, 0, 1] if dtype == "uint8" else [3, 0, -2], dtype)
    if dtype.startswith("complex"):
        x = x * np.array(1 + 2j, dtype)
    found = xp.sign(there(x))
    assert found.dtype == dtype
    np.testing.assert_allclose(pm.to_numpy(found), np.sign(x), rtol=1e-6)
    if dtype.startswith("float"):
        np.testing.assert_array_equal(pm.to_numpy(xp.sign(there(X.astype(dtype)))), np.sign(X.astype(dtype)))


@pytest.mark.parametrize("value", [True, 3, -2.5, 1 + 2j])
@pytest.mark.parametrize("dtype", [None, "float32", "complex64"])
def test_arrays_of_python_numbers(value, dtype, xp):
    if isinstance(value, complex) and dtype == "float32":
        pytest.skip("a complex number is no float32")
    found, wanted = xp.asarray(value, dtype=dtype), np.asarray(value, dtype=dtype)
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
    assert pm.to_numpy(found) == wanted


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_remainder(dtype, xp):
    numbers = np.array([5, -5, 5.5, 0.0, -0.0, np.inf, -np.inf, np.nan, 1, -2], dtype)
    a, b = np.meshgrid(numbers, numbers)
    with np.errstate(invalid="ignore"):
        wanted = np.remainder(a, b)
        found = pm.to_numpy(xp.remainder(there(a), there(b)))
        np.testing.assert_array_equal(found, wanted)
        np.testing.assert_array_equal(np.signbit(found[wanted == 0]), np.signbit(wanted[wanted == 0]))
        np.testing.assert_array_equal(
            pm.to_numpy(xp.remainder(there(numbers), -2.0)), np.remainder(numbers, np.dtype(dtype).type(-2))
        )
    assert found.dtype == dtype


def test_remainder_of_other_kinds(xp):
    found = xp.remainder(there(np.array([5, -5])), 3)
    assert pm.to_numpy(found).tolist() == [2, 1]
    assert xp.remainder(there(np.array([5], np.float32)), there(np.array([3.0]))).dtype == "float64"


def test_assigning_negative_zero():
    x = pm.ones(3)
    x[1] = -0.0
    assert pm.to_numpy(pm.signbit(x)).tolist() == [False, True, False]
    assert pm.to_numpy(pm.signbit(pm.asarray(-0.0)))


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("name", ["log", "log1p", "tanh", "acosh"])
def test_complex_functions_on_the_edges(name, dtype, xp):
    numbers = np.array([0, -0.0, 1, -1, 0.5, np.inf, -np.inf, np.nan, -3])
    z = np.empty((9, 9), dtype)
    z.real, z.imag = np.meshgrid(numbers, numbers)
    found = pm.to_numpy(getattr(xp, name)(there(z)))
    with np.errstate(all="ignore"):
        wanted = getattr(expected, name)(z)
    assert found.dtype == dtype
    for part in (np.real, np.imag):
        np.testing.assert_allclose(part(found), part(wanted), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("shape", [(3,), (3, 4), (), (3, 0)])
def test_assigning_one_number_by_a_mask(shape, xp):
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    mask = np.array([True, False, True]) if shape else np.array(True)
    found = xp.index_set(there(x), there(np.float32(-0.0)[()].reshape(())), key=there(mask))
    wanted = x.copy()
    wanted[mask] = -0.0
    np.testing.assert_array_equal(np.signbit(pm.to_numpy(found)), np.signbit(wanted))
    np.testing.assert_array_equal(pm.to_numpy(found), wanted)
    assert found.dtype == np.float32
