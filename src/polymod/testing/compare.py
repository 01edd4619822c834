"""What a result has to be: of the engine and on its device, and of NumPy's values, shape and dtype."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import polymod as pm

from .samples import Sample

# relative, and absolute in proportion to the largest magnitude expected
TOLERANCE = {"float64": (1e-9, 1e-10), "float32": (2e-4, 2e-5), "float16": (1e-2, 1e-2), "bfloat16": (5e-2, 5e-2)}
COMPLEX = {"float32": "complex64", "float64": "complex128"}


def allowed(device: pm.Device, dtype: str) -> bool:
    """Whether the backend's capabilities say that the engine has this dtype of the standard."""
    can = device.backend.capabilities
    return (can.complex or not dtype.startswith("complex")) and (can.float64 or dtype not in ("float64", "complex128"))


def claimed(device: pm.Device, dtype: str) -> bool:
    """The same, unless the engine says that this one of its devices lacks it."""
    info = pm.__array_namespace_info__()
    lacking = dtype in info.dtypes(device=pm.device(device.backend)) and dtype not in info.dtypes(device=device)
    return allowed(device, dtype) and not lacking


def has(device: pm.Device, dtype: str) -> bool:
    """Whether the device has this dtype, be it the standard's or not."""
    return hasattr(device.backend.xp, dtype) and claimed(device, dtype)


def precisions(device: pm.Device, sample: Sample = Sample(())) -> list[str]:  # noqa: B008 it is immutable
    """The precisions, the highest first, in which the device has every dtype that a sample needs."""
    numbers = COMPLEX if is_complex(sample) else {}
    return [
        p for p in ("float64", "float32") if all(has(device, dtype) for dtype in (p, numbers.get(p, p), *sample.dtypes))
    ]


def rounded(x: Any, dtype: str) -> Any:
    """A host array's floating numbers in the precision of `dtype`; anything else as it is."""
    if not isinstance(x, np.ndarray) or x.dtype.kind not in "fc":
        return x
    return x.astype(COMPLEX[dtype] if x.dtype.kind == "c" else dtype)


def is_complex(sample: Sample) -> bool:
    return any(isinstance(x, np.ndarray) and x.dtype.kind == "c" for x in sample.inputs)


def on(device: pm.Device, *tensors: pm.Tensor | None) -> None:
    """They are Tensors of the engine's arrays, on this device."""
    for t in tensors:
        if t is not None:
            assert isinstance(t, pm.Tensor), f"{type(t).__name__} is no Tensor"
            kinds = device.backend.array_types
            assert isinstance(t.array, kinds), f"{type(t.array).__name__} is no array of {device.backend.name}"
            assert t.device == device, f"the result is on {t.device}, its inputs on {device}"


def close(found: np.ndarray, expected: np.ndarray, dtype: str, what: str = "result") -> None:
    """The same shape, and the same values in the precision of `dtype`."""
    assert found.shape == expected.shape, f"{what}: shape {found.shape}, expected {expected.shape}"
    relative, absolute = TOLERANCE[dtype]
    finite = np.abs(expected[np.isfinite(expected)]) if expected.dtype.kind in "fc" else np.zeros(0)
    scale = max(1.0, float(np.max(finite, initial=0.0)))
    np.testing.assert_allclose(found, expected, rtol=relative, atol=absolute * scale, err_msg=what)


def same_kind(found: Sequence[Any], expected: Sequence[Any]) -> None:
    """As many results, of the same shapes and dtypes."""
    described = [[(tuple(y.shape), pm.dtypes.dtype(y.dtype).name) for y in ys] for ys in (found, expected)]
    assert described[0] == described[1], f"shapes and dtypes {described[0]}, expected {described[1]}"
