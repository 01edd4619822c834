"""`check_grads`: derivatives against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import GradientError
from ..ops import ops
from ..tensor import from_host, to_numpy
from .functional import jvp, vjp
from .record import detached, differentiable
from .trees import leaves, map_leaves


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    modes: Sequence[str] = ("forward", "reverse"),
    step: float | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    seed: int = 0,
) -> None:
    """Compare the derivatives of `f` with central differences, along random directions.

    Args:
        f: a function of arrays and nested containers of them, with any structure of arrays as result.
        args: where to look.
        order: 1 checks derivatives, 2 also derivatives of derivatives, and so on, with the modes nested every way.
        modes: "forward", "reverse" or both.
        step: of the differences, relative to arguments of size 1; by default the cube root of the precision of the
            arguments' dtype, which balances rounding and curvature.
        rtol, atol: what may differ; by default 1e-6 for float64 and 0.02 for float32, times ten for each order above
            the first.
        seed: of the directions.

    Raises:
        GradientError: a derivative differs from the differences by more than is allowed; the message has both.
    """
    unknown = [m for m in modes if m not in ("forward", "reverse")]
    if unknown or order < 1:
        raise GradientError(f"modes are 'forward' and 'reverse' and order is at least 1, received {modes}, {order}")
    xs = [x for x in leaves(tuple(args)) if differentiable(x)]
    if not xs:
        raise GradientError("the arguments hold no floating array")
    single = any(getattr(x, "dtype", ops.float64) != ops.float64 for x in map(ops.asarray, xs))
    limits = (2e-2, 2e-2) if single else (1e-6, 1e-6)
    _check(
        f,
        tuple(args),
        order,
        modes,
        step or (5e-3 if single else 6e-6),
        limits[0] if rtol is None else rtol,
        limits[1] if atol is None else atol,
        np.random.default_rng(seed),
        "",
    )


def _check(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    order: int,
    modes: Sequence[str],
    step: float,
    rtol: float,
    atol: float,
    rng: np.random.Generator,
    path: str,
) -> None:
    tangents = map_leaves(lambda x: _random_like(x, rng), args)
    ahead, behind = (_results(f(*map_leaves(lambda x, t, s=s: _moved(x, t, s), args, tangents))) for s in (step, -step))
    slopes = [(a - b) / (2 * step) for a, b in zip(ahead, behind, strict=True)]
    value = f(*args)
    weights = map_leaves(lambda y: _random_like(y, rng), value)
    ws = [to_numpy(w) for w in leaves(weights) if w is not None]
    expected = sum(float(np.sum(np.conj(w) * s).real) for w, s in zip(ws, slopes, strict=True))
    for mode in modes:
        if mode == "forward":
            moving = jvp(f, args, tangents)[1]
            found = _inner(weights, moving)
        else:
            pulled = vjp(f, *args)[1](map_leaves(_zero_if_none, weights, value))
            found = _inner(tangents, pulled if len(args) > 1 else (pulled,))
        if not abs(found - expected) <= atol + rtol * max(abs(found), abs(expected)):
            raise GradientError(
                f"the {mode}{path} derivative along a random direction is {found!r}, by differences {expected!r}; "
                f"allowed are {atol} and {rtol} of its size"
            )
        if order > 1:
            g = _along(f, tangents) if mode == "forward" else _pulled_by(f, weights)
            _check(g, args, order - 1, modes, step, 10 * rtol, 10 * atol, rng, f" over {mode}{path}")


def _along(f: Callable[..., Any], tangents: Any) -> Callable[..., Any]:
    return lambda *args: jvp(f, args, tangents)[1]


def _pulled_by(f: Callable[..., Any], weights: Any) -> Callable[..., Any]:
    def pulled(*args: Any) -> Any:
        value, pull = vjp(f, *args)
        return pull(map_leaves(_zero_if_none, weights, value))

    return pulled


def _zero_if_none(w: Any, y: Any) -> Any:
    return y if w is None else w


def _random_like(x: Any, rng: np.random.Generator) -> Any:
    if not differentiable(x):
        return None
    t = ops.asarray(x)
    values = np.asarray(rng.normal(size=t.shape))
    if t.dtype.kind == "c":
        values = values + 1j * rng.normal(size=t.shape)
    return from_host(np.asarray(values, t.dtype.dtype), t.device)


def _moved(x: Any, t: Any, step: float) -> Any:
    return x if t is None else ops.asarray(x).detach() + step * t


def _results(value: Any) -> list[np.ndarray]:
    return [to_numpy(y).astype(np.complex128) for y in leaves(value) if differentiable(y)]


def _inner(a: Any, b: Any) -> float:
    """The real inner product of two containers."""
    total = 0.0
    for x, y in zip(leaves(a), leaves(b), strict=True):
        if x is not None and y is not None:
            total += float(
                np.sum(np.conj(to_numpy(detached(ops.asarray(x)))) * to_numpy(detached(ops.asarray(y)))).real
            )
    return total
