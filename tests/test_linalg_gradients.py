"""Derivatives of polymod.linalg: against torch and finite differences, and where they are delicate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from test_linalg import (
    complex_numbers,
    complex_regular,
    generate,
    gradient,
    host,
    normal,
    regular,
    same_numbers_every_time,  # noqa: F401 a fixture
    singular,
)
from test_rules import check_against_torch

import polymod as pm
from polymod import linalg
from polymod.autograd.functional import jvp, vjp
from polymod.testing.differences import check
from polymod.testing.samples import Sample
from polymod.testing.samples.decompositions import torch_linalg

inf = math.inf


# -------------------------------------------------------------------------------------------------- derivatives


def made(f: Callable, torch: Any, *inputs: np.ndarray) -> Sample:
    return Sample(inputs, call=f, torch=torch)


def norm(name: str, **attrs: Any) -> tuple[Callable, Callable]:
    theirs = {"dim" if k == "axis" else "keepdim" if k == "keepdims" else k: v for k, v in attrs.items()}
    return lambda x: getattr(linalg, name)(x, **attrs), torch_linalg(name, **theirs)


away = np.random.default_rng(3)


def away_from_zero(*shape: int) -> np.ndarray:
    return away.uniform(0.5, 2, shape) * away.choice([-1, 1], shape)


def complex_away_from_zero(*shape: int) -> np.ndarray:
    return away.uniform(0.5, 2, shape) * np.exp(1j * away.uniform(0, 6, shape))


def torch_tensordot(a: Any, b: Any) -> Any:
    import torch

    return torch.tensordot(a, b, dims=([2, 0], [1, 2]))


composites = {
    **{
        f"vector_norm-{ord}-{axis}-{kind}": made(*norm("vector_norm", ord=ord, axis=axis), make(2, 3, 2))
        for ord, axis in ((2, None), (0, 1), (1, 1), (3, (0, 2)), (0.5, 1), (-2, 0), (inf, (1, 2)), (-inf, 1), (2, -1))
        for kind, make in (("real", away_from_zero), ("complex", complex_away_from_zero))
    },
    **{
        f"matrix_norm-{ord}-{kind}": made(*norm("matrix_norm", ord=ord, keepdims=ord == 2), make(2, 3, 4))
        for ord in ("fro", "nuc", 2, -2)
        for kind, make in (("real", regular), ("complex", complex_regular))
    },
    **{
        f"matrix_norm-{ord}-{kind}": made(*norm("matrix_norm", ord=ord, keepdims=ord == 1), make(2, 3, 4))
        for ord in (1, -1, inf, -inf)
        for kind, make in (("real", away_from_zero), ("complex", complex_away_from_zero))
    },
    **{
        f"matrix_power-{n}-{kind}": made(
            lambda x, n=n: linalg.matrix_power(x, n), lambda x, n=n: torch_linalg("matrix_power")(x, n), make(2, 3, 3)
        )
        for n in (0, 1, 2, 3, 6, -1, -2)
        for kind, make in (("real", regular), ("complex", complex_regular))
    },
    **{
        f"{name}-{kind}": sample
        for kind, make, squares in (("real", normal, regular), ("complex", complex_numbers, complex_regular))
        for name, sample in {
            "cross": made(linalg.cross, torch_linalg("cross"), make(2, 1, 3), make(1, 4, 3)),
            "cross-axis": made(
                lambda a, b: linalg.cross(a, b, axis=0), torch_linalg("cross", dim=0), make(3, 2), make(3, 2)
            ),
            "outer": made(linalg.outer, "outer", make(3), make(2)),
            "trace": made(lambda x: linalg.trace(x, offset=1), lambda x: x.diagonal(1, -2, -1).sum(-1), make(2, 3, 4)),
            "tensordot": made(
                lambda a, b: linalg.tensordot(a, b, axes=((2, 0), (1, 2))),
                torch_tensordot,
                make(2, 3, 4),
                make(3, 4, 2),
            ),
            "solve-vector": made(linalg.solve, torch_linalg("solve"), squares(2, 3, 3), make(3)),
            "upper": made(
                lambda x: linalg.cholesky(x, upper=True),
                lambda x: torch_linalg("cholesky")((x + x.mH) / 2).mH,
                squares(2, 3, 3),
            ),
        }.items()
    },
}


@pytest.mark.parametrize("name", composites)
def test_derivatives_of_composites(name: str, rng: np.random.Generator):
    check(name, composites[name], rng)
    if not name.startswith("vector_norm-0-"):  # torch does not differentiate it twice
        check_against_torch(name, composites[name], rng)


@pytest.mark.parametrize("kind", ["real", "complex"])
@pytest.mark.parametrize("shape", [(3, 3), (2, 4, 4)])
def test_derivatives_of_eigenvalues(kind: str, shape: tuple, rng: np.random.Generator):
    """Of symmetric functions of them, since their order is open, with conjugate pairs among real matrices'."""
    turning = np.triu(np.full(shape[-2:], 2.0), 1)
    x = regular(*shape) + turning - turning.T if kind == "real" else complex_regular(*shape)
    assert kind == "complex" or np.max(np.abs(np.linalg.eigvals(x).imag)) > 1

    def f(t: Any) -> Any:
        w = linalg.eigvals(t)
        return pm.exp(w).sum(axis=-1), (pm.abs(w) ** 2).sum(axis=-1)

    check("eigvals", Sample((x,), call=f), rng)


