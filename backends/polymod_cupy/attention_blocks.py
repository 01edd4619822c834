"""Attention of long sequences in float16 and bfloat16: blocks of scores, multiplied by cuBLAS on tensor cores.

With 256 operations a score (heads of 64) tensor cores are so fast that what counts is memory: 12 bytes for each score,
written as float, read, and written and read as a weight. By the data sheet of an A100 that takes 8 ps, where a kernel
on plain cores takes 20; for the cotangents it is 20 ps and 70. BLOCK bounds the memory, whatever the length.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import cupy
import numpy as np

from . import stacks
from .launch import TYPES, kernel, launch

BLOCK = 2**24  # scores that are there at a time: 64 MiB of float, and enough that the GPU is behind the host
PARTS = 4  # of the rows of a causal mask, so that most of what is masked is left out

Array = Any


def blocks(count: int, queries: int, keys: int, causal: bool) -> Iterator[tuple[slice, slice, int]]:
    """Leading entries and queries of each block, and how many keys it has."""
    rows = max(1, min(queries, BLOCK // keys))
    if causal and queries >= 512:
        rows = min(rows, -(-queries // PARTS))
    for start in range(0, queries, rows):
        stop = min(start + rows, queries)
        columns = min(stop, keys) if causal else keys
        leads = max(1, BLOCK // ((stop - start) * columns))
        for lead in range(0, count, leads):
            yield slice(lead, min(lead + leads, count)), slice(start, stop), columns


def flat(x: Array, batch: tuple[int, ...]) -> Array:
    """`x` with all leading axes as one."""
    return cupy.broadcast_to(x, (*batch, *x.shape[-2:])).reshape(prod(batch), *x.shape[-2:])


def run(name: str, p: Any, lead: slice, rows: slice, columns: int, *arrays: Any) -> None:
    """Launch a kernel of one block per row; None is a null pointer."""
    height = rows.stop - rows.start
    given = [np.uintp(0) if a is None else a for a in arrays]
    function = kernel("attention_blocks", name, TYPES[p.dtype.name], p.mask_type)
    count = (lead.stop - lead.start) * height
    threads = min(512, max(32, -(-columns // 32) * 32))
    launch(function, count, threads, *given, p.struct, lead.start, rows.start, height, columns)


def attend(p: Any, scale: float, causal: bool) -> tuple[Array, Array]:
    query, key, value = (flat(x, p.batch) for x in p.arrays)
    y = cupy.empty((p.count, p.queries, value.shape[2]), p.dtype)
    sums = cupy.empty((p.count, p.queries), p.dtype)
    for lead, rows, columns in blocks(p.count, p.queries, p.keys, causal):
        shape = lead.stop - lead.start, rows.stop - rows.start, columns
        scores = cupy.empty(shape, "float32")
        stacks.multiply(query[lead, rows], key[lead, :columns].swapaxes(1, 2), scores, alpha=scale)
        weights = cupy.empty(shape, p.dtype)
        run("block_weights", p, lead, rows, columns, scores, p.mask, weights, sums)
        result = stacks.multiply(weights, value[lead, :columns])
        y[lead, rows] = result
    return y.reshape(*p.batch, *y.shape[1:]), sums.reshape(*p.batch, p.queries)


def attend_back(g: Array, shift: Array, p: Any, scale: float, causal: bool) -> tuple[Array, Array, Array]:
    """The cotangents; those of keys and values are summed over the blocks of queries in float."""
    query, key, value = (flat(x, p.batch) for x in p.arrays)
    g = g.reshape(p.count, *g.shape[-2:])
    dquery = cupy.empty(query.shape, p.dtype)
    dkey, dvalue = (cupy.zeros(x.shape, "float32") for x in (key, value))
    for lead, rows, columns in blocks(p.count, p.queries, p.keys, causal):
        shape = lead.stop - lead.start, rows.stop - rows.start, columns
        q, k, v, g_rows = query[lead, rows], key[lead, :columns], value[lead, :columns], g[lead, rows]
        scores, dweights = (cupy.empty(shape, "float32") for _ in range(2))
        weights, dscores = (cupy.empty(shape, p.dtype) for _ in range(2))
        stacks.multiply(q, k.swapaxes(1, 2), scores, alpha=scale)
        stacks.multiply(g_rows, v.swapaxes(1, 2), dweights)
        run("block_weights_back", p, lead, rows, columns, scores, dweights, shift, p.mask, weights, dscores)
        dquery[lead, rows] = stacks.multiply(dscores, k, alpha=scale)
        for total, a, b, factor in ((dkey, dscores, q, scale), (dvalue, weights, g_rows, 1.0)):
            stacks.multiply(a.swapaxes(1, 2), b, total[lead, :columns], alpha=factor, beta=1.0)
    found = (dquery, dkey.astype(p.dtype), dvalue.astype(p.dtype))
    dq, dk, dv = (x.reshape(*p.batch, *x.shape[1:]) for x in found)
    return dq, dk, dv
