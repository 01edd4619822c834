"""Special functions made of others, against SciPy on the host; derivatives against finite differences of SciPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import polymod as pm

scipy_special = pytest.importorskip("scipy.special")

SAMPLES: dict[str, tuple[Any, ...]] = {
    "k0": ([1e-3, 0.3, 2.0, 30.0],),
    "k0e": ([1e-3, 0.3, 2.0, 500.0],),
    "k1": ([1e-3, 0.3, 2.0, 30.0],),
    "k1e": ([1e-3, 0.3, 2.0, 500.0],),
    "tandg": ([-400.0, 10.0, 44.0],),
    "cotdg": ([-400.0, 10.0, 44.0],),
    "radian": ([3.0, -2.0], [20.0, 0.5], [3.5, 40.0]),
    "loggamma": ([0.2, 1.7, 30.0],),
    "zetac": ([-3.3, 0.4, 1.5, 30.0],),
    "bdtr": ([0.0, 2.0, 3.0], [4, 7, 5], [0.2, 0.5, 0.7]),
    "bdtrc": ([0.0, 2.0, 3.0], [4, 7, 5], [0.2, 0.5, 0.7]),
    "nbdtr": ([0, 2, 3], [4, 7, 5], [0.2, 0.5, 0.7]),
    "nbdtrc": ([0, 2, 3], [4, 7, 5], [0.2, 0.5, 0.7]),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_values_and_derivatives(name: str):
    host = [np.asarray(x) for x in SAMPLES[name]]
    theirs, ours = getattr(scipy_special, name), getattr(pm.special, name)
    args = [pm.tensor(x) for x in host]
    np.testing.assert_allclose(pm.to_numpy(ours(*args)), theirs(*host), rtol=1e-13)
    last = len(host) - 1  # the argument that moves; counts before it stay whole
    h = 1e-4 * np.maximum(np.abs(host[-1]), 1e-3)
    moved = (theirs(*host[:-1], host[-1] + k * h) for k in (-2, -1, 1, 2))
    a, b, c, d = moved
    expected = (a - 8 * b + 8 * c - d) / (12 * h)
    found = pm.grad(lambda *x: pm.sum(ours(*x)), argnums=last)(*args)
    np.testing.assert_allclose(pm.to_numpy(found), expected, rtol=2e-8)


def test_edges():
    x = pm.tensor(np.asarray([0.0, -1.0]))
    np.testing.assert_array_equal(pm.to_numpy(pm.special.k0(x)), [np.inf, np.nan])
    np.testing.assert_array_equal(pm.to_numpy(pm.special.k1e(x)), [np.inf, np.nan])
    np.testing.assert_array_equal(pm.to_numpy(pm.special.loggamma(x)), [np.inf, np.nan])


def test_float32_stays():
    x = pm.tensor(np.asarray([0.5, 3.0], np.float32))
    for name in ("k0", "k1e", "tandg", "loggamma", "zetac"):
        y = getattr(pm.special, name)(x)
        assert y.dtype == pm.float32
        expected = getattr(scipy_special, name)(np.asarray([0.5, 3.0]))
        np.testing.assert_allclose(pm.to_numpy(y), expected, rtol=3e-6)
