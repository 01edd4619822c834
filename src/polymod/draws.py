"""Random numbers as operations of an engine: the numbers of `philox`, made where they are wanted.

`seed` and `draw` say which numbers, as everywhere in `philox`; `device` is the engine's own. These definitions make
them on the host and copy them. An engine's kernel makes the same ones on its device: the same bits, except for
`normal_draw`, where log, cos and sin may differ in the last digits of float64 (see `philox.normal`).

`offset` is None, or an array of one uint64 on `device` that is added to `draw` when the numbers are made. What is
recorded once and run many times, a CUDA graph say, gets other numbers each time by it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import philox
from .backend import define
from .errors import BackendError
from .philox import Shape


def _here(xp: Any, host: np.ndarray, device: Any, offset: Any) -> Any:
    if offset is not None:
        raise BackendError(
            f"backend {xp.backend.name} draws these random numbers on the host, which can't be recorded and run again: "
            "draw them before, and pass them in"
        )
    return xp.backend.from_numpy(host, device)


@define
def uniform_draw(
    xp: Any, seed: int, draw: int, shape: Shape, dtype: Any, low: Any, high: Any, *, device: Any, offset: Any = None
) -> Any:
    """`philox.uniform`: evenly distributed numbers in [low, high), of the floating NumPy dtype `dtype`."""
    return _here(xp, philox.uniform(seed, draw, shape, dtype, low, high), device, offset)


@define
def normal_draw(
    xp: Any, seed: int, draw: int, shape: Shape, dtype: Any, mean: float, std: float, *, device: Any, offset: Any = None
) -> Any:
    """`philox.normal`: normally distributed numbers, of the floating NumPy dtype `dtype`."""
    return _here(xp, philox.normal(seed, draw, shape, dtype, mean, std), device, offset)


@define
def integers_draw(
    xp: Any, seed: int, draw: int, low: Any, high: Any, shape: Shape, dtype: Any, *, device: Any, offset: Any = None
) -> Any:
    """`philox.integers`: evenly distributed integers in [low, high), of the integer NumPy dtype `dtype`."""
    return _here(xp, philox.integers(seed, draw, low, high, shape, dtype), device, offset)


@define
def seed_draw(xp: Any, seed: int, draw: int, *, device: Any, offset: Any = None) -> Any:
    """The first 64 bits of a draw, which other draws can be seeded with: uint64 of shape (1,)."""
    return _here(xp, philox.bits(seed, draw, 2).view(np.uint64), device, offset)


@define
def permutation_draw(xp: Any, seed: int, draw: int, n: int, *, device: Any, offset: Any = None) -> Any:
    """`philox.permutation`: 0..n-1 in random order, int64."""
    return _here(xp, philox.permutation(seed, draw, n), device, offset)


@define
def bernoulli_draw(xp: Any, seed: int, draw: int, shape: Shape, p: float, *, device: Any, offset: Any = None) -> Any:
    """`philox.bernoulli_mask`: truth values, each true with probability `p`."""
    return _here(xp, philox.bernoulli_mask(seed, draw, shape, p), device, offset)
