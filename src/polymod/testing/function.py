"""An operation with one sample's attributes, as a function of host arrays: its values and its derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import polymod as pm
from polymod.rules import primitives

from .samples import Sample


def here(x: Any, device: pm.Device | None = None) -> Any:
    """An attribute with the arrays of a device, by default the current one, for NumPy's."""
    if isinstance(x, tuple):
        return tuple(here(part, device) for part in x)
    return pm.tensor(x, device=device).array if isinstance(x, np.ndarray) else x


def attributes(sample: Sample) -> dict[str, Any]:
    attrs = sample.attrs(pm.current_device()) if callable(sample.attrs) else sample.attrs
    return {k: here(v) for k, v in attrs.items()}


class Function:
    """An operation with one sample's attributes, as a function of host arrays on the current engine."""

    def __init__(self, name: str, sample: Sample) -> None:
        self.call, self.attrs = sample.call or primitives[name], attributes(sample)

    def results(self, *inputs: Any) -> tuple[pm.Tensor, ...]:
        results = self.call(*inputs, **self.attrs)
        return results if isinstance(results, tuple) else (results,)

    def run(self, inputs: Sequence[Any], tracked: Sequence[int] = ()) -> tuple[list[Any], tuple[pm.Tensor, ...]]:
        """The inputs as Tensors, those in `tracked` requiring grad, and the floating results."""
        xs = [
            pm.tensor(x, requires_grad=i in tracked) if isinstance(x, np.ndarray) else x for i, x in enumerate(inputs)
        ]
        return xs, floating(self.results(*xs))

    def values(self, inputs: Sequence[Any]) -> list[np.ndarray]:
        return [pm.to_numpy(y) for y in self.run(inputs)[1]]

    def of_tracked(self, inputs: Sequence[Any], tracked: Sequence[int]) -> Any:
        """The floating results as a function of the tracked inputs, which are Tensors."""

        def function(*xs: pm.Tensor) -> tuple[pm.Tensor, ...]:
            arguments = [pm.tensor(x) if isinstance(x, np.ndarray) else x for x in inputs]
            for k, x in zip(tracked, xs, strict=True):
                arguments[k] = x
            return floating(self.results(*arguments))

        return function

    def pulled(
        self, inputs: Sequence[Any], tracked: Sequence[int], weights: Sequence[np.ndarray]
    ) -> Sequence[pm.Tensor | None]:
        """The gradients of sum(conj(weights) * results) at the tracked inputs; None where nothing depends on one."""
        xs, ys = self.run(inputs, tracked)
        ws = [pm.tensor(w, device=y.device) for w, y in zip(weights, ys, strict=True)]
        return pm.autograd.grad(ys, [xs[i] for i in tracked], ws, allow_unused=True)

    def gradients(
        self, inputs: Sequence[Any], tracked: Sequence[int], weights: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """`pulled` as host arrays."""
        found = self.pulled(inputs, tracked, weights)
        return [on_host(g, inputs[i]) for i, g in zip(tracked, found, strict=True)]

    def second(
        self,
        inputs: Sequence[Any],
        tracked: Sequence[int],
        weights: Sequence[np.ndarray],
        directions: Sequence[np.ndarray],
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The gradients of sum(directions * gradients) at the tracked inputs and at the weights."""
        xs, ys = self.run(inputs, tracked)
        ws = [pm.tensor(w, device=y.device, requires_grad=True) for w, y in zip(weights, ys, strict=True)]
        wanted = [xs[i] for i in tracked]
        first = pm.autograd.grad(ys, wanted, ws, create_graph=True, allow_unused=True)
        pairs = [(g, pm.tensor(u)) for g, u in zip(first, directions, strict=True) if g is not None and g.requires_grad]
        hosts = [*(inputs[i] for i in tracked), *weights]
        found: Sequence[Any] = [None] * len(hosts)
        if pairs:
            gs, us = zip(*pairs, strict=True)
            found = pm.autograd.grad(gs, [*wanted, *ws], us, allow_unused=True)
        values = [on_host(g, x) for g, x in zip(found, hosts, strict=True)]
        return values[: len(wanted)], values[len(wanted) :]


def floating(results: Sequence[pm.Tensor]) -> tuple[pm.Tensor, ...]:
    return tuple(y for y in results if y.dtype.kind in "fc")


def on_host(gradient: Any, x: np.ndarray) -> np.ndarray:
    """A gradient with respect to `x` as a host array; None where nothing depends on `x`."""
    if gradient is None:
        return np.zeros_like(x)
    return gradient if isinstance(gradient, np.ndarray) else pm.to_numpy(gradient)


def like(rng: np.random.Generator, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Random arrays of the same shapes and dtypes."""
    return [
        np.asarray(rng.normal(size=a.shape) + (1j * rng.normal(size=a.shape) if a.dtype.kind == "c" else 0), a.dtype)
        for a in arrays
    ]


def moved(inputs: Sequence[Any], tracked: Sequence[int], directions: Sequence[np.ndarray], t: float) -> list[Any]:
    """The inputs with the tracked ones `t` along their directions."""
    result = list(inputs)
    for i, v in zip(tracked, directions, strict=True):
        result[i] = np.asarray(inputs[i] + t * v)
    return result


def dot(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> float:
    """The real inner product."""
    return sum(float(np.sum(np.conj(x) * y).real) for x, y in zip(a, b, strict=True))
