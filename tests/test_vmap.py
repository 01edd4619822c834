"""vmap: axes, nesting, indexing, sharing and what it refuses, against a loop over the examples."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

import polymod as pm
from polymod import nn
from polymod.autograd.batched import _levels
from polymod.nn import functional as F


def same(found: Any, expected: Any, tolerance: float = 1e-10) -> None:
    found = pm.to_numpy(found) if isinstance(found, pm.Tensor) else np.asarray(found)
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(4, 3, 2))


# ------------------------------------------------------------------------------------------------------------- axes


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("out", [0, 1, -1])
def test_axes_in_and_out(x: np.ndarray, axis: int, out: int):
    def f(x: Any) -> Any:
        return x * 2 + x.sum()

    found = pm.vmap(f, in_axes=axis, out_axes=out)(pm.tensor(x))
    rows = np.moveaxis(x, axis, 0)
    same(found, np.moveaxis(np.stack([r * 2 + r.sum() for r in rows]), 0, out))


def test_axes_of_containers(x: np.ndarray):
    a, b = pm.tensor(x), pm.tensor(x[0])

    def f(d: Any, pair: Any, k: Any) -> Any:
        return {"p": d["a"] @ pair[0], "q": (k, pair[1])}

    found = pm.vmap(f, in_axes=({"a": 0}, (None, None), None), out_axes={"p": 1, "q": None})(
        {"a": a}, (pm.tensor(x[0].T), "text"), 3
    )
    same(found["p"], np.moveaxis(x @ x[0].T, 0, 1))
    assert found["q"] == (3, "text")
    found = pm.vmap(lambda a, b: a * b, in_axes=(0, None))(a, b)
    same(found, x * x[0])
    same(pm.vmap(lambda a: b)(a), np.broadcast_to(x[0], (4, 3, 2)))
    numbers = pm.tensor(np.array([1.0, 2.0, 3.0, 4.0]))
    same(pm.vmap(lambda a, k: a.sum() * k)(a, numbers), x.sum(axis=(1, 2)) * [1, 2, 3, 4])


def test_raw_arrays_and_chunks(x: np.ndarray):
    calls = []

    def f(a: Any) -> Any:
        calls.append(1)
        return pm.exp(a), a[0]

    whole = pm.vmap(f)(pm.tensor(x).array)
    parts = pm.vmap(f, chunk_size=3)(pm.tensor(x))
    for w, p in zip(whole, parts, strict=True):
        same(p, pm.to_numpy(w))
    assert len(calls) == 3


# ---------------------------------------------------------------------------------------------------------- nesting


def test_nested_over_different_axes(x: np.ndarray):
    a, b = pm.tensor(x), pm.tensor(x[:, :, 0])
    found = pm.vmap(lambda p: pm.vmap(lambda q: (p @ q[:2] * q[2]).sum() + p[0, 0])(b))(a)
    expected = [[(p @ q[:2] * q[2]).sum() + p[0, 0] for q in x[:, :, 0]] for p in x]
    same(found, expected)
    found = pm.vmap(pm.vmap(lambda p: p.max(), in_axes=1), in_axes=0, out_axes=1)(a)
    same(found, x.max(axis=1).T)


def test_gradients_of_what_examples_share(x: np.ndarray):
    """A weight from outside gets the sum over the examples, one that is an argument a gradient for each."""
    w = pm.tensor(x[0], requires_grad=True)
    a, b = pm.tensor(x), pm.tensor(x[:2] + 1)

    def f(p: Any) -> Any:
        scaled = w * 2  # made of shared arrays only
        return pm.vmap(lambda q: (pm.tanh(scaled * p) * q * w).sum())(b)

    pm.vmap(f)(a).sum().backward()
    expected = pm.tensor(x[0], requires_grad=True)
    total = sum((pm.tanh(2 * expected * p) * q * expected).sum() for p in a for q in b)
    total.backward()
    same(w.grad, pm.to_numpy(expected.grad))

    each = pm.vmap(pm.grad(lambda w, p: (pm.tanh(w * p)).sum()), in_axes=(None, 0))(w.detach(), a)
    same(each, x / np.cosh(x[0] * x) ** 2)
    same(pm.vmap(lambda p: pm.grad(lambda v: (v * v * w.detach()).sum())(w.detach()) + 0 * p)(a)[1], 2 * x[0] ** 2)


def test_outer_derivatives_flow_through(x: np.ndarray):
    def f(a: Any) -> Any:
        return (pm.vmap(pm.grad(lambda p: (p * p * p).sum()))(a) ** 2).sum()

    same(pm.grad(f)(pm.tensor(x)), 36 * x**3)
    same(pm.hvp(f, (pm.tensor(x),), (pm.tensor(x),)), 108 * x**3)
    same(pm.jvp(f, (pm.tensor(x),), (pm.tensor(x),))[1], 36 * (x**4).sum())
    y = pm.tensor(x, requires_grad=True)
    f(y).backward()
    same(y.grad, 36 * x**3)


def test_depths_are_given_back(x: np.ndarray):
    a = pm.tensor(x)
    gc.collect()
    before = len(_levels)
    for _ in range(5):
        pm.jacobian(pm.jacobian(lambda p: (p**3).sum(axis=0)))(a[0])
    assert len(_levels) == before

    def pull_again() -> None:
        """What a graph holds of an earlier vmap must not be taken for the examples of a later one."""
        y = pm.vmap(pm.tanh)(pm.tensor(x, requires_grad=True))
        assert len(_levels) == before + 1
        pulled = pm.vmap(lambda g: pm.autograd.grad(y, [y], g, retain_graph=True)[0])(pm.stack([y.detach()] * 2))
        same(pulled, np.tanh(np.stack([x, x])))

    pull_again()
    gc.collect()
    assert len(_levels) == before


# --------------------------------------------------------------------------------------------------------- indexing


keys = {
    "array": lambda i, j: i,
    "array behind a slice": lambda i, j: (slice(None), i),
    "two arrays": lambda i, j: (i, slice(None), j),
    "arrays side by side": lambda i, j: (slice(None), i, j),
    "arrays that broadcast": lambda i, j: (i[:, None], j),
    "array and integer": lambda i, j: (i, slice(1, None), 0),
    "array and None": lambda i, j: (None, slice(None), i),
    "last": lambda i, j: (..., j),
}


@pytest.mark.parametrize("name", keys)
@pytest.mark.parametrize("which", ["x", "key", "both"])
def test_integer_arrays_in_a_key(name: str, which: str, rng: np.random.Generator):
    x = rng.normal(size=(4, 3, 3, 3))
    i, j = rng.integers(0, 3, size=(4, 2)), rng.integers(0, 3, size=(4, 2))
    mapped = {"x": (0, None, None), "key": (None, 0, 0), "both": (0, 0, 0)}[which]

    def pick(k: int) -> list[np.ndarray]:
        return [v[k] if m == 0 else v[0] for v, m in zip((x, i, j), mapped, strict=True)]

    def read(x: Any, i: Any, j: Any) -> Any:
        return x[keys[name](i, j)]

    def write(x: Any, i: Any, j: Any) -> Any:
        y = x.copy()
        y[keys[name](i, j)] = 5.0
        return y * y

    given = [pm.tensor(v if m == 0 else v[0]) for v, m in zip((x, i, j), mapped, strict=True)]
    same(pm.vmap(read, in_axes=mapped)(*given), np.stack([read(*pick(k)) for k in range(4)]))
    same(pm.vmap(write, in_axes=mapped)(*given), np.stack([write(*pick(k)) for k in range(4)]))
    found = pm.vmap(pm.grad(lambda *a: (read(*a) ** 2).sum()), in_axes=mapped)(*given)
    each = [pm.grad(lambda *a: (read(*a) ** 2).sum())(*map(pm.tensor, pick(k))) for k in range(4)]
    same(found, np.stack([pm.to_numpy(g) for g in each]))


def test_masks(x: np.ndarray):
    def f(p: Any) -> Any:
        q = p.copy()
        q[p < 0] = 0.0
        return q

    same(pm.vmap(f)(pm.tensor(x)), np.maximum(x, 0))
    same(pm.vmap(pm.grad(lambda p: (f(p) ** 2).sum()))(pm.tensor(x)), 2 * np.maximum(x, 0))
    with pytest.raises(pm.GradientError, match=r"x\[mask\] would have another size"):
        pm.vmap(lambda p: p[p < 0])(pm.tensor(x))


# ---------------------------------------------------------------------------------------------------------- modules


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3, groups=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 2)),
        lambda: nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1, groups=3), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        ),
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(108, 8), nn.Softmax(dim=-1), nn.BatchNorm1d(8).eval()),
    ],
)
def test_gradients_of_each_example(build: Any, rng: np.random.Generator):
    """The classic use: per-example gradients of a network, and of an ensemble of them."""
    net = build()
    x = pm.tensor(np.float32(rng.normal(size=(3, 1, 3, 6, 6))))

    def loss(net: Any, x: Any) -> Any:
        return (F.gelu(net(x)) ** 2).sum()

    found = pm.vmap(pm.grad(loss), in_axes=(None, 0))(net, x)
    for k in range(3):
        each = pm.grad(loss)(net, x[k])
        assert found.keys() == each.keys()
        for name, g in each.items():
            same(found[name][k].detach(), pm.to_numpy(g.detach()), 2e-5)


def test_attention_and_embedding(rng: np.random.Generator):
    net = nn.MultiheadAttention(8, 2, batch_first=True)
    table = nn.Embedding(5, 8)
    ids = pm.tensor(rng.integers(0, 5, size=(3, 2, 4)))
    found = pm.vmap(lambda i: net(table(i), table(i), table(i))[0])(ids)
    for k in range(3):
        e = table(ids[k])
        same(found[k].detach(), pm.to_numpy(net(e, e, e)[0].detach()), 1e-5)


def test_stacked_modules(rng: np.random.Generator):
    nets = [nn.Linear(3, 2) for _ in range(4)]
    stacked = nn.Linear(3, 2)
    p, _ = pm.func.stack_module_state(nets)
    stacked.weight, stacked.bias = nn.Parameter(p["weight"].detach()), nn.Parameter(p["bias"].detach())
    x = pm.tensor(np.float32(rng.normal(size=(5, 3))))
    found = pm.vmap(lambda net, x: net(x), in_axes=(0, None))(stacked, x)
    same(found.detach(), np.stack([pm.to_numpy(n(x).detach()) for n in nets]), 1e-6)
    assert stacked.weight.shape == (4, 2, 3)


# ----------------------------------------------------------------------------------------------------------- errors


def test_errors(x: np.ndarray):
    a = pm.tensor(x)
    with pytest.raises(pm.GradientError, match="argument 0 has 4, argument 1 has 3"):
        pm.vmap(lambda p, q: p)(a, a[:3])
    with pytest.raises(pm.GradientError, match=r"argument 0\['k'\] of shape \(4, 3, 2\) has no axis 5"):
        pm.vmap(lambda d: d["k"], in_axes=5)({"k": a})
    with pytest.raises(pm.GradientError, match="every entry of in_axes is None"):
        pm.vmap(lambda p: p, in_axes=None)(a)
    with pytest.raises(pm.GradientError, match="2 entries for 1 arguments"):
        pm.vmap(lambda p: p, in_axes=(0, 1))(a)
    with pytest.raises(pm.GradientError, match="out_axes is None"):
        pm.vmap(lambda p: p, out_axes=None)(a)
    for use in (lambda p: p if p.sum() > 0 else -p, lambda p: float(p.sum()), lambda p: pm.to_numpy(p)):
        with pytest.raises(pm.GradientError, match="under vmap"):
            pm.vmap(use)(a)
    same(a, x)
