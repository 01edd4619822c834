"""Channels exchanged for resolution, and channels in another order, as torch.nn.functional has them."""

from __future__ import annotations

from typing import Any

from ...errors import ShapeError
from ...ops import ops
from ...tensor import Tensor, raw

__all__ = ["channel_shuffle", "native_channel_shuffle", "pixel_shuffle", "pixel_unshuffle"]


def pixel_shuffle(input: Any, upscale_factor: int) -> Tensor:
    """Each r * r channels as one channel of r times the height and width; Shi et al., arXiv:1609.05158.

    Args:
        input: (*, C * r**2, H, W) of any dtype.
        upscale_factor: r.

    Returns:
        A Tensor (*, C, H * r, W * r).

    Raises:
        ShapeError: there are fewer than three axes, or the channels are no multiple of r**2.
        ValueError: r is not positive.
    """
    r, shape = _positive(upscale_factor, "pixel_shuffle: upscale_factor"), tuple(raw(input).shape)
    if len(shape) < 3 or shape[-3] % (r * r):
        raise ShapeError(f"pixel_shuffle by {r} expects (*, C, H, W), C a multiple of {r * r}; received shape {shape}")
    *batch, channels, h, w = shape
    n = len(batch)
    x = ops.reshape(input, (*batch, channels // (r * r), r, r, h, w))
    x = ops.permute_dims(x, (*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return ops.reshape(x, (*batch, channels // (r * r), h * r, w * r))


def pixel_unshuffle(input: Any, downscale_factor: int) -> Tensor:
    """The inverse of `pixel_shuffle`.

    Args:
        input: (*, C, H * r, W * r) of any dtype.
        downscale_factor: r.

    Returns:
        A Tensor (*, C * r**2, H, W).

    Raises:
        ShapeError: there are fewer than three axes, or height and width are no multiples of r.
        ValueError: r is not positive.
    """
    r, shape = _positive(downscale_factor, "pixel_unshuffle: downscale_factor"), tuple(raw(input).shape)
    if len(shape) < 3 or shape[-2] % r or shape[-1] % r:
        raise ShapeError(
            f"pixel_unshuffle by {r} expects (*, C, H, W), H and W multiples of {r}; received shape {shape}"
        )
    *batch, channels, h, w = shape
    n = len(batch)
    x = ops.reshape(input, (*batch, channels, h // r, r, w // r, r))
    x = ops.permute_dims(x, (*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return ops.reshape(x, (*batch, channels * r * r, h // r, w // r))


def channel_shuffle(input: Any, groups: int) -> Tensor:
    """The channels of `groups` groups taken in turn, one from each; Zhang et al., arXiv:1707.01083.

    Args:
        input: (N, C, *) of any dtype, with at least three axes.
        groups: how many; must divide C.

    Raises:
        ShapeError: there are fewer than three axes, or the channels are no multiple of `groups`.
        ValueError: `groups` is not positive.
    """
    groups, shape = _positive(groups, "channel_shuffle: groups"), tuple(raw(input).shape)
    if len(shape) < 3 or shape[1] % groups:
        raise ShapeError(
            f"channel_shuffle in {groups} groups expects (N, C, *), C a multiple of {groups}; received shape {shape}"
        )
    x = ops.reshape(input, (shape[0], groups, shape[1] // groups, *shape[2:]))
    return ops.reshape(ops.permute_dims(x, (0, 2, 1, *range(3, x.ndim))), shape)


native_channel_shuffle = channel_shuffle


def _positive(value: int, name: str) -> int:
    if value < 1:
        raise ValueError(f"{name} must be positive, received {value}")
    return value
