"""Lists of tensors as one kernel argument, so that one launch serves them all.

A table holds the tensors' addresses and sizes and is passed by value: nothing is copied to the device, nothing waits,
and the arrays may be others at each call, as gradients are. CUDA takes 32,764 bytes of arguments since 12.1 and 4,096
before; a longer list is launched in several parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import cupy
import numpy as np

from .launch import TYPES, kernel, launch

CHUNK = 8192  # elements of a tensor that a block works on; as in cuda/optim.cu
THREADS = 256
FEW, MANY = 64, 560  # tensors in a table


@cache
def _layout(arrays: int, capacity: int) -> np.dtype:
    """The C struct `Table<arrays, capacity>`."""
    fields = [
        ("array", np.uint64, (arrays, capacity)),
        ("size", np.int64, (capacity,)),
        ("first", np.int32, (capacity,)),
        ("count", np.int32),
    ]
    return np.dtype(fields, align=True)


@cache
def _capacities() -> tuple[int, ...]:
    runtime = cupy.cuda.runtime
    large = min(runtime.runtimeGetVersion(), runtime.driverGetVersion()) >= 12010
    return (FEW, MANY) if large else (FEW,)


def suited(x: Any, like: Any) -> bool:
    """Whether a kernel can go through `x` from its first element to its last beside `like`."""
    return type(x) is cupy.ndarray and x.dtype == like.dtype and x.shape == like.shape and x.flags.c_contiguous


def tables(rows: Sequence[Sequence[Any]]) -> Iterator[tuple[int, int, np.ndarray]]:
    """Tables of `rows`, each one's arrays (None for one that is missing), with their capacities and their blocks."""
    rows = [row for row in rows if row[0].size]
    most = _capacities()[-1]
    for start in range(0, len(rows), most):
        some = rows[start : start + most]
        capacity = next(c for c in _capacities() if len(some) <= c)
        table = np.zeros((), _layout(len(some[0]), capacity))
        sizes = np.array([row[0].size for row in some], np.int64)
        last = np.cumsum(-(-sizes // CHUNK))
        table["array"][:, : len(some)] = [
            [0 if x is None else x.data.ptr for x in row] for row in zip(*some, strict=True)
        ]
        table["size"][: len(some)] = sizes
        table["first"][1 : len(some)] = last[:-1]
        table["count"] = len(some)
        yield capacity, int(last[-1]), table


def launch_all(name: str, factor_dtype: Any, rows: Sequence[Sequence[Any]], *arguments: Any) -> None:
    """Run the kernel `name<T, F, capacity>(table, *arguments)` of cuda/optim.cu for `rows`, of one dtype and device."""
    if rows:
        types = TYPES[rows[0][0].dtype.name], TYPES[np.dtype(factor_dtype).name]
        with rows[0][0].device:
            for capacity, blocks, table in tables(rows):
                launch(kernel("optim", name, *types, str(capacity)), blocks, THREADS, table, *arguments)


def alike(items: Sequence[Any], key: Callable[[Any], Any]) -> dict[Any, list[int]]:
    """The positions of the items that have equal keys."""
    found: dict[Any, list[int]] = {}
    for i, item in enumerate(items):
        found.setdefault(key(item), []).append(i)
    return found
