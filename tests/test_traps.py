"""Where derivatives go wrong elsewhere: masked poles, kinks, ties, repeated positions, empty and changed arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import polymod as pm

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def same(found: Any, expected: Any) -> None:
    found = pm.to_numpy(found) if isinstance(found, pm.Tensor) else np.asarray(found)
    np.testing.assert_allclose(found, np.asarray(expected), rtol=1e-10, atol=1e-12)


def gradient(f: Any, *hosts: Any) -> Any:
    return pm.grad(lambda *xs: f(*xs).sum(), argnums=tuple(range(len(hosts))))(*map(pm.tensor, hosts))


def tangent(f: Any, host: Any, direction: Any) -> Any:
    return pm.jvp(f, (pm.tensor(host),), (pm.tensor(direction),))[1]


# ------------------------------------------------------------------------------------ the branch that is not taken

X = np.array([2.0, 0.0, -1.0, 4.0])
poles = {
    "1 / x": (lambda x: 1 / x, lambda x: -1 / x**2),
    "sqrt": (pm.sqrt, lambda x: 0.5 / np.sqrt(x)),
    "log": (pm.log, lambda x: 1 / x),
    "pow": (lambda x: x**-0.5, lambda x: -0.5 * x**-1.5),
    "squared pole": (lambda x: (1 / x) ** 2, lambda x: -2 * x**-3),
    "acosh": (lambda x: pm.acosh(x + 1), lambda x: 1 / np.sqrt((x + 1) ** 2 - 1)),
}


@pytest.mark.parametrize("name", poles)
@pytest.mark.parametrize("how", ["where", "assignment", "selection", "maximum", "take"])
def test_what_is_left_out_has_gradient_zero(name: str, how: str):
    f, slope = poles[name]
    keep = X > 0

    def masked(x: pm.Tensor) -> pm.Tensor:
        y = f(x)
        if how == "where":
            return pm.where(x > 0, y, 0.0)
        if how == "assignment":
            y[~(x > 0)] = 0.0
            return y
        if how == "selection":
            return y[x > 0]
        if how == "take":
            return pm.take(y, pm.asarray([0, 3], device=x.device))
        return pm.where(x > 0, pm.maximum(y, -1e9), 0.0)

    expected = np.zeros(4)
    expected[keep] = slope(X[keep])
    same(gradient(masked, X)[0], expected)
    found = pm.grad(lambda x: (pm.grad(lambda z: masked(z).sum())(x) * pm.tensor(X)).sum())(pm.tensor(X))
    step = 1e-5
    curvature = np.zeros(4)
    curvature[keep] = (slope(X[keep] + step) - slope(X[keep] - step)) / (2 * step)
    np.testing.assert_allclose(pm.to_numpy(found), curvature * X, rtol=1e-6, atol=1e-9)
    assert np.isfinite(pm.to_numpy(tangent(masked, X, np.ones(4)))).all()


def test_a_column_without_spread_as_scalers_treat_it(rng: np.random.Generator):
    host = rng.normal(size=(5, 3))
    host[:, 1] = 2.0

    def scaled(x: pm.Tensor) -> pm.Tensor:
        std = pm.std(x, axis=0)
        y = (x - pm.mean(x, axis=0)) / std
        y[:, std == 0] = 0.0
        return y**3

    found = pm.to_numpy(gradient(scaled, host)[0])
    assert np.isfinite(found).all() and (found[:, 1] == 0).all()
    other = pm.to_numpy(gradient(lambda x: ((x - pm.mean(x, axis=0)) / pm.std(x, axis=0)) ** 3, host[:, ::2])[0])
    same(found[:, ::2], other)


def test_a_zero_gradient_meets_a_finite_slope_as_always():
    """Only poles are replaced: where the gradient happens to be 0 its own derivative is kept."""
    second = pm.hessian(lambda x: pm.where(x > -5, (x - 2) ** 2 * pm.exp(x), 0.0).sum())(pm.tensor(X[:1]))
    same(second, [[2 * np.exp(2.0)]])


# --------------------------------------------------------------------------------------------------- kinks and ties


def test_subgradients():
    zero = np.zeros(3)
    same(gradient(pm.abs, zero)[0], zero)
    same(gradient(pm.sqrt, zero)[0], [np.inf] * 3)
    same(gradient(pm.std, np.ones(3))[0], zero)
    same(gradient(pm.linalg.vector_norm, zero)[0], zero)
    same(gradient(pm.linalg.matrix_norm, np.zeros((2, 2)))[0], np.zeros((2, 2)))
    same(gradient(pm.sign, zero)[0], zero)
    same(gradient(lambda x: x**0, zero)[0], zero)
    same(gradient(lambda x, y: x**y, np.array([0.0]), np.array([2.0]))[1], [0])
    same(gradient(lambda x: pm.abs(x), np.zeros(2, complex))[0], np.zeros(2))
    same(gradient(lambda x, y: pm.atan2(x, y), np.zeros(1), np.zeros(1))[0], [0])


def test_ties():
    x = np.array([1.0, 3.0, 3.0])
    same(gradient(pm.max, x)[0], [0, 0.5, 0.5])
    same(gradient(pm.min, -x)[0], [0, 0.5, 0.5])
    a, b = gradient(pm.maximum, x, np.array([1.0, 2.0, 4.0]))
    same(a, [0.5, 1, 0])
    same(b, [0.5, 0, 1])
    same(
        gradient(lambda x: pm.sort(x) * pm.asarray([1.0, 2.0, 3.0], dtype=pm.float64, device=x.device), x)[0], [1, 2, 3]
    )
    same(gradient(lambda x: pm.clip(x, 1.0, 3.0), x)[0], [1, 1, 1])


def test_products_with_zeros():
    x = np.array([[2.0, 0.0, 3.0], [0.0, 0.0, 5.0]])
    same(gradient(lambda x: pm.prod(x, axis=1), x)[0], [[0, 6, 0], [0, 0, 0]])
    same(gradient(lambda x: pm.cumulative_prod(x, axis=1), x)[0], [[1, 8, 0], [1, 0, 0]])
    pm.check_grads(lambda x: pm.cumulative_prod(x, axis=1), (pm.tensor(x),))


# ------------------------------------------------------------------------------------------------ repeated positions


def test_repeated_indices():
    x = np.array([1.0, 2.0, 3.0])
    i = pm.asarray([0, 2, 2])
    same(gradient(lambda x: pm.take(x, i) * x, x)[0], [2, 3, 8])
    same(gradient(lambda x: x[i] * pm.asarray([1.0, 10.0, 100.0], dtype=pm.float64), x)[0], [1, 0, 110])

    def added(x: pm.Tensor, v: pm.Tensor) -> pm.Tensor:
        return pm.index_add(x, i, v) ** 2

    a, b = gradient(added, x, np.array([1.0, 1.0, 1.0]))
    same(a, 2 * np.array([2.0, 2.0, 5.0]))
    same(b, 2 * np.array([2.0, 5.0, 5.0]))


def test_only_the_value_that_stays_has_a_gradient():
    i = pm.asarray([0, 2, 0])

    def written(x: pm.Tensor, v: pm.Tensor) -> pm.Tensor:
        y = pm.asarray(x, copy=True)
        y[i] = v
        return y * y

    x, v = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 4.0])  # equal, so that any order of writing has one value
    a, b = gradient(written, x, v)
    same(a, [0, 4, 0])
    b = pm.to_numpy(b)
    same(b[1], 10)
    same(sorted(b[[0, 2]]), [0, 8])
    same(gradient(written, x, np.asarray(4.0))[1], 16)
    same(tangent(lambda v: written(pm.tensor(x), v), np.asarray(4.0), np.asarray(1.0)), [8, 0, 8])


@pytest.mark.any_engine  # some refuse such bounds
def test_bounds_of_clip_that_cross():
    """The upper one has the last word, so it has the derivative."""
    x, low, high = np.array([1.0, 2.0, 9.0]), np.array([1.5, 3.0, 4.0]), np.array([0.5, 1.0, 2.0])
    a, b, c = gradient(lambda *xs: pm.clip(*xs) ** 2, x, low, high)
    same(a, [0, 0, 0])
    same(b, [0, 0, 0])
    same(c, 2 * high)


# -------------------------------------------------------------------------------------------- operations of no slope


def test_forward_through_operations_without_slope():
    """A tangent that ends at one operation must not stop the others."""
    x = np.array([1.0, -2.0])
    for f in (lambda x: pm.abs(pm.sign(x)), lambda x: pm.sign(x) * 3.0 + 1.0, lambda x: pm.exp(pm.sign(pm.sign(x)))):
        same(tangent(f, x, x), [0, 0])
    same(tangent(lambda x: x + pm.abs(pm.sign(x)), x, x), x)
    slope = pm.jvp(pm.grad(lambda x: pm.sum(pm.abs(x) + x * x)), (pm.tensor(x),), (pm.tensor(x),))[1]
    same(slope, 2 * x)


def test_spread_of_complex_numbers_is_real():
    z = np.array([[1 + 2j, -3 + 1j, 0.5 - 2j], [2 - 1j, 1j, 4 + 4j]])
    for f, host in ((pm.var, np.var), (pm.std, np.std)):
        found = f(pm.tensor(z), axis=1, correction=1)
        assert found.dtype == pm.float64
        same(found, host(z, axis=1, ddof=1))
        pm.check_grads(lambda z: f(z, axis=0), (pm.tensor(z),))  # noqa: B023


def test_logsumexp_of_complex_numbers_and_of_none():
    z = np.array([300 + 4j, 299 - 300j, 1000j])
    same(pm.exp(pm.logsumexp(pm.tensor(z)) - 300), np.sum(np.exp(z - 300)))
    assert abs(pm.to_numpy(pm.logsumexp(pm.tensor(z))).imag) <= np.pi
    pm.check_grads(pm.logsumexp, (pm.tensor(z),))
    same(pm.logsumexp(pm.tensor(np.zeros((2, 0))), axis=1), [-np.inf, -np.inf])
    same(gradient(pm.logsumexp, np.zeros(0))[0], np.zeros(0))


def test_slope_of_a_quantile_by_its_share():
    x, q = np.array([4.0, 1.0, 2.0]), np.array([0.3, 0.5, 0.6])
    _, b = gradient(lambda x, q: pm.quantile(x, q) ** 2, x, q)
    same(b, 2 * np.quantile(x, q) * np.array([2, 0, 4]))
    pm.check_grads(lambda x, q: pm.quantile(x, q), (pm.tensor(x), pm.tensor(q[::2])))


# -------------------------------------------------------------------------------------------------- empty and 0-d


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3)])
def test_empty_arrays(shape: tuple[int, ...]):
    x = np.zeros(shape)
    for f in (pm.sum, pm.exp, pm.prod, lambda x: x @ x.T if x.ndim == 2 else x * 2, pm.flip):
        (g,) = gradient(f, x)
        assert g.shape == shape and g.dtype == pm.float64
        assert tangent(f, x, x).shape == f(pm.tensor(x)).shape


def test_0d_arrays():
    x = np.asarray(2.0)
    same(gradient(lambda x: x**3 + pm.sum(x) + pm.max(x) + x[...] + pm.reshape(x, (1,))[0], x)[0], 16)
    same(tangent(lambda x: pm.stack([x, x * x]), x, x), [2, 8])


# ------------------------------------------------------------------------------------------------ what changes arrays


def test_changed_in_place_after_use():
    """The classic that stops elsewhere: an operand is written after an operation that needs its old value."""

    def f(x: pm.Tensor) -> pm.Tensor:
        y = pm.exp(x)
        z = y * y
        y *= 3.0
        y[0] = 0.0
        return z + y

    x = np.array([0.5, 1.0])
    same(gradient(f, x)[0], 2 * np.exp(2 * x) + np.array([0, 3]) * np.exp(x))
    pm.check_grads(f, (pm.tensor(x),))


def test_written_values_get_gradients():
    def f(x: pm.Tensor, v: pm.Tensor) -> pm.Tensor:
        y = pm.zeros((3, 2), dtype=x.dtype, device=x.device)
        y[1:, 0] = x
        y[0, :] = v * 2
        y[pm.asarray([0, 2]), pm.asarray([1, 1])] += v
        return y * y

    x, v = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    pm.check_grads(f, (pm.tensor(x), pm.tensor(v)))
    a, b = gradient(f, x, v)
    same(a, 2 * x)
    same(b, [2 * 6 * 2 + 2 * (8 + 3), 2 * (8 + 3) * 2 + 2 * 4])


# ---------------------------------------------------------------------------------------------------- kinds of numbers


def test_precision_is_kept_in_every_mode():
    x = pm.tensor(np.float32([1.0, 2.0]))

    def f(x: pm.Tensor) -> pm.Tensor:
        return pm.where(x > 1, 2.0 * pm.sin(x) / 3 + x**2 + pm.mean(x), 1.0)

    assert pm.grad(lambda x: f(x).sum())(x).dtype == pm.float32
    assert pm.jvp(f, (x,), (x,))[1].dtype == pm.float32
    assert pm.hessian(lambda x: f(x).sum())(x).dtype == pm.float32
    assert pm.vmap(f)(pm.stack([x, x])).dtype == pm.float32
    z = pm.tensor(np.complex64([1 + 1j]))
    assert pm.vjp(lambda z: pm.abs(z), z)[1](pm.tensor(np.float32([1.0]))).dtype == pm.complex64


def test_real_and_complex_mix():
    x, z = np.array([1.5, -2.0]), np.array([1 + 2j, 0.5 - 1j])

    def f(x: pm.Tensor, z: pm.Tensor) -> pm.Tensor:
        return pm.real(x * z * z + pm.exp(x) * pm.conj(z))

    a, b = gradient(f, x, z)
    assert (a.dtype, b.dtype) == (pm.float64, pm.complex128)
    pm.check_grads(f, (pm.tensor(x), pm.tensor(z)))


def test_integers_stay_constants():
    n = pm.asarray([1, 2, 3])
    same(gradient(lambda x: x * pm.astype(n, x.dtype) + pm.astype(n // 2, x.dtype), np.ones(3))[0], [1, 2, 3])
    assert pm.grad(lambda x, n: (x[n - 1]).sum(), argnums=(0, 1))(pm.ones(3), n)[1] is None


# ------------------------------------------------------------------------------------------------ repeated eigenvalues


def test_functions_of_matrices_with_repeated_eigenvalues():
    """Eigenvectors have no derivative there; what does not depend on their choice has, and gets it."""
    host = np.eye(3) * 2.0
    same(gradient(lambda a: pm.linalg.eigh(a + pm.matrix_transpose(a)).eigenvalues, host)[0], 2 * np.eye(3))
    same(gradient(lambda a: pm.linalg.svdvals(a), host)[0], np.eye(3))
    same(gradient(lambda a: pm.linalg.det(a), host)[0], 4 * np.eye(3))
    same(gradient(lambda a: pm.linalg.inv(a), host)[0], -np.ones((3, 3)) / 4)


def test_rows_of_a_jacobian_beside_a_pole():
    x = pm.tensor(np.array([0.0, 4.0]))
    same(pm.jacobian(pm.sqrt)(x), [[np.inf, 0], [0, 0.25]])
    y = pm.sqrt(x.requires_grad_())
    y.backward(pm.tensor(np.array([0.0, 1.0])))
    same(x.grad, [0, 0.25])
