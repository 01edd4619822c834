"""polymod.special against SciPy: values over wide ranges, edges, dtypes, derivatives, and SciPy's own use of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from against import against_differences, against_torch

import polymod as pm
from polymod.backend import portable

scipy_special = pytest.importorskip("scipy.special")
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

COUNT = 200
Draw = Callable[[np.random.Generator], np.ndarray]


def log_uniform(low: float, high: float, signs: bool = False) -> Draw:
    def draw(rng: np.random.Generator) -> np.ndarray:
        x = np.exp(rng.uniform(np.log(low), np.log(high), COUNT))
        return x * rng.choice([-1, 1], COUNT) if signs else x

    return draw


def uniform(low: float, high: float) -> Draw:
    return lambda rng: rng.uniform(low, high, COUNT)


def whole(low: int, high: int) -> Draw:
    return lambda rng: rng.integers(low, high, COUNT).astype(float)


def near_one(rng: np.random.Generator) -> np.ndarray:
    return 1 - np.exp(rng.uniform(np.log(1e-15), 0, COUNT))


tiny_or_large = log_uniform(1e-10, 1e10)
# name: arguments, the largest allowed relative error in float64 and float32, and from which magnitude on it is
# relative: below it, errors are compared with that (functions with zeros have no relative error there)
ranges: dict[str, tuple[list[tuple[Draw, ...]], float, float, float]] = {
    "erf": ([(log_uniform(1e-10, 10, True),)], 1e-14, 1e-6, 0),
    "erfc": ([(uniform(-6, 26),), (log_uniform(1e-10, 9, True),)], 2e-13, 1e-6, 0),
    "erfcx": ([(uniform(-26, 100),), (log_uniform(1, 1e10),)], 2e-13, 1e-5, 0),
    "erfinv": ([(near_one,), (log_uniform(1e-10, 1, True),)], 1e-14, 1e-6, 0),
    "ndtr": ([(uniform(-37, 10),)], 5e-13, 1e-6, 0),
    "log_ndtr": ([(uniform(-1e3, 8),), (log_uniform(1e-5, 1e10, True),)], 2e-13, 1e-6, 0),
    "ndtri": ([(near_one,), (log_uniform(1e-30, 1),)], 1e-14, 1e-6, 0),
    "logit": ([(near_one,), (log_uniform(1e-30, 1),), (uniform(0, 1),)], 1e-13, 1e-6, 0),
    "log_expit": ([(uniform(-80, 80),)], 1e-14, 1e-6, 0),
    "expit": ([(uniform(-80, 80),)], 1e-13, 1e-5, 0),
    "xlogy": ([(uniform(-3, 3), log_uniform(1e-5, 1e5))], 1e-14, 1e-6, 0),
    "xlog1py": ([(uniform(-3, 3), uniform(-0.9, 5))], 1e-13, 1e-6, 0),
    "entr": ([(uniform(0, 3),)], 1e-13, 1e-6, 1e-2),
    "rel_entr": ([(log_uniform(1e-3, 10), log_uniform(1e-3, 10))], 1e-13, 1e-6, 1e-1),
    "kl_div": ([(log_uniform(1e-3, 10), log_uniform(1e-3, 10))], 1e-13, 1e-6, 1e-1),
    "gammaln": ([(tiny_or_large,), (uniform(0, 20),), (uniform(-50, 0),)], 1e-13, 1e-6, 1),
    "gamma": ([(uniform(-20, 30),), (log_uniform(1e-10, 30),)], 1e-12, 3e-5, 0),
    "gammasgn": ([(uniform(-20, 30),)], 0, 0, 1),
    "rgamma": ([(uniform(-5, 30),)], 1e-12, 3e-5, 0),
    "digamma": ([(tiny_or_large,), (uniform(0, 20),), (uniform(-20, 0),)], 1e-12, 1e-5, 1),
    "polygamma": ([(whole(0, 5), log_uniform(1e-2, 1e3)), (whole(0, 4), uniform(-20, 0))], 1e-12, 5e-5, 1),
    "zeta": (
        [(lambda rng: 1 + log_uniform(1e-3, 20)(rng), log_uniform(1e-1, 1e3)), (whole(2, 9), uniform(-20, 0))],
        *(1e-12, 5e-5, 1e-3),
    ),
    "betaln": ([(log_uniform(1e-3, 1e3), log_uniform(1e-3, 1e3)), (uniform(0, 5), uniform(0, 5))], 1e-11, 1e-5, 1),
    "beta": ([(log_uniform(1e-3, 20), log_uniform(1e-3, 20))], 1e-11, 2e-5, 0),
    "i0": ([(uniform(-80, 80),), (log_uniform(1e-10, 10),)], 1e-13, 1e-5, 0),
    "i1": ([(uniform(-80, 80),), (log_uniform(1e-10, 10),)], 1e-13, 1e-5, 0),
    "i0e": ([(log_uniform(1e-10, 1e6, True),), (uniform(20, 60),)], 1e-14, 2e-6, 0),
    "i1e": ([(log_uniform(1e-10, 1e6, True),), (uniform(20, 60),)], 1e-14, 2e-6, 0),
    # SciPy's own error reaches 3e-12 in far tails
    "gammainc": (
        [(log_uniform(1e-3, 1e2), log_uniform(1e-3, 1e2)), (uniform(1e3, 2e3), uniform(900, 2200))],
        *(5e-12, 5e-5, 0),
    ),
    "gammaincc": (
        [(log_uniform(1e-3, 1e2), log_uniform(1e-3, 1e2)), (uniform(1e3, 2e3), uniform(900, 2200))],
        *(5e-12, 5e-5, 0),
    ),
    "betainc": (
        [
            (log_uniform(1e-2, 1e2), log_uniform(1e-2, 1e2), uniform(0, 1)),
            (uniform(1e3, 2e3), uniform(1e3, 2e3), uniform(0.3, 0.7)),
            (log_uniform(1e-2, 1e3), log_uniform(1e-2, 1e3), log_uniform(1e-10, 1)),
        ],
        *(2e-12, 5e-4, 0),
    ),
    "betaincc": ([(uniform(0.1, 20), uniform(0.1, 20), uniform(0, 1))], 2e-12, 1e-4, 1e-3),
    "stdtr": (
        [(log_uniform(0.1, 1e4), uniform(-6, 6)), (log_uniform(0.1, 1e6), log_uniform(1e-10, 1e3, True))],
        *(2e-12, 5e-5, 0),
    ),
    "chdtr": ([(log_uniform(0.1, 1e2), log_uniform(1e-2, 1e2))], 1e-12, 5e-5, 0),
    "chdtrc": ([(log_uniform(0.1, 1e2), log_uniform(1e-2, 1e2))], 1e-12, 5e-5, 0),
    "fdtr": ([(uniform(0.5, 20), uniform(0.5, 20), log_uniform(1e-2, 1e2))], 1e-12, 5e-5, 1e-3),
    "fdtrc": ([(uniform(0.5, 20), uniform(0.5, 20), log_uniform(1e-2, 1e2))], 1e-12, 5e-5, 1e-3),
    "gdtr": ([(uniform(0.5, 3), uniform(0.5, 20), log_uniform(1e-2, 1e2))], 1e-12, 5e-5, 1e-3),
    "gdtrc": ([(uniform(0.5, 3), uniform(0.5, 20), log_uniform(1e-2, 1e2))], 1e-12, 5e-5, 1e-3),
    "pdtr": ([(uniform(-2, 20), log_uniform(1e-1, 30))], 1e-12, 5e-5, 1e-6),
    "pdtrc": ([(uniform(-2, 20), log_uniform(1e-1, 30))], 1e-12, 5e-5, 1e-6),
    "exp2": ([(uniform(-20, 20),)], 1e-13, 1e-5, 0),
    "exp10": ([(uniform(-20, 20),)], 1e-13, 1e-5, 0),
    "cbrt": ([(log_uniform(1e-30, 1e30, True),)], 1e-14, 1e-6, 0),
    "cosm1": ([(uniform(-3, 3),), (log_uniform(1e-8, 1, True),)], 1e-14, 2e-6, 0),
    "exprel": ([(uniform(-30, 30),), (log_uniform(1e-10, 1, True),)], 1e-14, 1e-6, 0),
    "sindg": ([(uniform(-720, 720),)], 1e-13, 1e-5, 1),
    "cosdg": ([(uniform(-720, 720),)], 1e-13, 1e-5, 1),
    "boxcox": ([(log_uniform(1e-2, 1e2), uniform(-2, 2))], 1e-13, 1e-5, 1e-3),
    "boxcox1p": ([(log_uniform(1e-8, 1e2), uniform(-2, 2))], 1e-13, 1e-5, 0),
    "inv_boxcox": ([(uniform(-0.3, 3), uniform(0, 2))], 1e-12, 1e-4, 0),
    "inv_boxcox1p": ([(uniform(-0.3, 3), uniform(0, 2))], 1e-12, 1e-4, 1e-3),
    "huber": ([(uniform(0, 2), uniform(-3, 3))], 1e-14, 1e-6, 0),
    "pseudo_huber": ([(uniform(0.1, 2), uniform(-3, 3))], 1e-13, 2e-6, 0),
    "poch": ([(uniform(0.5, 10), uniform(0.5, 10))], 1e-12, 5e-5, 0),
    "binom": ([(uniform(5, 30), uniform(0, 5))], 1e-12, 5e-5, 0),
    "ellipk": ([(uniform(-10, 1),)], 1e-13, 1e-5, 0),
    "ellipkm1": ([(log_uniform(1e-20, 10),)], 1e-13, 1e-5, 0),
    "sinc": ([(uniform(-5, 5),), (log_uniform(1e-10, 1),)], 1e-14, 2e-6, 1),
}
defined = [name for name in ranges if name in portable]
both = pytest.mark.parametrize("dtype", ["float64", "float32"])


class Plain:
    """The standard's functions of the engine under test, and the portable definitions, without the engine's kernels."""

    def __init__(self) -> None:
        self.backend = pm.current_device().backend

    def __getattr__(self, name: str) -> Any:
        if name in portable:
            return lambda *arrays, **attrs: portable[name](self, *arrays, **attrs)
        return getattr(self.backend.xp, name)


def compare(name: str, dtype: str, function: Callable[..., pm.Tensor], rng: np.random.Generator) -> None:
    cases, double, short, scale = ranges[name]
    for draws in cases:
        arguments = [draw(rng).astype(dtype) for draw in draws]
        found = function(*map(pm.tensor, arguments))
        assert found.dtype == getattr(pm, dtype)
        arguments = [a.astype(float) for a in arguments]  # the reference in double precision, of the rounded numbers
        if name == "polygamma":
            arguments[0] = arguments[0].astype(int)
        expected = getattr(scipy_special, name)(*arguments)
        found = pm.to_numpy(found).astype(float)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
        limits = np.finfo(dtype)
        regular = np.isfinite(expected) & (np.abs(expected) < limits.max) & (np.abs(expected) > 100 * limits.tiny)
        error = np.abs(found - expected)[regular] / np.maximum(np.abs(expected), scale)[regular]
        worst = np.argmax(error)
        at = [float(a[regular][worst]) for a in arguments]
        allowed = double if dtype == "float64" else short
        assert error[worst] <= allowed, f"{name}{tuple(at)}: relative error {error[worst]:.1e}, allowed {allowed:.0e}"


@both
@pytest.mark.parametrize("name", list(ranges))
def test_values_are_those_of_scipy(name: str, dtype: str, rng: np.random.Generator) -> None:
    """By whatever means the engine has."""
    compare(name, dtype, getattr(pm.special, name), rng)


@both
@pytest.mark.parametrize("name", defined)
def test_portable_definition_is_scipys(name: str, dtype: str, rng: np.random.Generator) -> None:
    """What an engine without a kernel computes; kernels are held to it by being held to the same values."""
    plain = Plain()
    compare(name, dtype, lambda *xs: pm.asarray(portable[name](plain, *(x.array for x in xs))), rng)


@pytest.mark.any_engine
def test_integrals_in_parts(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large arrays are summed a few points at a time."""
    from polymod.rules import incomplete

    plain, arguments = Plain(), [np.asarray(rng.uniform(0.1, 0.9, (3, 4))) for _ in range(3)]
    at_once = portable["betainc"](plain, *arguments)
    monkeypatch.setattr(incomplete, "TOGETHER", 12 * 5)
    np.testing.assert_allclose(portable["betainc"](plain, *arguments), at_once, rtol=1e-14)


