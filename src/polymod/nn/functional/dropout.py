"""Dropout as torch.nn.functional has it."""

from __future__ import annotations

from typing import Any

from ... import random
from ...rules import primitives
from ...tensor import Tensor, raw, wrap

__all__ = ["dropout"]

_dropout = primitives["dropout"]


def dropout(
    input: Any,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    generator: random.Generator | None = None,
) -> Tensor:
    """In training, each element set to 0 with probability `p`, the others divided by 1 - p; else `input` itself.

    N. Srivastava et al., JMLR 15 (2014) 1929-1958. One seed gives the same elements on every engine.

    Args:
        inplace: accepted and changes nothing.
        generator: where the random numbers come from, by default `polymod.random`'s default generator.

    Raises:
        ValueError: `p` is not in [0, 1].
    """
    check_probability(p)
    if not training or p == 0:
        return input if isinstance(input, Tensor) else wrap(input)
    return _dropout(input, kept(tuple(raw(input).shape), input, p, generator), scale=scale_of(p))


def kept(shape: tuple[int, ...], like: Any, p: float, generator: random.Generator | None = None) -> Tensor:
    """A boolean Tensor of `shape` on the device of `like`, each element True with probability 1 - p."""
    return random.bernoulli(1 - p, shape, generator=generator, device=wrap(raw(like)).device)


def scale_of(p: float) -> float:
    """The factor that keeps the mean, where a fraction `p` is dropped."""
    return 1 / (1 - p) if p < 1 else 1.0


def check_probability(p: float) -> None:
    """Raises ValueError where `p` is no probability."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p must be a probability in [0, 1], received {p}")
