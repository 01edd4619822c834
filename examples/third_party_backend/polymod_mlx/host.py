"""Between MLX and NumPy, and where arrays are.

MLX's arrays lie in memory that the CPU and the GPU share, and belong to neither: the *default device* computes. So
there is one polymod device, whichever is the default, and nothing is ever moved.

float64 is left out. MLX has it on the CPU only, without the complex128 that belongs to it, and with `exp`, `sin` and
`cos` computed in float32; and the default device can change under an array.
"""

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np

NAMES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
NAMES += ("float16", "bfloat16", "float32", "complex64")
DTYPES = {name: getattr(mx, "bool_" if name == "bool" else name) for name in NAMES}
NUMPY = {dtype: np.dtype(name) for name, dtype in DTYPES.items() if name != "bfloat16"}


def current_device() -> str:
    """The name of MLX's default device: "cpu" or "gpu"."""
    return mx.default_device().type.name


def from_numpy(x: np.ndarray, device: str | None = None) -> mx.array:
    """A copy of `x`. MLX takes neither the other byte order nor reversed strides, hence the first copy."""
    dtype = DTYPES.get(x.dtype.name)
    if dtype is None:
        raise TypeError(f"{x.dtype.name} is not a dtype of MLX's arrays here: use float32 or complex64")
    return mx.array(np.array(x, dtype=x.dtype.newbyteorder("="), order="C"), dtype=dtype)


def to_numpy(x: mx.array) -> np.ndarray:
    """A copy of `x` with its values, which this computes."""
    return np.array(view(x))


def view(x: mx.array) -> np.ndarray:
    """The memory of `x` as NumPy sees it, without a copy; for functions that only read."""
    if x.dtype == mx.bfloat16:
        raise TypeError("NumPy has no bfloat16: cast to float32 first")
    return np.asarray(x)


def on_host(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of NumPy's as one of MLX's arrays, for what MLX lacks. It computes its arguments at once."""

    def run(*args: Any, **kwargs: Any) -> Any:
        with np.errstate(all="ignore"):
            result = function(
                *(view(x) if isinstance(x, mx.array) else x for x in args),
                **{name: view(x) if isinstance(x, mx.array) else x for name, x in kwargs.items()},
            )
        if not isinstance(result, tuple):
            return back(result)
        return type(result)(*map(back, result)) if hasattr(result, "_fields") else tuple(map(back, result))

    return run


def back(x: Any) -> mx.array:
    """A result of NumPy's; its complex128 becomes complex64, the only complex dtype of MLX."""
    x = np.asarray(x)
    return from_numpy(x.astype(np.complex64) if x.dtype == np.complex128 else x)


def scalar(value: Any, dtype: Any) -> mx.array:
    """A Python number as a 0-d array; MLX's own conversion can't take whole numbers from 2**63."""
    if dtype == mx.uint64:
        return mx.array(np.array(value, np.uint64), dtype=dtype)
    return mx.array(value, dtype=dtype)
