"""einsum against NumPy's, its derivatives against torch's, and what it says of wrong subscripts."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from against import against_differences, against_torch
from hypothesis import given, settings
from hypothesis import strategies as st

import polymod as pm

expressions = [
    ("ij,jk->ik", [(2, 3), (3, 4)]),
    ("ij,jk", [(2, 3), (3, 4)]),
    ("ji,jk->ki", [(3, 2), (3, 4)]),
    ("i,i", [(3,), (3,)]),
    ("i,i->i", [(3,), (3,)]),
    ("i,j->ij", [(3,), (4,)]),
    ("i,j->ji", [(3,), (4,)]),
    ("ij->ji", [(2, 3)]),
    ("ij->", [(2, 3)]),
    ("ij->j", [(2, 3)]),
    ("ba", [(2, 3)]),
    ("ii", [(3, 3)]),
    ("ii->i", [(3, 3)]),
    ("iij->ji", [(3, 3, 2)]),
    ("iii->i", [(3, 3, 3)]),
    ("ijij->ij", [(2, 3, 2, 3)]),
    ("ii,ij->j", [(3, 3), (3, 2)]),
    ("bij,bjk->bik", [(4, 2, 3), (4, 3, 5)]),
    ("bij,bkj->bki", [(4, 2, 3), (4, 5, 3)]),
    ("bhqd,bhkd->bhqk", [(2, 3, 4, 5), (2, 3, 6, 5)]),
    ("...ij,...jk->...ik", [(4, 2, 3), (5, 4, 3, 2)]),
    ("...ij,...jk", [(1, 2, 3), (5, 4, 3, 2)]),
    ("i...->...i", [(2, 3, 4)]),
    ("...i->...", [(2, 3, 4)]),
    ("...,i->i...", [(), (3,)]),
    ("i...i->...", [(3, 2, 3)]),
    ("...a,...a->...", [(2, 1, 3), (4, 3)]),
    ("i,i->i", [(1,), (3,)]),
    ("ij,jk->ik", [(2, 1), (3, 4)]),
    ("ij,ij->ij", [(1, 3), (2, 1)]),
    ("ij,k->ij", [(2, 3), (4,)]),
    ("ij,kl->jl", [(2, 3), (4, 5)]),
    ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)]),
    ("ij,jk,ki", [(2, 3), (3, 4), (4, 2)]),
    ("i,i,i,i->", [(3,), (3,), (3,), (3,)]),
    ("ab,bc,cd,de,ea->", [(2, 3), (3, 2), (2, 4), (4, 3), (3, 2)]),
    ("a,b,c->cab", [(2,), (3,), (4,)]),
    (" i j , j k -> i k ", [(2, 3), (3, 4)]),
    ("ij->ij", [(1, 1)]),
    ("i->", [(0,)]),
    ("ij,jk->ik", [(2, 0), (0, 3)]),
    ("->", [()]),
    (",->", [(), ()]),
    ("Ab,bA->A", [(2, 3), (3, 2)]),
]


def made(shapes: list[tuple[int, ...]], rng: np.random.Generator) -> list[np.ndarray]:
    return [np.asarray(rng.normal(size=s)) for s in shapes]


@pytest.mark.parametrize(("subscripts", "shapes"), expressions)
@pytest.mark.parametrize("optimize", [True, False, "greedy"])
def test_values_are_numpys(subscripts: str, shapes: Any, optimize: Any, rng: np.random.Generator) -> None:
    arrays = made(shapes, rng)
    found = pm.einsum(subscripts, *map(pm.tensor, arrays), optimize=optimize)
    expected = np.einsum(subscripts, *arrays)
    assert found.shape == expected.shape
    np.testing.assert_allclose(pm.to_numpy(found), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("subscripts", "shapes"), expressions)
def test_the_order_of_one_without_opt_einsum(
    subscripts: str, shapes: Any, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    from polymod.functions.einsum import path

    monkeypatch.setitem(sys.modules, "opt_einsum", None)
    path.cache_clear()
    arrays = made(shapes, rng)
    found = pm.einsum(subscripts, *map(pm.tensor, arrays))
    path.cache_clear()
    np.testing.assert_allclose(pm.to_numpy(found), np.einsum(subscripts, *arrays), rtol=1e-12, atol=1e-12)


@pytest.mark.any_engine
def test_greedy_avoids_large_products() -> None:
    from polymod.functions.einsum import greedy

    lengths = {"i": 1000, "j": 2, "k": 1000, "l": 3}
    assert greedy([("i", "j"), ("j", "k"), ("k", "l")], ("i", "l"), lengths)[0] == (1, 2)


@pytest.mark.parametrize(("subscripts", "shapes"), [e for e in expressions if all(map(np.prod, e[1])) and "->" in e[0]])
def test_derivatives_are_torchs(subscripts: str, shapes: Any, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    arrays = made(shapes, rng)
    against_torch(
        lambda *xs: pm.einsum(subscripts, *xs), lambda *xs: torch.einsum(subscripts, *xs), arrays, "float64", rng
    )
    against_differences(lambda *xs: pm.einsum(subscripts, *xs), arrays, rng)


@st.composite
def problems(draw: st.DrawFn) -> tuple[str, list[tuple[int, ...]]]:
    """A random expression: up to four operands over up to five labels, repeated labels and lengths one among them."""
    labels = "abcde"[: draw(st.integers(1, 5))]
    lengths = {v: draw(st.integers(1, 4)) for v in labels}
    terms = draw(st.lists(st.text(labels, max_size=4), min_size=1, max_size=4))
    shapes = []
    for term in terms:
        single = {v for v in term if draw(st.integers(0, 5)) == 0}  # broadcast
        shapes.append(tuple(1 if v in single else lengths[v] for v in term))
    used = sorted(set("".join(terms)))
    result = draw(st.permutations(used))[: draw(st.integers(0, len(used)))]
    arrow = draw(st.booleans())
    return ",".join(terms) + ("->" + "".join(result) if arrow else ""), shapes


@settings(max_examples=60, deadline=None, derandomize=True)
@given(problems(), st.integers(0, 2**31))
def test_random_expressions_are_numpys(problem: Any, seed: int) -> None:
    subscripts, shapes = problem
    arrays = made(shapes, np.random.default_rng(seed))
    found = pm.einsum(subscripts, *map(pm.tensor, arrays))
    expected = np.einsum(subscripts, *arrays)
    assert found.shape == expected.shape
    np.testing.assert_allclose(pm.to_numpy(found), expected, rtol=1e-10, atol=1e-10)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(problems(), st.integers(0, 2**31))
def test_random_gradients_are_torchs(problem: Any, seed: int) -> None:
    torch = pytest.importorskip("torch")
    subscripts, shapes = problem
    arrays = made(shapes, np.random.default_rng(seed))
    xs = [pm.tensor(a, requires_grad=True) for a in arrays]
    ts = [torch.tensor(a, requires_grad=True) for a in arrays]
    pm.einsum(subscripts, *xs).sum().backward()
    torch.einsum(subscripts, *ts).sum().backward()
    for x, t in zip(xs, ts, strict=True):
        np.testing.assert_allclose(pm.to_numpy(x.grad), t.grad.numpy(), rtol=1e-10, atol=1e-10)


def test_alternating_form(rng: np.random.Generator) -> None:
    a, b = made([(2, 3), (3, 4)], rng)
    x, y = pm.tensor(a), pm.tensor(b)
    np.testing.assert_allclose(pm.to_numpy(pm.einsum(x, [0, 1], y, [1, 2], [2, 0])), (a @ b).T)
    np.testing.assert_allclose(pm.to_numpy(pm.einsum(x, [0, 30], y, [30, 2])), a @ b)
    np.testing.assert_allclose(pm.to_numpy(pm.einsum(x, [..., 1], [1, ...])), a.T)


def test_a_given_order(rng: np.random.Generator) -> None:
    arrays = made([(2, 3), (3, 4), (4, 5)], rng)
    order = np.einsum_path("ij,jk,kl->il", *arrays)[0]
    for given_order in (order, [(1, 2), (0, 1)], [(0, 1, 2)]):
        found = pm.einsum("ij,jk,kl->il", *map(pm.tensor, arrays), optimize=given_order)
        np.testing.assert_allclose(pm.to_numpy(found), arrays[0] @ arrays[1] @ arrays[2])


def test_dtypes(engine: pm.Device) -> None:
    x = pm.tensor(np.ones((2, 3), np.float32))
    assert pm.einsum("ij,ij->i", x, x).dtype == pm.float32
    assert pm.einsum("ij,ij->i", x, x).device == engine
    n = pm.tensor(np.ones((2, 3), np.int32))
    assert pm.einsum("ij->i", n).dtype == pm.int32  # as NumPy, which does not sum small integers as large ones here
    assert pm.einsum("ij,ij", x, pm.tensor(np.ones((2, 3)))).dtype == pm.float64
    z = pm.einsum("ij,kj->ik", pm.tensor(np.full((2, 3), 1j)), pm.tensor(np.full((2, 3), 2j)))
    np.testing.assert_array_equal(pm.to_numpy(z), np.full((2, 2), -6))


@pytest.mark.any_engine
@pytest.mark.parametrize(
    ("subscripts", "shapes", "says"),
    [
        ("ij,jk->ik", [(2, 3)], "names 2 operands, received 1"),
        ("ij->i", [(2, 3, 4)], "does not fit an operand of shape"),
        ("ij,jk->ik", [(2, 3), (4, 5)], "has the lengths 3 and 4"),
        ("ij->k", [(2, 3)], "is in no operand"),
        ("ij->ii", [(2, 3)], "occurs twice in the result"),
        ("i1->i", [(2, 3)], "no letters"),
        ("...i->i", [(2, 3)], "the result has no"),
        ("ii->i", [(2, 3)], "different lengths"),
    ],
)
def test_wrong_subscripts(subscripts: str, shapes: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        pm.einsum(subscripts, *(pm.zeros(s) for s in shapes))


@pytest.mark.any_engine
def test_all_problems_are_listed() -> None:
    with pytest.raises(ValueError, match=r"is in no operand.*has the lengths"):
        pm.einsum("ij,jk->iz", pm.zeros((2, 3)), pm.zeros((4, 5)))
