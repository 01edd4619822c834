"""Sampling images and volumes at given places, as torch.nn.functional has it (Jaderberg et al. 2015, "Spatial
transformer networks").

Places are in [-1, 1] along each axis of the input, the last axis first: (x, y) for images, (x, y, z) for volumes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any, NamedTuple

from ...errors import ShapeError
from ...ops import ops
from ...rules import primitives
from ...tensor import Tensor, raw, wrap

__all__ = ["affine_grid", "grid_sample"]

_rows = primitives["embedding"]
_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")


def affine_grid(theta: Any, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The places in the input of affine maps, for each element of the output: what `grid_sample` takes.

    Args:
        theta: (N, 2, 3) for images, (N, 3, 4) for volumes: matrices that act on (x, y, 1) or (x, y, z, 1).
        size: of the output: (N, C, H, W) or (N, C, D, H, W).
        align_corners: whether -1 and 1 are the centres of the outermost elements rather than their outer edges.

    Returns:
        (N, H, W, 2) or (N, D, H, W, 3).

    Raises:
        ShapeError: the shapes do not fit each other.
        ValueError: `size` has another number of entries, or one that is not positive.
        TypeError: `theta` is not floating.
    """
    maps = _tensor(theta)
    size = tuple(size)
    if maps.dtype.kind != "f":
        raise TypeError(f"affine_grid needs a floating theta, received {maps.dtype}")
    if len(size) not in (4, 5) or min(size) <= 0:
        raise ValueError(f"size must be (N, C, H, W) or (N, C, D, H, W), all positive; received {size}")
    axes = len(size) - 2
    if maps.shape != (size[0], axes, axes + 1):
        raise ShapeError(f"theta must be {(size[0], axes, axes + 1)} for size {size}, received shape {maps.shape}")
    how = {"dtype": maps.dtype, "device": maps.device}
    spatial = size[2:]
    columns = []
    for axis in reversed(range(axes)):
        n = spatial[axis]
        places = ops.linspace(-1, 1, n, **how) if n > 1 else ops.zeros((1,), **how)
        places = places if align_corners else places * ((n - 1) / n)
        view = tuple(n if i == axis else 1 for i in range(axes))
        columns.append(ops.broadcast_to(ops.reshape(places, view), spatial))
    columns.append(ops.ones(spatial, **how))
    base = ops.reshape(ops.stack(columns, axis=-1), (1, prod(spatial), axes + 1))
    return ops.reshape(ops.matmul(base, ops.matrix_transpose(maps)), (size[0], *spatial, axes))


