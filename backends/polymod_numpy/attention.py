"""Attention of long sequences in tiles of scores that stay in the processor's cache, and in memory that stays.

T. Dao et al., "FlashAttention: fast and memory-efficient exact attention with IO-awareness", arXiv:2205.14135: the
softmax of a row is summed up tile by tile, with what was found so far scaled down where a larger score turns up.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from polymod.philox import bernoulli_mask
from polymod.rules import attention as rules

from .memory import working_memory

TILE = 2**17  # scores that are computed at a time
COLUMNS = 256  # of a tile at least, for the sake of the matrix products

Array = Any
Key = tuple[slice, ...]
Dropout = tuple[float, int] | None


def cut(x: Array, key: Key) -> Array:
    """x[key], whole along axes of size 1, which serve all."""
    return x[tuple(slice(None) if n == 1 else k for n, k in zip(x.shape, key))]  # noqa: B905


def lined_up(*arrays: Array | None) -> tuple[tuple[int, ...], list[Any]]:
    """The leading axes of query, key and value, broadcast, and these and the mask with as many axes."""
    batch = rules.leading(*arrays[:3])
    rank = len(batch) + 2
    return batch, [x if x is None or x.ndim == rank else x.reshape((1,) * (rank - x.ndim) + x.shape) for x in arrays]


def row_blocks(batch: tuple[int, ...], queries: int, keys: int, causal: bool, dropout: Dropout) -> Iterator[Any]:
    """Index expressions of queries and of keys, and which weights are kept; what is dropped is drawn by `rules`."""
    block = TILE if dropout is None else None
    for i, (_, rows, columns) in enumerate(rules.blocks(batch, queries, keys, causal, block)):
        keep = None
        if dropout is not None:
            shape = tuple(s.stop - s.start for s in (*rows, columns[-1]))
            keep = bernoulli_mask(dropout[1], i, shape, 1 - dropout[0])
        yield rows, columns, keep


def column_tiles(rows: Key, columns: Key) -> Iterator[Key]:
    stop = columns[-1].stop
    step = max(COLUMNS, TILE // max(prod(s.stop - s.start for s in rows), 1))
    for start in range(0, stop, step):
        yield (*columns[:-1], slice(start, min(start + step, stop)))


def scores_into(out: Array, q: Array, k: Array, mask: Array | None, rows: Key, columns: Key, causal: bool) -> None:
    """out = q k^T + mask, -inf where nothing is attended."""
    np.matmul(q, k.swapaxes(-1, -2), out=out)
    if mask is not None:
        m = cut(mask, (*rows, columns[-1]))
        if m.dtype.kind == "b":
            np.copyto(out, -np.inf, where=~m)
        else:
            out += m
    if causal and columns[-1].stop > rows[-1].start:
        row, column = (np.arange(s.start, s.stop) for s in (rows[-1], columns[-1]))
        np.copyto(out, -np.inf, where=column > row[:, None])


def long_attention(
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None = None,
    *,
    scale: float,
    causal: bool = False,
    dropout: Dropout = None,
) -> tuple[Array, Array]:
    batch, (query, key, value, mask) = lined_up(query, key, value, mask)
    queries, dtype = query.shape[-2], np.result_type(query, key, value)
    out = np.zeros((*batch, queries, value.shape[-1]), dtype)
    sums = np.empty((*batch, queries, 1), dtype)
    factor = 1.0 if dropout is None or dropout[0] == 1 else 1 / (1 - dropout[0])
    for rows, columns, keep in row_blocks(batch, queries, key.shape[-2], causal, dropout):
        q, y = cut(query, rows) * dtype.type(scale), out[rows]
        top = np.full((*y.shape[:-1], 1), -np.inf, dtype)
        total = np.zeros(top.shape, dtype)
        for at in column_tiles(rows, columns):
            scores = working_memory("attention_scores", (*y.shape[:-1], at[-1].stop - at[-1].start), dtype)
            scores_into(scores, q, cut(key, at), mask, rows, at, causal)
            before, top = top, np.maximum(top, np.maximum.reduce(scores, axis=-1, keepdims=True))
            reference = np.where(top == -np.inf, dtype.type(0), top)
            scores -= reference
            np.exp(scores, out=scores)
            shrink = np.exp(before - reference)
            total *= shrink
            total += np.add.reduce(scores, axis=-1, keepdims=True)
            if keep is not None:
                scores *= keep[..., at[-1]]
            y *= shrink
            y += np.matmul(scores, cut(value, at))
        np.copyto(total, 1, where=total == 0)
        y *= factor / total
        sums[rows] = np.where(top == -np.inf, dtype.type(0), top) + np.log(total)
    return out, sums[..., 0]


def long_attention_back(
    g: Array,
    shift: Array,
    sums: Array,
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None = None,
    *,
    scale: float,
    causal: bool,
    dropout: Dropout,
) -> tuple[Array, Array, Array]:
    batch, (query, key, value, mask) = lined_up(query, key, value, mask)
    g_query, g_key, g_value = (np.zeros((*batch, *x.shape[-2:]), g.dtype) for x in (query, key, value))
    factor = 1.0 if dropout is None or dropout[0] == 1 else 1 / (1 - dropout[0])
    for rows, columns, keep in row_blocks(batch, query.shape[-2], key.shape[-2], causal, dropout):
        q, g_rows = cut(query, rows) * g.dtype.type(scale), g[rows]
        s, d = sums[rows][..., None], shift[rows][..., None]
        for at in column_tiles(rows, columns):
            k, v = cut(key, at), cut(value, at)
            shape = (*g_rows.shape[:-1], at[-1].stop - at[-1].start)
            weights = working_memory("attention_scores", shape, g.dtype)
            scores_into(weights, q, k, mask, rows, at, causal)
            weights -= s
            np.exp(weights, out=weights)
            g_scores = working_memory("attention_cotangent", shape, g.dtype)
            np.matmul(g_rows, v.swapaxes(-1, -2), out=g_scores)
            used = weights
            if keep is not None:
                kept = keep[..., at[-1]] * g.dtype.type(factor)
                g_scores *= kept
                used = weights * kept
            g_value[at] += np.matmul(used.swapaxes(-1, -2), g_rows)
            g_scores -= d
            g_scores *= weights
            g_query[rows] += np.matmul(g_scores, k)
            g_key[at] += np.matmul(g_scores.swapaxes(-1, -2), q)
    g_query *= scale
    return g_query, g_key, g_value
