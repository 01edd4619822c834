"""Special functions by SciPy, where it is installed; it is imported when the first of them is called."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from . import neural
from .neural import textbook

# by polymod's names: SciPy's
names = {
    "erf": "erf",
    **{name: name for name in ("erfc", "erfcx", "erfinv", "ndtr", "log_ndtr", "ndtri")},
    **{name: name for name in ("logit", "xlogy", "xlog1py", "entr", "rel_entr", "kl_div")},
    **{name: name for name in ("gamma", "gammaln", "digamma")},
    "gamma_sign": "gammasgn",
    "riemann": "zeta",
    "zeta": "zeta",
    **{name: name for name in ("gammainc", "gammaincc", "betainc", "stdtr", "i0", "i0e", "i1", "i1e")},
}


@cache
def scipys(name: str) -> Callable[..., Any] | None:
    """SciPy's function, or None where SciPy is not installed or too old to have it."""
    try:
        from scipy import special
    except ImportError:
        return None
    return getattr(special, names[name], None)


def _kernel(name: str) -> Callable[..., Any]:
    def call(*arrays: Any) -> Any:
        function = scipys(name)
        expected = np.result_type(*arrays)
        if function is None:
            wide = np.result_type(expected, np.float32)  # the definition's polynomials overflow in float16
            result = textbook(name, *(np.asarray(x, np.result_type(x, wide)) for x in arrays))
        else:
            result = function(*arrays)
        return result if result.dtype == expected else result.astype(expected)  # SciPy has no float16

    call.__name__ = name
    return call


kernels: dict[str, Callable[..., Any]] = {name: _kernel(name) for name in names}
double_erf = kernels["erf"]


def erf(x: Any) -> Any:
    return neural.erf(x) if x.dtype.char in "fe" else double_erf(x)


kernels["erf"] = erf
