"""Changing the size of signals, images and volumes, as torch.nn.functional has it.

All modes separate: what happens along one axis is a weighted sum of a few elements, which `taps` finds on the host,
from sizes alone.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ...errors import ShapeError
from ...ops import ops
from ...rules import primitives
from ...rules.resampling import Taps
from ...tensor import Tensor, raw, wrap
from .adaptive_pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d

__all__ = ["interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]

_resample = primitives["resample"]
_average: Any = (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)
_AXES = {  # how many spatial axes each mode is for
    "nearest": (1, 2, 3),
    "nearest-exact": (1, 2, 3),
    "area": (1, 2, 3),
    "linear": (1,),
    "bilinear": (2,),
    "trilinear": (3,),
    "bicubic": (2,),
    "lanczos": (2,),
}
_WITHOUT_CORNERS = ("nearest", "nearest-exact", "area")
_ANTIALIASED = ("bilinear", "bicubic", "lanczos")


def interpolate(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """The input at another resolution.

    Args:
        input: (N, C, L), (N, C, H, W) or (N, C, D, H, W).
        size: how many elements each spatial axis is to have: an integer, or one per axis.
        scale_factor: by what each spatial axis grows, a number or one per axis; instead of `size`, which is then
            floor(scale_factor * the input's).
        mode: "nearest" (element floor(i / scale)), "nearest-exact" (floor((i + 1/2) / scale)), "area" (means, as
            adaptive average pooling), "linear" for (N, C, L), "bilinear" and "bicubic" for images, "trilinear" for
            volumes, and "lanczos" for images, with `antialias`.
        align_corners: whether the centres of the outermost elements stay where they are, rather than their outer
            edges. For the modes from "linear" on; None means False.
        recompute_scale_factor: whether the scale is the ratio of the sizes, after rounding, rather than
            `scale_factor` itself.
        antialias: whether the window over the input widens when the image is made smaller. For images.

    Returns:
        (N, C, *size), of the input's dtype.

    Raises:
        ShapeError: the input has a number of axes that the mode is not for, or is empty; `size` or `scale_factor`
            has not one entry per axis; or the result would be empty.
        ValueError: an unknown mode; arguments that exclude each other.
        TypeError: `size` is not of integers, or the mode needs a floating input.
    """
    check(size, scale_factor, mode, align_corners, recompute_scale_factor, antialias)
    shape = tuple(raw(input).shape)
    axes = len(shape) - 2
    if axes not in _AXES[mode]:
        shapes = {1: "(N, C, L)", 2: "(N, C, H, W)", 3: "(N, C, D, H, W)"}
        expected = " or ".join(shapes[n] for n in _AXES[mode])
        raise ShapeError(f'interpolate with mode "{mode}" needs an input {expected}, received shape {shape}')
    sizes, scales = _sizes(shape[2:], size, scale_factor)
    if min(shape[1:]) < 1 or min(sizes) < 1:
        raise ShapeError(f"interpolate needs sizes of at least 1, received an input {shape} and an output {sizes}")
    if recompute_scale_factor:
        scales = [None] * axes
    if mode == "area":
        return _average[axes - 1](input, tuple(sizes))
    x = input if isinstance(input, Tensor) else wrap(raw(input))
    return _along_each(x, mode, sizes, scales, bool(align_corners), antialias)


def upsample(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Tensor:
    """`interpolate` under its former name."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Any, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode "nearest"."""
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input: Any, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode "bilinear" and aligned corners."""
    return interpolate(input, size, scale_factor, "bilinear", True)


def check(
    size: Any,
    scale_factor: Any,
    mode: str,
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> None:
    """Raise for arguments that `interpolate` can't take, whatever the input."""
    if mode not in _AXES:
        raise ValueError(f"mode must be one of {', '.join(_AXES)}; received {mode!r}")
    if (size is None) == (scale_factor is None):
        raise ValueError(f"give either size or scale_factor, received size={size!r}, scale_factor={scale_factor!r}")
    if align_corners is not None and mode in _WITHOUT_CORNERS:
        raise ValueError(f'align_corners has no meaning for mode "{mode}", received {align_corners!r}')
    if recompute_scale_factor and size is not None:
        raise ValueError("recompute_scale_factor has no meaning with an explicit size")
    if antialias and mode not in _ANTIALIASED:
        raise ValueError(f'antialias is for the modes {", ".join(_ANTIALIASED)}; received mode "{mode}"')
    if mode == "lanczos" and (align_corners or not antialias):
        raise ValueError('mode "lanczos" needs antialias=True, and does not align corners')


def _sizes(shape: Sequence[int], size: Any, scale_factor: Any) -> tuple[list[int], list[float | None]]:
    """The result's size and the given scale along each axis."""
    given = size if scale_factor is None else scale_factor
    each = list(given) if isinstance(given, tuple | list) else [given] * len(shape)
    name = "size" if scale_factor is None else "scale_factor"
    if len(each) != len(shape):
        raise ShapeError(f"{name} must have one entry, or one per spatial axis of {tuple(shape)}; received {given!r}")
    if scale_factor is None:
        try:
            return [operator.index(n) for n in each], [None] * len(shape)
        except TypeError:
            raise TypeError(f"size must be an integer or one per axis, received {size!r}") from None
    factors: list[float | None] = [float(f) for f in each]
    return [int(n * f) for n, f in zip(shape, factors, strict=True) if f is not None], factors


def _along_each(
    x: Tensor, mode: str, sizes: list[int], scales: list[float | None], align_corners: bool, antialias: bool
) -> Tensor:
    dtype = x.dtype
    image = dtype.name == "uint8" and mode in _ANTIALIASED
    if dtype.kind not in "fc" and not image and mode not in _WITHOUT_CORNERS:
        raise TypeError(f'interpolate with mode "{mode}" needs a floating input (or uint8 images), received {dtype}')
    plans = []
    for axis, (n, size, scale) in enumerate(zip(x.shape[2:], sizes, scales, strict=True), start=2 - x.ndim):
        found = taps(mode, n, size, scale, align_corners, antialias, "uint8" if image else dtype.name)
        if not found.is_identity:
            plans.append((size / n, -axis, axis, found))
    if image:
        return _on_bytes(x, [(axis, found) for _, _, axis, found in reversed(plans)])
    for _, _, axis, found in sorted(plans, key=operator.itemgetter(0, 1)):  # first what makes the array smaller
        x = _resample(x, axis=axis, taps=found)
    return x


def _on_bytes(x: Tensor, plans: list[tuple[int, Taps]]) -> Tensor:
    """Images of bytes with integer weights, and whole numbers after each axis: as torch has them from Pillow."""
    for axis, found in plans:
        weights = found.weights
        assert weights is not None
        bits = 0
        while bits < 22 and int(0.5 + weights.max() * 2 ** (bits + 1)) < 2**15:
            bits += 1
        whole = np.trunc(weights * 2**bits + np.copysign(0.5, weights))
        y = _resample(ops.astype(x, ops.int64), axis=axis, taps=Taps(found.size, found.indices, whole))
        x = ops.astype(ops.clip((y + 2 ** (bits - 1)) // 2**bits, 0, 255), ops.uint8)
    return x


# --------------------------------------------------------------------------------------------------------- weights


@lru_cache(maxsize=256)
def taps(
    mode: str, size: int, outputs: int, scale: float | None, align_corners: bool, antialias: bool, dtype: str
) -> Taps:
    """The taps of `mode` along an axis of `size` elements that is to have `outputs`.

    Args:
        scale: by what the axis was said to grow; None for outputs / size.
        dtype: the input's; positions are computed in its precision, so that they round as torch's do.
    """
    image = dtype == "uint8" and mode in _ANTIALIASED
    real: Any = np.float64 if image or dtype in ("float64", "complex128") else np.float32
    if mode in _WITHOUT_CORNERS:
        return _nearest(size, outputs, scale, mode == "nearest-exact", real)
    if align_corners:
        step = real(size - 1) / real(outputs - 1) if outputs > 1 else real(0)
    else:
        step = real(size) / real(outputs) if scale is None else real(1 / scale)
    if antialias and size == outputs:
        return Taps(size, np.arange(size)[None], None)  # whatever the scale was said to be
    if antialias or (image and mode == "bilinear"):
        return _windows(size, outputs, step, mode, antialias, align_corners and not antialias, real)
    i = np.arange(outputs).astype(real)
    position = step * i if align_corners else step * (i + real(0.5)) - real(0.5)
    if mode == "bicubic":
        first = np.minimum(np.floor(position.astype(np.float32)), size - 1)
        t = np.clip(position - first.astype(real), 0, 1)
        indices = np.clip(first.astype(np.int64) + np.arange(-1, 3)[:, None], 0, size - 1)
        return Taps(size, indices, _cubic(np.stack([t + 1, t, 1 - t, 2 - t]), -0.75).astype(np.float64))
    if size == outputs:
        position = i
    position = np.maximum(position, 0)
    left = np.minimum(np.floor(position.astype(np.float32)), size - 1).astype(np.int64)
    t = np.clip(position - left.astype(real), 0, 1)
    indices = np.stack([left, np.minimum(left + 1, size - 1)])
    return Taps(size, indices, np.stack([1 - t, t]).astype(np.float64))


def _nearest(size: int, outputs: int, scale: float | None, exact: bool, real: Any) -> Taps:
    i = np.arange(outputs)
    step = real(size) / real(outputs) if scale is None else real(1 / scale)
    position = (i.astype(real) + real(0.5)) * step if exact else i.astype(real) * step
    found = np.floor(position.astype(np.float32)).astype(np.int64)
    return Taps(size, np.minimum(found, size - 1)[None], None)


def _windows(size: int, outputs: int, step: Any, mode: str, antialias: bool, from_centers: bool, real: Any) -> Taps:
    """Filters over windows, which widen with `antialias` to as many elements as go into one; cut off at the ends.

    Args:
        step: from one window's centre to the next, in elements.
        from_centers: whether positions count from the first element's centre rather than its edge.
    """
    reach, kernel = _FILTERS[mode, antialias]
    stretch = max(step, real(1)) if antialias else real(1)
    half = real(0 if from_centers else 0.5)
    center = step * (np.arange(outputs).astype(real) + half)
    support = real(reach) * stretch
    start = np.maximum((center - support + (1 - half)).astype(np.int64), 0)
    stop = np.minimum((center + support + (1 - half)).astype(np.int64), size)
    count = np.clip(stop - start, 0, int(np.ceil(support)) * 2 + 1)
    offsets = np.arange(count.max())[:, None]
    weights = np.where(offsets < count, kernel((offsets + start - center + half) / stretch), real(0))
    indices = np.clip(np.minimum(start + offsets, start + count - 1), 0, size - 1)
    return Taps(size, indices, (weights / weights.sum(0)).astype(np.float64))


def _cubic(t: np.ndarray, a: float) -> np.ndarray:
    """Keys 1981, "Cubic convolution interpolation for digital image processing", at the distances `t`."""
    t = np.abs(t)
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return np.where(t < 1, near, np.where(t < 2, far, 0))


def _triangle(t: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(t), 0)


def _lanczos(t: np.ndarray) -> np.ndarray:
    return np.where(np.abs(t) < 3, np.sinc(t) * np.sinc(t / 3), 0)


_FILTERS: dict[tuple[str, bool], tuple[float, Callable[[np.ndarray], np.ndarray]]] = {
    ("bilinear", False): (1, _triangle),
    ("bilinear", True): (1, _triangle),
    ("bicubic", True): (2, lambda t: _cubic(t, -0.5)),
    ("lanczos", True): (3, _lanczos),
}