# ------------------------------------------------------------------------------------------------------- edges

inf, nan = np.inf, np.nan
edges: dict[str, list[tuple[float, ...]]] = {
    **{n: [(-inf,), (-0.0,), (0.0,), (inf,), (nan,)] for n in ("erf", "erfc", "ndtr", "log_ndtr", "expit")},
    **{n: [(-inf,), (-0.0,), (0.0,), (inf,), (nan,)] for n in ("log_expit", "entr", "i0e", "i1e", "erfcx")},
    **{n: [(-1.0,), (-0.5,), (0.0,), (0.5,), (1.0,), (1.5,), (nan,)] for n in ("erfinv", "ndtri", "logit")},
    **{
        n: [(-3.0,), (-2.5,), (0.0,), (1.0,), (2.0,), (inf,), (nan,)] for n in ("gammaln", "digamma", "rgamma", "gamma")
    },
    **{
        n: [
            (0.0, 0.0),
            (0.0, -1.0),
            (0.0, 2.0),
            (1.0, 0.0),
            (-1.0, 1.0),
            (1.0, -1.0),
            (0.0, nan),
            (nan, 1.0),
            (inf, 1.0),
        ]
        for n in ("xlogy", "xlog1py", "rel_entr", "kl_div")
    },
    **{
        n: [
            (0.0, 0.0),
            (0.0, 1.0),
            (1.0, 0.0),
            (-1.0, 1.0),
            (1.0, -1.0),
            (inf, 1.0),
            (1.0, inf),
            (inf, inf),
            (nan, 1.0),
        ]
        for n in ("gammainc", "gammaincc")
    },
    "zeta": [(1.0, 2.0), (0.5, 2.0), (2.0, 0.0), (2.0, -3.0), (2.5, -0.5), (2.0, inf), (inf, 1.0)],
    "betainc": [
        *((1.0, 2.0, x) for x in (0.0, 1.0, -0.1, 1.1, nan)),
        *((0.0, 1.0, 0.5), (1.0, 0.0, 0.5), (-1.0, 1.0, 0.5), (nan, 1.0, 0.5)),
    ],
    "stdtr": [(2.0, 0.0), (2.0, inf), (2.0, -inf), (inf, 1.0), (0.0, 1.0), (-1.0, 1.0), (nan, 1.0), (2.0, nan)],
}
edge_cases = [(name, point) for name, points in edges.items() for point in points]


