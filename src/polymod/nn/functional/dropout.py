"""Dropout as torch.nn.functional has it.

All of these do nothing, and give back `input` itself, unless `training`, and where `p` is 0. They raise ValueError for
a `p` that is not in [0, 1]. `inplace` is accepted and changes nothing. Random numbers come from `generator`, by default
`polymod.random`'s; one seed gives the same elements on every engine.
"""

from __future__ import annotations

import warnings
from typing import Any

from ... import random
from ...backend import find_owner
from ...errors import ShapeError
from ...ops import ops
from ...rules import primitives
from ...tensor import Tensor, raw, wrap

__all__ = [
    "alpha_dropout",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "feature_alpha_dropout",
]

_dropout, _random_dropout = primitives["dropout"], primitives["random_dropout"]
SELU_FLOOR = -1.7580993408473766  # the limit of selu(x) for x to minus infinity

Generator = random.Generator | None


def dropout(
    input: Any, p: float = 0.5, training: bool = True, inplace: bool = False, generator: Generator = None
) -> Tensor:
    """Each element set to 0 with probability `p`, the others divided by 1 - p.

    N. Srivastava et al., JMLR 15 (2014) 1929-1958.
    """
    check_probability(p)
    if not training or p == 0:
        return as_tensor(input)
    return _drop(input, raw(input).ndim, p, generator)


def dropout1d(
    input: Any, p: float = 0.5, training: bool = True, inplace: bool = False, generator: Generator = None
) -> Tensor:
    """Each channel of (N, C, L) or (C, L) set to 0 with probability `p`, the others divided by 1 - p.

    J. Tompson et al., CVPR 2015, arXiv:1411.4280; so are `dropout2d` and `dropout3d`.

    Raises:
        ShapeError: the input has neither two nor three axes.
    """
    if raw(input).ndim not in (2, 3):
        raise ShapeError(f"dropout1d expects an input (N, C, L) or (C, L), received shape {tuple(raw(input).shape)}")
    return _drop_channels(input, raw(input).ndim - 1, p, training, generator)


def dropout2d(
    input: Any, p: float = 0.5, training: bool = True, inplace: bool = False, generator: Generator = None
) -> Tensor:
    """Each channel of (N, C, H, W) set to 0 with probability `p`, the others divided by 1 - p.

    As in torch, the first two axes of any input count as N and C, with a warning where there are not four; three are
    read as (N, C, L).

    Raises:
        ShapeError: the input has fewer than two axes.
    """
    ndim = raw(input).ndim
    if ndim == 3:
        warnings.warn("dropout2d reads an input with 3 axes as (N, C, L); use dropout1d for these", stacklevel=2)
    elif ndim != 4:
        warnings.warn(f"dropout2d is meant for (N, C, H, W), received {ndim} axes; use dropout", stacklevel=2)
    return _drop_channels(input, 2, p, training, generator)


def dropout3d(
    input: Any, p: float = 0.5, training: bool = True, inplace: bool = False, generator: Generator = None
) -> Tensor:
    """Each channel of (N, C, D, H, W) or (C, D, H, W) set to 0 with probability `p`, the others divided by 1 - p.

    As in torch, the first axis of any other input counts as C, with a warning.
    """
    ndim = raw(input).ndim
    if ndim not in (4, 5):
        warnings.warn(f"dropout3d is meant for (N, C, D, H, W), received {ndim} axes; use dropout", stacklevel=2)
    return _drop_channels(input, 2 if ndim == 5 else 1, p, training, generator)


def alpha_dropout(
    input: Any, p: float = 0.5, training: bool = False, inplace: bool = False, generator: Generator = None
) -> Tensor:
    """Each element set, with probability `p`, to the least value of SELU, then all scaled and shifted.

    Inputs of mean 0 and variance 1 keep both. With p = 1 the result is 0.
    G. Klambauer, T. Unterthiner, A. Mayr, S. Hochreiter, NeurIPS 2017, arXiv:1706.02515.
    """
    check_probability(p)
    if not training or p == 0:
        return as_tensor(input)
    return _alpha(input, tuple(raw(input).shape), p, generator)


def feature_alpha_dropout(
    input: Any, p: float = 0.5, training: bool = False, inplace: bool = False, generator: Generator = None
) -> Tensor:
    """`alpha_dropout` of whole channels of (N, C, ...).

    Raises:
        ShapeError: the input has fewer than two axes (only where there is something to do).
    """
    check_probability(p)
    if not training or p == 0:
        return as_tensor(input)
    return _alpha(input, _channel_shape(input, 2, "feature_alpha_dropout"), p, generator)


def _drop_channels(input: Any, axes: int, p: float, training: bool, generator: Generator) -> Tensor:
    """`dropout` with one decision for all elements that share their place on the first `axes` axes."""
    check_probability(p)
    _channel_shape(input, axes, "dropout of channels")  # which looks at the axes
    if not training or p == 0:
        return as_tensor(input)
    return _drop(input, axes, p, generator)


def _drop(input: Any, axes: int, p: float, generator: Generator) -> Tensor:
    """Dropout by one draw, with one decision for all elements that share their place on the first `axes` axes.

    An engine that draws and drops in one pass keeps no mask; on others the mask costs less than drawing it again.
    """
    array = raw(input)
    owner = find_owner(type(array))
    if owner is not None and "random_dropout" in owner.kernels:
        seed, draw, offset = (generator or random.default_generator).next_draw_on(wrap(array).device)
        how = {"seed": seed, "draw": draw, "offset": offset, "p": p, "axes": axes, "scale": scale_of(p)}
        return _random_dropout(input, **how)
    shape = tuple(array.shape[:axes]) + (1,) * (array.ndim - axes)
    return _dropout(input, kept(shape, input, p, generator), scale=scale_of(p))


def _channel_shape(input: Any, axes: int, name: str) -> tuple[int, ...]:
    """The input's shape with 1 for all but the first `axes` axes."""
    shape = tuple(raw(input).shape)
    if len(shape) < axes:
        raise ShapeError(f"{name} needs an input with {axes} axes or more, received shape {shape}")
    return shape[:axes] + (1,) * (len(shape) - axes)


def _alpha(input: Any, shape: tuple[int, ...], p: float, generator: Generator) -> Tensor:
    """Where elements of `input` are not kept, SELU_FLOOR; then times `factor` and plus `shift`."""
    if p == 1:
        return ops.multiply(input, 0.0)
    factor = ((1 - p) * (1 + p * SELU_FLOOR**2)) ** -0.5
    shift = -factor * p * SELU_FLOOR
    return ops.where(kept(shape, input, p, generator), input, SELU_FLOOR) * factor + shift


def kept(shape: tuple[int, ...], like: Any, p: float, generator: Generator = None) -> Tensor:
    """A boolean Tensor of `shape` on the device of `like`, each element True with probability 1 - p."""
    return random.bernoulli(1 - p, shape, generator=generator, device=wrap(raw(like)).device)


def scale_of(p: float) -> float:
    """The factor that keeps the mean, where a fraction `p` is dropped."""
    return 1 / (1 - p) if p < 1 else 1.0


def check_probability(p: float) -> None:
    """Raises ValueError where `p` is no probability."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p must be a probability in [0, 1], received {p}")


def as_tensor(input: Any) -> Tensor:
    """`input` itself if it is a Tensor, else a Tensor of it."""
    return input if isinstance(input, Tensor) else wrap(input)
