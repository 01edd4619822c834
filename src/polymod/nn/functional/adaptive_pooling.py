"""Adaptive pooling, as torch.nn.functional has it: as many windows as are asked for divide each axis evenly.

Window i of o over n elements goes from floor(i n / o) to ceil((i + 1) n / o); neighbours share an element where o
does not divide n. `adaptive_avg_pool2d` and `adaptive_max_pool2d` say what their neighbours take.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

from ... import dtypes
from ...ops import ops
from ...rules import primitives
from ...rules.windows import even_windows
from ...tensor import Tensor, raw
from .pooling_windows import batched, divisors, unbatched

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices",
]

Outputs = int | tuple[int | None, ...] | None
_max_pool, _max_pool_positions, _adaptive_sum, _sum_pool = (
    primitives[n] for n in ("max_pool", "max_pool_positions", "adaptive_sum", "sum_pool")
)
SMALL = 64  # elements of a window, up to which a pass over the outputs for each of them is the faster way


def adaptive_avg_pool1d(input: Any, output_size: int | tuple[int]) -> Tensor:
    """Means over `output_size` windows of (N, C, L) or (C, L). See `adaptive_avg_pool2d`."""
    return _mean(1, input, output_size)


def adaptive_avg_pool2d(input: Any, output_size: Outputs) -> Tensor:
    """Means over windows that divide the input evenly into `output_size`.

    Args:
        input: (N, C, H, W) or (C, H, W).
        output_size: an integer, or one per axis; None keeps the input's size.

    Raises:
        ShapeError: the input has another number of axes.
        ValueError: `output_size` is nothing of the kind.
    """
    return _mean(2, input, output_size)


def adaptive_avg_pool3d(input: Any, output_size: Outputs) -> Tensor:
    """Means over windows of (N, C, D, H, W) or (C, D, H, W). See `adaptive_avg_pool2d`."""
    return _mean(3, input, output_size)


def adaptive_max_pool1d(input: Any, output_size: int | tuple[int], return_indices: bool = False) -> Any:
    """The largest elements of `output_size` windows of (N, C, L) or (C, L). See `adaptive_max_pool2d`."""
    return _largest(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Any, output_size: Outputs, return_indices: bool = False) -> Any:
    """The largest elements of windows that divide the input evenly into `output_size`.

    Args:
        input: (N, C, H, W) or (C, H, W).
        output_size: an integer, or one per axis; None keeps the input's size.
        return_indices: also return where each maximum lies in the flattened spatial axes, as int64.

    Equal elements, NaN and derivatives are as for `max_pool2d`.

    Raises:
        ShapeError: the input has another number of axes.
        ValueError: `output_size` is nothing of the kind.
    """
    return _largest(2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Any, output_size: Outputs, return_indices: bool = False) -> Any:
    """The largest elements of windows of (N, C, D, H, W) or (C, D, H, W). See `adaptive_max_pool2d`."""
    return _largest(3, input, output_size, return_indices)


def adaptive_max_pool1d_with_indices(
    input: Any, output_size: int | tuple[int], return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool1d` with return_indices=True, whatever `return_indices` says."""
    y, indices = _largest(1, input, output_size, True)
    return y, indices