@pytest.mark.parametrize(("name", "point"), edge_cases)
def test_edges_are_scipys(name: str, point: tuple[float, ...]) -> None:
    expected = getattr(scipy_special, name)(*point)
    arguments = [pm.tensor(np.asarray([v])) for v in point]
    ways = {"kernel": getattr(pm.special, name)(*arguments)}
    if name in portable:
        ways["portable"] = pm.asarray(portable[name](Plain(), *(a.array for a in arguments)))
    for way, found in ways.items():
        np.testing.assert_allclose(pm.to_numpy(found), [expected], rtol=1e-13, err_msg=way)


# -------------------------------------------------------------------------------------------- arguments and dtypes


def test_numbers_and_whole_numbers_follow_the_arrays(engine: pm.Device) -> None:
    x = pm.tensor(np.asarray([0.5, 1.5], np.float32))
    n = pm.tensor(np.asarray([1, 2]))
    for y in (
        pm.special.gammainc(2, x),
        pm.special.gammainc(n, x),
        pm.special.polygamma(1, x),
        pm.special.xlogy(x, 2.0),
    ):
        assert y.dtype == pm.float32 and y.device == engine
    assert pm.special.gammaln(n).dtype == pm.float32  # the default dtype
    assert pm.special.erf(0.5).dtype == pm.float32
    wide = pm.tensor(np.asarray([0.5, 1.5]))
    assert pm.special.betainc(x, wide, 0.5).dtype == pm.float64
    with pytest.raises(TypeError, match="real arguments"):
        pm.special.erf(pm.tensor(np.asarray([1j])))


