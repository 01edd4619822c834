"""CuPy's kernels of losses give what the portable definitions give in double precision."""

from __future__ import annotations

import numpy as np
import pytest

from polymod.backend import load_backend, portable

pytestmark = pytest.mark.engine("cupy")

cupy = pytest.importorskip("cupy")
DTYPES = ["float16", "float32", "float64", "bfloat16"]
TOLERANCE = {"bfloat16": 8e-3, "float16": 1e-3, "float32": 3e-6, "float64": 1e-13}
REDUCTIONS = ["none", "sum", "mean"]
SCORES = [(5,), (1, 3), (7, 10), (600, 4), (3, 33), (5, 1500), (2, 20000), (4, 3, 5), (2, 21, 4, 9), (2, 2000, 3)]
NUMBERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


@pytest.fixture
def xp():
    return load_backend("cupy").namespace


def array(values, dtype):
    return cupy.asarray(values.astype(pytest.importorskip("ml_dtypes").bfloat16 if dtype == "bfloat16" else dtype))


def assert_as_defined(xp, name, arrays, dtype, **attrs):
    """The kernel's result is that of the definition in double precision, rounded to `dtype`."""
    assert name in load_backend("cupy").kernels
    wide = [a.astype("float64") if isinstance(a, cupy.ndarray) and a.dtype == arrays[0].dtype else a for a in arrays]
    found, expected = getattr(xp, name)(*arrays, **attrs), portable[name](xp, *wide, **attrs)
    assert found.dtype == arrays[0].dtype, name
    assert found.shape == expected.shape, name
    found, expected = cupy.asnumpy(found.astype("float64")), cupy.asnumpy(expected)
    size = TOLERANCE[dtype]
    np.testing.assert_allclose(found, expected, rtol=size, atol=size * 0.3, err_msg=name)


def problem(rng, shape, dtype, ignored, weighted):
    """Scores, targets of which some are ignored, weights of which one is 0, and how the targets are called."""
    axis = 0 if len(shape) == 1 else 1
    classes, targets = shape[axis], shape[:axis] + shape[axis + 1 :]
    target = rng.integers(classes, size=targets)
    if ignored and targets:
        target[rng.uniform(size=targets) < 0.3] = ignored
        target[(0,) * len(targets)] = 0
    weight = array(rng.uniform(0.5, 1.5, classes) * (np.arange(classes) != 1), dtype) if weighted else None
    return array(2 * rng.normal(size=shape), dtype), cupy.asarray(target), weight


