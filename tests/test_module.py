"""The module system: what belongs to a module, how it is called and shown, and its errors."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from nets import Scale, Tree, elsewhere, equal, paths, shared_tree

import polymod as pm
from polymod import nn

# ------------------------------------------------------------------------------------------------------ registration


def test_attributes_and_nested_containers_register():
    net = Tree()
    assert paths(net.named_parameters()) == [
        *("pair.1", "own", "plain", "first.weight", "first.bias", "layers.0.weight", "layers.0.bias"),
        *("layers.1.0.weight", "table.a.weight", "table.a.bias", "table.deep.b.weight"),
    ]
    assert paths(net.named_buffers()) == ["stats", "hidden", "constant", "table.deep.b.offset"]
    assert paths(net.named_children()) == ["first", "layers.0", "layers.1.0", "pair.0", "table.a", "table.deep.b"]
    assert paths(net.named_modules()) == ["", *paths(net.named_children())]
    assert list(net.state_dict()) == [
        *("pair.1", "own", "plain", "stats", "constant", "first.weight", "first.bias", "layers.0.weight"),
        *("layers.0.bias", "layers.1.0.weight", "table.a.weight", "table.a.bias", "table.deep.b.weight"),
        "table.deep.b.offset",
    ]
    assert len(list(net.parameters())) == 11 and len(list(net.buffers())) == 4
    assert len(list(net.children())) == 6 and len(list(net.modules())) == 7
    assert all(isinstance(p, pm.Tensor) and p.requires_grad for p in net.parameters())


def test_what_is_appended_later_belongs():
    net = Tree()
    net.layers.append(nn.Linear(4, 5))
    net.table["late"] = Scale(1)
    assert {"layers.2.weight", "table.late.weight", "table.late.offset"} <= set(net.state_dict())
    del net.layers[-1], net.table["late"], net.first
    assert not any(p.startswith(("layers.2", "table.late", "first")) for p in net.state_dict())
    assert not hasattr(net, "first")


def test_super_init_may_be_left_out():
    class Bare(nn.Module):
        def __init__(self) -> None:
            self.fc = nn.Linear(2, 2)

    assert paths(Bare().named_parameters()) == ["fc.weight", "fc.bias"] and Bare().training


def test_register_methods():
    net = nn.Module()
    net.register_parameter("w", nn.Parameter([1.0]))
    net.register_parameter("none", None)
    net.register_buffer("b", pm.tensor([2.0]))
    net.register_buffer("t", pm.tensor([3.0]), persistent=False)
    net.register_buffer("empty", None)
    net.add_module("child", nn.Linear(1, 1))
    net.register_module("other", nn.ReLU())
    assert paths(net.named_parameters()) == ["w", "child.weight", "child.bias"]
    assert paths(net.named_buffers()) == ["b", "t"] and paths(net.named_children()) == ["child", "other"]
    assert list(net.state_dict()) == ["w", "b", "child.weight", "child.bias"]
    assert net.none is None and net.empty is None
    with pytest.raises(TypeError, match=r"nn\.Parameter"):
        net.register_parameter("x", pm.tensor([1.0]))


def test_reserved_names():
    net = nn.Module()
    for name in ("parameters", "train", "to", "state_dict", "apply", "summary", "children"):
        with pytest.raises(AttributeError, match=f"'{name}' is a method"):
            setattr(net, name, nn.Linear(1, 1))
    for name in (
        "layers",
        "output",
        "encoder",
        "norm",
        "key",
        "weight",
        "C",
        "device",
        "dtype",
        "name",
        "type",
        "keys",
        "items",
        "forward",
    ):
        setattr(net, name, nn.Linear(1, 1) if name != "forward" else (lambda x: x))
    with pytest.raises(AttributeError):
        _ = net.missing
    assert not hasattr(net, "missing") and getattr(net, "missing", 5) == 5


def test_replacing_parameters_and_buffers():
    net = Scale()
    with pytest.raises(TypeError, match=r"'weight' is a Parameter.*no_grad"):
        net.weight = pm.ones(3)
    equal(net.weight, [2, 2, 2])
    net.offset = net.offset * 3
    assert isinstance(net.offset, nn.Buffer) and net.offset.persistent
    equal(net.offset, [3, 3, 3])
    net.offset = net.weight * 2  # a buffer never carries a gradient
    assert not net.offset.requires_grad
    net.weight = nn.Parameter([1.0])
    assert paths(net.named_parameters()) == ["weight"]
    net.weight = None
    assert paths(net.named_parameters()) == []


def test_notes_of_a_run_are_not_registered():
    class Noting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(2, 2)
            self.calls = pm.tensor(0)
            self.history: list[Any] = []

        def forward(self, x: Any) -> Any:
            self.last = self.fc(x)
            self.history = [*self.history, self.last.detach()]
            self.every = [x, self.last]
            self.named = {"x": x}
            self.calls = self.calls + 1
            return self.last

    net = Noting()
    before = list(net.state_dict())
    net.fc.register_forward_hook(lambda m, args, out: setattr(m, "seen", out))
    for context in (pm.enable_grad, pm.no_grad):
        with context():
            net(pm.ones((1, 2)))
        assert list(net.state_dict()) == before == ["calls", "fc.weight", "fc.bias"]
        assert paths(net.named_buffers()) == ["calls"]
    assert net.calls.item() == 2 and net.last.shape == (1, 2) and net.fc.seen is net.last
    assert net.every[1] is net.last and net.history
    net.last = pm.ones(1)  # assigned from outside, it belongs
    assert "last" in net.state_dict()


def test_a_computed_tensor_is_no_member():
    net = Scale()
    net.total = (net.weight * 2).sum()
    assert "total" not in net.state_dict() and len(list(net.buffers())) == 1


def test_orders_equal_torch():
    torch = pytest.importorskip("torch")

    def build(lib: Any, parameter: Any) -> Any:
        class Block(lib.Module):
            def __init__(self) -> None:
                super().__init__()
                self.norm = lib.LayerNorm(4)
                self.fc = lib.Linear(4, 4)
                self.scale = parameter(4)
                self.act = lib.ReLU()

        class Net(lib.Module):
            def __init__(self) -> None:
                super().__init__()
                self.blocks = lib.ModuleList([Block() for _ in range(2)])
                self.heads = lib.ModuleDict({"a": lib.Linear(4, 2), "b": lib.BatchNorm1d(4)})
                self.last = parameter(1)
                self.tail = lib.Sequential(lib.Linear(4, 4), lib.Sequential(lib.ReLU(), lib.Linear(4, 1)))
                self.shared = self.tail

        return Net()

    ours = build(nn, lambda n: nn.Parameter(pm.zeros(n)))
    theirs = build(torch.nn, lambda n: torch.nn.Parameter(torch.zeros(n)))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for method in ("named_parameters", "named_buffers", "named_modules", "named_children"):
        assert paths(getattr(ours, method)()) == paths(getattr(theirs, method)()), method
    for remove_duplicate in (True, False):
        for method in ("named_parameters", "named_modules"):
            found, expected = (getattr(n, method)(remove_duplicate=remove_duplicate) for n in (ours, theirs))
            assert paths(found) == paths(expected)
    assert paths(ours.named_parameters(prefix="net")) == paths(theirs.named_parameters(prefix="net"))
    assert paths(ours.named_modules(prefix="net")) == paths(theirs.named_modules(prefix="net"))
    assert paths(ours.named_parameters(recurse=False)) == paths(theirs.named_parameters(recurse=False)) == ["last"]
    seen: list[list[str]] = [[], []]
    once = list(theirs.modules())
    ours.apply(lambda m: seen[0].append(type(m).__name__))
    theirs.apply(lambda m: seen[1].append(type(m).__name__) if m in once and not once.remove(m) else None)
    assert seen[0] == seen[1]


def test_lookup_by_path():
    net = Tree()
    assert net.get_submodule("layers.1.0") is net.layers[1][0] and net.get_submodule("") is net
    assert net.get_parameter("table.a.bias") is net.table["a"].bias
    assert net.get_buffer("stats") is net.stats
    for method, target in (
        (net.get_submodule, "layers.7"),
        (net.get_parameter, "first.wieght"),
        (net.get_buffer, "own"),
    ):
        with pytest.raises(AttributeError, match=target):
            method(target)


# ------------------------------------------------------------------------------------------------ sharing and cycles


def test_shared_modules_and_parameters_are_listed_once():
    net = shared_tree()
    assert paths(net.named_parameters()) == ["a.weight", "a.bias", "b.1.bias"]
    assert paths(net.named_modules()) == ["", "a", "b", "b.1"]
    assert paths(net.named_children()) == ["a", "b"]
    assert list(net.state_dict()) == [
        *("a.weight", "a.bias", "b.0.weight", "b.0.bias", "b.1.weight", "b.1.bias", "again.weight", "again.bias")
    ]


def tied(net: nn.Module) -> bool:
    return net.b[0] is net.a is net.again and net.b[1].weight is net.a.weight


@pytest.mark.parametrize(
    "through",
    [
        copy.deepcopy,
        lambda n: pickle.loads(pickle.dumps(n)),
        lambda n: n.to(pm.float64),
        lambda n: n.to(elsewhere()),
        lambda n: n.load_state_dict(n.state_dict()) and n,
    ],
)
def test_ties_hold(through: Any):
    net = through(shared_tree())
    assert tied(net)
    assert len(list(net.parameters())) == 3


def test_gradients_of_shared_parameters_add_up():
    w = nn.Parameter([3.0])
    net = nn.ParameterList([w, w])
    (net[0] * net[1]).sum().backward()
    equal(w.grad, [6])


def test_cycles():
    net = nn.Module()
    net.fc = nn.Linear(1, 1)
    net.child = nn.Module()
    net.child.parent = net
    assert len(list(net.parameters())) == 2 and len(list(net.modules())) == 3
    net.eval().to(pm.float64).requires_grad_(False)
    assert not net.child.training and net.fc.weight.dtype == pm.float64
    with pytest.raises(pm.StateError, match="contain itself"):
        net.state_dict()
    twin = copy.deepcopy(net)
    assert twin.child.parent is twin
    assert "..." in repr(net)


# --------------------------------------------------------------------------------------------------------- all at once


def test_train_eval_apply_and_requires_grad():
    net = Tree()
    assert all(m.training for m in net.modules())
    assert net.eval() is net and not any(m.training for m in net.modules())
    net.first.train()
    assert net.first.training and not net.training
    assert net.train() is net and all(m.training for m in net.modules())
    with pytest.raises(TypeError, match="'yes'"):
        net.train("yes")
    seen: list[nn.Module] = []
    assert net.apply(seen.append) is net
    assert seen[-1] is net and len(seen) == len(set(map(id, seen))) == 7
    assert net.requires_grad_(False) is net and not any(p.requires_grad for p in net.first.parameters())
    net.requires_grad_()
    assert all(p.requires_grad for p in net.first.parameters())


def test_frozen_parameters_get_no_gradient():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    net[0].requires_grad_(False)
    net(pm.ones((1, 2))).sum().backward()
    assert net[0].weight.grad is None and net[1].weight.grad is not None
    assert [n for n, p in net.named_parameters() if p.requires_grad] == ["1.weight", "1.bias"]
    assert len(list(net.parameters())) == 4  # frozen, but still parameters


def test_zero_grad():
    net = Scale()
    net(pm.ones(3)).sum().backward()
    assert net.weight.grad is not None
    net.weight.grad = pm.tensor([1.0, np.nan, np.inf])
    net.zero_grad(set_to_none=False)
    equal(net.weight.grad, [0, 0, 0])
    net.zero_grad()
    assert net.weight.grad is None


def test_forward_must_be_defined():
    class Empty(nn.Module):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty has no forward"):
        Empty()(pm.ones(1))


def test_raw_arrays_are_accepted():
    net = Scale()
    raw = pm.ones(3).array
    y = net(raw)
    assert isinstance(y, pm.Tensor) and y.requires_grad
    equal(y, [3, 3, 3])
    equal(net(x=raw), [3, 3, 3])


# ------------------------------------------------------------------------------------------------ parameters, buffers


def test_parameters_and_buffers(engine: pm.Device):
    p = nn.Parameter([1.0, 2.0])
    assert p.requires_grad and p.is_leaf and p.device == engine and isinstance(p, pm.Tensor)
    assert not nn.Parameter(pm.ones(2), requires_grad=False).requires_grad
    raw = pm.ones(2).array
    assert nn.Parameter(raw).array is raw
    assert type(p * 2) is pm.Tensor and type(p.detach()) is pm.Tensor
    computed = nn.Parameter(pm.ones(2, requires_grad=True) * 2)
    assert computed.is_leaf  # a parameter starts a graph of its own
    with pytest.raises(pm.GradientError, match="int64"):
        nn.Parameter([1, 2])
    assert not nn.Parameter([1, 2], requires_grad=False).requires_grad
    b = nn.Buffer([1.0])
    assert not b.requires_grad and b.persistent and not nn.Buffer([1.0], persistent=False).persistent
    with pm.use_backend(elsewhere()):
        assert nn.Linear(2, 2).weight.device == elsewhere()
    assert nn.Linear(2, 2, device=elsewhere(), dtype=pm.float64).weight.dtype == pm.float64


# -------------------------------------------------------------------------------------------------------------- errors


def test_errors_name_the_path():
    class Inner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = [nn.Linear(2, 2), nn.Linear(3, 3)]

        def forward(self, x: Any) -> Any:
            for layer in self.layers:
                x = layer(x)
            return x

    net = nn.Sequential(OrderedDict(body=nn.Sequential(nn.ReLU(), Inner())))
    with pytest.raises(pm.ShapeError) as caught:
        net(pm.ones((1, 2)))
    text = str(caught.value)
    assert "in module 'body.1.layers.1': Linear(in_features=3" in text and text.count("in module") == 1

    class Faulty(nn.Module):
        def forward(self, x: Any) -> Any:
            raise KeyError("mine")

    with pytest.raises(KeyError) as other:
        nn.Sequential(nn.ReLU(), Faulty())(pm.ones(1))
    assert other.value.__notes__ == ["in module '1': Faulty()"]
    with pytest.raises(KeyError) as top:
        Faulty()(pm.ones(1))
    assert top.value.__notes__ == ["in Faulty()"]
    with pytest.raises(TypeError):
        nn.Linear(2, 2)()
    assert net.body[0](pm.ones(1)).shape == (1,)  # nothing stays of a failed call
