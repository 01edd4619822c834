"""polymod.linalg: its names, values against NumPy, dtypes and errors."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import array_api_compat.numpy as xnp
import numpy as np
import pytest

import polymod as pm
from polymod import linalg
from polymod.backend import portable
from polymod.testing.samples import Draw

inf = math.inf
draw = Draw("linalg")
normal, complex_numbers = draw.normal, draw.complex_numbers
regular, complex_regular, singular = draw.regular, draw.complex_regular, draw.singular


@pytest.fixture(autouse=True)
def same_numbers_every_time(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch):
    """The numbers of a test don't depend on which tests ran before it."""
    monkeypatch.setattr(draw, "rng", rng)


def host(x: Any) -> Any:
    return tuple(map(pm.to_numpy, x)) if isinstance(x, tuple) else pm.to_numpy(x)


def gradient(f: Callable[..., Any], *arrays: np.ndarray) -> list[np.ndarray]:
    xs = [pm.tensor(a, requires_grad=True) for a in arrays]
    return [pm.to_numpy(g) for g in pm.autograd.grad(f(*xs), xs)]


# ------------------------------------------------------------------------------------------------ the namespace


@pytest.mark.any_engine
@pytest.mark.parametrize("name", linalg.__all__)
def test_signatures_are_the_standards(name: str):
    strict = pytest.importorskip("array_api_strict").linalg
    if name in ("eig", "eigvals"):
        expected = [("x", inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.empty)]
    else:
        parameters = inspect.signature(getattr(strict, name)).parameters.values()
        expected = [(p.name, p.kind, p.default) for p in parameters]
    found = [(p.name, p.kind, p.default) for p in inspect.signature(getattr(linalg, name)).parameters.values()]
    assert found == expected


def test_all_25_functions_are_there_and_found_by_their_namespace():
    assert len(linalg.__all__) == 25
    assert all(callable(getattr(linalg, name)) for name in linalg.__all__)
    assert pm.linalg is linalg


def test_results_of_several_parts_have_the_standards_names():
    x = pm.tensor(regular(3, 3))
    assert linalg.qr(x)._fields == ("Q", "R")
    assert linalg.eig(x)._fields == linalg.eigh(x)._fields == ("eigenvalues", "eigenvectors")
    assert linalg.slogdet(x)._fields == ("sign", "logabsdet")
    assert linalg.svd(x)._fields == ("U", "S", "Vh")
    assert all(isinstance(part, pm.Tensor) for f in (linalg.qr, linalg.svd, linalg.slogdet) for part in f(x))


# ----------------------------------------------------------------------------------------------------- values

generate = pytest.mark.parametrize("make", [regular, complex_regular], ids=["real", "complex"])
stacks = [(3, 3), (2, 3, 3), (2, 1, 2, 2), (1, 1), (0, 3, 3), (2, 0, 0)]
wide_and_tall = [*stacks[:4], (4, 2), (2, 4), (3, 2, 4), (0, 2, 3)]


@generate
@pytest.mark.parametrize("name", ["inv", "det", "slogdet", "eigvals", "trace", "diagonal", "matrix_power"])
@pytest.mark.parametrize("shape", stacks)
def test_values_of_square_matrices(name: str, shape: tuple, make: Callable):
    x = make(*shape)
    more = (3,) if name == "matrix_power" else ()
    found, expected = getattr(linalg, name)(pm.tensor(x), *more), getattr(xnp.linalg, name)(x, *more)
    for f, e in zip(*((v if isinstance(v, tuple) else (v,)) for v in (found, expected)), strict=True):
        if name == "eigvals":
            f, e = np.sort_complex(pm.to_numpy(f)), np.sort_complex(e)
        np.testing.assert_allclose(host(f) if isinstance(f, pm.Tensor) else f, e, rtol=1e-12, atol=1e-12)
        assert f.shape == np.shape(e)


