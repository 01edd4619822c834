"""A softmax over many classes of which few are frequent."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ..errors import ShapeError
from ..ops import ops
from ..tensor import Tensor
from . import functional as F
from .checks import size
from .containers import ModuleList, Sequential
from .functional.indices import check_range, integers, on_host
from .functional.reduction import shape_of
from .linear import Linear
from .module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class TargetsAndLoss(NamedTuple):
    """Of `AdaptiveLogSoftmaxWithLoss`: the log-probability of each target, and minus their mean."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """The adaptive softmax of E. Grave et al., "Efficient softmax approximation for GPUs", arXiv:1609.04309.

    Classes are numbered from the most to the least frequent. The head gives the scores of the first cutoffs[0] and of
    each cluster of the others; a cluster's own layers, the narrower the rarer its classes are, give the scores in it.

    Args:
        in_features: the width of the input.
        n_classes: how many classes.
        cutoffs: the first class of each cluster; increasing, in [1, n_classes - 1].
        div_value: the width of cluster i is in_features / div_value**(i + 1).
        head_bias: whether the head has a bias.
        device, dtype: of the parameters.

    Shapes: input (N, in_features) and target (N,), or (in_features,) and (); output (N,) or (), loss (). Parameters:
    head.weight (cutoffs[0] + clusters, in_features), tail.i.0.weight (width, in_features), tail.i.1.weight (classes of
    cluster i, width).

    Raises:
        ValueError: the cutoffs are not these.
        ShapeError: (when called) input and target are not of these shapes.
        IndexError: (when called) a target is no class; looked at only where the engine's arrays are in host memory.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_features, self.n_classes = size(in_features, "in_features", 1), size(n_classes, "n_classes", 1)
        firsts = list(cutoffs)
        increasing = all(a < b for a, b in pairwise([0, *firsts, n_classes]))
        if not firsts or not increasing or any(int(c) != c for c in firsts):
            raise ValueError(
                f"cutoffs must be increasing whole numbers from 1 to n_classes - 1 = {n_classes - 1}, received {firsts}"
            )
        self.cutoffs = [*map(int, firsts), self.n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        place: dict[str, Any] = {"device": device, "dtype": dtype}
        self.head = Linear(self.in_features, self.head_size, bias=head_bias, **place)
        self.tail = ModuleList()
        for i, (first, end) in enumerate(pairwise(self.cutoffs)):
            width = int(self.in_features // div_value ** (i + 1))
            layers = (self.in_features, width), (width, end - first)
            self.tail.append(Sequential(*(Linear(*sizes, bias=False, **place) for sizes in layers)))

    def reset_parameters(self) -> None:
        """Draw the initial values anew."""
        for layer in (self.head, *(layer for cluster in self.tail for layer in cluster)):
            layer.reset_parameters()

    def forward(self, input_: Any, target_: Any) -> TargetsAndLoss:
        target = integers(target_, "AdaptiveLogSoftmaxWithLoss's target", input_)
        shape = shape_of(input_)
        if shape != (*target.shape, self.in_features) or target.ndim > 1:
            raise ShapeError(
                f"AdaptiveLogSoftmaxWithLoss expects an input (N, {self.in_features}) and a target (N,), or "
                f"({self.in_features},) and (), received {shape} and {target.shape}"
            )
        check_range(target, self.n_classes, "AdaptiveLogSoftmaxWithLoss's target")
        x, classes = ops.reshape(input_, (-1, self.in_features)), ops.reshape(target, (-1, 1))
        column = classes  # of the head: a class of the shortlist, or a cluster
        output = ops.zeros((x.shape[0], 1), dtype=self.head.weight.dtype, device=x.device)
        for i, (first, end) in enumerate(pairwise(self.cutoffs)):
            inside = (classes >= first) & (classes < end)
            column = ops.where(inside, self.shortlist_size + i, column)
            output = output + self._in_cluster(i, x, classes - first, inside, end - first)
        output = output + ops.take_along_axis(F.log_softmax(self.head(x), 1), column, axis=1)
        output = ops.reshape(output, target.shape)
        return TargetsAndLoss(output, ops.mean(-output))

    def _in_cluster(self, i: int, x: Tensor, classes: Tensor, inside: Tensor, count: int) -> Tensor:
        """(N, 1): the log-probability of each target in cluster `i`, 0 for those that are not inside.

        The cluster's layers see only the rows inside where these can be known without waiting for the device.
        """
        known = on_host(inside)
        if known is None:
            return _picked(self.tail[i](x), ops.clip(classes, 0, count - 1), inside)
        rows = ops.asarray(np.flatnonzero(known), device=x.device)
        if rows.size == 0:
            return ops.zeros(inside.shape, dtype=x.dtype, device=x.device)
        x, classes = (ops.take(a, rows, axis=0) for a in (x, classes))
        found = _picked(self.tail[i](x), classes, True)
        return ops.setitem(ops.zeros(inside.shape, dtype=found.dtype, device=x.device), rows, found)

    def log_prob(self, input: Any) -> Tensor:
        """The log-probabilities of all classes: (N, in_features) -> (N, n_classes)."""
        head = F.log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for i, cluster in enumerate(self.tail):
            own = self.shortlist_size + i
            parts.append(F.log_softmax(cluster(input), 1) + head[:, own : own + 1])
        return ops.concat(parts, axis=1)

    def predict(self, input: Any) -> Tensor:
        """The class of the largest probability: (N, in_features) -> (N,)."""
        return ops.argmax(self.log_prob(input), axis=1)


def _picked(scores: Tensor, classes: Tensor, inside: Any) -> Tensor:
    found = ops.take_along_axis(F.log_softmax(scores, 1), classes, axis=1)
    return found if inside is True else ops.where(inside, found, 0.0)