def test_arguments_broadcast() -> None:
    a, x = pm.tensor(np.asarray([[1.0], [2.0]])), pm.tensor(np.asarray([0.5, 1.0, 2.0]))
    expected = scipy_special.gammainc([[1.0], [2.0]], [0.5, 1.0, 2.0])
    np.testing.assert_allclose(pm.to_numpy(pm.special.gammainc(a, x)), expected, rtol=1e-12)
    assert pm.special.gammainc(a[:0], x).shape == (0, 3)
    assert pm.special.ndtri(pm.tensor(0.25)).shape == ()


def test_multigammaln() -> None:
    a = np.asarray([2.5, 4.0, 30.0])
    for d in (1, 2, 4):
        expected = scipy_special.multigammaln(a, d)
        np.testing.assert_allclose(pm.to_numpy(pm.special.multigammaln(pm.tensor(a), d)), expected, rtol=1e-13)
    assert np.isnan(pm.to_numpy(pm.special.multigammaln(pm.tensor(1.0), 4)))
    with pytest.raises(ValueError, match="positive whole number"):
        pm.special.multigammaln(pm.tensor(a), 1.5)


def test_zeta_of_one_argument() -> None:
    s = np.asarray([-7.3, -4.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 20.0, inf])
    expected = [
        -0.001396475816,
        0.0,
        -0.207886224977354566,
        -0.5,
        -1.4603545088,
        inf,
        2.6123753487,
        np.pi**2 / 6,
        1.0000009539620339,
        1,
    ]
    np.testing.assert_allclose(pm.to_numpy(pm.special.zeta(pm.tensor(s)))[1:], expected[1:], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(pm.to_numpy(pm.special.zeta(pm.tensor(s[:1]))), scipy_special.zeta(s[:1]), rtol=1e-12)


# --------------------------------------------------------------------------------------------- along axes


axes = [None, 0, -1, (0, 2), (2, 1), (0, 1, 2)]


@pytest.mark.parametrize("axis", axes)
@pytest.mark.parametrize("keepdims", [False, True])
def test_logsumexp_is_scipys(axis: Any, keepdims: bool, rng: np.random.Generator) -> None:
    a, b = rng.normal(size=(2, 3, 4)), rng.normal(size=(3, 1))
    a[0, 0, 0], b[1] = 800.0, 0.0
    for weights in (None, np.abs(b), b):
        for sign in (False, True):
            expected = scipy_special.logsumexp(a, axis=axis, b=weights, keepdims=keepdims, return_sign=sign)
            weight = None if weights is None else pm.tensor(weights)
            found = pm.special.logsumexp(pm.tensor(a), axis, weight, keepdims, sign)
            for f, e in zip(found, expected, strict=True) if sign else [(found, expected)]:
                assert f.shape == e.shape
                np.testing.assert_allclose(pm.to_numpy(f), e, rtol=1e-13)


def test_logsumexp_of_infinities() -> None:
    for a in ([-inf, -inf], [inf, 0.0], [-inf, 1.0]):
        np.testing.assert_array_equal(
            pm.to_numpy(pm.special.logsumexp(pm.tensor(np.asarray(a)))), scipy_special.logsumexp(a)
        )
    weighted = pm.special.logsumexp(pm.tensor(np.asarray([inf, 1.0])), b=pm.tensor(np.asarray([0.0, 1.0])))
    assert pm.to_numpy(weighted) == 1


@pytest.mark.parametrize("axis", axes)
def test_softmax_is_scipys(axis: Any, rng: np.random.Generator) -> None:
    for name, size in (("softmax", 3), ("softmax", 30), ("log_softmax", 3), ("log_softmax", 30)):
        x = rng.normal(size=(2, 3, 4)) * size
        expected = getattr(scipy_special, name)(x, axis=axis)
        found = pm.to_numpy(getattr(pm.special, name)(pm.tensor(x), axis))
        if (name, size) == ("log_softmax", 30):  # log(1 + e) of a small e has few right digits, in SciPy's as well
            np.testing.assert_allclose(np.exp(found), np.exp(expected), rtol=1e-12)
            found, expected = found[expected < -1e-3], expected[expected < -1e-3]
        np.testing.assert_allclose(found, expected, rtol=1e-12)


# ------------------------------------------------------------------------------------------------- derivatives


@pytest.mark.parametrize(
    ("name", "torch_name", "low", "high"),
    [
        *(("erfinv", "erfinv", -0.9, 0.9), ("ndtri", "ndtri", 0.05, 0.95), ("log_ndtr", "log_ndtr", -6, 3)),
        *(("gammaln", "gammaln", 0.2, 5), ("digamma", "digamma", 0.2, 5), ("sinc", "sinc", -3, 3)),
        *(("i0e", "i0e", 0.2, 5), ("i1", "i1", 0.2, 5), ("entr", "entr", 0.1, 3), ("expit", "expit", -3, 3)),
    ],
)
def test_derivatives_are_torchs(name: str, torch_name: str, low: float, high: float, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    against_torch(
        getattr(pm.special, name), getattr(torch.special, torch_name), [rng.uniform(low, high, 8)], "float64", rng
    )


composites: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]], tuple[float, float]]] = {
    "beta": (pm.special.beta, [(2, 1), (3,)], (0.5, 3)),
    "rgamma": (pm.special.rgamma, [(4,)], (0.5, 3)),
    "multigammaln": (lambda a: pm.special.multigammaln(a, 3), [(4,)], (1.5, 4)),
    "chdtrc": (pm.special.chdtrc, [(2, 1), (3,)], (0.5, 4)),
    "fdtrc": (pm.special.fdtrc, [(2, 1), (3,), (3,)], (0.5, 4)),
    "betaincc": (pm.special.betaincc, [(3,), (3,), (3,)], (0.3, 0.7)),
    "gdtr": (pm.special.gdtr, [(3,), (2, 1), (3,)], (0.5, 4)),
    "pdtr": (lambda m: pm.special.pdtr(2, m), [(4,)], (0.5, 4)),
    "exp10": (pm.special.exp10, [(4,)], (-1, 1)),
    "cbrt": (pm.special.cbrt, [(4,)], (0.5, 2)),
    "cosm1": (pm.special.cosm1, [(4,)], (-2, 2)),
    "exprel": (pm.special.exprel, [(6,)], (-0.08, 0.08)),
    "cosdg": (pm.special.cosdg, [(4,)], (-2, 2)),
    "boxcox": (pm.special.boxcox, [(4,), (4,)], (0.5, 2)),
    "inv_boxcox": (pm.special.inv_boxcox, [(4,), (4,)], (0.5, 2)),
    "huber": (lambda r: pm.special.huber(1.0, r), [(4,)], (0.2, 0.8)),
    "pseudo_huber": (pm.special.pseudo_huber, [(4,), (4,)], (0.5, 2)),
    "poch": (pm.special.poch, [(4,), (4,)], (0.5, 2)),
    "binom": (pm.special.binom, [(4,), (4,)], (3, 5)),
    "ellipk": (pm.special.ellipk, [(4,)], (-2, 0.8)),
    "softmax": (lambda x: pm.special.softmax(x, (0, 2)), [(2, 3, 2)], (-2, 2)),
    "log_softmax": (pm.special.log_softmax, [(2, 3)], (-2, 2)),
    "logsumexp": (lambda a, b: pm.special.logsumexp(a, 1, b), [(2, 3), (3,)], (0.5, 2)),
    "signed": (lambda a, b: pm.special.logsumexp(a, 1, b - 1, return_sign=True)[0], [(2, 3), (3,)], (-0.5, 0.3)),
    "sinc": (pm.special.sinc, [(6,)], (-0.4, 0.4)),
}


