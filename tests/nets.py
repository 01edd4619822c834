"""Small modules, and comparisons of what they hold, for the tests of the module system."""

from __future__ import annotations

from typing import Any

import numpy as np

import polymod as pm
from polymod import nn

engine_name = pm.current_device().backend.name


def host(t: Any) -> np.ndarray:
    return pm.to_numpy(t)


def equal(t: Any, expected: Any) -> None:
    np.testing.assert_array_equal(host(t), expected)


def paths(named: Any) -> list[str]:
    return [name for name, _ in named]


def elsewhere() -> str:
    """A place that is not the one under test."""
    return "cpu" if engine_name != "numpy" else "strict:device1"


class Scale(nn.Module):
    """A module with a parameter and a buffer."""

    def __init__(self, width: int = 3, value: float = 2.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(pm.full((width,), value))
        self.register_buffer("offset", pm.ones(width))

    def forward(self, x: Any) -> Any:
        return x * self.weight + self.offset


class Tree(nn.Module):
    """Modules and parameters in every kind of place."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.layers = [nn.Linear(4, 4), [nn.Linear(4, 4, bias=False)]]
        self.pair = (nn.ReLU(), nn.Parameter([1.0, 2.0]))
        self.table = {"a": nn.Linear(4, 2), "deep": {"b": Scale(2)}}
        self.own = nn.Parameter(3.0)
        self.stats = nn.Buffer([0.0, 1.0])
        self.hidden = nn.Buffer([5.0], persistent=False)
        self.constant = pm.tensor([7.0])
        self.plain = pm.tensor([8.0], requires_grad=True)
        self.numbers = [1, 2, 3]
        self.nothing = None

    def forward(self, x: Any) -> Any:
        x = self.layers[1][0](self.layers[0](self.first(x)))
        return self.table["deep"]["b"](self.table["a"](self.pair[0](x))) * self.pair[1] * self.own * self.plain


def shared_tree() -> nn.Module:
    """One layer in three places, and one weight in two layers."""
    net = nn.Module()
    net.a = nn.Linear(3, 3)
    net.b = nn.Sequential(net.a, nn.Linear(3, 3))
    net.b[1].weight = net.a.weight
    net.again = net.a
    return net


def lazy_net() -> nn.Module:
    return nn.Sequential(nn.Linear(None, 4), nn.ReLU(), nn.Linear(None, 2, bias=False))


def snapshot(net: nn.Module) -> dict[str, np.ndarray]:
    return {k: host(v).copy() for k, v in net.state_dict().items()}


def unchanged(net: nn.Module, before: dict[str, np.ndarray]) -> bool:
    now = snapshot(net)
    return list(now) == list(before) and all(np.array_equal(now[k], before[k]) for k in now)
