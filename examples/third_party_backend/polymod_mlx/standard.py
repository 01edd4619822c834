"""The rest of the array API standard: polymod has its own of these, but its conformance kit wants a whole namespace.

What MLX has under the standard's name and arguments is MLX's; the rest is NumPy's, on the host.
"""

import math
from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np

from .host import NUMPY, from_numpy, on_host


def statistic(function: Callable[..., mx.array]) -> Callable[..., mx.array]:
    def run(x: mx.array, *, axis: Any = None, correction: int = 0, keepdims: bool = False) -> mx.array:
        return function(x, axis=axis, ddof=correction, keepdims=keepdims)

    return run


def frequencies(function: Callable[..., np.ndarray]) -> Callable[..., mx.array]:
    def run(n: int, *, d: float = 1.0, dtype: Any = mx.float32, device: Any = None) -> mx.array:
        return from_numpy(function(n, d=d).astype(NUMPY.get(dtype, np.float32))).astype(dtype)

    return run


def repeat(x: mx.array, repeats: Any, *, axis: int | None = None) -> mx.array:
    """MLX repeats all elements equally often."""
    return on_host(np.repeat)(x, repeats, axis=axis) if isinstance(repeats, mx.array) else mx.repeat(x, repeats, axis)


def unstack(x: mx.array, *, axis: int = 0) -> tuple[mx.array, ...]:
    return tuple(mx.moveaxis(x, axis, 0)[place] for place in range(x.shape[axis]))


same = "broadcast_arrays broadcast_shapes can_cast finfo iinfo meshgrid moveaxis result_type tensordot tile"
uniques = "unique_all unique_counts unique_inverse unique_values"
constants = {"e": math.e, "pi": math.pi, "inf": math.inf, "nan": math.nan, "newaxis": None}
standard: dict[str, Any] = {name: getattr(mx, name) for name in same.split()}
standard |= {name: on_host(getattr(np, name)) for name in uniques.split()}
standard |= constants | {
    "diff": on_host(np.diff),
    "repeat": repeat,
    "std": statistic(mx.std),
    "unstack": unstack,
    "var": statistic(mx.var),
}
matrices = "cross eigvals matrix_norm matrix_power matrix_rank outer trace vector_norm"
standard_linalg = {name: on_host(getattr(np.linalg, name)) for name in matrices.split()}
standard_fft: dict[str, Any] = {
    name: on_host(getattr(np.fft, name)) for name in ("fftshift", "hfft", "ifftshift", "ihfft")
}
standard_fft |= {name: getattr(mx.fft, name) for name in ("irfftn", "rfftn")}
standard_fft |= {name: frequencies(getattr(np.fft, name)) for name in ("fftfreq", "rfftfreq")}
