"""Attention of long sequences in one kernel, and its cotangents in two, in memory that grows with L + S.

Blocks of scores multiplied by cuBLAS are written and read several times; here they never leave a multiprocessor. A
score takes part in 2 (E + V) operations, 256 for heads of 64, at about 13 TFLOP/s on plain cores (A100); written and
read as float by two products and a softmax it would be 16 bytes, at 1.5 TB/s another half of that time. What is masked
causally is left out. All these numbers are reckoned from data sheets.

float16 and bfloat16 go to tensor cores instead: by cuDNN's kernel where it is installed (`cudnn.py`), else in blocks by
cuBLAS (`attention_blocks.py`), but for graphs that are recorded, for which there is no cuBLAS. In these two types sums
are found again in float for the cotangents, since the second result has too few digits for exp(score - sum).
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import cupy
import numpy as np

from polymod.rules import attention as rules

from . import attention_blocks, cudnn
from .graph import capturable
from .launch import GRID, TYPES, WIDE, kernel, launch, served, textbook
from .stacks import merged, steps

Array = Any
Dropout = tuple[float, int] | None
Sizes = tuple[int, ...]
NONE = np.uintp(0)  # a null pointer

# rows and columns of a tile by size of a head and by bytes of a sum: what fits into 96 KiB of shared memory
FORWARD = {
    (32, 4): (64, 64),
    (64, 4): (64, 64),
    (128, 4): (64, 32),
    (32, 8): (64, 32),
    (64, 8): (32, 32),
    (128, 8): (32, 16),
}
BACK = {
    (32, 4): (64, 32),
    (64, 4): (64, 32),
    (128, 4): (32, 32),
    (32, 8): (32, 32),
    (64, 8): (32, 32),
    (128, 8): (16, 16),
}

_how = np.dtype(
    [(name, "i4") for name in ("queries", "keys", "width", "values", "causal", "dropped")]
    + [(name, "u4") for name in ("keep_from_upper", "keep_from_lower")]
    + [("lead", "i4", (4,)), ("along", "i8", (4, 4)), ("rows", "i8", (4,)), ("columns", "i8", (4,))]
    + [(name, "i8") for name in ("rest", "extent", "step", "row_step")]
    + [("seed", "u8"), ("live_seed", "u8"), ("scale", "f8"), ("factor", "f8")],
    align=True,
)


class Problem:
    """One attention as the struct that kernels take, and what the launches are made of."""

    def __init__(
        self, query: Array, key: Array, value: Array, mask: Array | None, scale: float, causal: bool, dropout: Dropout
    ) -> None:
        self.batch = rules.leading(query, key, value)
        self.count = prod(self.batch)
        self.queries, self.keys = query.shape[-2], key.shape[-2]
        self.dtype, self.arrays, self.mask = query.dtype, (query, key, value), mask
        widest = max(query.shape[-1], value.shape[-1])
        self.size = next((n for n in (32, 64, 128) if widest <= n), 0)
        self.bytes = np.dtype(WIDE[self.dtype.name]).itemsize
        wide = [steps(x, (*self.batch, *x.shape[-2:])) for x in self.arrays]
        wide.append(wide[0] if mask is None else steps(mask, (*self.batch, self.queries, self.keys)))
        lead, along = merged(self.batch, [w[:-2] for w in wide])
        self.fits = len(lead) <= 4 and self.count * max(self.queries, self.keys) < GRID
        self.tiled = self.fits and bool(self.size)
        self.mask_type = "void" if mask is None else "bool" if mask.dtype == bool else TYPES[self.dtype.name]
        if not self.fits:
            return
        missing = 4 - len(lead)
        p, seed = dropout or (0.0, 0)
        live = isinstance(seed, cupy.ndarray)
        threshold = round((1 - p) * 2**32)
        self.struct = np.array(
            (
                *(self.queries, self.keys, query.shape[-1], value.shape[-1], causal, dropout is not None),
                *(threshold >> 16, threshold & 0xFFFF),
                (*(1,) * missing, *lead),
                [(*(0,) * missing, *own) for own in along],
                [w[-2] for w in wide],
                [w[-1] for w in wide],
                *draws(self.batch, self.queries, self.keys),
                *(0 if live else seed, seed.data.ptr if live else 0),
                *(scale, 1 / (1 - p) if p < 1 else 1.0),
            ),
            _how,
        )

    def function(self, name: str, sums: str, tile: tuple[int, int]) -> Any:
        types = TYPES[self.dtype.name], TYPES[sums], self.mask_type, str(self.size), *map(str, tile)
        return kernel("attention", name, *types)

    def launch(self, function: Any, rows: int, tile: tuple[int, int], factors: int, squares: int, *arrays: Any) -> None:
        """With shared memory for `factors` tiles of each kind and for `squares` tiles of scores."""
        height, width = tile
        shared = (factors * (height + width) * (self.size + 4) + squares * height * (width + 4)) * self.bytes
        if shared > 48 * 1024:  # more must be asked for
            function.max_dynamic_shared_size_bytes = shared
        given = [NONE if a is None else a for a in arrays]
        launch(function, self.count * -(-rows // height), 256, *given, self.struct, shared=shared)


def draws(batch: Sizes, queries: int, keys: int) -> tuple[int, int, int, int]:
    """How `rules.attention.blocks` cuts the weights, of each of which dropout has a draw: the leading axes before some
    axis one by one, `extent` entries of this one in parts of `step`, the `rest` behind it whole; and the rows of a part
    of a single entry in steps."""
    size, rest, axis = queries * keys, 1, len(batch)
    while axis > 0 and rest * size <= rules.BLOCK:
        axis -= 1
        rest *= batch[axis]
    if axis == 0 and rest * size <= rules.BLOCK:
        extent, step = 1, 1  # everything is one part; `rest` is all of it
    elif axis == len(batch):
        extent, step, rest = 1, 1, 1  # entry by entry
    else:
        extent = batch[axis]
        rest //= extent
        step = rules.BLOCK // max(rest * size, 1)
    alone = step * rest == 1
    return rest, extent, step, max(rules.ROWS, rules.BLOCK // max(keys, 1)) if alone else max(queries, 1)


def posed(
    query: Array, key: Array, value: Array, mask: Array | None, scale: float, causal: bool, dropout: Dropout
) -> Problem | None:
    """None where the kernels don't do it."""
    if not served(query, key, value) or (mask is not None and mask.dtype not in (bool, query.dtype)):
        return None
    if mask is not None and not mask.size:
        return None
    p = Problem(query, key, value, mask, scale, causal, dropout)
    return p if p.tiled or (p.fits and by_blocks(p)) else None