def functions_of_all() -> dict[str, Callable]:
    return {
        "det": linalg.det,
        "slogdet": lambda x: linalg.slogdet(x)[1],
        "inv": linalg.inv,
        "pinv": lambda x: linalg.pinv(x[..., :2]),
        "cholesky": linalg.cholesky,
        "qr": lambda x: linalg.qr(x[..., :2])[0],
        "eigh": lambda x: pm.abs(linalg.eigh(x)[1]),
        "eig": lambda x: pm.abs(linalg.eig(x)[1]),
        "svd": lambda x: pm.abs(linalg.svd(x[..., :2], full_matrices=False)[0]),
        "svdvals": linalg.svdvals,
        "eigvalsh": linalg.eigvalsh,
        "solve": lambda x: linalg.solve(x, x[..., :1]),
        "norm": lambda x: linalg.matrix_norm(x, ord=2),
    }


@pytest.mark.parametrize("name", functions_of_all())
@generate
def test_forward_and_reverse_mode_are_transposes_of_each_other(name: str, make: Callable, rng: np.random.Generator):
    """<w, J v> = <J^H w, v>, and J v is the difference quotient."""
    f, x = functions_of_all()[name], make(2, 3, 3)
    v = make(2, 3, 3) - np.eye(3)
    y, pushed = jvp(f, (pm.tensor(x),), (pm.tensor(v),))
    step = 1e-5
    difference = (host(f(pm.tensor(x + step * v))) - host(f(pm.tensor(x - step * v)))) / (2 * step)
    np.testing.assert_allclose(host(pushed), difference, rtol=1e-6, atol=1e-7)
    w = rng.normal(size=y.shape) + (1j * rng.normal(size=y.shape) if y.dtype.kind == "c" else 0)
    _, pull = vjp(f, pm.tensor(x))
    pulled = pull(pm.tensor(w))
    pulled = pulled[0] if isinstance(pulled, tuple) else pulled
    forward, reverse = np.sum(np.conj(w) * host(pushed)).real, np.sum(np.conj(host(pulled)) * v).real
    assert forward == pytest.approx(reverse, rel=1e-10)


# ------------------------------------------------------------------------------------------------ delicate points


def cofactors(x: np.ndarray) -> np.ndarray:
    """By minors."""
    n = len(x)
    result = np.zeros_like(x)
    for i in range(n):
        for j in range(n):
            minor = np.delete(np.delete(x, i, 0), j, 1)
            result[i, j] = (-1) ** (i + j) * (np.linalg.det(minor) if n > 1 else 1)
    return result


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_gradient_of_det_is_the_matrix_of_cofactors_at_any_rank(n: int):
    for rank in range(n + 1):
        x = singular(n, n, rank=rank)
        np.testing.assert_allclose(
            gradient(linalg.det, x)[0], cofactors(x), rtol=1e-6, atol=1e-8 * max(1, x.max()) ** n
        )


