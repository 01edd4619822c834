"""Adding at indices, where the same element may be named several times."""

from __future__ import annotations

from typing import Any

import cupy
import numpy as np

# CUDA adds atomically to few types. Narrower integers are summed in a wider type, whose low bits are the
# narrow sum; truth values are counted.
_WIDER = {
    "bool": "int32",
    "int8": "int32",
    "int16": "int32",
    "uint8": "uint32",
    "uint16": "uint32",
    "bfloat16": "float32",
}


def index_add(x: cupy.ndarray, key: Any, values: Any) -> cupy.ndarray:
    with x.device:
        if not isinstance(values, cupy.ndarray | int | float | complex | np.generic):
            raise TypeError(f"values must be a cupy.ndarray or a number, not {type(values).__qualname__}")
        values = cupy.asarray(values, dtype=x.dtype)
        if x.dtype.kind == "c":
            result = x.copy()
            cupy.add.at(result.real, key, values.real)
            cupy.add.at(result.imag, key, values.imag)
            return result
        wide = x.astype(_WIDER.get(x.dtype.name, x.dtype), copy=True)
        cupy.add.at(wide, key, values.astype(wide.dtype, copy=False))
        return wide.astype(x.dtype, copy=False)
