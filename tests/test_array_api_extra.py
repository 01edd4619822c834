"""array-api-extra's functions take Tensors and carry gradients, so polymod need not repeat them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from against import against_differences

import polymod as pm

xpx = pytest.importorskip("array_api_extra")

# name: the function of Tensors, the same of NumPy arrays, and the shapes of the arguments
smooth: dict[str, tuple[Callable[..., Any], Callable[..., Any], list[tuple[int, ...]]]] = {
    "apply_where": (
        lambda a, b: xpx.apply_where(a > 0, (a, b), lambda a, b: a * b, lambda a, b: a - b),
        lambda a, b: np.where(a > 0, a * b, a - b),
        [(3, 4), (3, 4)],
    ),
    "at_set": (
        lambda a, b: xpx.at(a, (0, ...)).set(b, copy=True),
        lambda a, b: np.concatenate([b[None], a[1:]]),
        [(3, 4), (4,)],
    ),
    "at_add": (
        lambda a, b: xpx.at(a)[1:].add(b, copy=True),
        lambda a, b: np.concatenate([a[:1], a[1:] + b]),
        [(3, 4), (4,)],
    ),
    "at_multiply": (
        lambda a, b: xpx.at(a)[:, 0].multiply(b, copy=True),
        lambda a, b: np.concatenate([a[:, :1] * b[:, None], a[:, 1:]], axis=1),
        [(3, 4), (3,)],
    ),
    "atleast_nd": (lambda a: xpx.atleast_nd(a, ndim=3), lambda a: a[None], [(3, 4)]),
    "cov": (lambda a: xpx.cov(a), np.cov, [(3, 5)]),
    "create_diagonal": (lambda a: xpx.create_diagonal(a, offset=1), lambda a: np.diag(a, 1), [(4,)]),
    "deg2rad": (lambda a: xpx.deg2rad(a), np.deg2rad, [(3,)]),
    "kron": (lambda a, b: xpx.kron(a, b), np.kron, [(2, 3), (3, 2)]),
    "nan_to_num": (lambda a: xpx.nan_to_num(a), np.nan_to_num, [(3, 4)]),
    "pad": (lambda a: xpx.pad(a, ((1, 2), (0, 1))), lambda a: np.pad(a, ((1, 2), (0, 1))), [(3, 4)]),
    "partition": (lambda a: xpx.partition(a, 2)[2], lambda a: np.partition(a, 2)[2], [(6,)]),
    "argpartition": (lambda a: a[xpx.argpartition(a, 2)][2], lambda a: np.partition(a, 2)[2], [(6,)]),
    "setdiff1d": (lambda a: xpx.setdiff1d(a, a[:2]), lambda a: np.setdiff1d(a, a[:2]), [(5,)]),
    "sinc": (lambda a: xpx.sinc(a), np.sinc, [(3, 4)]),
}


@pytest.mark.parametrize("name", list(smooth))
def test_values_and_gradients(name: str, rng: np.random.Generator) -> None:
    ours, theirs, shapes = smooth[name]
    arrays = [rng.normal(size=s) for s in shapes]
    found = ours(*map(pm.tensor, arrays))
    assert isinstance(found, pm.Tensor)
    np.testing.assert_allclose(pm.to_numpy(found), theirs(*arrays), rtol=1e-12)
    against_differences(ours, arrays, rng)


def test_values_without_gradient(rng: np.random.Generator) -> None:
    a = rng.normal(size=(4,))
    x = pm.tensor(a)
    assert bool(pm.all(xpx.isclose(x, x + 1e-12)))
    assert int(xpx.nunique(pm.concat([x, x]))) == 4
    hot = xpx.one_hot(pm.tensor(np.asarray([0, 2])), 3)
    np.testing.assert_array_equal(pm.to_numpy(hot), [[1, 0, 0], [0, 0, 1]])


def test_gradient_of_nan_to_num_ignores_what_is_replaced() -> None:
    x = pm.tensor(np.asarray([1.0, np.nan, np.inf, 2.0]), requires_grad=True)
    y = xpx.nan_to_num(x)
    y[:2].sum().backward()
    np.testing.assert_array_equal(pm.to_numpy(x.grad), [1, 0, 0, 0])
