"""Elements read and written."""

from __future__ import annotations

from typing import Any

import polymod as pm
from polymod import linalg

from .adapters import adapter, adapters, only


def at(x: Any, dim: int, part: Any) -> tuple[Any, ...]:
    return (slice(None),) * (dim % x.ndim) + (part, ...)


def written(x: Any, key: Any, values: Any) -> Any:
    result = pm.asarray(x, copy=True)
    result[key] = values
    return result


@adapter("index_select")
def index_select(x: Any, dim: int, index: Any) -> Any:
    only(x.ndim > 0 and index.ndim == 1, "no axis")
    return pm.take(x, index, axis=dim)


@adapter("take")
def take(x: Any, index: Any) -> Any:
    return pm.reshape(pm.take(pm.reshape(x, (-1,)), pm.reshape(index, (-1,))), index.shape)


@adapter("gather")
def gather(x: Any, dim: int, index: Any) -> Any:
    only(x.ndim == index.ndim > 0, "no axis")
    part = tuple(slice(None) if i == dim % x.ndim else slice(n) for i, n in enumerate(index.shape))
    return pm.take_along_axis(x[part], index, axis=dim)


@adapter("take_along_dim")
def take_along_dim(x: Any, index: Any, dim: Any = None) -> Any:
    if dim is None:
        x, index, dim = pm.reshape(x, (-1,)), pm.reshape(index, (-1,)), 0
    return pm.take_along_axis(x, index, axis=dim)


@adapter("index_put")
def index_put(x: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    return pm.index_add(x, tuple(indices), values) if accumulate else written(x, tuple(indices), values)


@adapter("put")
def put(x: Any, index: Any, values: Any, accumulate: bool = False) -> Any:
    flat, index, values = (pm.reshape(a, (-1,)) for a in (x, index, values))
    return pm.reshape(index_put(flat, (index,), values, accumulate), x.shape)


@adapter("index_add")
def index_add(x: Any, dim: int, index: Any, source: Any, alpha: complex = 1) -> Any:
    only(x.ndim > 0 and index.ndim == 1, "no axis")
    return pm.index_add(x, at(x, dim, index)[:-1], source if alpha == 1 else alpha * source)


@adapter("index_copy")
def index_copy(x: Any, dim: int, index: Any, source: Any) -> Any:
    only(x.ndim > 0 and index.ndim == 1, "no axis")
    return written(x, at(x, dim, index), source)


@adapter("index_fill")
def index_fill(x: Any, dim: int, index: Any, value: Any) -> Any:
    only(x.ndim > 0, "no axis")
    return written(x, at(x, dim, index), value)


@adapter("slice_scatter")
def slice_scatter(x: Any, source: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    return written(x, at(x, dim, slice(start, end, step)), source)


@adapter("slice")
def slice_(x: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    return x[at(x, dim, slice(start, end, step))]


@adapter("diag")
def diag(x: Any, diagonal: int = 0) -> Any:
    only(x.ndim == 2, "a vector")
    return linalg.diagonal(x, offset=diagonal)


for _name, _f in {
    "__getitem__": lambda x, key: x[key],
    "select": lambda x, dim, index: x[at(x, dim, index)],
    "select_scatter": lambda x, source, dim, index: written(x, at(x, dim, index), source),
    "masked_select": lambda x, mask: pm.broadcast_arrays(x, mask)[0][pm.broadcast_arrays(x, mask)[1]],
}.items():
    adapters[_name] = _f
