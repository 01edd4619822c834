"""Special functions by cupyx, under polymod's names; it is imported when the first of them is called."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import cupy

# those that have all digits and SciPy's values on the edges, on the GPU as in CuPy's emulation
names = (
    *("erfc", "ndtr", "log_expit", "xlogy", "entr", "rel_entr", "kl_div"),
    *("gamma", "gammaln", "zeta", "gammainc", "gammaincc"),
)


@cache
def cupys(name: str) -> Callable[..., Any]:
    from cupyx.scipy import special

    return getattr(special, name)


def _kernel(name: str) -> Callable[..., Any]:
    def call(*arrays: Any) -> Any:
        result = cupys(name)(*arrays)
        if name in ("gammainc", "gammaincc"):  # which forget NaN on the edges
            result = cupy.where(cupy.isnan(arrays[0]) | cupy.isnan(arrays[1]), cupy.nan, result)
        expected = cupy.result_type(*arrays)
        return result if result.dtype == expected else result.astype(expected)

    call.__name__ = name
    return call


kernels: dict[str, Callable[..., Any]] = {name: _kernel(name) for name in names}
