"""NumPy's own kernels for reductions and activations give what the standard's functions, or the portable definitions,
give: values, dtypes and shapes."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from polymod.backend import load_backend, portable

pytestmark = pytest.mark.any_engine

xp = load_backend("numpy").namespace
standard = load_backend("numpy").xp


floating, whole = ["float16", "float32", "float64"], ["int32", "uint8"]
defined = [
    *((name, dtype) for name in ("sum", "mean", "max", "min") for dtype in floating),
    *((name, dtype) for name in ("sum", "max", "min") for dtype in whole),
    *((name, "complex128") for name in ("sum", "mean")),
]


@pytest.mark.parametrize(("name", "dtype"), defined)
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), (-1, 0), ()])
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions_are_those_of_the_standard(name, dtype, axis, keepdims, rng):
    x = (100 * rng.normal(size=(7, 3, 50))).astype(np.int32).astype(dtype)
    found = getattr(xp, name)(x, axis=axis, keepdims=keepdims)
    expected = getattr(standard, name)(x, axis=axis, keepdims=keepdims)
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-6 if dtype != "float16" else 1e-3)


def test_reductions_of_nothing_and_of_one_number():
    assert xp.sum(np.zeros((0, 3))) == 0
    assert xp.sum(np.float32(2)).dtype == np.float32
    assert xp.mean(np.asarray(3.0)) == 3
    with pytest.raises(ValueError, match="zero-size"):
        xp.max(np.zeros((0,)))
    with pytest.warns(RuntimeWarning):
        assert np.isnan(xp.mean(np.zeros((0,))))


def test_reductions_keep_nan():
    x = np.asarray([1.0, np.nan, 2.0])
    assert all(np.isnan(getattr(xp, name)(x)) for name in ("sum", "mean", "max", "min"))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(4, 5), (2, 3, 4), (7,), ()])
def test_activations_are_those_of_the_portable_definitions(dtype, shape, rng):
    x, g = (np.asarray(rng.normal(size=shape), dtype) for _ in range(2))
    cases = [("relu", (x,), {}), ("relu_back", (g, portable["relu"](xp, x)), {})]
    cases += [("leaky_relu", (x,), {"negative_slope": s}) for s in (0.1, 0.0, -1.0, 2.0)]
    cases += [("masked", (g, x > 0), {}), ("masked", (np.asarray(g[..., None]), np.asarray([True, False])), {})]
    for axis in (0, -1) if shape else ():
        y = portable["softmax"](xp, x, axis=axis)
        cases += [(name, (x,), {"axis": axis}) for name in ("softmax", "log_softmax")]
        cases += [("softmax_back", (g, y), {"axis": axis})]
    for name, arrays, attrs in cases:
        found, expected = getattr(xp, name)(*arrays, **attrs), portable[name](xp, *arrays, **attrs)
        assert found.dtype == expected.dtype, name
        assert found.shape == expected.shape, name
        np.testing.assert_allclose(found, expected, rtol=1e-5 if dtype != "float16" else 1e-2, atol=1e-3, err_msg=name)


def test_relu_keeps_nan_and_passes_only_what_counts():
    np.testing.assert_array_equal(xp.relu(np.asarray([np.nan, -1.0, 2.0])), [np.nan, 0, 2])
    for dtype in ("float16", "float32", "float64"):
        g = np.asarray([np.inf, np.nan, 3.0, -0.0], dtype)
        np.testing.assert_array_equal(xp.relu_back(g, np.asarray([0.0, 0.0, 1.0, 1.0], dtype)), [0, 0, 3, 0])


def test_linear_with_any_leading_axes(rng):
    weight, bias = rng.normal(size=(4, 3)), rng.normal(size=4)
    for shape in ((3,), (0, 3), (5, 3), (2, 5, 3), (2, 0, 3)):
        x = rng.normal(size=shape)
        np.testing.assert_allclose(xp.linear(x, weight, bias), x @ weight.T + bias, atol=1e-12)


def test_working_memory_belongs_to_a_thread(rng):
    """Convolutions that run at the same time in several threads do not disturb each other."""
    attrs = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 1}
    xs, weight = rng.normal(size=(8, 4, 8, 16, 16)), rng.normal(size=(8, 8, 3, 3))
    expected = [xp.conv(x, weight, **attrs) for x in xs]
    found: dict[int, list[np.ndarray]] = {}

    def work(i: int) -> None:
        found[i] = [xp.conv(xs[i], weight, **attrs) for _ in range(20)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(xs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, results in found.items():
        for y in results:
            np.testing.assert_array_equal(y, expected[i])
