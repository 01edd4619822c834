"""Comparison with torch: values, gradients and second derivatives of one function written twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import polymod as pm

TOLERANCE = {"float64": 1e-9, "float32": 1e-5}  # relative to the largest element, or to 1


def close(found: Any, expected: Any, dtype: str, what: str = "") -> None:
    """`found`, a Tensor, has the shape of `expected`, a torch tensor, and its values within the tolerance."""
    found, expected = pm.to_numpy(found), expected.numpy(force=True)
    assert found.shape == expected.shape, what
    finite = np.abs(expected[np.isfinite(expected)])
    scale = max(1.0, float(finite.max(initial=0)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE[dtype] * scale, err_msg=what)


def compare(
    ours: Callable[..., Any],
    theirs: Callable[..., Any],
    *hosts: np.ndarray,
    constant: tuple[int, ...] = (),
    second: bool = True,
) -> None:
    """Hold `ours`, a function of Tensors, to `theirs`, of torch's tensors, in float64 and in float32.

    Floating inputs but the `constant` ones are differentiated, weighted with random cotangents; twice if `second`.
    """
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(7)
    for dtype in ("float64", "float32"):
        cast = [h.astype(dtype) if h.dtype.kind == "f" else h for h in hosts]
        wanted = [i for i, h in enumerate(cast) if h.dtype.kind == "f" and i not in constant]
        xs, ts = [pm.tensor(h) for h in cast], [torch.tensor(h) for h in cast]
        for i in wanted:
            xs[i].requires_grad_()
            ts[i].requires_grad_()
        y, t = ours(*xs), theirs(*ts)
        assert y.dtype.name == dtype
        close(y, t, dtype, "value")
        w = rng.normal(size=tuple(t.shape)).astype(dtype)
        g = pm.autograd.grad(y, [xs[i] for i in wanted], pm.tensor(w), create_graph=second)
        e = torch.autograd.grad(t, [ts[i] for i in wanted], torch.tensor(w), create_graph=second)
        for i, a, b in zip(wanted, g, e, strict=True):
            close(a, b, dtype, f"gradient of input {i}")
            assert a.dtype.name == dtype
        if not second or dtype == "float32":
            continue
        vs = [rng.normal(size=cast[i].shape).astype(dtype) for i in wanted]
        inner = sum((a * pm.tensor(v)).sum() for a, v in zip(g, vs, strict=True))
        outer = sum((a * torch.tensor(v)).sum() for a, v in zip(e, vs, strict=True))
        if not outer.requires_grad:
            continue
        leaves = [xs[i] for i in wanted]
        g2 = pm.autograd.grad(inner, leaves, allow_unused=True) if inner.requires_grad else [None] * len(leaves)
        e2 = torch.autograd.grad(outer, [ts[i] for i in wanted], allow_unused=True)
        for i, a, b in zip(wanted, g2, e2, strict=True):
            nothing = torch.zeros(cast[i].shape, dtype=torch.float64)
            a = pm.zeros(cast[i].shape, dtype=pm.float64) if a is None else a
            close(a, nothing if b is None else b, dtype, f"second derivative, input {i}")


def compare_layers(ours: Any, theirs: Any, *hosts: np.ndarray, call: Callable[..., Any] = lambda m, *x: m(*x)) -> None:
    """Hold a layer to torch's: keys, their order and shapes, the result, all gradients; after loading its state."""
    torch = pytest.importorskip("torch")
    theirs = theirs.double()
    state = theirs.state_dict()
    assert [(k, tuple(v.shape)) for k, v in ours.state_dict().items()] == [
        (k, tuple(v.shape)) for k, v in state.items()
    ]
    ours.to(pm.float64).load_state_dict({k: v.numpy() for k, v in state.items()})
    cast = [h.astype("float64") if h.dtype.kind == "f" else h for h in hosts]
    xs = [pm.tensor(h, requires_grad=h.dtype.kind == "f") for h in cast]
    ts = [torch.tensor(h, requires_grad=h.dtype.kind == "f") for h in cast]
    y, t = call(ours, *xs), call(theirs, *ts)
    y, t = (y, t) if isinstance(y, tuple) else ((y,), (t,))
    for i, (a, b) in enumerate(zip(y, t, strict=True)):
        assert (a is None) == (b is None)
        if b is not None:
            close(a, b, "float64", f"result {i}")
    rng = np.random.default_rng(8)
    ws = [rng.normal(size=tuple(b.shape)) for b in t if b is not None]
    sum((a * pm.tensor(w)).sum() for a, w in zip([a for a in y if a is not None], ws, strict=True)).backward()
    sum((b * torch.tensor(w)).sum() for b, w in zip([b for b in t if b is not None], ws, strict=True)).backward()
    for i, (a, b) in enumerate(zip(xs, ts, strict=True)):
        if b.requires_grad:
            close(a.grad, b.grad, "float64", f"gradient of input {i}")
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        close(a.grad, b.grad, "float64", f"gradient of {name}")