@pytest.mark.parametrize("order", [0.0, 1e-9])
def test_boxcox_at_order_zero(order: float) -> None:
    x, lmbda = pm.tensor(np.asarray(2.0), requires_grad=True), pm.tensor(np.asarray(order), requires_grad=True)
    y = pm.special.boxcox(x, lmbda)
    assert float(y.detach()) == pytest.approx(np.log(2), rel=1e-8)
    gradients = [float(g) for g in pm.autograd.grad(y, [x, lmbda])]
    np.testing.assert_allclose(gradients, [0.5, np.log(2) ** 2 / 2], rtol=1e-8)
    inverse = pm.special.inv_boxcox(y.detach(), lmbda)
    (slope,) = pm.autograd.grad(inverse, [lmbda])
    assert float(slope) == pytest.approx(-(np.log(2) ** 2), rel=1e-6)


@pytest.mark.parametrize("name", list(composites))
def test_derivatives_of_composites(name: str, rng: np.random.Generator) -> None:
    function, shapes, (low, high) = composites[name]
    against_differences(function, [rng.uniform(low, high, shape) for shape in shapes], rng)


parameters: dict[str, tuple[int, list[tuple[float, ...]]]] = {
    "gammainc": (0, [(0.02, 0.01), (0.3, 1.2), (0.5, 4.0), (3.0, 0.01), (3.0, 9.0), (80.0, 75.0), (80.0, 90.0)]),
    "gammaincc": (0, [(0.02, 0.01), (0.3, 1.2), (0.5, 4.0), (3.0, 9.0), (80.0, 110.0)]),
    "betainc": (0, [(0.3, 0.2, 0.01), (0.3, 0.2, 0.9), (5.0, 0.5, 0.99), (60.0, 40.0, 0.55), (60.0, 40.0, 0.65)]),
    "stdtr": (0, [(0.7, -1e-3), (0.7, 30.0), (5.0, -8.0), (5.0, 0.2), (200.0, 1.5)]),
    "zeta": (0, [(1.1, 0.3), (2.0, 1.0), (3.5, 20.0), (15.0, 1.2)]),
}