@generate
@pytest.mark.parametrize("shape", stacks)
def test_hermitian_decompositions_compose_what_they_took_apart(shape: tuple, make: Callable):
    x = make(*shape)
    t = pm.tensor(x)
    whole = (x + np.conj(np.swapaxes(x, -1, -2))) / 2
    w, v = host(linalg.eigh(t))
    np.testing.assert_allclose(v * w[..., None, :] @ np.conj(np.swapaxes(v, -1, -2)), whole, atol=1e-12)
    assert w.dtype == np.float64 and np.all(np.diff(w, axis=-1) >= 0)
    np.testing.assert_allclose(host(linalg.eigvalsh(t)), w, atol=1e-12)
    if 0 in shape:
        return
    factor, upper = host(linalg.cholesky(t)), host(linalg.cholesky(t, upper=True))
    np.testing.assert_allclose(factor @ np.conj(np.swapaxes(factor, -1, -2)), whole, atol=1e-12)
    np.testing.assert_array_equal(upper, np.conj(np.swapaxes(factor, -1, -2)))
    np.testing.assert_array_equal(factor, np.tril(factor))


@generate
@pytest.mark.parametrize("shape", wide_and_tall)
def test_other_decompositions_compose_what_they_took_apart(shape: tuple, make: Callable):
    x = make(*shape)
    t, k = pm.tensor(x), min(shape[-2:])
    for mode in ("reduced", "complete"):
        q, r = host(linalg.qr(t, mode=mode))
        assert q.shape == (*shape[:-1], k if mode == "reduced" else shape[-2])
        np.testing.assert_allclose(q @ r, x, atol=1e-12)
    for full in (True, False):
        u, s, vh = host(linalg.svd(t, full_matrices=full))
        assert u.shape[-1] == (shape[-2] if full else k) and vh.shape[-2] == (shape[-1] if full else k)
        np.testing.assert_allclose(u[..., :k] * s[..., None, :] @ vh[..., :k, :], x, atol=1e-12)
    np.testing.assert_allclose(host(linalg.svdvals(t)), s, atol=1e-12)
    if shape[-2] == shape[-1]:
        w, v = host(linalg.eig(t))
        np.testing.assert_allclose(x @ v, v * w[..., None, :], atol=1e-12)
        np.testing.assert_allclose(np.sum(np.abs(v) ** 2, axis=-2), np.ones(w.shape))
    np.testing.assert_allclose(host(linalg.pinv(t)), np.linalg.pinv(x), atol=1e-12)


@generate
@pytest.mark.parametrize("a", [(3, 3), (2, 3, 3), (3, 1, 2, 2)])
@pytest.mark.parametrize("columns", [None, 1, 2])
def test_values_of_solve(a: tuple, columns: int | None, make: Callable):
    x, b = make(*a), normal(a[-1]) if columns is None else normal(2, a[-1], columns)
    expected = np.linalg.inv(x) @ b
    np.testing.assert_allclose(host(linalg.solve(pm.tensor(x), pm.tensor(b))), expected, rtol=1e-10, atol=1e-12)


def test_solve_takes_a_matrix_for_a_matrix_though_it_could_be_a_stack_of_vectors():
    a, b = regular(3, 3, 3), normal(3, 3)
    np.testing.assert_allclose(host(linalg.solve(pm.tensor(a), pm.tensor(b))), np.linalg.inv(a) @ b, atol=1e-12)


