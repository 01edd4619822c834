"""How a block's threads are shared out among the lines of an array (see `cuda/rows.cuh`)."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import cupy

LARGEST_BLOCK = 512  # what the kernels are compiled for
MANY = 2**16  # lines that busy a GPU without several threads for each


class Lines(NamedTuple):
    """An array as `outer * inner` lines of `n` elements that lie `inner` apart."""

    outer: int
    n: int
    inner: int

    @property
    def count(self) -> int:
        return self.outer * self.inner


def lines_along(shape: tuple[int, ...], axis: int) -> Lines:
    axis %= len(shape)
    return Lines(prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :]))


def neighbours(n: int, *arrays: cupy.ndarray) -> int:
    """How many elements a thread reads at once from rows of `n`: 16 bytes of them where everything is aligned to
    that."""
    vec = 16 // arrays[0].itemsize
    return vec if n % vec == 0 and all(a.data.ptr % 16 == 0 for a in arrays) else 1


class Share(NamedTuple):
    """`lanes` threads for each line, `threads` a block, `blocks` blocks."""

    lanes: int
    threads: int
    blocks: int


def _shared(lanes: int, count: int) -> Share:
    threads = lanes if lanes > 32 else 128
    return Share(lanes, threads, -(-count // (threads // lanes)))


def power_of_two(n: int) -> int:
    """The least power of two that is not below `n`."""
    return 1 << (n - 1).bit_length()


def share(lines: Lines, vec: int) -> Share:
    """For kernels that walk along lines of any length."""
    if lines.inner > 1:
        lanes = 1 if lines.count >= MANY else min(8, power_of_two(lines.n))
        return Share(lanes, 256, -(-lines.count // (256 // lanes)))
    packs = -(-lines.n // vec)
    lanes = power_of_two(packs) if packs <= 32 else 32 if packs <= 256 else 128 if packs <= 1024 else LARGEST_BLOCK
    return _shared(lanes, lines.count)


def in_registers(lines: Lines, vec: int, of_warp: int, of_block: int) -> tuple[int, Share] | None:
    """For kernels whose threads keep up to `of_warp` elements of a row, or `of_block` where a row takes a whole block:
    how many, and the rest. None where rows are longer, or no rows."""
    if lines.inner > 1:
        return None
    packs = -(-lines.n // vec)
    lanes = min(32, power_of_two(packs))
    items = vec * power_of_two(-(-packs // lanes))
    if items > of_warp:
        items = vec
        while lines.n > items * LARGEST_BLOCK or items < min(of_block, 8):
            items *= 2
        lanes = -(-lines.n // (items * 32)) * 32
        if items > of_block:
            return None
    return items, _shared(lanes, lines.count)


def contiguous(*arrays: Any) -> Any:
    """The arrays without gaps, None for None."""
    return tuple(a if a is None or a.flags.c_contiguous else cupy.ascontiguousarray(a) for a in arrays)
