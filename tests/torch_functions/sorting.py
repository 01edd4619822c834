"""Sorting, searching and products."""

from __future__ import annotations

from functools import reduce
from typing import Any

import polymod as pm
from polymod import linalg

from .adapters import adapter, adapters, only
from .indexing import at


@adapter("sort", "msort")
def sort(x: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    only(x.ndim > 0, "no axis")
    return pm.sort(x, axis=dim, descending=descending, stable=bool(stable))


adapters["msort"] = lambda x: sort(x, 0)


@adapter("topk")
def topk(x: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    only(x.ndim > 0, "no axis")
    return pm.sort(x, axis=dim, descending=largest)[at(x, dim, slice(k))]


@adapter("kthvalue")
def kthvalue(x: Any, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    only(x.ndim > 0, "no axis")
    return pm.sort(x, axis=dim)[at(x, dim, slice(k - 1, k) if keepdim else k - 1)]


@adapter("searchsorted")
def searchsorted(
    x: Any, values: Any, out_int32: bool = False, right: bool = False, side: str = "left", sorter: Any = None
) -> Any:
    only(x.ndim == 1 and not out_int32, "several sequences")
    return pm.searchsorted(x, values, side="right" if right else side, sorter=sorter)


@adapter("tensordot")
def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    if not isinstance(dims, int):
        summed = zip(dims[0], dims[1], strict=True)
        only(all(a.shape[i] == b.shape[j] for i, j in summed), "axes of length one broadcast")
    return pm.tensordot(a, b, axes=dims)


@adapter("einsum")
def einsum(operands: Any, equation: str) -> Any:
    only(equation != "...ik, ...j -> ij", "an ellipsis that the result has not")
    return pm.einsum(equation, *operands)


for _name, _f in {
    "matmul": pm.matmul,
    "mm": pm.matmul,
    "bmm": pm.matmul,
    "mv": pm.matmul,
    "dot": pm.matmul,
    "vdot": pm.vecdot,
    "inner": lambda a, b: a * b if 0 in (a.ndim, b.ndim) else pm.tensordot(a, b, axes=((-1,), (-1,))),
    "outer": linalg.outer,
    "linalg.vecdot": lambda a, b, dim=-1: pm.vecdot(*pm.broadcast_arrays(a, b), axis=dim - a.ndim if dim >= 0 else dim),
    "linalg.multi_dot": lambda xs: reduce(pm.matmul, xs),
    "addmm": lambda x, a, b, beta=1, alpha=1: beta * x + alpha * (a @ b),
    "addmv": lambda x, a, b, beta=1, alpha=1: beta * x + alpha * (a @ b),
    "baddbmm": lambda x, a, b, beta=1, alpha=1: beta * x + alpha * (a @ b),
    "addbmm": lambda x, a, b, beta=1, alpha=1: beta * x + alpha * pm.sum(a @ b, axis=0),
    "addr": lambda x, a, b, beta=1, alpha=1: beta * x + alpha * linalg.outer(a, b),
}.items():
    adapters[_name] = _f