@pytest.mark.parametrize("kind", ["real", "complex"])
@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_third_derivative_of_det_at_any_rank(kind: str, rank: int):
    """det(x + t v) of 3 by 3 matrices is a polynomial in t with leading coefficient det(v)."""
    x = singular(3, 3, rank=rank) + (1j * singular(3, 3, rank=rank) if kind == "complex" and rank in (0, 3) else 0)
    x, v = pm.tensor(np.asarray(x, complex if kind == "complex" else float)), complex_numbers(3, 3)
    v = v if kind == "complex" else v.real
    t = pm.tensor(np.zeros((), v.dtype), requires_grad=True)
    y = linalg.det(x + t * pm.tensor(v))
    for _ in range(3):
        (y,) = pm.autograd.grad(y, t, pm.ones_like(y), create_graph=True)
        y = pm.conj(y) if kind == "complex" else y  # the gradient of a holomorphic f is the conjugate of f'
    np.testing.assert_allclose(host(y), 6 * np.linalg.det(v), rtol=1e-6, atol=1e-8)


def test_masked_singular_matrices_leave_the_gradient_of_others_alone():
    x = np.asarray([[[1.0, 2], [2, 4]], [[1, 2], [3, 4]]])

    def f(t: Any) -> Any:
        logarithm = linalg.slogdet(t).logabsdet
        return pm.where(logarithm < -1e9, 0.0, logarithm).sum()

    np.testing.assert_allclose(gradient(f, x)[0], [np.zeros((2, 2)), np.linalg.inv(x[1]).T], atol=1e-12)
    (alone,) = gradient(lambda t: linalg.slogdet(t).logabsdet.sum(), x)
    assert np.all(np.isnan(alone[0])) and np.all(np.isfinite(alone[1]))


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("ord", [1, 2, 3, 1.5, 0.5, inf, -inf, -1])
@pytest.mark.parametrize("dtype", [float, complex])
def test_gradient_of_vector_norms_at_zero_is_zero(ord: float, dtype: type):
    np.testing.assert_array_equal(
        gradient(lambda t: linalg.vector_norm(t, ord=ord), np.zeros(3, dtype))[0], np.zeros(3)
    )
    x = np.asarray([[0, 0, 0], [3, 0, 4]], dtype)
    g = gradient(lambda t: linalg.vector_norm(t, axis=1, ord=ord).sum(), x)[0]
    assert np.all(np.isfinite(g)) and np.all(g[x == 0] == 0)


@pytest.mark.parametrize("ord", ["fro", "nuc", 1, -1, 2, -2, inf, -inf])
def test_gradient_of_matrix_norms_at_zero_is_zero(ord: Any):
    x = np.zeros((2, 2, 3))
    np.testing.assert_array_equal(gradient(lambda t: linalg.matrix_norm(t, ord=ord).sum(), x)[0], x)


def test_equal_singular_values_share_the_gradient_of_the_spectral_norm():
    g = gradient(lambda t: linalg.matrix_norm(t, ord=2), np.diag([3.0, 3.0, 1.0]))[0]
    np.testing.assert_allclose(g, np.diag([0.5, 0.5, 0]), atol=1e-15)
    (first,) = gradient(lambda t: linalg.vector_norm(t, ord=inf), np.asarray([2.0, -2.0, 1.0]))
    np.testing.assert_allclose(first, [0.5, -0.5, 0])


def rotation(n: int) -> np.ndarray:
    return np.linalg.qr(normal(n, n))[0]


