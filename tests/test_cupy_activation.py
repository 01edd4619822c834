"""The CuPy plugin's activations, forward and backward: against the portable definitions in float64, and edges."""

from __future__ import annotations

import numpy as np
import pytest
from cupy_alone import alone

from polymod.backend import load_backend, portable

pytestmark = pytest.mark.engine("cupy")
DTYPES = ["float16", "bfloat16", "float32", "float64"]
CLOSE = {"float16": 4e-3, "bfloat16": 2e-2, "float32": 2e-6, "float64": 1e-13}
SHAPES = [(), (0, 3), (1,), (7, 5), (3, 1030)]

ONE = [  # of one array
    *((name, {}) for name in ("erf", "relu", "sigmoid", "hardsigmoid", "hardswish", "silu", "silu_slope")),
    *((name, {}) for name in ("mish", "mish_slope", "gelu", "gelu_slope")),
    *((name, {"approximate": "tanh"}) for name in ("gelu", "gelu_slope")),
    *(("leaky_relu", {"negative_slope": s}) for s in (0.01, 0.0, -1.5, 2.0)),
    *(("threshold", {"threshold": t, "value": v}) for t, v in ((0.1, 20.0), (-1.0, 0.0))),
    *(("hardtanh", {"low": low, "high": high}) for low, high in ((-1.0, 1.0), (0.0, 6.0), (0.3, 0.3))),
    *((name, {"width": w}) for name in ("hardshrink", "softshrink") for w in (0.5, 0.0)),
    *(
        (name, {"alpha": a, "scale": s, "rate": r})
        for name in ("elu", "elu_slope")
        for a, s, r in ((1.0, 1.0, 1.0), (1.67, 1.05, 1.0), (2.0, 1.0, 0.5))
    ),
    *(
        (name, {"beta": b, "threshold": t})
        for name in ("softplus", "softplus_slope")
        for b, t in ((1.0, 20.0), (3.0, 2))
    ),
]
BACK = [  # of a cotangent and the input, or the output
    *((name, {}) for name in ("relu_back", "hardsigmoid_back", "hardswish_back")),
    ("leaky_relu_back", {"negative_slope": 0.2}),
    ("threshold_back", {"threshold": 0.1}),
    ("hardtanh_back", {"low": -0.5, "high": 1.5}),
    ("shrink_back", {"width": 0.5}),
]
CURVED = [  # the same, of activations without straight pieces
    *((name, {}) for name in ("sigmoid_back", "tanh_back", "silu_back", "mish_back", "gelu_back")),
    ("gelu_back", {"approximate": "tanh"}),
    ("elu_back", {"alpha": 1.67, "scale": 1.05, "rate": 0.5}),
    ("softplus_back", {"beta": 3.0, "threshold": 2}),
]


def named(cases):
    return [pytest.param(name, how, id="-".join([name, *map(str, how.values())])) for name, how in cases]


@pytest.fixture(scope="module")
def xp():
    return load_backend("cupy").namespace


def on_gpu(x, dtype):
    import cupy

    if dtype == "bfloat16":
        dtype = pytest.importorskip("ml_dtypes").bfloat16
    return cupy.asarray(np.asarray(x)).astype(dtype)


def agree(name, arrays, how, dtype):
    """The kernel's result is that of the portable definition on the same numbers in float64, rounded."""
    xp = load_backend("cupy").namespace
    found = getattr(xp, name)(*arrays, **how)
    reference = load_backend("numpy").namespace
    wide = [a.astype("float64").get() if a.dtype.kind in "fV" else a.get() for a in arrays]
    with np.errstate(all="ignore"):
        expected = portable[name](reference, *wide, **how)
    assert found.dtype.name == dtype
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.astype("float64").get(), expected, rtol=CLOSE[dtype], atol=CLOSE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "how"), named(ONE))
def test_of_one_array(name, how, dtype, rng):
    for shape in SHAPES:
        agree(name, [on_gpu(3 * rng.normal(size=shape), dtype)], how, dtype)
    agree(name, [on_gpu(3 * rng.normal(size=(6, 8)), dtype).T[::2, 1:]], how, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "how"), named(BACK + CURVED))