def adaptive_max_pool2d_with_indices(
    input: Any, output_size: Outputs, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool2d` with return_indices=True, whatever `return_indices` says."""
    y, indices = _largest(2, input, output_size, True)
    return y, indices


def adaptive_max_pool3d_with_indices(
    input: Any, output_size: Outputs, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool3d` with return_indices=True, whatever `return_indices` says."""
    y, indices = _largest(3, input, output_size, True)
    return y, indices


def output_sizes(output_size: Any, axes: int) -> tuple[int | None, ...]:
    """`output_size`, an integer, None or one of these per axis, as a tuple. One axis has nothing to keep: no None.

    Raises:
        ValueError: it is none of these.
    """
    wanted = tuple(output_size) if isinstance(output_size, tuple | list) else (output_size,) * axes
    valid = all((o is None and axes > 1) or (type(o) is int and o >= 0) for o in wanted)
    if len(wanted) != axes or not valid:
        kinds = "an integer from 0" if axes == 1 else f"an integer from 0, None, or {axes} of these"
        raise ValueError(f"output_size must be {kinds}; received {output_size!r}")
    return wanted


def _mean(axes: int, input: Any, output_size: Any) -> Tensor:
    batch, outputs, window, single = _prepared(f"adaptive_avg_pool{axes}d", axes, input, output_size)
    n, c, *spatial = raw(batch).shape
    if set(outputs) == {1} and window:
        return unbatched(ops.mean(batch, axis=tuple(range(2, axes + 2)), keepdims=True), single)
    if window and prod(window) <= SMALL:
        total = _sum_pool(batch, size=window, stride=window, padding=((0, 0),) * axes)
        return unbatched(total / prod(window), single)
    if window:
        parts = [size for pair in zip(outputs, window, strict=True) for size in pair]
        parted = ops.reshape(batch, (n, c, *parts))
        return unbatched(ops.mean(parted, axis=tuple(range(3, 2 * axes + 2, 2))), single)
    total = _adaptive_sum(batch, outputs=outputs)
    counts = [[stop - start for start, stop in even_windows(m, o)] for m, o in zip(spatial, outputs, strict=True)]
    return unbatched(total / divisors(counts, like=total), single)


def _largest(axes: int, input: Any, output_size: Any, return_indices: bool) -> Any:
    batch, outputs, window, single = _prepared(f"adaptive_max_pool{axes}d", axes, input, output_size)
    if window and prod(window) <= SMALL:
        how = {"size": window, "stride": window, "padding": ((0, 0),) * axes, "dilation": (1,) * axes}
        y = unbatched(_max_pool(batch, **how), single)
        return (y, unbatched(_max_pool_positions(batch, **how), single)) if return_indices else y
    if window:
        positions = _largest_parts(batch, outputs, window)
    else:
        positions = largest(batch, [_members(batch, axis, o) for axis, o in enumerate(outputs, start=2)])
    y = unbatched(at_positions(batch, positions), single)
    return (y, unbatched(positions, single)) if return_indices else y


def _prepared(name: str, axes: int, input: Any, output_size: Any) -> tuple[Any, tuple[int, ...], Any, bool]:
    """The input with a batch axis, the number of windows along each axis, their size if it is the same for all (else
    None), and whether there was no batch axis."""
    wanted = output_sizes(output_size, axes)
    batch, single = batched(name, axes, input)
    spatial = raw(batch).shape[2:]
    outputs = tuple(size if o is None else o for o, size in zip(wanted, spatial, strict=True))
    even = all(o and size and size % o == 0 for o, size in zip(outputs, spatial, strict=True))
    window = tuple(size // o for o, size in zip(outputs, spatial, strict=True)) if even else None
    return batch, outputs, window, single


# ------------------------------------------------------------------------- maxima of windows anywhere in the input


def _largest_parts(x: Any, outputs: tuple[int, ...], window: tuple[int, ...]) -> Tensor:
    """As `largest`, where all windows have the same size and none has an element of another."""
    values = x.detach() if isinstance(x, Tensor) else ops.asarray(x)
    n, c, *spatial = values.shape
    axes = len(window)
    sizes = [size for pair in zip(outputs, window, strict=True) for size in pair]
    within = (*range(2, 2 * axes + 2, 2), *range(3, 2 * axes + 3, 2))  # the axes of the outputs, then of the windows
    parted = ops.permute_dims(ops.reshape(values, (n, c, *sizes)), (0, 1, *within))
    parts = ops.reshape(parted, (n, c, *outputs, prod(window)))
    numbers = ops.arange(prod(window), dtype=dtypes.int64, device=values.device)
    last_nan = ops.max(ops.where(parts != parts, numbers, -1), axis=-1)
    best = ops.where(last_nan >= 0, last_nan, ops.argmax(parts, axis=-1))
    everywhere = ops.reshape(ops.arange(prod(spatial), dtype=dtypes.int64, device=values.device), sizes)
    places = ops.reshape(ops.permute_dims(everywhere, [a - 2 for a in within]), (*outputs, prod(window)))
    # how far an element of a window is from its first one is the same in all windows
    distances = ops.reshape(places, (-1, prod(window)))[0, :]
    return places[..., 0] + ops.reshape(ops.take(distances, ops.reshape(best, (-1,)), axis=0), best.shape)


def _members(x: Any, axis: int, outputs: int) -> Iterable[Tensor]:
    """The first element of each window along `axis`, then the second one and so on; a shorter window repeats its
    last one."""
    bounds = even_windows(raw(x).shape[axis], outputs)
    device = x.device
    for i in range(max((stop - start for start, stop in bounds), default=1)):
        yield ops.asarray([min(start + i, stop - 1) for start, stop in bounds], dtype=dtypes.int64, device=device)


def largest(x: Any, members: list[Iterable[Tensor]]) -> Tensor:
    """Where in the flattened spatial axes of `x`, (N, C, *S), each window has its first largest element, or its last
    NaN: (N, C, *outputs), int64.

    Windows are boxes, so one axis is searched after the other, from the last one on.

    Args:
        members: for each spatial axis the first indices of all windows, the second ones, and so on; (outputs,), or
            (N, C, outputs) if the windows differ between images and channels.
    """
    values = x.detach() if isinstance(x, Tensor) else ops.asarray(x)
    spatial = values.shape[2:]
    positions = ops.reshape(ops.arange(prod(spatial), dtype=dtypes.int64, device=values.device), (1, 1, *spatial))
    positions = ops.broadcast_to(positions, values.shape)
    for axis in range(len(spatial) + 1, 1, -1):
        top = best = None
        for indices in members[axis - 2]:
            part, here = (_along(v, indices, axis) for v in (values, positions))
            if top is None:
                top, best = part, here
            else:
                better = (part > top) | (part != part)
                top, best = ops.where(better, part, top), ops.where(better, here, best)
        values, positions = top, best
    return positions


def _along(x: Tensor, indices: Tensor, axis: int) -> Tensor:
    """The elements of `x` at `indices` along `axis`: (outputs,) for all images and channels, or (N, C, outputs)."""
    if indices.ndim == 1:
        return ops.take(x, indices, axis=axis)
    view = (*indices.shape[:2], *(indices.shape[2] if i == axis else 1 for i in range(2, x.ndim)))
    return ops.take_along_axis(x, ops.reshape(indices, view), axis=axis)


def at_positions(x: Any, positions: Tensor) -> Tensor:
    """The elements of `x`, (N, C, *S), at `positions` in its flattened spatial axes: (N, C, *outputs)."""
    shape = raw(x).shape
    flat = ops.reshape(x, (*shape[:2], prod(shape[2:])))
    flat_positions = ops.reshape(positions, (*shape[:2], prod(positions.shape[2:])))
    return ops.reshape(ops.take_along_axis(flat, flat_positions, axis=2), positions.shape)
