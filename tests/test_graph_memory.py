"""What recording leaves in memory: graphs are freed by reference counting, however deep."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest
from helpers import engine_name, leaf, near

import polymod as pm
from polymod.autograd.tape import Leaf, Node


def nodes_alive() -> int:
    return sum(type(o) in (Node, Leaf) for o in gc.get_objects())


def step(x: pm.Tensor, weights: list[pm.Tensor]) -> float:
    h = x
    for w in weights:
        h = pm.tanh(h @ w)
    loss = (h * h).mean()
    loss.backward()
    with pm.no_grad():
        for w in weights:
            w -= 0.01 * w.grad
            w.grad = None
    return float(loss)


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the resident size is read from Linux's /proc")
def test_ten_thousand_steps_keep_a_flat_resident_size(rng: np.random.Generator):
    """Flat also without the garbage collector: references alone free the graphs."""
    steps = 1_000 if engine_name in ("jax", "cupy") else 10_000  # an operation takes these 20 times as long
    x = pm.tensor(rng.normal(size=(8, 8)).astype("f4"))
    weights = [leaf(rng.normal(size=(8, 8)).astype("f4")) for _ in range(3)]
    gc.collect()
    gc.disable()
    try:
        for _ in range(steps // 10):
            step(x, weights)
        before = resident()
        for _ in range(steps):
            step(x, weights)
        grown = resident() - before
    finally:
        gc.enable()
    assert grown < 2**20, f"{grown / 2**20:.1f} MiB in {steps} steps"


def test_graphs_are_freed_by_reference_counting(rng: np.random.Generator):
    x = pm.tensor(rng.normal(size=(4, 4)).astype("f4"))
    weights = [leaf(rng.normal(size=(4, 4)).astype("f4")) for _ in range(3)]
    step(x, weights)  # whatever engines set up at their first operations
    gc.collect()
    before = nodes_alive()
    gc.disable()
    try:
        step(x, weights)
        assert nodes_alive() == before
        h = pm.tanh(x @ weights[0])
        held = weakref.ref(h)
        loss = (h * h).sum()
        (g,) = pm.autograd.grad(loss, weights[0], create_graph=True)
        (g * g).sum().backward()
        weights[0].grad = None
        with pytest.raises(pm.GradientError):
            loss.backward(pm.ones(7))
        del h, loss, g
        assert held() is None
        pm.grad(lambda w: pm.grad(lambda v: (v * v * w).sum())(w).sum())(x)
        dropped = pm.tanh(x @ weights[0])  # a graph that no backward goes through
        del dropped
        assert nodes_alive() == before
        if engine_name in ("numpy", "strict"):  # the others' own objects may form cycles
            step(x, weights)
            assert gc.collect() == 0
    finally:
        gc.enable()


def test_saved_arrays_are_released_by_backward():
    x = leaf(np.ones(4, np.float32))
    h = pm.exp(x)
    y = h.sum()
    node = h.node
    del h
    assert node.output is not None
    y.backward()
    assert node.output is None and not node.parents


def test_deep_graphs():
    x = leaf([1.0, 2.0])
    y = x
    for _ in range(50_000):
        y = y + 1.0
    y.sum().backward()
    near(x.grad, [1, 1])
    del y
    y = x
    for _ in range(50_000):
        y = -y
    del y  # freed without a pass, one node after the other


def test_deep_graphs_of_second_derivatives():
    x = leaf(0.5, dtype=pm.float64)
    y = x
    for _ in range(2_000):
        y = y * 1.0001
    (g,) = pm.autograd.grad(y * y, x, create_graph=True)
    (h,) = pm.autograd.grad(g, x)
    near(h, 2 * 1.0001**4000, rtol=1e-9)
    del y, g, h
