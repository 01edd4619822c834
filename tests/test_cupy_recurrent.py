"""The CuPy plugin's recurrent layers against the portable definitions in float64 on NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from polymod.backend import load_backend, portable

pytestmark = pytest.mark.engine("cupy")
CLOSE = {"float16": 4e-3, "bfloat16": 4e-2, "float32": 2e-6, "float64": 1e-13}
SIZES = [(3, 3, 3), (4, 3, 3, 1), (2, 1), (1,), (70, 69)]
DTYPES = ["float16", "bfloat16", "float32", "float64"]
I, H, P = 5, 7, 4  # noqa: E741  inputs, states, and states after a projection


def maker(rng, dtype):
    import cupy

    if dtype == "bfloat16":
        import ml_dtypes

        dtype = ml_dtypes.bfloat16
    return lambda *shape: cupy.asarray(0.5 * rng.normal(size=shape)).astype(dtype)


def check(name, dtype, arrays, **how):
    """The kernel's results, after comparing them with the definition's."""
    found = getattr(load_backend("cupy").namespace, name)(*arrays, **how)
    exact = [None if a is None else a.astype("float64").get() for a in arrays]
    expected = portable[name](load_backend("numpy").namespace, *exact, **how)
    pairs = zip(found, expected, strict=True) if isinstance(found, tuple) else [(found, expected)]
    for a, b in pairs:
        assert (a is None) == (b is None)
        if a is not None:
            assert a.shape == b.shape
            assert a.dtype.name == dtype
            size = max(np.abs(b).max(), 1e-3)
            np.testing.assert_allclose(a.astype("float64").get() / size, b / size, rtol=0, atol=CLOSE[dtype])
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("state", [False, True])
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_rnn(rng, dtype, sizes, reverse, state, nonlinearity):
    make, rows, how = maker(rng, dtype), sum(sizes), {"sizes": sizes, "reverse": reverse, "nonlinearity": nonlinearity}
    x, w_ih, w_hh, h = make(rows, I), make(H, I), make(H, H), make(sizes[0], H) if state else None
    y = check("rnn", dtype, (x, w_ih, w_hh, make(H), make(H), h), **how)
    check("rnn_back", dtype, (make(rows, H), y, x, w_ih, w_hh, h), to_input=state, **how)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("state", [False, True])
@pytest.mark.parametrize("projected", [False, True])
def test_lstm(rng, dtype, sizes, reverse, state, projected):
    make, rows, how = maker(rng, dtype), sum(sizes), {"sizes": sizes, "reverse": reverse}
    out = P if projected else H
    x, w_ih, w_hh, w_hr = make(rows, I), make(4 * H, I), make(4 * H, out), make(P, H) if projected else None
    states = (make(sizes[0], out), make(sizes[0], H)) if state else (None, None)
    results = check("lstm", dtype, (x, w_ih, w_hh, make(4 * H), make(4 * H), w_hr, *states), **how)
    for g in ((make(rows, out), make(rows, H)), (None, make(rows, H)), (make(rows, out), None)):
        check("lstm_back", dtype, (*g, None, *results, x, w_ih, w_hh, w_hr, *states), to_input=state, **how)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("state", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_gru(rng, dtype, sizes, reverse, state, biased):
    make, rows, how = maker(rng, dtype), sum(sizes), {"sizes": sizes, "reverse": reverse}
    x, w_ih, w_hh, h = make(rows, I), make(3 * H, I), make(3 * H, H), make(sizes[0], H) if state else None
    biases = (make(3 * H), make(3 * H)) if biased else (None, None)
    results = check("gru", dtype, (x, w_ih, w_hh, *biases, h), **how)
    check("gru_back", dtype, (make(rows, H), None, *results, x, w_ih, w_hh, h), to_input=state, **how)


def test_arrays_that_are_not_contiguous(rng):
    make, how = maker(rng, "float32"), {"sizes": (3, 2, 2), "reverse": False}
    x, w_ih, w_hh = make(I, 7).T, make(I, 4 * H).T, make(H, 4 * H).T
    biases, states = (make(8 * H)[::2], make(8 * H)[::-2]), (make(H, 3).T, make(H, 3).T)
    results = check("lstm", "float32", (x, w_ih, w_hh, *biases, None, *states), **how)
    args = (make(H, 7).T, make(H, 7).T, None, *results, x, w_ih, w_hh, None, *states)
    check("lstm_back", "float32", args, to_input=True, **how)


def test_what_the_kernels_are_not_made_for(rng):
    """Cotangents of what is kept for backpropagation, as second derivatives have them, and dtypes that are mixed."""
    make, how = maker(rng, "float64"), {"sizes": (3, 2), "reverse": False}
    x, w_ih, w_hh = make(5, I), make(3 * H, I), make(3 * H, H)
    results = check("gru", "float64", (x, w_ih, w_hh), **how)
    check("gru_back", "float64", (make(5, H), make(20, H), *results, x, w_ih, w_hh, None), to_input=True, **how)
    check("gru_back", "float64", (None, make(20, H), *results, x, w_ih, w_hh, None), to_input=True, **how)
    x = make(5, I).astype("float32")
    check("gru", "float64", (x, w_ih, w_hh), **how)


def test_nan_goes_through_the_positive_part(rng):
    make, how = maker(rng, "float32"), {"sizes": (2,), "reverse": False, "nonlinearity": "relu"}
    x = make(2, I)
    x[0, 0] = float("nan")
    y = load_backend("cupy").namespace.rnn(x, make(H, I), make(H, H), **how)
    assert np.isnan(y[0].get()).all()
    assert not np.isnan(y[1].get()).any()


def test_a_step_is_one_product_and_one_kernel(rng, monkeypatch):
    from polymod_cupy import linear, recurrent

    counts = {"gemm": 0, "launch": 0}

    def counted(name, own):
        def call(*args, **how):
            counts[name] += 1
            return own(*args, **how)

        return call

    monkeypatch.setattr(linear, "gemm", counted("gemm", linear.gemm))
    monkeypatch.setattr(recurrent, "launch", counted("launch", recurrent.launch))
    make = maker(rng, "float32")
    load_backend("cupy").namespace.lstm(make(12, I), make(4 * H, I), make(4 * H, H), sizes=(3, 3, 3, 3), reverse=False)
    assert counts == {"gemm": 1 + 4, "launch": 4}
