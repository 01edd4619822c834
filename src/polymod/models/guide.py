"""The models of a builder's guide to networks: layers make modules, and modules make modules.

Sizes and attribute names are those of the chapter "Builders' Guide" in Zhang et al., Dive into Deep Learning.
"""

from __future__ import annotations

import math
from typing import Any

from .. import nn, random
from ..nn import functional as F
from ..ops import ops
from ..tensor import Tensor


class MLP(nn.Module):
    """One hidden layer: (N, features) to (N, out), the number of features found at the first call.

    Args:
        hidden: the width of the hidden layer.
        out: the number of results, for instance of classes.
    """

    def __init__(self, hidden: int = 256, out: int = 10) -> None:
        super().__init__()
        self.hidden = nn.Linear(None, hidden)
        self.out = nn.Linear(hidden, out)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.relu(self.hidden(x)))


class MySequential(nn.Module):
    """Sequential as a user would write it who has not met `nn.Sequential`; the modules are "0", "1", ..."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        self.count = len(modules)
        for position, module in enumerate(modules):
            self.add_module(str(position), module)

    def forward(self, x: Any) -> Any:
        for position in range(self.count):
            x = getattr(self, str(position))(x)
        return x


class FixedHiddenMLP(nn.Module):
    """Constant weights, one Linear used twice, a loop on the data: (N, 20) to a scalar.

    `rand_weight` (20, 20) is uniform in [0, 1) and never learned; it is saved and moved with the model.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rand_weight = random.rand(20, 20)
        self.linear = nn.Linear(20, 20)

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x)
        x = F.relu(x @ self.rand_weight + 1)
        x = self.linear(x)
        while abs(x).sum() > 1:
            x = x / 2
        return x.sum()


class NestMLP(nn.Module):
    """A Sequential inside a module: (N, features) to (N, 16), the features counted at the first call."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(None, 64), nn.ReLU(), nn.Linear(None, 32), nn.ReLU())
        self.linear = nn.Linear(32, 16)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.net(x))


def chimera() -> nn.Sequential:
    """All of them in one: (N, features) to a scalar."""
    return nn.Sequential(NestMLP(), nn.Linear(None, 20), FixedHiddenMLP())


class ChimeraClassifier(nn.Module):
    """The chimera with a head: `classes` logits per image instead of one number per batch.

    Images (N, ...) are flattened and go through a NestMLP and a Linear to 20 features, then through what
    FixedHiddenMLP does: one Linear used before and after constant random weights, then halving while the sum
    of absolute values exceeds 1. Here each image is halved until its own sum is small, so its logits depend
    on no other image of the batch. The LayerNorm before the head does not see the scale, so a sum that two
    engines round to different sides of 1 changes nothing.

    Args:
        classes: the number of logits.
    """

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), NestMLP(), nn.Linear(16, 20))
        self.rand_weight = random.normal(0.0, 20**-0.5, (20, 20))  # keeps lengths, so that training is stable
        self.linear = nn.Linear(20, 20)
        self.norm = nn.LayerNorm(20, eps=1e-8)  # small against the variance of what the loop leaves
        self.out = nn.Linear(20, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(self.net(x))
        x = F.relu(x @ self.rand_weight + 1)
        x = self.linear(x)
        size = abs(x).sum(axis=1, keepdims=True)
        while 1 < float(size.max()) < math.inf:  # halving never makes infinity small
            x = ops.where(size > 1, x / 2, x)
            size = abs(x).sum(axis=1, keepdims=True)
        return self.out(self.norm(x))
