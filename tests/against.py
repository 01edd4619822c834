"""The same function by polymod and by torch, or by finite differences: values, gradients and second derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import polymod as pm

TOLERANCE = {"float64": 1e-9, "float32": 1e-5}
Arrays = Sequence[np.ndarray]


def assert_close(found: np.ndarray, expected: np.ndarray, tolerance: float, what: str) -> None:
    """Equal up to `tolerance` times the largest expected magnitude (at least 1)."""
    assert found.shape == expected.shape, what
    assert found.dtype == expected.dtype, what
    scale = max(1.0, float(np.max(np.abs(expected), initial=0.0)))
    error = float(np.max(np.abs(found - expected), initial=0.0)) / scale
    assert error <= tolerance, f"{what}: error {error:.2e}, allowed {tolerance:.0e}"


def against_torch(
    function: Callable[..., Any], reference: Callable[..., Any], arrays: Arrays, dtype: str, rng: np.random.Generator
) -> None:
    """Compare results, gradients of all arrays, and gradients of a random combination of these gradients.

    Second derivatives, where errors of the first add up, may differ by ten times the tolerance.
    """
    torch = pytest.importorskip("torch")
    arrays = [a.astype(dtype) for a in arrays]
    xs = [pm.tensor(a, requires_grad=True) for a in arrays]
    ts = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, t = function(*xs), reference(*ts)
    tolerance = TOLERANCE[dtype]
    assert_close(pm.to_numpy(y), t.detach().numpy(), tolerance, "result")
    weight = rng.normal(size=y.shape).astype(dtype)
    w, tw = pm.tensor(weight, requires_grad=True), torch.tensor(weight, requires_grad=True)
    first = pm.autograd.grad(y, xs, w, create_graph=True)
    expected = torch.autograd.grad(t, ts, tw, create_graph=True)
    for i, (g, e) in enumerate(zip(first, expected, strict=True)):
        assert_close(pm.to_numpy(g), e.detach().numpy(), tolerance, f"gradient {i}")
    directions = [rng.normal(size=a.shape).astype(dtype) for a in arrays]
    pairs = [(g, e, u) for g, e, u in zip(first, expected, directions, strict=True) if e.requires_grad]
    second = pm.autograd.grad(
        [g for g, _, _ in pairs], [*xs, w], [pm.tensor(u) for _, _, u in pairs], allow_unused=True
    )
    expected = torch.autograd.grad(
        [e for _, e, _ in pairs], [*ts, tw], [torch.tensor(u) for _, _, u in pairs], allow_unused=True
    )
    for i, (g, e, x) in enumerate(zip(second, expected, [*arrays, weight], strict=True)):
        g = np.zeros_like(x) if g is None else pm.to_numpy(g)
        e = np.zeros_like(x) if e is None else e.numpy()
        assert_close(g, e, 10 * tolerance, f"second derivative {i}")


def against_differences(function: Callable[..., Any], arrays: Arrays, rng: np.random.Generator) -> None:
    """Compare the gradient, and the gradient's own derivative, along a random direction with fourth-order
    differences."""
    weight = pm.tensor(rng.normal(size=function(*map(pm.tensor, arrays)).shape))
    directions = [rng.normal(size=a.shape) for a in arrays]
    others = [rng.normal(size=a.shape) for a in arrays]

    def value(t: float) -> float:
        return float((function(*moved(t)) * weight).sum())

    def moved(t: float) -> list[pm.Tensor]:
        return [pm.tensor(a + t * u, requires_grad=True) for a, u in zip(arrays, directions, strict=True)]

    def projected(t: float) -> float:
        """The product of the gradient at the moved arrays with `others`."""
        xs = moved(t)
        grads = pm.autograd.grad((function(*xs) * weight).sum(), xs)
        return sum(float((pm.to_numpy(g) * v).sum()) for g, v in zip(grads, others, strict=True))

    xs = moved(0.0)
    grads = pm.autograd.grad((function(*xs) * weight).sum(), xs, create_graph=True)
    along = sum(float((pm.to_numpy(g) * u).sum()) for g, u in zip(grads, directions, strict=True))
    assert along == pytest.approx(slope(value), rel=1e-7, abs=1e-7)
    product = sum((g * pm.tensor(v)).sum() for g, v in zip(grads, others, strict=True))
    second = [None] * len(xs)
    if product.requires_grad:
        second = pm.autograd.grad(product, xs, allow_unused=True)
    along = sum(float((pm.to_numpy(h) * u).sum()) for h, u in zip(second, directions, strict=True) if h is not None)
    assert along == pytest.approx(slope(projected), rel=1e-6, abs=1e-6)


def slope(f: Callable[[float], float], step: float = 1e-3) -> float:
    return (8 * (f(step) - f(-step)) - (f(2 * step) - f(-2 * step))) / (12 * step)
