"""Sequential, lists, dicts and Lambda as modules."""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from nets import equal, host, paths

import polymod as pm
from polymod import nn
from polymod.nn import functional as F


def names(net: nn.Module) -> list[str]:
    return paths(net.named_children())


def test_sequential():
    a, b, c = nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)
    net = nn.Sequential(a, b)
    assert len(net) == 2 and list(net) == [a, b] and net[0] is a and net[-1] is b and b in net and c not in net
    assert net.append(c) is net and net.add(nn.Tanh(), "tanh") is net and net.insert(1, nn.Sigmoid()) is net
    assert names(net) == ["0", "1", "2", "3", "tanh"] and [type(m).__name__ for m in net][1] == "Sigmoid"
    assert net.tanh is net[4] and net.extend([nn.ReLU(), nn.ReLU()]) is net and len(net) == 7
    assert names(net)[-2:] == ["5", "6"]
    del net[1], net[-1]
    assert names(net) == ["0", "1", "2", "tanh", "4"] and net[1] is b
    assert net.pop() is not None and len(net) == 4
    net[1] = nn.GELU()
    assert isinstance(net[1], nn.GELU) and names(net)[1] == "1"
    part = net[1:]
    assert type(part) is nn.Sequential and list(part) == list(net)[1:] and part[0] is net[1]
    assert list(net[::-1]) == list(net)[::-1]
    assert [type(m).__name__ for m in nn.Sequential(a) + nn.Sequential(b)] == ["Linear", "ReLU"]
    assert names(net + nn.Sequential(b)) == ["0", "1", "2", "3", "4"]
    del net[:2]
    assert len(net) == 2
    x = pm.ones((1, 2))
    equal(nn.Sequential(a, b, c)(x), host(c(b(a(x)))))
    equal(nn.Sequential()(x), host(x))


def test_sequential_of_names_and_callables():
    net = nn.Sequential({"hidden": nn.Linear(2, 3), "act": F.relu, "out": lambda x: x.sum()})
    assert names(net) == ["hidden", "act", "out"] and net.hidden is net[0]
    assert list(net.state_dict()) == ["hidden.weight", "hidden.bias"]
    assert net(pm.ones((1, 2))).shape == ()
    assert "relu" in repr(net)
    assert names(nn.Sequential(OrderedDict(a=nn.ReLU()))) == ["a"]
    for bad in (3, [nn.ReLU()], nn.ReLU, None):
        with pytest.raises(TypeError, match="Sequential takes modules and callables"):
            nn.Sequential(bad)
    for name in ("", "a.b", 3):
        with pytest.raises(ValueError, match="without dots"):
            net.add(nn.ReLU(), name)
    for name in ("hidden", "forward", "append"):
        with pytest.raises(ValueError, match="is taken"):
            net.add(nn.ReLU(), name)
    for index in (3, -4):
        with pytest.raises(IndexError, match="of 3"):
            net[index]
    with pytest.raises(TypeError, match="integer or a slice"):
        net["hidden"]
    with pytest.raises(TypeError):
        net.extend([nn.ReLU(), 3])
    assert len(net) == 3


def test_slices_of_sequential_keep_names_as_torch():
    torch = pytest.importorskip("torch")
    ours, theirs = (lib.Sequential(*(lib.Linear(1, 1) for _ in range(4))) for lib in (nn, torch.nn))
    for key in (slice(1, 3), slice(None, 2), slice(None, None, 2)):
        assert list(ours[key].state_dict()) == list(theirs[key].state_dict())
    part = ours[2:]
    part.append(nn.ReLU())
    assert len(part) == 3 and len(set(names(part))) == 3


def test_module_list():
    layers = nn.ModuleList(nn.Linear(1, n) for n in (1, 2, 3))
    assert len(layers) == 3 and layers[1].out_features == 2 and names(layers) == ["0", "1", "2"]
    layers.append(nn.ReLU()).insert(0, nn.Tanh()).extend([nn.GELU()])
    assert [type(m).__name__ for m in layers] == ["Tanh", "Linear", "Linear", "Linear", "ReLU", "GELU"]
    assert isinstance(layers[1:3], nn.ModuleList) and names(layers[1:3]) == ["0", "1"]
    layers += [nn.ReLU()]
    more = layers + [nn.ReLU()]  # noqa: RUF005
    assert len(layers) == 7 and len(more) == 8 and isinstance(more, nn.ModuleList)
    layers[0] = nn.Sigmoid()
    assert isinstance(layers.pop(0), nn.Sigmoid)
    del layers[1:]
    assert names(layers) == ["0"]
    for bad in (F.relu, 3):
        with pytest.raises(TypeError, match="ModuleList takes modules"):
            layers.append(bad)
    with pytest.raises(NotImplementedError):
        layers(1)
    assert len(nn.ModuleList()) == 0


