"""Derivatives of an operation against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .function import Function, dot, like, moved
from .samples import Sample

STEP = 1e-3  # of fourth-order differences: their error is of the order of 1e-12


def slope(f: Callable[[float], float]) -> float:
    """df/dt at 0 by fourth-order central differences."""
    return (8 * (f(STEP) - f(-STEP)) - (f(2 * STEP) - f(-2 * STEP))) / (12 * STEP)


def agree(found: float, expected: float, parts: Sequence[np.ndarray]) -> None:
    scale = max(1.0, sum(float(np.sum(np.abs(p))) for p in parts))
    assert abs(found - expected) <= 1e-7 * scale, f"{found} from the rule, {expected} from differences"


def check(name: str, sample: Sample, rng: np.random.Generator, second: bool = True) -> None:
    """Both derivatives of a sample, along random directions, against finite differences."""
    f, inputs, tracked = Function(name, sample), sample.inputs, sample.tracked
    weights = like(rng, f.values(inputs))
    gradients = f.gradients(inputs, tracked, weights)
    for g, i in zip(gradients, tracked, strict=True):
        assert g.shape == inputs[i].shape and g.dtype == inputs[i].dtype
    for _ in range(2):
        v = like(rng, [inputs[i] for i in tracked])

        def value(t: float, v: list[np.ndarray] = v) -> float:
            return dot(weights, f.values(moved(inputs, tracked, v, t)))

        agree(dot(gradients, v), slope(value), gradients)
    if not second:
        return
    u = like(rng, [inputs[i] for i in tracked])
    at_x, at_w = f.second(inputs, tracked, weights, u)
    for found, x in zip([*at_x, *at_w], [*(inputs[i] for i in tracked), *weights], strict=True):
        assert found.shape == x.shape and found.dtype == x.dtype
    v, z = like(rng, [inputs[i] for i in tracked]), like(rng, weights)

    def along(t: float) -> float:
        changed = [w + t * d for w, d in zip(weights, z, strict=True)]
        return dot(u, f.gradients(moved(inputs, tracked, v, t), tracked, changed))

    agree(dot(at_x, v) + dot(at_w, z), slope(along), [*at_x, *at_w])