def test_of_a_cotangent(name, how, dtype, rng):
    for shape in SHAPES:
        agree(name, [on_gpu(rng.normal(size=shape), dtype), on_gpu(3 * rng.normal(size=shape), dtype)], how, dtype)
    agree(
        name, [on_gpu(rng.normal(size=(1, 4)), dtype), on_gpu(3 * rng.normal(size=(6, 8)), dtype)[:, ::2]], how, dtype
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "how"), named(ONE))
def test_edges(name, how, dtype):
    """NaN stays NaN; infinities and large numbers give what they give in the portable definition."""
    edges = np.asarray([np.nan, 0.0, -0.0, 60.0, -60.0, 1e4, -1e4, 3.0, -3.0])
    if name not in ("silu_slope", "mish_slope"):  # inf - inf, in which order the factors come
        edges = np.concatenate([edges, [np.inf]])
    agree(name, [on_gpu(edges, dtype)], how, dtype)


@pytest.mark.parametrize(("name", "how"), named(case for case in BACK if case[0] != "leaky_relu_back"))
def test_what_is_left_out_is_exactly_0(name, how):
    g = np.asarray([np.inf, np.nan, np.inf, 2.0])
    inside = 0.0 if name == "shrink_back" else -4.0
    found = getattr(load_backend("cupy").namespace, name)(
        on_gpu(g, "float32"), on_gpu(np.full(4, inside), "float32"), **how
    )
    np.testing.assert_array_equal(found.get(), 0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_several_arrays(dtype, rng, xp):
    x, weight = on_gpu(rng.normal(size=(4, 3, 5)), dtype), on_gpu(rng.normal(size=(3, 1)), dtype)
    agree("prelu", [x, weight], {}, dtype)
    keep = on_gpu(rng.normal(size=(4, 3, 1)) > 0, "bool")
    agree("dropout", [x, keep], {"scale": 1.25}, dtype)
    agree("masked", [x, keep], {}, dtype)
    for axis in (0, 1, -1):
        for shape in ((2, 4, 6), (4, 2, 2062), (0, 2, 2)):
            x = on_gpu(rng.normal(size=shape), dtype)
            agree("glu", [x], {"axis": axis}, dtype)
            g = on_gpu(rng.normal(size=xp.glu(x, axis=axis).shape), dtype)
            agree("glu_back", [g, x], {"axis": axis}, dtype)
    agree("glu", [on_gpu(rng.normal(size=(6, 8)), dtype).T], {"axis": 0}, dtype)


@pytest.mark.parametrize("dtype", ["int32", "bool", "complex64"])
def test_other_types_go_by_the_portable_definitions(dtype, xp):
    x = on_gpu([0, 1, 1], dtype)
    g = on_gpu([1, 2, 3], dtype)
    keep = on_gpu([True, False, True], "bool")
    np.testing.assert_array_equal(xp.masked(g, keep).get(), np.where([True, False, True], g.get(), 0))
    if dtype == "int32":
        np.testing.assert_array_equal(xp.relu(x).get(), [0, 1, 1])
    if dtype == "complex64":
        np.testing.assert_allclose(xp.sigmoid(x).get(), 1 / (1 + np.exp(-x.get())), rtol=1e-6)


@pytest.mark.filterwarnings("ignore")  # allow_synchronize is deprecated, and nothing takes its place yet
def test_nothing_is_copied_or_waited_for(xp, rng):
    x = on_gpu(rng.normal(size=(4, 6)), "float32")

    def run():
        for name, how in ONE:
            getattr(xp, name)(x, **how)
        for name, how in BACK + CURVED:
            getattr(xp, name)(x, x, **how)
        xp.glu_back(xp.glu(x, axis=1), x, axis=1)
        xp.dropout(x, x > 0, scale=2.0)
        xp.masked(x, x > 0)
        xp.prelu(x, x[:1])

    run()
    with alone():
        run()
