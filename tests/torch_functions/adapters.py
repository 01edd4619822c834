"""How a function of torch is said to have a counterpart here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polymod as pm

adapters: dict[str, Callable[..., Any]] = {}


class Unmapped(Exception):
    """This call says something that polymod's function of the standard can't say."""


def adapter(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(f: Callable[..., Any]) -> Callable[..., Any]:
        adapters.update(dict.fromkeys(names, f))
        return f

    return register


def only(condition: bool, reason: str) -> None:
    if not condition:
        raise Unmapped(reason)


def dtype_of(torch_dtype: Any) -> Any:
    return None if torch_dtype is None else pm.dtypes.dtype(str(torch_dtype).removeprefix("torch."))


def cast(x: Any, torch_dtype: Any) -> Any:
    if torch_dtype is None:
        return x
    dtype = dtype_of(torch_dtype)
    only(x.dtype.kind != "c" or dtype.kind == "c", "a cast of complex to real numbers")
    return pm.astype(x, dtype)
