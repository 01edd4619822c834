"""Resampling along one axis: each element of the result is a weighted sum of a few elements, its taps.

Which ones depends on sizes only, so it is an attribute; the transpose is the same operation with other taps.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..autograd.families import Linear
from ..backend import define

FEW = 8  # with more taps than that, they are taken and summed at once


class Taps:
    """Of which elements of an axis with `size` elements each element of the result is the sum.

    Attributes:
        indices: (taps, outputs), integers below `size`.
        weights: (taps, outputs), or None where each element is one of the input's, unchanged.
    """

    def __init__(self, size: int, indices: np.ndarray, weights: np.ndarray | None) -> None:
        self.size, self.indices, self.weights = size, indices, weights

    @property
    def outputs(self) -> int:
        return self.indices.shape[1]

    @cached_property
    def is_identity(self) -> bool:
        """Whether the result is the input."""
        own = np.arange(self.outputs)
        if self.size != self.outputs:
            return False
        if self.weights is None:
            return bool(np.all(self.indices[0] == own))
        return bool(np.all(np.where(self.indices == own, self.weights == 1, self.weights == 0).all(0)))

    @cached_property
    def transposed(self) -> Taps:
        """For each element of the input, the elements of the result that it is a tap of."""
        weights = np.ones(self.indices.shape) if self.weights is None else self.weights
        outputs = np.broadcast_to(np.arange(self.outputs), self.indices.shape)
        pairs, where = np.unique(self.indices.ravel() * self.outputs + outputs.ravel(), return_inverse=True)
        sums = np.bincount(where.ravel(), weights.ravel())  # of taps that name an element twice
        sources, targets = pairs // self.outputs, pairs % self.outputs
        counts = np.bincount(sources, minlength=self.size)
        starts = np.cumsum(counts) - counts
        ranks = np.arange(len(pairs)) - starts[sources]
        shape = (max(1, counts.max(initial=0)), self.size)
        first = targets[np.minimum(starts, len(targets) - 1)]  # what fills up has no weight, and is no other element
        indices, filled = np.tile(first, (shape[0], 1)), np.zeros(shape)
        indices[ranks, sources] = targets
        filled[ranks, sources] = sums
        taps = Taps(self.outputs, indices, filled)
        taps.__dict__["transposed"] = self
        return taps


@define
def resample(xp, x, *, axis, taps):
    """The weighted sums along `axis`, a negative number."""
    axis += x.ndim
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    count, outputs = taps.indices.shape
    device = getattr(x, "device", None)  # an array that a compiler traces has none

    def chosen(indices):
        return xp.take(x, xp.asarray(indices, dtype=xp.int64, device=device), axis=axis)

    if taps.weights is None:
        return chosen(taps.indices[0])
    weights = xp.asarray(taps.weights, dtype=x.dtype, device=device)
    weights = xp.reshape(weights, (count, outputs, *(1,) * len(after)))
    if count > FEW:
        parts = xp.reshape(chosen(taps.indices.ravel()), (*before, count, outputs, *after))
        return xp.sum(parts * weights, axis=axis)
    total = chosen(taps.indices[0]) * weights[0, ...]
    for k in range(1, count):
        total = total + chosen(taps.indices[k]) * weights[k, ...]
    return total


resample = Linear(lambda xp, g, _x, axis, taps: xp.resample(g, axis=axis, taps=taps.transposed))
