"""How a module shows itself: its repr, the shapes of its outputs, its summary."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
from nets import lazy_net, shared_tree, snapshot, unchanged

import polymod as pm
from polymod import nn


def test_repr():
    net = nn.Sequential(OrderedDict(fc=nn.Linear(2, 3), inner=nn.Sequential(nn.ReLU())))
    assert repr(net) == (
        "Sequential(\n  (fc): Linear(in_features=2, out_features=3, bias=True)\n"
        "  (inner): Sequential(\n    (0): ReLU()\n  )\n)"
    )
    torch = pytest.importorskip("torch")
    t = torch.nn
    assert repr(net) == repr(t.Sequential(OrderedDict(fc=t.Linear(2, 3), inner=t.Sequential(t.ReLU()))))
    assert repr(nn.Parameter([1.0])).startswith("Parameter containing:\ntensor([1.]")

    class Named(nn.Module):
        def extra_repr(self) -> str:
            return "size=3"

    assert repr(Named()) == "Named(size=3)"
    named = Named()
    named.fc = nn.ReLU()
    assert repr(named) == "Named(\n  size=3\n  (fc): ReLU()\n)"


def test_output_shape_and_summary():
    net = nn.Sequential(nn.Linear(None, 4), nn.ReLU(), nn.Linear(4, 2))
    net[2].bias.requires_grad_(False)
    assert net.output_shape((8, 3)) == (8, 2)
    assert net[0].weight.shape == (4, 3) and net.training
    table = net.summary((8, 3))
    assert [(r.path, r.kind, r.shape, r.parameters) for r in table.rows] == [
        ("", "Sequential", (8, 2), 0),
        ("0", "Linear", (8, 4), 16),
        ("1", "ReLU", (8, 4), 0),
        ("2", "Linear", (8, 2), 10),
    ]
    assert (table.parameters, table.trainable, table.bytes) == (26, 24, 104)
    text = str(table)
    for part in ("path", "output shape", "(8, 4)", "26 parameters", "2 of them frozen"):
        assert part in text
    assert "(8, 4)" not in str(net.summary())
    assert all(m._hooks is None or not m._hooks.forward for m in net.modules())
    shared = nn.Sequential(net[1], net[1], shared_tree())
    assert shared.summary().parameters == 15  # tied ones once
    assert "not yet known" in str(lazy_net().summary())


def test_output_shape_of_other_inputs():
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(10, 4)

        def forward(self, ids: Any, x: Any) -> Any:
            return {"e": self.table(ids), "x": [x.sum(), x.T]}

    net = Two()
    assert net.output_shape(((2, 5), pm.int64), (3, 4)) == {"e": (2, 5, 4), "x": [(), (4, 3)]}
    assert net.output_shape(pm.zeros((2, 5), dtype=pm.int64), (3, 4))["e"] == (2, 5, 4)
    with pytest.raises(TypeError, match="tuple of integers"):
        net.output_shape("abc")


def test_output_shape_leaves_the_model_as_it_was():
    class Running(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(3)
            self.mean = nn.Buffer([0.0, 0.0, 0.0])
            self.calls = pm.tensor(0)
            self.total = nn.Buffer([0.0, 0.0, 0.0])
            self.note = self.late = None

        def forward(self, x: Any) -> Any:
            self.mean = 0.9 * self.mean + 0.1 * x.mean(axis=0)
            self.total += x.sum(axis=0)
            self.calls = self.calls + 1
            self.last = self.note = x
            if self.late is None:
                self.late = nn.Parameter(pm.zeros(3))
            return self.norm(x) + self.late

    net = Running()
    net.norm.eval()
    before, mean = snapshot(net), net.mean
    assert net.output_shape((4, 3)) == (4, 3)
    with pytest.raises(ValueError):
        net.output_shape((4, 7))
    assert isinstance(net.late, nn.Parameter)
    net.late = None
    assert unchanged(net, before) and net.mean is mean and net.note is None
    assert net.training and not net.norm.training and not hasattr(net, "last")
