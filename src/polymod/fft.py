"""Discrete Fourier transforms: the `fft` extension of the Python array API standard, with derivatives.

Axes are first cut or padded with zeros to the lengths asked for, then transformed. `norm` says which of a pair of
transforms is divided by the length n: "backward" the inverse one, "forward" the other, "ortho" both by sqrt(n).
Transforms that take complex numbers also take real ones; float32 gives complex64 and float64 complex128.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from . import dtypes
from .errors import ShapeError
from .functions.manipulation import axes_tuple
from .linalg.inputs import array, floating
from .ops import ops
from .rules import primitives
from .rules.fft import opposite_norm
from .tensor import Tensor

__all__ = [
    "fft",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfftn",
    "rfft",
    "rfftfreq",
    "rfftn",
]

Norm = Literal["backward", "ortho", "forward"]


def fft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Tensor:
    """The transform of `x` along `axis`, cut or padded to length n: sum over j of x[j] exp(-2 pi i j k / n)."""
    return _complex_transform(x, None if n is None else (n,), (axis,), norm)


def ifft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Tensor:
    """The inverse of `fft`."""
    return _complex_transform(x, None if n is None else (n,), (axis,), norm, inverse=True)


def fftn(
    x: Any, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = "backward"
) -> Tensor:
    """The transform of `x` over `axes`, cut or padded to the lengths `s`.

    `axes` defaults to all axes, or, where `s` is given, to the last len(s); -1 in `s` leaves a length as it is.
    """
    return _complex_transform(x, s, axes, norm)


def ifftn(
    x: Any, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = "backward"
) -> Tensor:
    """The inverse of `fftn`."""
    return _complex_transform(x, s, axes, norm, inverse=True)


def rfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Tensor:
    """The first n // 2 + 1 elements of the `fft` of real `x` along `axis`; the others are their conjugates."""
    return rfftn(x, s=None if n is None else (n,), axes=(axis,), norm=norm)


def irfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Tensor:
    """The inverse of `rfft`: n real elements, by default 2 (m - 1) of m."""
    return irfftn(x, s=None if n is None else (n,), axes=(axis,), norm=norm)


def rfftn(
    x: Any, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = "backward"
) -> Tensor:
    """The transform of real `x` over `axes` (see `fftn`), of the last of them the first n // 2 + 1 elements.

    Raises:
        TypeError: `x` is complex.
    """
    x = floating(x)
    if x.dtype.kind == "c":
        raise TypeError(f"this transform takes real numbers, received {x.dtype}; fft and fftn take complex ones")
    _check_norm(norm)
    along, sizes = _at_least_one(*_axes_and_sizes(x, s, axes))
    x = primitives["rdft"](_resized(x, along, sizes), axis=along[-1], norm=norm)
    return primitives["dft"](x, axis=along[:-1], norm=norm) if along[:-1] else x


