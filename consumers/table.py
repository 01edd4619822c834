"""What a row of the table is, and the host arrays that the calls take."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Call:
    """A call of a library's public function.

    Attributes:
        name: the library and the function, with what sets this call apart from others of that function.
        function: of arrays; returns an array or containers of arrays, of which the floating ones are looked at.
        inputs: host arrays.
        wrt: the positions of the inputs to differentiate with respect to.
        tolerance: the largest error of a value, relative to the largest one; of gradients it is a hundred times that.
    """

    name: str
    function: Callable[..., Any]
    inputs: tuple[np.ndarray, ...]
    wrt: tuple[int, ...]
    tolerance: float


class Chapter(list[Call]):
    """The calls of one library."""

    def __init__(self, library: str) -> None:
        super().__init__()
        self.library = library

    def __call__(
        self, name: str, function: Callable[..., Any], *inputs: Any, wrt: Any = None, tolerance: float = 1e-7
    ) -> None:
        """Add a call; it is differentiated with respect to all floating inputs unless `wrt` says otherwise."""
        arrays = tuple(np.asarray(x) for x in inputs)
        if wrt is None:
            wrt = tuple(i for i, x in enumerate(arrays) if x.dtype.kind in "fc")
        self.append(Call(f"{self.library}.{name}", function, arrays, tuple(wrt), tolerance))


_rng = np.random.default_rng(20)


def between(low: float, high: float, *shape: int) -> np.ndarray:
    """Numbers of an interval in random order, one from each of equal parts: finite differences meet no tie."""
    count = math.prod(shape)
    place = _rng.permutation(count) + _rng.uniform(0.25, 0.75, size=count)
    return np.reshape(low + (high - low) * place / max(count, 1), shape)


def normal(*shape: int) -> np.ndarray:
    """Normal numbers, no two of them near each other, and none near 0."""
    x = np.vectorize(NormalDist().inv_cdf)(between(0, 1, *shape))
    return x + np.copysign(0.02, x)


def complex_normal(*shape: int) -> np.ndarray:
    """Complex normal numbers."""
    return normal(*shape) + 1j * normal(*shape)


def positive_definite(n: int, *batch: int) -> np.ndarray:
    """Symmetric matrices with eigenvalues above 1."""
    a = normal(*batch, n, n)
    return a @ np.swapaxes(a, -1, -2) + np.eye(n)


def rising(low: float, high: float, n: int) -> np.ndarray:
    """Rising numbers at uneven distances."""
    return np.sort(between(low, high, n))
