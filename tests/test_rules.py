"""Every derivative rule against finite differences, twice, and against torch; the derivatives at kinks and poles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from helpers import compiling

import polymod as pm
from polymod.autograd.primitive import Constant
from polymod.rules import primitives
from polymod.testing.differences import check
from polymod.testing.function import Function, like
from polymod.testing.samples import Sample, complex_table, table

cases = [(name, i) for name, samples in table.items() for i in range(len(samples))]
complex_cases = [(name, i) for name, samples in complex_table.items() for i in range(len(samples))]
brief_cases = [(name, i) for name, i in cases if i == 0 or not compiling]
each_sample = pytest.mark.parametrize(("name", "i"), cases, ids=[f"{n}-{i}" for n, i in cases])
each_complex = pytest.mark.parametrize(("name", "i"), complex_cases, ids=[f"{n}-{i}" for n, i in complex_cases])


def test_every_primitive_with_rules_has_a_sample():
    with_rules = {name for name, p in primitives.items() if not isinstance(p, Constant)}
    assert with_rules == set(table)


@each_sample
def test_rule_against_finite_differences(name: str, i: int, rng: np.random.Generator):
    check(name, table[name][i], rng)


@each_complex
def test_complex_rule_against_finite_differences(name: str, i: int, rng: np.random.Generator):
    check(name, complex_table[name][i], rng)


# ----------------------------------------------------------------------------------------------------- against torch


def plain(x: Any) -> np.ndarray:
    return x.detach().resolve_conj().numpy(force=True)


@pytest.mark.parametrize(
    ("kind", "name", "i"),
    [
        *(("real", n, i) for n, i in cases if table[n][i].torch is not None),
        *(("complex", n, i) for n, i in complex_cases if complex_table[n][i].torch is not None),
    ],
)
def test_derivatives_equal_torch(kind: str, name: str, i: int, rng: np.random.Generator):
    check_against_torch(name, (table if kind == "real" else complex_table)[name][i], rng)


def check_against_torch(name: str, sample: Sample, rng: np.random.Generator) -> None:
    """The results of a sample and both derivatives, along random directions, against torch's."""
    torch = pytest.importorskip("torch")
    f, inputs, tracked = Function(name, sample), sample.inputs, sample.tracked
    function = getattr(torch, sample.torch) if isinstance(sample.torch, str) else sample.torch
    weights, u = like(rng, f.values(inputs)), like(rng, [inputs[k] for k in tracked])
    xs = [torch.tensor(x, requires_grad=k in tracked) for k, x in enumerate(inputs) if isinstance(x, np.ndarray)]
    results = function(*xs)
    results = results if isinstance(results, tuple) else (results,)
    for ours, theirs in zip(f.values(inputs), results, strict=True):
        np.testing.assert_allclose(ours, plain(theirs), rtol=1e-12, atol=1e-12)
    wanted = [x for x in xs if x.requires_grad]
    ws = [torch.tensor(w, requires_grad=True) for w in weights]
    first = torch.autograd.grad(results, wanted, ws, create_graph=True)
    for ours, theirs in zip(f.gradients(inputs, tracked, weights), first, strict=True):
        np.testing.assert_allclose(ours, plain(theirs), rtol=1e-9, atol=1e-11)
    pairs = [(g, torch.tensor(d)) for g, d in zip(first, u, strict=True) if g.requires_grad]
    if not pairs:
        return
    gs, us = zip(*pairs, strict=True)
    second = torch.autograd.grad(gs, [*wanted, *ws], us, allow_unused=True)
    at_x, at_w = f.second(inputs, tracked, weights, u)
    for ours, theirs in zip([*at_x, *at_w], second, strict=True):
        expected = np.zeros_like(ours) if theirs is None else plain(theirs)
        np.testing.assert_allclose(ours, expected, rtol=1e-8, atol=1e-10)


# ------------------------------------------------------------------------------------------- dtypes and devices


mixed_cases = [(n, i, k) for n, i in brief_cases for k in table[n][i].tracked if len(table[n][i].tracked) > 1]


@pytest.mark.parametrize(("name", "i", "k"), mixed_cases)
def test_each_gradient_has_its_own_inputs_dtype(name: str, i: int, k: int, rng: np.random.Generator):
    """Engines promote float32 with float64; the cotangents go back to what the inputs were."""
    sample = table[name][i]
    f, tracked = Function(name, sample), sample.tracked
    inputs = [single(x) if j == k else x for j, x in enumerate(sample.inputs)]
    xs, ys = f.run(inputs, tracked)
    weights = [pm.tensor(w) for w in like(rng, [pm.to_numpy(y) for y in ys])]
    wanted = [xs[j] for j in tracked]
    found = pm.autograd.grad(ys, wanted, weights, create_graph=True, allow_unused=True)
    assert [g.dtype for g in found if g is not None] == [
        x.dtype for x, g in zip(wanted, found, strict=True) if g is not None
    ]
    used = [g for g in found if g is not None and g.requires_grad]
    if used:
        second = pm.autograd.grad(used, wanted, [g.detach() for g in used], allow_unused=True)
        assert all(g is None or g.dtype == x.dtype for g, x in zip(second, wanted, strict=True))