def test_eigh_with_equal_eigenvalues():
    """Sums over equal eigenvalues, and the projection onto their space, have the derivative of perturbation theory."""
    q = rotation(4)
    x = q @ np.diag([1.0, 1.0, 1.0, 3.0]) @ q.T
    np.testing.assert_allclose(gradient(lambda t: (linalg.eigh(t)[0] ** 2).sum(), x)[0], 2 * x, atol=1e-12)
    np.testing.assert_allclose(gradient(lambda t: (linalg.eigvalsh(t) ** 2).sum(), x)[0], 2 * x, atol=1e-12)
    c = normal(4, 4)
    c = c + c.T

    def f(t: Any) -> Any:
        v = linalg.eigh(t).eigenvectors[:, :3]
        return (pm.tensor(c) * (v @ v.mT)).sum()

    space, other = q[:, :3], q[:, 3:]
    between = space @ (space.T @ c @ other) @ other.T / (1.0 - 3.0)
    np.testing.assert_allclose(gradient(f, x)[0], between + between.T, atol=1e-12)
    assert np.all(np.isfinite(gradient(lambda t: linalg.eigh(t).eigenvectors.sum(), np.eye(3))[0]))


def test_svd_with_equal_and_zero_singular_values():
    """U V^H of a multiple of an orthogonal matrix, and U S V^H of anything, whatever the vectors are."""
    x = singular(4, 3, rank=1) + 0
    w = normal(4, 3)

    def again(t: Any) -> Any:
        u, s, vh = linalg.svd(t, full_matrices=False)
        return (pm.tensor(w) * (u[:, :1] * s[:1] @ vh[:1])).sum()

    u, _, vh = np.linalg.svd(x, full_matrices=False)
    p, r = u[:, :1] @ u[:, :1].T, vh[:1].T @ vh[:1]
    expected = w - (np.eye(4) - p) @ w @ (np.eye(3) - r)  # the tangents of rank one at a matrix of rank one
    np.testing.assert_allclose(gradient(again, x)[0], expected, atol=1e-10)
    for singular_at in (np.eye(3), np.zeros((3, 2)), np.ones((2, 3))):
        for full in (True, False):
            g = gradient(
                lambda t, full=full: sum(part.sum() for part in linalg.svd(t, full_matrices=full)), singular_at
            )
            assert np.all(np.isfinite(g[0]))
    np.testing.assert_allclose(
        gradient(lambda t: linalg.svdvals(t).sum(), np.diag([2.0, 2.0]))[0], np.eye(2), atol=1e-12
    )
    np.testing.assert_allclose(gradient(lambda t: linalg.svdvals(t).sum(), np.diag([2.0, 0.0]))[0], np.diag([1, 0]))


@pytest.mark.parametrize("shape", [(4, 3), (3, 4), (3, 3)])
def test_pinv_of_deficient_rank(shape: tuple, rng: np.random.Generator):
    """Along matrices of the same rank."""

    def f(a: Any, b: Any) -> Any:
        return linalg.pinv(a @ b, rtol=1e-6)

    check("pinv", Sample((regular(shape[0], 2), regular(2, shape[1])), call=f), rng)


def test_qr_and_svd_bases_that_are_free_add_nothing():
    """The projection onto the columns that mode="complete" adds is what the other columns leave."""
    x = regular(4, 2)
    c = normal(4, 4)

    def complement(t: Any) -> Any:
        rest = linalg.qr(t, mode="complete").Q[:, 2:]
        return (pm.tensor(c) * (rest @ rest.mT)).sum()

    def projection(t: Any) -> Any:
        u = linalg.svd(t, full_matrices=True).U[:, 2:]
        return (pm.tensor(c) * (u @ u.mT)).sum()

    def direct(t: Any) -> Any:
        return -(pm.tensor(c) * (t @ linalg.pinv(t))).sum()

    (expected,) = gradient(direct, x)
    np.testing.assert_allclose(gradient(complement, x)[0], expected, atol=1e-12)
    np.testing.assert_allclose(gradient(projection, x)[0], expected, atol=1e-12)


@pytest.mark.parametrize("name", ["det", "slogdet", "inv", "svdvals", "eigh", "qr", "cholesky", "matrix_norm"])
@pytest.mark.parametrize("shape", [(0, 3, 3), (2, 0, 0)])
def test_empty_stacks_and_matrices_have_empty_gradients(name: str, shape: tuple):
    f = getattr(linalg, name)

    def total(t: Any) -> Any:
        result = f(t)
        return sum(y.sum() for y in (result if isinstance(result, tuple) else (result,)))

    assert gradient(total, np.zeros(shape))[0].shape == shape
