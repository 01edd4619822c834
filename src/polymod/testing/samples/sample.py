"""What a sample is, and how its arrays are drawn."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import polymod as pm


@dataclass(frozen=True)
class Sample:
    """One call of a primitive.

    Attributes:
        inputs: host arrays, or Python numbers and None, which are passed as they are.
        attrs: keywords; host arrays in them become the engine's. A callable gets the device under test.
        constant: positions of floating inputs that are not differentiated.
        call: what to call instead of the primitive itself: `call(*tensors)`.
        torch: the same function of torch's tensors, or its name in torch; None where torch has none. The project's
            own tests compare with it; the conformance kit does not.
        dtypes: names of dtypes that it needs beside those of its inputs.
    """

    inputs: tuple[Any, ...]
    attrs: dict[str, Any] | Callable[[pm.Device], dict[str, Any]] = field(default_factory=dict)
    constant: tuple[int, ...] = ()
    call: Callable[..., Any] | None = None
    torch: str | Callable[..., Any] | None = None
    dtypes: tuple[str, ...] = ()

    @property
    def tracked(self) -> tuple[int, ...]:
        """The positions of the inputs that are differentiated."""
        floating = [i for i, x in enumerate(self.inputs) if isinstance(x, np.ndarray) and x.dtype.kind in "fc"]
        return tuple(i for i in floating if i not in self.constant)


class Draw:
    """Arrays of random numbers from a generator of its own, so that samples elsewhere don't depend on it."""

    def __init__(self, seed: str) -> None:
        self.rng = np.random.default_rng(list(seed.encode()))

    def normal(self, *shape: int) -> np.ndarray:
        return self.rng.normal(size=shape)

    def within(self, low: float, high: float, *shape: int) -> np.ndarray:
        return self.rng.uniform(low, high, size=shape)

    def distinct(self, *shape: int) -> np.ndarray:
        """Values at least 0.1 apart from each other and from 0, so that no small step changes their order."""
        count = int(np.prod(shape))
        values = 0.1 * (np.arange(count) - count // 2) + 0.05
        return self.rng.permutation(values).reshape(shape)

    def complex_numbers(self, *shape: int) -> np.ndarray:
        """In the square of -1 - 1j and 1 + 1j, so that a shift takes them away from a pole for sure."""
        return self.within(-1, 1, *shape) + 1j * self.within(-1, 1, *shape)

    def regular(self, *shape: int) -> np.ndarray:
        """Matrices whose singular values and eigenvalues are apart from each other and from 0."""
        return self.rng.uniform(-0.4, 0.4, size=shape) + np.eye(shape[-2], shape[-1]) * np.arange(1, shape[-1] + 1)

    def complex_regular(self, *shape: int) -> np.ndarray:
        return self.regular(*shape) + 1j * self.rng.uniform(-0.4, 0.4, size=shape)

    def singular(self, *shape: int, rank: int) -> np.ndarray:
        return self.normal(*shape[:-1], rank) @ self.normal(*shape[:-2], rank, shape[-1])

    def complex_singular(self, *shape: int, rank: int) -> np.ndarray:
        return self.complex_numbers(*shape[:-1], rank) @ self.complex_numbers(*shape[:-2], rank, shape[-1])


def one(make: np.ndarray, torch: Any = None, **attrs: Any) -> list[Sample]:
    return [Sample((make,), attrs, torch=torch)]


def pair(name: str, a: Callable[..., np.ndarray], b: Callable[..., np.ndarray]) -> list[Sample]:
    """Equal shapes, broadcasting in both directions, 0-d, and a number on each side."""
    return [
        Sample((a(2, 3), b(2, 3)), torch=name),
        Sample((a(2, 1, 3), b(4, 1)), torch=name),
        Sample((a(), b(3)), torch=name),
        Sample((a(3), 1.25)),
        Sample((1.25, b(3))),
    ]


# functions of the library whose tensors they are given


def library(tensor: Any) -> Any:
    return sys.modules[type(tensor).__module__.partition(".")[0]]


def functional(name: str, **attrs: Any) -> Callable[..., Any]:
    return lambda *args: getattr(library(args[0]).nn.functional, name)(*args, **attrs)


def special(name: str) -> Callable[..., Any]:
    return lambda *args: getattr(library(args[0]).special, name)(*args)


def method(name: str, *args: Any, **attrs: Any) -> Callable[..., Any]:
    return lambda x, *more: getattr(x, name)(*more, *args, **attrs)
