"""Convolution of each channel by itself, and its transposes: all that the windows see at one position within the
kernel is copied, or multiplied, at once.

With stride 2 the windows see every second element at a position. The input is therefore split into phases: its even
and its odd elements along each axis. Within a phase, all that the windows see at one position is one stretch of
memory, which begins at an offset. It runs over the ends of rows; what is computed there is left out at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod

import numpy as np

from polymod.rules.windows import Pairs, Sizes, output_size

from .memory import working_memory

CHUNK_BYTES = 2**20  # of one channel after the other of an image: what a core's cache holds


class Geometry:
    """Where the windows of a convolution are in the phases of a channel.

    Attributes:
        outputs: how many windows there are along each axis.
        phases: how many phases there are along each axis: the strides.
        size: of a phase, padding included.
        places: for each phase, which elements of the input it has, and where.
        positions: for each position within the kernel, its phase and the offset of the stretch that is seen.
        length: of such a stretch.
        memory: the elements of a phase and what the last stretch has beyond its end.
        rows, kept: the shape of the results with the ends of rows, and the results in it.
    """

    def __init__(self, size: Sizes, kernel: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes) -> None:
        self.outputs = output_size(size, kernel, stride, padding, dilation)
        self.phases = stride
        self.size = tuple(
            -(-(n + before + after) // s) for n, (before, after), s in zip(size, padding, stride, strict=True)
        )
        self.places = {}
        for phase in product(*map(range, stride)):
            there, here = [], []
            for n, (before, _), s, p in zip(size, padding, stride, phase, strict=True):
                first = (p - before) % s
                at = (before + first) // s
                there.append(slice(first, None, s))
                here.append(slice(at, at + len(range(first, n, s))))
            self.places[phase] = ((slice(None), *there), (slice(None), *here))
        steps = [prod(self.size[i + 1 :]) for i in range(len(self.size))]
        self.positions = [
            (
                tuple(i * d % s for i, d, s in zip(at, dilation, stride, strict=True)),
                sum(i * d // s * step for i, d, s, step in zip(at, dilation, stride, steps, strict=True)),
            )
            for at in product(*map(range, kernel))
        ]
        self.rows = (self.outputs[0], *self.size[1:])
        self.length = prod(self.rows)
        self.memory = max(prod(self.size), max(start for _, start in self.positions) + self.length)
        self.kept = (slice(None), *(slice(0, o) for o in self.outputs))

    def chunks(self, x: np.ndarray, copies: int = 1) -> Iterator[tuple[int, slice]]:
        """An image and some of its channels at a time, fewer where so many copies of them are made."""
        n, c = x.shape[:2]
        step = max(1, CHUNK_BYTES // (prod(self.size) * (prod(self.phases) + copies - 1) * x.itemsize))
        for image in range(n):
            for start in range(0, c, step):
                yield image, slice(start, min(start + step, c))

    def empty_phases(self, channels: int, dtype: np.dtype) -> np.ndarray:
        """Zeros of shape (*phases, channels, memory), in memory that the next call overwrites."""
        result = working_memory("columns", (*self.phases, channels, self.memory), dtype)
        result[...] = 0
        return result

    def split(self, x: np.ndarray) -> np.ndarray:
        """(c, *spatial) -> (*phases, c, memory)"""
        result = self.empty_phases(x.shape[0], x.dtype)
        for phase, (there, here) in self.places.items():
            self.spatial(result[phase])[here] = x[there]
        return result

    def join(self, phases: np.ndarray, x: np.ndarray) -> None:
        """Write the phases into `x`, of shape (c, *spatial)."""
        for phase, (there, here) in self.places.items():
            x[there] = self.spatial(phases[phase])[here]

    def spatial(self, phase: np.ndarray) -> np.ndarray:
        """A view of (c, memory) as (c, *size)."""
        return phase[:, : prod(self.size)].reshape(-1, *self.size)

    def stretched(self, g: np.ndarray) -> np.ndarray:
        """(c, *outputs) -> (c, length), with zeros at the ends of rows."""
        result = working_memory("stretched", (g.shape[0], *self.rows), g.dtype)
        result[...] = 0
        result[self.kept] = g
        return result.reshape(g.shape[0], -1)


def conv(x: np.ndarray, weight: np.ndarray, stride: Sizes, padding: Pairs, dilation: Sizes) -> np.ndarray:
    """x (N, C, *S), weight (C * m, 1, *K) -> (N, C * m, *outputs)"""
    where = Geometry(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    n, c = x.shape[:2]
    m, count = weight.shape[0] // c, len(where.positions)
    factors = weight.reshape(c, m, count)
    y = np.empty((n, c, m, *where.outputs), x.dtype)
    for image, channels in where.chunks(x, count):
        phases = where.split(x[image, channels])
        k = phases.shape[-2]
        seen = working_memory("seen", (k, count, where.length), x.dtype)
        for i, (phase, start) in enumerate(where.positions):
            seen[:, i] = phases[phase][:, start : start + where.length]
        total = working_memory("stretched", (k, m, *where.rows), x.dtype)
        np.matmul(factors[channels], seen, out=total.reshape(k, m, where.length))
        y[image, channels] = total[(slice(None), *where.kept)]
    return y.reshape(n, -1, *where.outputs)


def conv_input_back(
    g: np.ndarray, weight: np.ndarray, size: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int
) -> np.ndarray:
    """g (N, groups * m, *outputs), weight (groups * m, 1, *K) -> (N, groups, *size)"""
    around = [d * (k - 1) for k, d in zip(weight.shape[2:], dilation, strict=True)]
    turned = tuple((a - before, a - after) for a, (before, after) in zip(around, padding, strict=True))
    if prod(stride) == 1 and weight.shape[0] == groups and min(map(min, turned)) >= 0:
        flipped = np.ascontiguousarray(np.flip(weight, axis=tuple(range(2, weight.ndim))))
        return conv(g, flipped, stride, turned, dilation)
    where = Geometry(size, weight.shape[2:], stride, padding, dilation)
    n = g.shape[0]
    factors = weight.reshape(groups, weight.shape[0] // groups, -1, 1)
    g = g.reshape(n, *factors.shape[:2], *where.outputs)
    dx = np.empty((n, groups, *size), g.dtype)
    for image, channels in where.chunks(dx):
        c = channels.stop - channels.start
        phases = where.empty_phases(c, g.dtype)
        term = working_memory("term", (c, where.length), g.dtype)
        for j in range(factors.shape[1]):
            flat = where.stretched(g[image, channels, j])
            for k, (phase, start) in enumerate(where.positions):
                target = phases[phase][:, start : start + where.length]
                np.add(target, np.multiply(flat, factors[channels, j, k], out=term), out=target)
        where.join(phases, dx[image, channels])
    return dx


def conv_weight_back(
    x: np.ndarray, g: np.ndarray, size: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes
) -> np.ndarray:
    """x (N, C, *S), g (N, C * m, *outputs) -> (C * m, 1, *size)"""
    where = Geometry(x.shape[2:], size, stride, padding, dilation)
    n, c = x.shape[:2]
    g = g.reshape(n, c, g.shape[1] // c, *where.outputs)
    total = np.zeros((c, g.shape[2], prod(size)), x.dtype)
    for image, channels in where.chunks(x):
        phases = where.split(x[image, channels])
        for j in range(g.shape[2]):
            flat = where.stretched(g[image, channels, j])
            for k, (phase, start) in enumerate(where.positions):
                total[channels, j, k] += np.vecdot(phases[phase][:, start : start + where.length], flat)
    return total.reshape(-1, 1, *size)