def irfftn(
    x: Any, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: Norm = "backward"
) -> Tensor:
    """The inverse of `rfftn`: real, with the last of `s` (by default 2 (m - 1) of m) elements along the last axis."""
    x = _complex(x)
    _check_norm(norm)
    along, sizes = _at_least_one(*_axes_and_sizes(x, s, axes))
    known = s is not None and s[-1] != -1
    n = sizes[-1] if known else 2 * (x.shape[along[-1]] - 1)
    if n < 1:
        raise ShapeError(f"the result needs at least one element, received {n} for axis {along[-1]} of {x.shape}")
    x = _resized(x, along, (*sizes[:-1], n // 2 + 1))
    if along[:-1]:
        x = primitives["dft"](x, axis=along[:-1], norm=norm, inverse=True)
    return primitives["irdft"](x, axis=along[-1], n=n, norm=norm)


def hfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Tensor:
    """The `fft`, which is real, of n elements of which `x` are the first n // 2 + 1 and the others their conjugates;
    n is by default 2 (m - 1) of m."""
    _check_norm(norm)
    return irfft(ops.conj(_complex(x)), n=n, axis=axis, norm=opposite_norm[norm])  # type: ignore[arg-type]


def ihfft(x: Any, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> Tensor:
    """The inverse of `hfft`: of real `x` the first n // 2 + 1 elements of its inverse transform."""
    _check_norm(norm)
    return ops.conj(rfft(x, n=n, axis=axis, norm=opposite_norm[norm]))  # type: ignore[arg-type]


def fftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Tensor:
    """The n frequencies of `fft`, in cycles per unit of the sample spacing d: 0, 1, ..., -2, -1 divided by n d."""
    return _frequencies([*range((n + 1) // 2), *range(-(n // 2), 0)], n, d, dtype, device)


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Tensor:
    """The n // 2 + 1 frequencies of `rfft`: 0, 1, ..., n // 2 divided by n d."""
    return _frequencies(range(n // 2 + 1), n, d, dtype, device)


def fftshift(x: Any, /, *, axes: int | Sequence[int] | None = None) -> Tensor:
    """The elements along `axes` (all by default) rolled so that frequency 0 is in the middle."""
    x, axes = _shiftable(x, axes)
    return ops.roll(x, tuple(x.shape[a] // 2 for a in axes), axis=axes)


def ifftshift(x: Any, /, *, axes: int | Sequence[int] | None = None) -> Tensor:
    """The inverse of `fftshift`."""
    x, axes = _shiftable(x, axes)
    return ops.roll(x, tuple(-(x.shape[a] // 2) for a in axes), axis=axes)


# ----------------------------------------------------------------------------------------------------------- parts


def _complex_transform(x: Any, s: Any, axes: Any, norm: str, inverse: bool = False) -> Tensor:
    x = _complex(x)
    _check_norm(norm)
    along, sizes = _axes_and_sizes(x, s, axes)
    x = _resized(x, along, sizes)
    return primitives["dft"](x, axis=along, norm=norm, inverse=inverse) if along else x


def _complex(x: Any) -> Tensor:
    x = floating(x)
    if x.dtype.kind == "c":
        return x
    return ops.astype(x, dtypes.complex128 if x.dtype is dtypes.float64 else dtypes.complex64)


def _check_norm(norm: Any) -> None:
    if norm not in opposite_norm:
        raise ValueError(f"norm must be 'backward', 'ortho' or 'forward', received {norm!r}")


def _axes_and_sizes(
    x: Tensor, s: Sequence[int] | None, axes: Sequence[int] | None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The axes to transform, not negative, and the length that each is to have."""
    if axes is None:
        axes = range(x.ndim) if s is None else range(x.ndim - len(s), x.ndim)
    axes = axes_tuple(tuple(axes), x.ndim)
    sizes = tuple(x.shape[a] for a in axes)
    if s is not None:
        if len(s) != len(axes):
            raise ValueError(f"s must have a length for each of the axes {axes}, received {tuple(s)}")
        sizes = tuple(old if n == -1 else int(n) for n, old in zip(s, sizes, strict=True))
    if any(n < 1 for n in sizes):
        raise ShapeError(f"axes to be transformed need at least one element, received lengths {sizes} for axes {axes}")
    return axes, sizes


def _at_least_one(axes: tuple[int, ...], sizes: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if not axes:
        raise ShapeError("a transform between real and complex numbers needs at least one axis, received none")
    return axes, sizes


def _resized(x: Tensor, axes: Sequence[int], sizes: Sequence[int]) -> Tensor:
    """`x` with each of `axes` cut or padded with zeros at its end to the length of `sizes`."""
    wanted = dict(zip(axes, sizes, strict=True))
    if any(n < x.shape[a] for a, n in wanted.items()):
        x = x[tuple(slice(0, min(n, wanted.get(a, n))) for a, n in enumerate(x.shape))]
    if any(n > x.shape[a] for a, n in wanted.items()):
        x = primitives["zero_pad"](x, widths=tuple((0, wanted.get(a, n) - n) for a, n in enumerate(x.shape)))
    return x


def _frequencies(whole: Sequence[int], n: int, d: float, dtype: Any, device: Any) -> Tensor:
    if n < 1:
        raise ValueError(f"n must be at least 1, received {n}")
    return ops.tensor(np.asarray(whole) / (n * d), dtype=dtypes.dtype(dtype or float), device=device)


def _shiftable(x: Any, axes: int | Sequence[int] | None) -> tuple[Tensor, tuple[int, ...]]:
    x = array(x)
    return x, axes_tuple(tuple(range(x.ndim)) if axes is None else axes, x.ndim)