@pytest.mark.parametrize("name", list(parameters))
def test_derivative_in_a_parameter(name: str) -> None:
    """Against differences of SciPy's values by Richardson's extrapolation; relative to the derivative itself."""
    position, points = parameters[name]
    function = getattr(scipy_special, name)
    for point in points:
        arguments = [pm.tensor(np.asarray(v)) for v in point]
        arguments[position] = pm.tensor(np.asarray(point[position]), requires_grad=True)
        (found,) = pm.autograd.grad(getattr(pm.special, name)(*arguments), [arguments[position]])

        def at(t: float, point: Any = point) -> float:
            moved = list(point)
            moved[position] += t
            return float(function(*moved))

        h = 0.01 * point[position] if name != "zeta" else 0.01
        slopes = [(at(s) - at(-s)) / (2 * s) for s in (h, h / 2, h / 4, h / 8)]
        for order in (4, 16, 64):
            slopes = [(order * b - a) / (order - 1) for a, b in pairwise(slopes)]
        assert float(pm.to_numpy(found)) == pytest.approx(slopes[0], rel=1e-8, abs=1e-13), point


def gradients_at(function: Callable[..., pm.Tensor], *values: float) -> list[float]:
    xs = [pm.tensor(np.asarray(v), requires_grad=True) for v in values]
    return [float(pm.to_numpy(g)) for g in pm.autograd.grad(function(*xs), xs)]