def by_blocks(p: Problem) -> bool:
    """Whether tensor cores do it. A graph that is recorded can't have cuBLAS."""
    return p.bytes > p.dtype.itemsize and not capturable()


# -------------------------------------------------------------------------------------------- the operations


def long_attention(
    query: Array, key: Array, value: Array, mask: Array | None = None, *, scale: float, causal: bool = False,
    dropout: Dropout = None,
) -> tuple[Array, Array]:  # fmt: skip
    p = posed(query, key, value, mask, scale, causal, dropout)
    if p is None:
        how: dict[str, Any] = {"scale": scale, "causal": causal, "dropout": dropout}
        return textbook("long_attention", query, key, value, mask, **how)
    with query.device:
        if mask is None and dropout is None and p.bytes > query.itemsize and cudnn.takes(query):
            found = of_cudnn(p, scale, causal)
            if found is not None:
                return found
        if by_blocks(p):
            return attention_blocks.attend(p, scale, causal)
        return attended(p, p.dtype.name)


def of_cudnn(p: Problem, scale: float, causal: bool) -> tuple[Array, Array] | None:
    if len(p.batch) != 2 or any(x.shape[:-2] != p.batch or x.strides[-1] != x.itemsize for x in p.arrays):
        return None
    found = cudnn.attention(*p.arrays, scale=scale, causal=causal)
    return None if found is None else (found[0], found[1][..., 0].astype(p.dtype))


def attended(p: Problem, sums_in: str, *, result: bool = True) -> tuple[Array, Array]:
    """The result, if it is wanted, and the sums, in this dtype."""
    y = cupy.empty((*p.batch, p.queries, p.arrays[2].shape[-1]), p.dtype) if result else None
    sums = cupy.empty((*p.batch, p.queries), sums_in)
    tile = FORWARD[p.size, p.bytes]
    p.launch(p.function("attend", sums_in, tile), p.queries, tile, 1, 1, *p.arrays, p.mask, y, sums)
    return y, sums


def long_attention_back(
    g: Array, shift: Array, sums: Array, query: Array, key: Array, value: Array, mask: Array | None = None,
    *, scale: float, causal: bool, dropout: Dropout,
) -> tuple[Array, Array, Array]:  # fmt: skip
    p = posed(query, key, value, mask, scale, causal, dropout) if served(g, shift, sums, query) else None
    if p is None:
        how: dict[str, Any] = {"scale": scale, "causal": causal, "dropout": dropout}
        return textbook("long_attention_back", g, shift, sums, query, key, value, mask, **how)
    with query.device:
        g, shift, sums = (cupy.ascontiguousarray(x) for x in (g, shift, sums))
        if by_blocks(p):
            return attention_blocks.attend_back(g, shift, p, scale, causal)
        if p.bytes > query.itemsize:
            sums = attended(p, "float32", result=False)[1]
        inputs = (g, shift, sums, *p.arrays, p.mask)
        dquery, dkey, dvalue = (cupy.empty((*p.batch, *x.shape[-2:]), p.dtype) for x in p.arrays)
        tile = BACK[p.size, p.bytes]
        across, down = (p.function(name, sums.dtype.name, tile) for name in ("attend_query_back", "attend_key_back"))
        p.launch(across, p.queries, tile, 2, 1, *inputs, dquery)
        p.launch(down, p.keys, tile, 2, 2, *inputs, dkey, dvalue)
        return dquery, dkey, dvalue


kernels: dict[str, Callable[..., Any]] = {f.__name__: f for f in (long_attention, long_attention_back)}