@pytest.mark.parametrize("ord", [0, 1, 2, 3, 0.5, -1, -2.5, inf, -inf])
@pytest.mark.parametrize("axis", [None, 1, (0, 2), (2, 0, 1), ()])
@pytest.mark.parametrize("keepdims", [True, False])
@pytest.mark.parametrize("make", [normal, complex_numbers])
def test_values_of_vector_norm(ord: float, axis: Any, keepdims: bool, make: Callable):
    x = make(2, 3, 2)
    found = linalg.vector_norm(pm.tensor(x), axis=axis, keepdims=keepdims, ord=ord)
    axes = tuple(range(3)) if axis is None else (axis,) if isinstance(axis, int) else axis
    size = np.abs(x)
    if ord == 0:
        expected = np.sum(size != 0, axis=axes, keepdims=keepdims).astype(float)
    elif abs(ord) == inf:
        expected = (np.max if ord > 0 else np.min)(size, axis=axes, keepdims=keepdims)
    else:
        expected = np.sum(size**ord, axis=axes, keepdims=keepdims) ** (1 / ord)
    np.testing.assert_allclose(host(found), expected, rtol=1e-12)
    assert found.dtype == pm.float64


@pytest.mark.parametrize("ord", ["fro", None, "nuc", 1, -1, 2, -2, inf, -inf])
@pytest.mark.parametrize("keepdims", [True, False])
@generate
def test_values_of_matrix_norm(ord: Any, keepdims: bool, make: Callable):
    x = make(2, 3, 4)
    found = linalg.matrix_norm(pm.tensor(x), ord=ord, keepdims=keepdims)
    expected = np.linalg.matrix_norm(x, ord=ord, keepdims=keepdims)
    np.testing.assert_allclose(host(found), expected, rtol=1e-12)
    assert found.dtype == pm.float64 and found.shape == expected.shape