@pytest.mark.parametrize("shape", SCORES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_losses_of_class_numbers_and_their_cotangents(shape, dtype, reduction, xp, rng):
    for weighted, ignored, smoothing in [(False, 0, 0.0), (True, -100, 0.0), (False, -100, 0.1), (True, -100, 0.3)]:
        x, target, weight = problem(rng, shape, dtype, ignored, weighted)
        how = {"ignore_index": ignored or -100, "reduction": reduction}
        g = array(rng.uniform(1, 2, size=target.shape if reduction == "none" else ()), dtype)
        # the scores are moved to where sums of half precision do not overflow
        scores = x * np.float32(0.1).astype(x.dtype) if dtype == "float16" else x
        assert_as_defined(xp, "cross_entropy", [scores, target, weight], dtype, **how, label_smoothing=smoothing)
        assert_as_defined(xp, "cross_entropy_back", [g, x, target, weight], dtype, **how, label_smoothing=smoothing)
        if smoothing == 0:
            assert_as_defined(xp, "nll_loss", [x, target, weight], dtype, **how)
            assert_as_defined(xp, "nll_loss_back", [g, target, weight], dtype, **how, shape=shape)


@pytest.mark.parametrize("numbers", NUMBERS)
def test_class_numbers_of_any_integer_dtype(numbers, xp, rng):
    x, target, _ = problem(rng, (30, 6), "float32", 0, False)
    for ignored in (-100, 2):
        for reduction in REDUCTIONS:
            how = {"ignore_index": ignored, "reduction": reduction}
            found = [
                cupy.asnumpy(xp.cross_entropy(x, t, None, **how, label_smoothing=0.0))
                for t in (target, target.astype(numbers))
            ]
            np.testing.assert_array_equal(*found) if numbers != "uint64" else np.testing.assert_allclose(*found, 1e-6)


def test_what_is_no_class_gives_nan_and_what_is_ignored_is_not_looked_at(xp, rng):
    x = rng.normal(size=(6, 4))
    x[1] = np.nan
    scores, target = array(x, "float32"), cupy.asarray([0, 9, 3, 7, -1, 2])
    for name in ("cross_entropy", "nll_loss"):
        more = {"label_smoothing": 0.0} if name == "cross_entropy" else {}
        for smoothing in (0.0, 0.2) if more else (0.0,):
            how = {"ignore_index": 9, "reduction": "none"} | more
            how |= {"label_smoothing": smoothing} if more else {}
            losses = cupy.asnumpy(getattr(xp, name)(scores, target, None, **how))
            assert np.isnan(losses).tolist() == [False, False, False, True, True, False], name
            assert losses[1] == 0
            assert np.isnan(float(getattr(xp, name)(scores, target, None, **{**how, "reduction": "mean"})))
    g = cupy.ones(6, "float32")
    how = {"ignore_index": 9, "reduction": "none", "label_smoothing": 0.0}
    slopes = cupy.asnumpy(xp.cross_entropy_back(g, scores, target, None, **how))
    assert np.all(slopes[[1, 3, 4]] == 0)
    assert np.all(slopes[[0, 2, 5]] != 0)


def test_nothing_counts(xp, rng):
    x, target = array(rng.normal(size=(4, 3)), "float32"), cupy.full(4, 5)
    how = {"ignore_index": 5, "label_smoothing": 0.0}
    assert np.isnan(float(xp.cross_entropy(x, target, None, **how, reduction="mean")))
    assert float(xp.cross_entropy(x, target, None, **how, reduction="sum")) == 0
    slopes = xp.cross_entropy_back(cupy.ones((), "float32"), x, target, None, **how, reduction="mean")
    assert not slopes.any()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_infinite_and_missing_scores(smoothing, xp, rng):
    x = rng.normal(size=(6, 40))
    x[0, 3], x[1, 4], x[2, 5], x[3], x[4, 7] = np.nan, np.inf, -np.inf, -np.inf, -np.inf
    target = cupy.asarray([1, 1, 1, 1, 7, 7])
    for scores in (cupy.asarray(x), cupy.asarray(np.stack([x, x[::-1]], axis=2))):
        t = target if scores.ndim == 2 else cupy.stack([target, target[::-1]], axis=1)
        how = {"ignore_index": -100, "reduction": "none", "label_smoothing": smoothing}
        assert_as_defined(xp, "cross_entropy", [scores, t, None], "float64", **how)
        g = cupy.ones(t.shape)
        assert_as_defined(xp, "cross_entropy_back", [g, scores, t, None], "float64", **how)


def test_any_strides(xp, rng):
    x = array(rng.normal(size=(8, 5, 6, 3)), "float32")
    g = cupy.broadcast_to(array(np.asarray(1.5), "float32"), (8, 6, 3))
    target = cupy.asarray(rng.integers(5, size=(3, 6, 8))).transpose(2, 1, 0)
    how = {"ignore_index": -100, "reduction": "none"}
    for scores in (x, array(rng.normal(size=(8, 6, 3, 5)), "float32").transpose(0, 3, 1, 2)):
        assert_as_defined(xp, "cross_entropy", [scores, target, None], "float32", **how, label_smoothing=0.0)
        assert_as_defined(xp, "cross_entropy_back", [g, scores, target, None], "float32", **how, label_smoothing=0.0)
        assert_as_defined(xp, "nll_loss", [scores, target, None], "float32", **how)
        assert_as_defined(xp, "nll_loss_back", [g, target, None], "float32", **how, shape=scores.shape)


def test_nothing_at_all(xp):
    x, target = cupy.zeros((0, 3), "float32"), cupy.zeros(0, "int64")
    how = {"ignore_index": -100, "label_smoothing": 0.0}
    assert xp.cross_entropy(x, target, None, **how, reduction="none").shape == (0,)
    assert float(xp.cross_entropy(x, target, None, **how, reduction="sum")) == 0
    assert xp.cross_entropy_back(x[:, 0], x, target, None, **how, reduction="none").shape == (0, 3)


# -------------------------------------------------------------------------------------------------- elementwise


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (1,), (7, 3), (4, 4096), (300001,)])
def test_mse_loss(shape, dtype, xp, rng):
    x, target = (array(rng.uniform(size=shape), dtype) for _ in range(2))
    for reduction in REDUCTIONS:
        assert_as_defined(xp, "mse_loss", [x, target], dtype, reduction=reduction)
    if len(shape) == 2:
        assert_as_defined(xp, "mse_loss", [x.T, target.T], dtype, reduction="sum")
        assert_as_defined(xp, "mse_loss", [x[1:, 1:], target[1:, 1:]], dtype, reduction="mean")


@pytest.mark.parametrize("dtype", DTYPES)
def test_losses_of_single_numbers(dtype, xp, rng):
    x = np.concatenate([rng.normal(size=50) * 3, [0, -0.0, 1, 1.5, -1.5, 60, -60, np.inf, -np.inf, np.nan]])
    assert_as_defined(xp, "huber_error", [array(x, dtype)], dtype, width=1.5)
    t, p = array(rng.uniform(size=x.shape), dtype), array(rng.uniform(1, 3, size=(2, 1)), dtype)
    assert_as_defined(xp, "bce_with_logits", [array(x, dtype), t], dtype)
    assert_as_defined(xp, "bce_with_logits", [array(x, dtype), t, p], dtype)
    assert_as_defined(xp, "bce_with_logits", [array(x, dtype), t, 2.0], dtype)
    chances = array(np.concatenate([rng.uniform(size=50), [0, 1, 0, 1, np.nan]]), dtype)
    t = array(np.concatenate([rng.uniform(size=50), [0, 0, 1, 1, 0.5]]), dtype)
    assert_as_defined(xp, "binary_cross_entropy", [chances, t], dtype)
