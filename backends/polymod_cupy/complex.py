"""Complex functions at infinities and NaN, where CuPy's differ from the standard's (and C99's Annex G)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_compat.cupy as xp
import cupy

# R is the type of the parts a and b of the argument; NVRTC has neither INFINITY nor NAN.
_begin = """
typedef typename T::value_type R;
const R a = z.real(), b = z.imag(), nan = nanf(""), infinity = __int_as_float(0x7f800000);
"""

_special = {
    "log": "y = log(z); if (isinf(a) || isinf(b)) y = T(infinity, y.imag());",
    "log1p": "y = T(isinf(a) || isinf(b) ? infinity : near.real(), atan2(b, 1 + a));",
    "acosh": "y = acosh(z); if (a == 0 && isnan(b)) y = T(nan, R(1.5707963267948966));",
    "tanh": """
        y = tanh(z);
        if (isinf(a) && isfinite(b)) y = T(copysign(R(1), a), copysign(R(0), b));
        if (a == 0 && !isfinite(b)) y = T(a, nan);
    """,
}
_kernels = {
    name: cupy.ElementwiseKernel("T z, T near", "T y", _begin + code, f"polymod_{name}_complex")
    for name, code in _special.items()
}


def _kernel(name: str) -> Callable[..., Any]:
    own, special = getattr(xp, name), _kernels[name]

    def call(x: cupy.ndarray, /) -> cupy.ndarray:
        if x.dtype.kind != "c":
            return own(x)
        with x.device:
            return special(x, own(x) if name == "log1p" else x)

    call.__name__ = name
    return call


kernels: dict[str, Callable[..., Any]] = {name: _kernel(name) for name in _special}