def test_module_dict():
    heads = nn.ModuleDict({"a": nn.Linear(1, 1), "keys": nn.ReLU()})
    heads["b"] = nn.Tanh()
    heads.update([("c", nn.GELU())])
    heads.update({"d": nn.GELU()})
    assert list(heads) == list(heads.keys()) == ["a", "keys", "b", "c", "d"] and len(heads) == 5 and "a" in heads
    assert [n for n, _ in heads.items()] == names(heads) and list(heads.values())[2] is heads["b"]
    assert paths(heads.named_parameters()) == ["a.weight", "a.bias"]
    assert isinstance(heads.pop("b"), nn.Tanh) and "b" not in heads
    del heads["c"]
    with pytest.raises(KeyError, match="'zz' is not among"):
        heads["zz"]
    with pytest.raises(TypeError, match="ModuleDict takes modules"):
        heads["x"] = 3
    with pytest.raises(KeyError, match="without dots"):
        heads["a.b"] = nn.ReLU()
    with pytest.raises(TypeError):
        heads.update({"ok": nn.ReLU(), "bad": 1})
    assert "ok" not in heads
    twin = copy.deepcopy(heads)
    assert list(twin) == list(heads) and twin["a"] is not heads["a"]
    heads.clear()
    assert len(heads) == 0 and names(heads) == []


def test_subclasses_of_containers_may_have_more():
    class Heads(nn.ModuleDict):
        def __init__(self) -> None:
            super().__init__({"a": nn.Linear(1, 1)})
            self.norm = nn.LayerNorm(1)
            self.scale = nn.Parameter([1.0])

    class Stack(nn.Sequential):
        def __init__(self) -> None:
            super().__init__(nn.Linear(2, 2))
            self.add(nn.ReLU())

        def forward(self, x: Any) -> Any:
            return super().forward(x) + 1

    assert set(Heads().state_dict()) == {"norm.weight", "norm.bias", "scale", "a.weight", "a.bias"}
    assert Stack()(pm.ones((1, 2))).shape == (1, 2) and names(Stack()) == ["0", "1"]

    class MyLinear(nn.Linear):
        def __init__(self) -> None:
            super().__init__(2, 2)
            self.extra = nn.LayerNorm(2)

        def forward(self, x: Any) -> Any:
            return self.extra(super().forward(x))

    assert list(MyLinear().state_dict()) == ["weight", "bias", "extra.weight", "extra.bias"]


def test_parameter_list_and_dict():
    ps = nn.ParameterList([pm.ones(2), nn.Parameter([1.0]), 3.0])
    assert all(isinstance(p, nn.Parameter) for p in ps) and len(ps) == 3
    ps.append(pm.zeros(1)).extend([[1.0, 2.0]])
    assert paths(ps.named_parameters()) == ["0", "1", "2", "3", "4"] and ps[-1].shape == (2,)
    ps[0] = pm.zeros(5)
    assert isinstance(ps[0], nn.Parameter) and ps[0].shape == (5,) and len(ps[1:3]) == 2
    assert "Parameter of shape (5,)" in repr(ps)
    pd = nn.ParameterDict({"w": pm.ones(2)})
    pd["b"] = 1.0
    assert list(pd) == ["w", "b"] and list(pd.state_dict()) == ["w", "b"] and isinstance(pd["b"], nn.Parameter)
    assert "(w): Parameter of shape (2,)" in repr(pd)
    net = nn.Module()
    net.ps, net.pd = ps, pd
    assert paths(net.named_parameters())[-2:] == ["pd.w", "pd.b"]


def test_lambda():
    double = nn.Lambda(lambda x, k=2: x * k)
    equal(double(pm.ones(2)), [2, 2])
    equal(double(pm.ones(2), k=3), [3, 3])
    with pytest.raises(TypeError, match="callable"):
        nn.Lambda(3)
    assert nn.Lambda(np.sum).function is np.sum