def test_values_of_products():
    a, b = normal(2, 1, 3), normal(4, 3)
    np.testing.assert_allclose(host(linalg.cross(pm.tensor(a), pm.tensor(b))), np.cross(a, b))
    c = normal(3, 2)
    found = linalg.cross(pm.tensor(c), pm.tensor(2 * c + 1), axis=0)
    np.testing.assert_allclose(host(found), np.cross(c, 2 * c + 1, axis=0), atol=1e-15)
    np.testing.assert_array_equal(host(linalg.outer(pm.tensor(b[0]), pm.tensor(c[:, 0]))), np.outer(b[0], c[:, 0]))
    n = np.asarray([[1, 2, 3], [4, 5, 6]])
    assert host(linalg.trace(pm.tensor(n), offset=1)) == 8
    assert linalg.trace(pm.tensor(n)).dtype == pm.int64
    np.testing.assert_array_equal(
        host(linalg.matrix_power(pm.tensor(n[:, :2]), 5)), np.linalg.matrix_power(n[:, :2], 5)
    )
    x = regular(2, 3, 3)
    for power in (-3, -1, 0, 1, 2, 7):
        found = linalg.matrix_power(pm.tensor(x), power)
        np.testing.assert_allclose(host(found), np.linalg.matrix_power(x, power), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("offset", range(-4, 6))
def test_diagonals_of_any_offset(offset: int):
    x = normal(2, 3, 4)
    expected = np.diagonal(x, offset, -2, -1)
    np.testing.assert_array_equal(host(linalg.diagonal(pm.tensor(x), offset=offset)), expected)
    g = gradient(lambda t: (linalg.diagonal(t, offset=offset) ** 2).sum(), x)[0]
    np.testing.assert_allclose(g, 2 * x * np.eye(3, 4, offset))


def test_matrix_rank():
    x = np.stack([singular(4, 3, rank=r) for r in (1, 2, 3)] + [np.zeros((4, 3))])
    found = linalg.matrix_rank(pm.tensor(x, requires_grad=True))
    np.testing.assert_array_equal(host(found), [1, 2, 3, 0])
    assert found.dtype.kind == "i" and not found.requires_grad
    d = pm.tensor(np.diag([1.0, 0.1, 0.01]))
    assert int(linalg.matrix_rank(d, rtol=0.05)) == 2
    pair = linalg.matrix_rank(pm.stack([d, d]), rtol=pm.tensor(np.asarray([0.5, 0.001])))
    np.testing.assert_array_equal(host(pair), [1, 3])
    assert host(linalg.matrix_rank(pm.zeros((2, 0, 3)))).tolist() == [0, 0]


def test_pinv_takes_a_tolerance_for_each_matrix():
    x = np.stack([np.diag([1.0, 0.1])] * 2)
    found = linalg.pinv(pm.tensor(x), rtol=pm.tensor(np.asarray([0.5, 0.01])))
    np.testing.assert_allclose(host(found), [np.diag([1.0, 0.0]), np.diag([1.0, 10.0])], atol=1e-15)


# ------------------------------------------------------------------------------------------------------- dtypes

unary = ["inv", "det", "slogdet", "eigh", "eigvalsh", "eig", "eigvals", "svd", "svdvals", "qr", "pinv", "cholesky"]
unary += ["matrix_norm", "vector_norm"]


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("name", unary)
@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_single_precision_stays(name: str, dtype: str):
    x = pm.tensor(complex_regular(3, 3).astype(dtype) if dtype[0] == "c" else regular(3, 3).astype(dtype))
    x.requires_grad_()
    result = getattr(linalg, name)(x)
    parts = result if isinstance(result, tuple) else (result,)
    assert all(y.dtype in (pm.float32, pm.complex64) for y in parts)
    total = sum((pm.abs(y) ** 2).sum() for y in parts)
    assert pm.autograd.grad(total, x)[0].dtype == x.dtype


@pytest.mark.parametrize("name", [*unary, "solve"])
def test_whole_numbers_become_the_default_float(name: str):
    x = pm.tensor([[2, 1], [1, 3]])
    result = getattr(linalg, name)(*(x, x) if name == "solve" else (x,))
    assert all(y.dtype in (pm.float32, pm.complex64) for y in (result if isinstance(result, tuple) else (result,)))


def test_solve_with_two_dtypes_gives_each_its_own_gradient():
    a = pm.tensor(regular(3, 3).astype("float32"), requires_grad=True)
    b = pm.tensor(complex_numbers(3, 2), requires_grad=True)
    y = linalg.solve(a, b)
    assert y.dtype == pm.complex128
    da, db = pm.autograd.grad(y, [a, b], pm.ones_like(y))
    assert (da.dtype, db.dtype) == (pm.float32, pm.complex128)
    inverse = np.linalg.inv(pm.to_numpy(a).astype(float))
    at_b = inverse.T @ np.ones((3, 2))
    np.testing.assert_allclose(host(db), at_b, rtol=1e-6)
    np.testing.assert_allclose(host(da), -(at_b @ np.conj(host(y)).T).real, rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------------------------------------------------- errors


def test_errors_say_what_was_expected():
    x = pm.tensor(normal(2, 3))
    for name in ("inv", "det", "slogdet", "eig", "eigh", "eigvals", "eigvalsh", "cholesky"):
        with pytest.raises(pm.ShapeError, match=rf"linalg.{name} takes square matrices .*\(2, 3\)"):
            getattr(linalg, name)(x)
    with pytest.raises(pm.ShapeError, match="takes matrices"):
        linalg.svd(x[0])
    with pytest.raises(pm.ShapeError, match="two vectors"):
        linalg.outer(x, x)
    with pytest.raises(pm.ShapeError, match="3 elements along axis 0"):
        linalg.cross(x, x, axis=0)
    with pytest.raises(pm.ShapeError, match=r"x2 \(n,\)"):
        linalg.solve(pm.tensor(regular(3, 3)), x)
    with pytest.raises(ValueError, match="ord must be"):
        linalg.matrix_norm(x, ord=3)
    with pytest.raises(ValueError, match="mode must be"):
        linalg.qr(x, mode="full")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="integer"):
        linalg.matrix_power(pm.tensor(regular(3, 3)), 0.5)  # type: ignore[arg-type]


@pytest.mark.any_engine
def test_an_engine_without_eig_is_named():
    class Namespace:
        backend, linalg = pm.load_backend("numpy"), object()

    with pytest.raises(pm.BackendError, match="backend numpy has no eig"):
        portable["eig"](Namespace(), np.eye(2))
