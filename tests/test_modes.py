"""Every primitive in forward mode and under vmap, on the samples of its rule: one rule serves every mode."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import polymod as pm
from polymod.testing.function import Function, dot, like, moved
from polymod.testing.samples import complex_table, table

kinds = {"real": table, "complex": complex_table}
cases = [(kind, n, i) for kind, samples in kinds.items() for n in samples for i in range(len(samples[n]))]
each_sample = pytest.mark.parametrize(("kind", "name", "i"), cases, ids=[f"{k}-{n}-{i}" for k, n, i in cases])


def close(found: Any, expected: Any) -> None:
    found, expected = (pm.to_numpy(x) if isinstance(x, pm.Tensor) else x for x in (found, expected))
    assert found.shape == expected.shape and found.dtype == expected.dtype
    scale = max(1.0, float(np.max(np.abs(expected), initial=0.0)))
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9 * scale)


@each_sample
def test_forward_mode(kind: str, name: str, i: int, rng: np.random.Generator):
    """Along random directions it is dual to the backward pass, and its own gradient is the second derivative."""
    sample = kinds[kind][name][i]
    f, inputs, tracked = Function(name, sample), sample.inputs, sample.tracked
    function = f.of_tracked(inputs, tracked)
    weights = like(rng, f.values(inputs))
    v = like(rng, [inputs[k] for k in tracked])
    xs, vs = [pm.tensor(inputs[k]) for k in tracked], [pm.tensor(d) for d in v]
    values, tangents = pm.jvp(function, xs, vs)
    assert [(t.shape, t.dtype, t.device) for t in tangents] == [(y.shape, y.dtype, y.device) for y in values]
    assert not any(t.requires_grad for t in tangents)
    expected = dot(f.gradients(inputs, tracked, weights), v)
    scale = max(1.0, sum(float(np.sum(np.abs(d))) for d in v))
    assert abs(dot(weights, [pm.to_numpy(t) for t in tangents]) - expected) <= 1e-8 * scale * max(1.0, abs(expected))

    leaves = [x.requires_grad_() for x in xs]
    _, moving = pm.jvp(function, leaves, vs)
    carrying = [(t, pm.tensor(w)) for t, w in zip(moving, weights, strict=True) if t.requires_grad]
    second, _ = f.second(inputs, tracked, weights, v)
    found: Any = [None] * len(leaves)
    if carrying:
        ts, ws = zip(*carrying, strict=True)
        found = pm.autograd.grad(ts, leaves, ws, allow_unused=True)
    for g, e in zip(found, second, strict=True):
        close(np.zeros_like(e) if g is None else g, e)


@each_sample
def test_under_vmap(kind: str, name: str, i: int, rng: np.random.Generator):
    """Values and gradients of two examples at once are those of one after the other."""
    if name == "move":
        pytest.skip("arrays stay where they are under vmap")
    sample = kinds[kind][name][i]
    f, inputs, tracked = Function(name, sample), sample.inputs, sample.tracked
    function = f.of_tracked(inputs, tracked)
    other = moved(inputs, tracked, like(rng, [inputs[k] for k in tracked]), 1e-3)
    examples = [[pm.tensor(x[k]) for k in tracked] for x in (inputs, other)]
    both = [pm.stack(pair) for pair in zip(*examples, strict=True)]
    together = pm.vmap(function)(*both)
    apart = [function(*xs) for xs in examples]
    for k, y in enumerate(together):
        close(y, pm.stack([ys[k] for ys in apart]))
    weights = [pm.tensor(w) for w in like(rng, [pm.to_numpy(y) for y in apart[0]])]

    def pulled(*xs: pm.Tensor) -> tuple[pm.Tensor, ...]:
        found = pm.vjp(function, *xs)[1](tuple(weights))
        return found if len(xs) > 1 else (found,)

    gradients = [pulled(*xs) for xs in examples]
    for k, g in enumerate(pm.vmap(pulled)(*both)):
        close(g, pm.stack([gs[k] for gs in gradients]))
    for only in range(len(tracked)):  # the other inputs are shared by the examples
        axes = tuple(0 if k == only else None for k in range(len(tracked)))
        mixed = [both[k] if k == only else examples[0][k] for k in range(len(tracked))]
        together = pm.vmap(function, in_axes=axes)(*mixed)
        apart = [function(*(x[k] if k == only else y for k, y in enumerate(examples[0]))) for x in examples]
        for k, y in enumerate(together):
            close(y, pm.stack([ys[k] for ys in apart]))