def grid_sample(
    input: Any, grid: Any, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Tensor:
    """The input at the places `grid`, between its elements as `mode` says.

    Args:
        input: (N, C, H, W) or (N, C, D, H, W).
        grid: (N, OH, OW, 2) or (N, OD, OH, OW, 3): the place in the input of each element of the output.
        mode: "bilinear" (for volumes too), "nearest", or "bicubic" for images.
        padding_mode: what is outside the input: "zeros", "border" (the nearest element) or "reflection".
        align_corners: whether -1 and 1 are the centres of the outermost elements rather than their outer edges.

    Returns:
        (N, C, OH, OW) or (N, C, OD, OH, OW).

    A place on an element's centre has the derivative towards larger coordinates; with "border" and "reflection"
    the derivative is 0 on the outermost centres and beyond. With "nearest" it is 0 everywhere.

    Raises:
        ShapeError: the shapes do not fit each other, or the input is empty.
        ValueError: an unknown mode, or "bicubic" for volumes.
    """
    if mode not in _MODES:
        raise ValueError(f"mode must be one of {', '.join(_MODES)}; received {mode!r}")
    if padding_mode not in _PADDINGS:
        raise ValueError(f"padding_mode must be one of {', '.join(_PADDINGS)}; received {padding_mode!r}")
    x, places = _tensor(input), _tensor(grid)
    axes = x.ndim - 2
    if axes not in (2, 3) or places.ndim != x.ndim or places.shape[-1] != axes or places.shape[0] != x.shape[0]:
        raise ShapeError(
            "grid_sample needs an input (N, C, H, W) and a grid (N, OH, OW, 2), or (N, C, D, H, W) and (N, OD, OH, "
            f"OW, 3); received shapes {x.shape} and {places.shape}"
        )
    if mode == "bicubic" and axes == 3:
        raise ValueError(f'mode "bicubic" is for images (N, C, H, W), received shape {x.shape}')
    if min(x.shape[1:]) < 1:
        raise ShapeError(f"grid_sample needs a non-empty input, received shape {x.shape}")
    if places.dtype != x.dtype:
        raise TypeError(f"grid_sample needs input and grid of one dtype, received {x.dtype} and {places.dtype}")
    batch, channels, *spatial = x.shape
    outputs = places.shape[1:-1]
    find = {"bilinear": _linear, "nearest": _nearest, "bicubic": _cubic}[mode]
    along = [
        find(_unscaled(places[..., axes - 1 - i], n, align_corners), n, padding_mode, bool(align_corners))
        for i, n in enumerate(spatial)
    ]
    images = ops.arange(batch, dtype=ops.int64, device=x.device)
    images = ops.reshape(images, (batch, *(1,) * len(outputs)))
    elements = ops.reshape(ops.permute_dims(x, (0, *range(2, x.ndim), 1)), (-1, channels))
    total: Any = None
    for taps in product(*along):
        index, weight = images, None
        for n, tap in zip(spatial, taps, strict=True):
            index = index * n + tap.index
            weight = tap.weight if weight is None else weight * tap.weight
        part = _rows(elements, indices=raw(index)) * ops.expand_dims(weight, axis=-1)
        total = part if total is None else total + part
    return ops.permute_dims(total, (0, total.ndim - 1, *range(1, total.ndim - 1)))


class _Tap(NamedTuple):
    """Which element along one axis, as int64, and by how much it counts."""

    index: Any
    weight: Any


def _tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else wrap(raw(x))


def _unscaled(place: Tensor, n: int, align_corners: bool | None) -> Tensor:
    """A place in [-1, 1] as a position, which is i at the centre of element i."""
    return (place + 1) * ((n - 1) / 2) if align_corners else ((place + 1) * n - 1) / 2


def _brought_in(position: Tensor, n: int, padding_mode: str, align_corners: bool) -> Tensor:
    """The position within the input that stands for one outside."""
    if padding_mode == "reflection":
        low, span = (0.0, n - 1) if align_corners else (-0.5, n)
        if span == 0:
            return ops.zeros_like(position)
        away = ops.where(position < low, low - position, position - low)
        turns = ops.floor(away / span)
        rest = away - turns * span
        position = ops.where(ops.remainder(turns, 2) == 0, rest, span - rest) + low
    if padding_mode != "zeros":
        inside = (position > 0) & (position < n - 1)
        position = ops.where(inside, position, ops.clip(ops.floor(position + 0.5), 0, n - 1))
    return position


def _tap(position: Tensor, weight: Tensor, n: int) -> _Tap:
    """The element at a whole `position`; outside the input its weight is 0."""
    inside = (position >= 0) & (position <= n - 1)
    index = ops.astype(ops.where(inside, position, 0), ops.int64)
    return _Tap(index, ops.where(inside, weight, 0))


def _linear(position: Tensor, n: int, padding_mode: str, align_corners: bool) -> list[_Tap]:
    position = _brought_in(position, n, padding_mode, align_corners)
    left = ops.floor(position)
    return [_tap(left, left + 1 - position, n), _tap(left + 1, position - left, n)]


def _nearest(position: Tensor, n: int, padding_mode: str, align_corners: bool) -> list[_Tap]:
    nearest = ops.round(_brought_in(position, n, padding_mode, align_corners))
    inside = ops.clip(nearest, 0, n - 1)
    return [_tap(nearest, ops.floor(inside) * 0 + 1, n)]  # recorded, so that the grid has its gradient of zeros


def _cubic(position: Tensor, n: int, padding_mode: str, align_corners: bool) -> list[_Tap]:
    """Keys 1981, "Cubic convolution interpolation for digital image processing", with a = -3/4."""
    a = -0.75
    left = ops.floor(position)
    t = position - left
    weights = []
    for d, near in ((t + 1, False), (t, True), (1 - t, True), (2 - t, False)):
        weights.append(((a + 2) * d - (a + 3)) * d * d + 1 if near else ((a * d - 5 * a) * d + 8 * a) * d - 4 * a)
    return [
        _tap(_brought_in(left + i, n, padding_mode, align_corners), weight, n) for i, weight in enumerate(weights, -1)
    ]
