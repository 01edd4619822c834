"""Fractional max pooling, as torch.nn.functional has it. B. Graham, arXiv:1412.6071."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ... import dtypes, random
from ...errors import ShapeError
from ...ops import ops
from ...tensor import Tensor, raw, wrap
from .adaptive_pooling import at_positions, largest
from .conv import Size
from .pooling_windows import batched, sizes, unbatched

__all__ = [
    "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
]

Ratio = float | tuple[float, ...]


def fractional_max_pool2d(
    input: Any,
    kernel_size: Size,
    output_size: Size | None = None,
    output_ratio: Ratio | None = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """The largest elements of windows at random, increasing places, of which there are as many as are asked for.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: the window's size, an integer or one per axis.
        output_size: how many windows, an integer or one per axis; or instead of it
        output_ratio: which part, between 0 and 1, of the input's size that is.
        return_indices: also return where each maximum lies in the flattened spatial axes, as int64.
        _random_samples: numbers in [0, 1) that choose the places, (N, C, axes) or with more than N rows; N is 1 if the
            input has no batch axis. As torch reads them, the first one is for the width of images, but for the depth
            of volumes. None draws them by `polymod.random`.

    With o windows of k elements over n, window i begins at floor((i + u) a) - floor(u a), a = (n - k) / (o - 1), and
    the last one ends with the axis. Equal elements, NaN and derivatives are as for `max_pool2d`.

    Raises:
        ShapeError: the input has another number of axes, or is too small for the windows; or wrong _random_samples.
        TypeError, ValueError: an argument has a value that no pooling has, or neither output_size nor output_ratio is
            given.
    """
    return _fractional(2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


def fractional_max_pool3d(
    input: Any,
    kernel_size: Size,
    output_size: Size | None = None,
    output_ratio: Ratio | None = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> Any:
    """As `fractional_max_pool2d` for (N, C, D, H, W) or (C, D, H, W)."""
    return _fractional(3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


def fractional_max_pool2d_with_indices(
    input: Any,
    kernel_size: Size,
    output_size: Size | None = None,
    output_ratio: Ratio | None = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> tuple[Tensor, Tensor]:
    """`fractional_max_pool2d` with return_indices=True, whatever `return_indices` says."""
    y, indices = _fractional(2, input, kernel_size, output_size, output_ratio, True, _random_samples)
    return y, indices


def fractional_max_pool3d_with_indices(
    input: Any,
    kernel_size: Size,
    output_size: Size | None = None,
    output_ratio: Ratio | None = None,
    return_indices: bool = False,
    _random_samples: Any = None,
) -> tuple[Tensor, Tensor]:
    """`fractional_max_pool3d` with return_indices=True, whatever `return_indices` says."""
    y, indices = _fractional(3, input, kernel_size, output_size, output_ratio, True, _random_samples)
    return y, indices


def _fractional(
    axes: int,
    input: Any,
    kernel_size: Any,
    output_size: Any,
    output_ratio: Any,
    return_indices: bool,
    samples: Any,
) -> Any:
    name = f"fractional_max_pool{axes}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} needs output_size or output_ratio")
    size = sizes(kernel_size, axes, "kernel_size", 1)
    batch, single = batched(name, axes, input)
    n, c, *spatial = raw(batch).shape
    if output_size is None:
        outputs = tuple(int(m * r) for m, r in zip(spatial, ratios(output_ratio, axes), strict=True))
    else:
        outputs = sizes(output_size, axes, "output_size", 1)
    if any(o + k - 1 > m for o, k, m in zip(outputs, size, spatial, strict=True)):
        raise ShapeError(
            f"{name}: {outputs} windows of {size} elements need spatial axes of at least "
            f"{tuple(o + k - 1 for o, k in zip(outputs, size, strict=True))}, received {tuple(spatial)}"
        )
    samples = _samples(batch, samples, (n, c, axes))
    order = range(axes) if axes == 3 else reversed(range(axes))
    members = [
        _members(samples[:, :, i : i + 1], m, o, k) for i, m, o, k in zip(order, spatial, outputs, size, strict=True)
    ]
    positions = largest(batch, members)
    y = unbatched(at_positions(batch, positions), single)
    return (y, unbatched(positions, single)) if return_indices else y


def ratios(output_ratio: Any, axes: int) -> tuple[float, ...]:
    """`output_ratio`, a number or one per axis, as a tuple.

    Raises:
        ValueError: there are not `axes`, or one is not between 0 and 1.
    """
    numbers = tuple(output_ratio) if isinstance(output_ratio, tuple | list) else (output_ratio,) * axes
    if len(numbers) != axes or not all(0 < r < 1 for r in numbers):
        raise ValueError(f"output_ratio must be a number between 0 and 1, or {axes} of them; received {output_ratio!r}")
    return numbers


def _samples(x: Any, samples: Any, shape: tuple[int, ...]) -> Tensor:
    """The random numbers, of the dtype of `x`, by which the places of the windows are rounded."""
    x = wrap(raw(x))
    if samples is None:
        return random.rand(*shape, dtype=x.dtype, device=x.device)
    samples = samples if isinstance(samples, Tensor) else ops.asarray(samples, dtype=x.dtype, device=x.device)
    n, *rest = shape
    if samples.ndim != 3 or samples.shape[0] < n or list(samples.shape[1:]) != rest:
        raise ShapeError(f"_random_samples must have the shape {shape}, received {tuple(samples.shape)}")
    return ops.astype(samples.detach(), x.dtype)[:n]


def _members(sample: Tensor, n: int, outputs: int, size: int) -> Iterable[Tensor]:
    """For each of `size` elements of the windows over an axis with `n`, its index in all of them: (N, C, outputs)."""
    if outputs > 1:
        i = ops.arange(outputs, dtype=dtypes.int64, device=sample.device)
        step = (n - size) / ops.asarray(outputs - 1, dtype=sample.dtype, device=sample.device)
        places = ops.astype((ops.astype(i, sample.dtype) + sample) * step, dtypes.int64)
        starts = ops.where(i == outputs - 1, n - size, places - ops.astype(sample * step, dtypes.int64))
    else:
        starts = ops.full((*sample.shape[:2], outputs), n - size, dtype=dtypes.int64, device=sample.device)
    for offset in range(size):
        yield starts + offset