@pytest.mark.parametrize(
    ("name", "point", "expected"),
    [
        ("xlogy", (0.0, 0.0), [0, 0]),
        ("xlogy", (0.0, 2.0), [np.log(2), 0]),
        ("xlogy", (0.0, -1.0), [0, 0]),
        ("xlog1py", (0.0, -1.0), [0, 0]),
        ("xlog1py", (0.0, 1.0), [np.log(2), 0]),
        ("entr", (0.0,), [inf]),
        ("rel_entr", (0.0, 2.0), [-inf, 0]),
        ("rel_entr", (0.0, 0.0), [0, 0]),
        ("rel_entr", (1.0, 0.0), [0, 0]),
        ("kl_div", (0.0, 2.0), [-inf, 1]),
        ("kl_div", (1.0, 0.0), [0, 1]),
        ("i0", (0.0,), [0]),
        ("i1", (0.0,), [0.5]),
        ("i0e", (0.0,), [0]),
        ("i1e", (0.0,), [0.5]),
        ("sinc", (0.0,), [0]),
        ("gammainc", (2.0, 0.0), [0, 0]),
        ("gammainc", (1.0, 0.0), [0, 1]),
        ("gammainc", (0.5, 0.0), [0, inf]),
        ("betainc", (2.0, 3.0, 0.0), [0, 0, 0]),
        ("betainc", (1.0, 3.0, 0.0), [0, 0, 3]),
        ("betainc", (2.0, 1.0, 1.0), [0, 0, 2]),
        ("stdtr", (1.0, 0.0), [0, 1 / np.pi]),
        ("erfinv", (0.0,), [np.sqrt(np.pi) / 2]),
        ("log_ndtr", (-1e4,), [1e4]),
        ("log_ndtr", (100.0,), [0]),
    ],
)
def test_derivatives_at_edges(name: str, point: tuple[float, ...], expected: list[float]) -> None:
    np.testing.assert_allclose(gradients_at(getattr(pm.special, name), *point), expected, rtol=1e-6, atol=1e-14)


