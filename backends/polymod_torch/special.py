"""The special functions that torch has, under polymod's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .kernels import of_one_dtype

special = torch.special


def zeta(s: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    return torch.where((q == torch.inf) & (s > 1), 0, special.zeta(s, q))  # where torch's is NaN


# its ndtr, gammainc and gammaincc are left out: they have no correct digit, or nine, where polymod's have all
functions: dict[str, Callable[..., Any]] = {
    **{name: getattr(special, name) for name in ("erfc", "erfcx", "erfinv", "log_ndtr", "ndtri", "entr")},
    **{name: getattr(special, name) for name in ("xlogy", "xlog1py", "gammaln", "digamma")},
    "zeta": zeta,
    **{name: getattr(special, name) for name in ("i0", "i0e", "i1", "i1e")},
}


def _kernel(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arrays: Any) -> Any:
        arrays = tuple(of_one_dtype(*arrays))
        dtype = arrays[0].dtype
        if dtype.itemsize < 4:
            return function(*(a.to(torch.float32) for a in arrays)).to(dtype)
        return function(*arrays)

    call.__name__ = name
    return call


kernels = {name: _kernel(name, function) for name, function in functions.items()}