def single(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return x.astype({"f": np.float32, "c": np.complex64}.get(x.dtype.kind, x.dtype))
    return x


same_place = [(name, i) for name, i in brief_cases if name not in ("cast", "move")]  # whose purpose is to change it


@pytest.mark.parametrize(("name", "i"), same_place, ids=[f"{n}-{i}" for n, i in same_place])
def test_float32_in_float32_gradient(name: str, i: int, engine: pm.Device, rng: np.random.Generator):
    """No rule changes precision or place, and none depends on float64."""
    sample = table[name][i]
    f, tracked = Function(name, sample), sample.tracked
    inputs = [single(x) for x in sample.inputs]
    xs, ys = f.run(inputs, tracked)
    narrow = (pm.float32, pm.complex64)
    assert all(y.dtype in narrow and y.device == engine for y in ys)
    weights = like(rng, [pm.to_numpy(y) for y in ys])
    wanted = [xs[k] for k in tracked]
    ws = [pm.tensor(w, requires_grad=True) for w in weights]
    first = pm.autograd.grad(ys, wanted, ws, create_graph=True, allow_unused=True)
    used = [g for g in first if g is not None and g.requires_grad]
    second = pm.autograd.grad(used, [*wanted, *ws], [g.detach() for g in used], allow_unused=True) if used else ()
    for g, x in zip([*first, *second], [*wanted, *wanted, *ws], strict=False):
        if g is not None:
            assert (g.dtype, g.shape, g.device) == (x.dtype, x.shape, engine)
    exact = f.gradients(
        sample.inputs,
        tracked,
        weights=[np.asarray(w, np.result_type(w, 1j) if w.dtype.kind == "c" else "f8") for w in weights],
    )
    for g, expected in zip(first, exact, strict=True):
        if g is not None:
            scale = max(1.0, np.max(np.abs(expected), initial=0.0))
            np.testing.assert_allclose(pm.to_numpy(g), expected, rtol=2e-4, atol=2e-5 * scale)


def test_where_and_concat_bring_mixed_dtypes_back():
    a = pm.tensor(np.float32([1, 2]), requires_grad=True)
    b = pm.tensor(np.float64([3, 4]), requires_grad=True)
    for y in (
        pm.where(pm.tensor([True, False]), a, b),
        pm.concat([a, b]),
        pm.stack([a, b]),
    ):
        assert y.dtype == pm.float64
        da, db = pm.autograd.grad(y.sum(), [a, b])
        assert (da.dtype, db.dtype) == (pm.float32, pm.float64)


def test_real_times_complex_has_a_real_gradient(rng: np.random.Generator):
    host = rng.normal(size=3), rng.normal(size=3) + 1j * rng.normal(size=3)
    a, b = (pm.tensor(h, requires_grad=True) for h in host)
    w = rng.normal(size=3) + 1j * rng.normal(size=3)
    da, db = pm.autograd.grad(a * b, [a, b], pm.tensor(w))
    assert (da.dtype, db.dtype) == (pm.float64, pm.complex128)
    np.testing.assert_allclose(pm.to_numpy(da), (w * host[1].conj()).real)
    np.testing.assert_allclose(pm.to_numpy(db), w * host[0])


def test_integers_and_booleans_carry_no_gradient():
    x = pm.tensor([1.5, -2.5, 3.0], requires_grad=True)
    for y in (x > 0, x == x, pm.isnan(x), x.argmax(), x.astype(pm.int32), x.astype(pm.bool), pm.nonzero(x)[0], x.any()):
        assert not y.requires_grad and y.dtype.kind in "biu"
    n = pm.tensor([2, 0])
    (g,) = pm.autograd.grad((x[n] * n.astype(x.dtype)).sum(), x)
    np.testing.assert_array_equal(pm.to_numpy(g), [0, 0, 2])
    with pytest.raises(pm.GradientError, match="int64"):
        pm.tensor([1, 2], requires_grad=True)


# ------------------------------------------------------------------------------------------------- kinks and poles


def gradient_at(f: Any, *values: Any) -> list[np.ndarray]:
    xs = [pm.tensor(np.asarray(v, float), requires_grad=True) for v in values]
    return [pm.to_numpy(g) for g in pm.autograd.grad(f(*xs).sum(), xs)]


inf = math.inf


@pytest.mark.parametrize(
    ("f", "values", "expected"),
    [
        (pm.abs, [[-1.0, 0.0, 2.0]], [[-1, 0, 1]]),
        (pm.sqrt, [[0.0, 4.0]], [[inf, 0.25]]),
        (pm.std, [[2.0, 2.0, 2.0]], [[0, 0, 0]]),
        (pm.ops.relu, [[-1.0, 0.0, 2.0]], [[0, 0, 1]]),
        (pm.max, [[1.0, 3.0, 3.0]], [[0, 0.5, 0.5]]),
        (pm.min, [[1.0, 1.0, 3.0]], [[0.5, 0.5, 0]]),
        (lambda x: pm.max(x, axis=1), [[[2.0, 2.0], [1.0, 4.0]]], [[[0.5, 0.5], [0, 1]]]),
        (pm.maximum, [[1.0, 2.0, 3.0], [1.0, 5.0, 0.0]], [[0.5, 0, 1], [0.5, 1, 0]]),
        (pm.minimum, [[1.0, 2.0, 3.0], [1.0, 5.0, 0.0]], [[0.5, 1, 0], [0.5, 0, 1]]),
        (lambda x: pm.clip(x, -1, 1), [[-2.0, -1.0, 0.0, 1.0, 2.0]], [[0, 1, 1, 1, 0]]),
        (pm.sign, [[-1.0, 0.0]], [[0, 0]]),
        (pm.round, [[0.5, 1.2]], [[0, 0]]),
        (pm.log, [[0.0]], [[inf]]),
        (lambda x: x**2, [[0.0]], [[0]]),
        (lambda x: x**1, [[0.0]], [[1]]),
        (lambda x: x**0, [[0.0]], [[0]]),
        (lambda x: x**0.5, [[0.0]], [[inf]]),
        (lambda x: x**-1, [[2.0]], [[-0.25]]),
        (pm.pow, [[0.0, 0.0], [0.0, 2.0]], [[0, 0], [0, 0]]),
        (lambda b: 0.0**b, [[2.0]], [[0]]),
        (lambda b: 0**b, [[0.0, 2.0]], [[0, 0]]),
        (lambda b: (-2.0) ** b, [[2.0]], [[math.nan]]),
        (pm.hypot, [[0.0, 3.0], [2.0, 4.0]], [[0, 0.6], [1, 0.8]]),
        (pm.prod, [[0.0, 2.0, 3.0]], [[6, 0, 0]]),
        (pm.prod, [[0.0, 0.0, 3.0]], [[0, 0, 0]]),
        (lambda x: pm.logsumexp(x), [[-inf, 0.0, 0.0]], [[0, 0.5, 0.5]]),
        (lambda x: pm.logsumexp(x), [[1000.0, 1000.0]], [[0.5, 0.5]]),
        (lambda a, b: pm.logaddexp(a, b), [[1000.0, -1000.0], [-1000.0, -1000.0]], [[1, 0.5], [0, 0.5]]),
        (pm.ops.sigmoid, [[-1000.0, 0.0, 1000.0]], [[0, 0.25, 0]]),
        (pm.ops.gelu, [[-1000.0, 0.0, 1000.0]], [[0, 0.5, 1]]),
        (lambda x: pm.ops.gelu(x, approximate="tanh"), [[-1e200, 0.0, 1e200]], [[0, 0.5, 1]]),
        (pm.tanh, [[-1000.0, 1000.0]], [[0, 0]]),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
def test_derivative_at_kinks_and_poles(f: Any, values: list, expected: list):
    for found, e in zip(gradient_at(f, *values), expected, strict=True):
        np.testing.assert_allclose(found, e, rtol=1e-12, atol=1e-100)


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("name", ["hypot", "abs", "maximum", "minimum", "pow", "atan2"])
def test_kinks_of_two_inputs_as_torch(name: str):
    torch = pytest.importorskip("torch")
    points = [(0.0, 0.0), (0.0, 2.0), (1.0, 1.0), (2.0, 0.0)]
    hosts = np.asarray(points).T[: 1 if name == "abs" else 2]
    theirs = [torch.tensor(h, requires_grad=True) for h in hosts]
    getattr(torch, name)(*theirs).sum().backward()
    for found, t in zip(gradient_at(getattr(pm, name), *hosts), theirs, strict=True):
        np.testing.assert_array_equal(found, t.grad.numpy())


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
def test_where_keeps_nan_of_the_unused_branch_out():
    x = pm.tensor([0.0, 4.0], requires_grad=True)
    bad = pm.tensor([math.nan, math.nan], requires_grad=True)
    pm.where(x > 1, x * 2, bad).sum().backward()
    np.testing.assert_array_equal(pm.to_numpy(x.grad), [0, 2])
    np.testing.assert_array_equal(pm.to_numpy(bad.grad), [1, 0])
    y = pm.tensor([0.0, 4.0], requires_grad=True)
    pm.where(y > 1, y, bad * math.inf).sum().backward()
    np.testing.assert_array_equal(pm.to_numpy(y.grad), [0, 1])


def test_x_i_assignment_cuts_the_overwritten_values_off(rng: np.random.Generator):
    x = pm.tensor(rng.normal(size=(3,)), requires_grad=True)
    y = x * 1
    y[0] = math.nan
    y[0] = 3.0
    (g,) = pm.autograd.grad((y * y).sum(), x)
    np.testing.assert_allclose(pm.to_numpy(g), [0, *(2 * pm.to_numpy(x)[1:])])


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_abs_of_complex_zero_has_gradient_zero():
    z = pm.tensor(np.asarray([0j, 3 + 4j]), requires_grad=True)
    pm.abs(z).sum().backward()
    np.testing.assert_allclose(pm.to_numpy(z.grad), [0, 0.6 + 0.8j])