def test_a_sum_with_zeros_has_finite_gradients() -> None:
    """Cross entropy with probabilities that are exactly 0 on both sides."""
    p, q = pm.tensor(np.asarray([0.0, 0.4, 0.6])), pm.tensor(np.asarray([0.0, 0.5, 0.5]), requires_grad=True)
    pm.special.xlogy(p, q).sum().backward()
    np.testing.assert_allclose(pm.to_numpy(q.grad), [0, 0.8, 1.2])


def test_second_derivative_of_sinc_at_zero() -> None:
    x = pm.tensor(np.asarray(0.0), requires_grad=True)
    (first,) = pm.autograd.grad(pm.special.sinc(x), [x], create_graph=True)
    (second,) = pm.autograd.grad(first, [x])
    assert float(pm.to_numpy(second)) == pytest.approx(-(np.pi**2) / 3, rel=1e-12)


def test_the_order_of_polygamma_has_no_derivative() -> None:
    n = pm.tensor(np.asarray([1.0]), requires_grad=True)
    with pytest.raises(pm.GradientError, match="polygamma"):
        pm.special.polygamma(n, 2.0)


# ------------------------------------------------------------------------------------------------------- SciPy

SCIPY_USES_IT = """
import numpy as np
import polymod as pm
from scipy import special, stats

x = pm.tensor(np.asarray([0.5, 1.5, 2.5]), requires_grad=True)
for name, arguments in {
    "erf": (x,), "gammaln": (x,), "gammainc": (x, 2 * x), "betainc": (x, x, x / 4), "xlogy": (x, x), "ndtr": (x,),
    "logit": (x / 4,), "rel_entr": (x, 2 * x), "i0e": (x,), "stdtr": (x, x), "multigammaln": (x + 2, 2),
    "fdtrc": (x, x, x), "betaincc": (x, x, x / 4), "zeta": (x + 1, x), "logsumexp": (x,), "softmax": (x,),
}.items():
    y = getattr(special, name)(*arguments)
    assert isinstance(y, pm.Tensor) and y.requires_grad, name
    plain = [pm.to_numpy(a) if isinstance(a, pm.Tensor) else a for a in arguments]
    np.testing.assert_allclose(pm.to_numpy(y), getattr(special, name)(*plain), rtol=1e-12, err_msg=name)

a, b = np.asarray([1.0, 2.0, 4.0, 3.5]), np.asarray([2.0, 5.0, 4.5, 6.0])
p = lambda t: stats.ttest_ind(t, pm.tensor(b)).pvalue
t = pm.tensor(a, requires_grad=True)
value = p(t)
(gradient,) = pm.autograd.grad(value, [t])
h = 1e-6
for i in range(4):
    step = h * (np.arange(4) == i)
    slope = (stats.ttest_ind(a + step, b).pvalue - stats.ttest_ind(a - step, b).pvalue) / (2 * h)
    assert abs(float(pm.to_numpy(gradient)[i]) - slope) < 1e-8
print("right")
"""


def python(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, **environment}
    )


@pytest.mark.any_engine
def test_scipy_finds_the_functions_for_tensors() -> None:
    run = python(SCIPY_USES_IT, SCIPY_ARRAY_API="1")
    assert run.stdout.strip() == "right", run.stderr


@pytest.mark.any_engine
def test_scipy_is_imported_at_the_first_call() -> None:
    run = python(
        "import sys, polymod as pm; x = pm.tensor([1.0]); pm.special.erf(x); assert 'scipy' not in sys.modules;"
        "pm.special.gammaln(x); assert 'scipy.special' in sys.modules; print('right')"
    )
    assert run.stdout.strip() == "right", run.stderr


@pytest.mark.any_engine
def test_works_without_scipy() -> None:
    run = python(
        "import sys; sys.modules['scipy'] = None; import polymod as pm; x = pm.tensor([3.0], requires_grad=True);"
        "y = pm.special.gammaln(x); y.sum().backward(); print(round(float(y[0]), 5), round(float(x.grad[0]), 5))"
    )
    assert run.stdout.split() == ["0.69315", "0.92278"], run.stderr
