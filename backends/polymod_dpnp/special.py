"""Special functions of dpnp under polymod's names: those that have all digits and SciPy's values on the edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dpnp

names = ("erf", "erfc", "erfcx", "erfinv")


def _kernel(name: str) -> Callable[[dpnp.ndarray], dpnp.ndarray]:
    own = getattr(dpnp.scipy.special, name)

    def call(x: dpnp.ndarray) -> dpnp.ndarray:
        result = own(x)
        return result if result.dtype == x.dtype else dpnp.astype(result, x.dtype)

    call.__name__ = name
    return call


kernels: dict[str, Callable[..., Any]] = {name: _kernel(name) for name in names}
