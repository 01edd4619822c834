"""The right answer of a call: its value on NumPy, and its gradient by finite differences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .table import Call


@dataclass(frozen=True)
class Reference:
    """What a call gives on NumPy.

    Attributes:
        inputs: those of the call.
        values: its floating results.
        weights: fixed random cotangents of these, 0 where a result is not finite; L = Re(sum(conj(w) * y)).
        gradients: of L with respect to each input that is differentiated, conj(g) paired with it in the same way.
    """

    inputs: tuple[np.ndarray, ...]
    values: list[np.ndarray]
    weights: list[np.ndarray]
    gradients: list[np.ndarray]


class UnsettledError(Exception):
    """Finite differences of a call with two steps do not agree, so that it can't serve as a reference."""


def floating(result: Any) -> Iterator[Any]:
    """The floating arrays and numbers in a call's result, in order."""
    if isinstance(result, tuple | list):
        for part in result:
            yield from floating(part)
    elif isinstance(result, float | complex) or (hasattr(result, "dtype") and _is_floating(result.dtype)):
        yield result


def _is_floating(dtype: Any) -> bool:
    return any(kind in str(dtype) for kind in ("float", "complex"))


def refer(call: Call) -> Reference:
    """Run `call` on NumPy and differentiate it.

    Raises:
        UnsettledError: two steps give different derivatives.
    """
    values = _values(call, call.inputs)
    rng = np.random.default_rng(7)
    weights = []
    for y in values:
        w = rng.normal(size=y.shape)
        w = w + 1j * rng.normal(size=y.shape) if y.dtype.kind == "c" else w
        weights.append(np.where(np.isfinite(y), w, 0))
    gradients = []
    for i in call.wrt:
        fine, coarse = (_differences(call, i, weights, step) for step in (5e-4, 1e-3))
        scale = np.max(np.abs(fine), initial=1.0)
        if not np.all(np.abs(fine - coarse) <= 20 * call.tolerance * scale):
            worst = np.max(np.abs(fine - coarse)) / scale
            raise UnsettledError(f"finite differences of input {i} with two steps differ by {worst:.1e}")
        gradients.append(fine)
    return Reference(call.inputs, values, weights, gradients)


def _values(call: Call, inputs: Any) -> list[np.ndarray]:
    return [np.asarray(y) for y in floating(call.function(*(np.array(x) for x in inputs)))]


def _differences(call: Call, i: int, weights: list[np.ndarray], step: float) -> np.ndarray:
    """Central differences of fourth order with respect to each element of input `i`."""
    x = call.inputs[i]
    gradient = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        for direction in (1, 1j) if x.dtype.kind == "c" else (1,):
            h = step * max(abs(x[at]), 0.1)
            total = 0.0
            for k, factor in ((-2, 1 / 12), (-1, -2 / 3), (1, 2 / 3), (2, -1 / 12)):
                moved = x.copy()
                moved[at] += k * h * direction
                values = _values(call, (*call.inputs[:i], moved, *call.inputs[i + 1 :]))
                total += factor * project(values, weights)
            gradient[at] += direction * total / h
    return gradient


def project(values: list[np.ndarray], weights: list[np.ndarray]) -> float:
    """L = Re(sum(conj(w) * y)), over what is finite."""
    return float(
        sum(np.sum(np.real(np.conj(w) * np.where(w == 0, 0, y))) for y, w in zip(values, weights, strict=True))
    )
