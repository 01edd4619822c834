"""Hooks of modules, forward and backward."""

from __future__ import annotations

import gc
import weakref
from collections import namedtuple
from typing import Any

import pytest
from nets import Scale, engine_name, equal, host

import polymod as pm
from polymod import nn


def test_forward_hooks():
    net = Scale()
    order: list[str] = []
    handles = [
        net.register_forward_pre_hook(lambda m, args: order.append("pre") or (args[0] * 2,)),
        net.register_forward_pre_hook(lambda m, args: order.append("first") or args[0] + 1, prepend=True),
        net.register_forward_hook(lambda m, args, out: order.append("post") or out * 10),
        net.register_forward_hook(
            lambda m, args, out: order.append("see") if m is net and host(args[0])[0] == 4 else None
        ),
    ]
    equal(net(pm.ones(3)), [90, 90, 90])  # ((1 + 1) * 2 * 2 + 1) * 10
    assert order == ["first", "pre", "post", "see"]
    for handle in handles:
        handle.remove()
        handle.remove()
    equal(net(pm.ones(3)), [3, 3, 3])
    with net.register_forward_hook(lambda m, args, out: out * 0):
        equal(net(pm.ones(3)), [0, 0, 0])
    equal(net(pm.ones(3)), [3, 3, 3])
    with pytest.raises(TypeError, match="callable"):
        net.register_forward_hook(3)


def test_forward_hooks_with_keywords():
    class Weighted(nn.Module):
        def forward(self, x: Any, *, scale: Any = 1.0) -> Any:
            return x * scale

    net = Weighted()
    seen: list[dict] = []
    net.register_forward_pre_hook(lambda m, args, kwargs: (args, {"scale": kwargs["scale"] + 1}), with_kwargs=True)
    net.register_forward_hook(lambda m, args, kwargs, out: seen.append(kwargs) or out + 1, with_kwargs=True)
    equal(net(pm.ones(2), scale=2.0), [4, 4])
    assert seen == [{"scale": 3.0}]


def test_a_hook_is_removed_once():
    net = Scale()

    def add_one(m: Any, args: Any, out: Any) -> Any:
        return out + 1

    first, second = net.register_forward_hook(add_one), net.register_forward_hook(add_one)
    first.remove()
    first.remove()
    equal(net(pm.ones(3)), [4, 4, 4])
    second.remove()
    equal(net(pm.ones(3)), [3, 3, 3])


def test_backward_hooks():
    net = Scale()
    seen: dict[str, Any] = {}
    net.register_full_backward_pre_hook(lambda m, g: seen.update(pre=g))
    net.register_full_backward_hook(lambda m, gin, gout: seen.update(gin=gin, gout=gout))
    x = pm.tensor([1.0, 2.0, 3.0], requires_grad=True)
    (net(x) * pm.tensor([1.0, 10.0, 100.0])).sum().backward()
    for g, expected in ((seen["pre"], [1, 10, 100]), (seen["gout"], [1, 10, 100]), (seen["gin"], [2, 20, 200])):
        assert type(g) is tuple and len(g) == 1
        equal(g[0], expected)
    equal(x.grad, [2, 20, 200])
    equal(net.weight.grad, [1, 20, 300])


def test_backward_hooks_replace_gradients():
    net = Scale()
    x = pm.ones(3, requires_grad=True)
    before = net.register_full_backward_pre_hook(lambda m, g: (g[0] * 10,))
    after = net.register_full_backward_hook(lambda m, gin, gout: gin[0] + 5)
    net(x).sum().backward()
    equal(x.grad, [25, 25, 25])
    equal(net.weight.grad, [10, 10, 10])
    before.remove()
    after.remove()
    x.grad = None
    net(x).sum().backward()
    equal(x.grad, [2, 2, 2])


Pair = namedtuple("Pair", "left right")


def test_backward_hooks_of_several_inputs_and_outputs():
    class Split(nn.Module):
        def forward(self, x: Any, n: int, y: Any, z: Any) -> Any:
            return Pair(x * n, y * z)

    net, seen = Split(), []
    net.register_full_backward_hook(lambda m, gin, gout: seen.append((gin, gout)))
    x, y, z = pm.ones(2, requires_grad=True), pm.full((2,), 3.0, requires_grad=True), pm.full((2,), 4.0)
    result = net(x, 5, y, z)
    assert isinstance(result, Pair)
    (result.left + result.right).sum().backward()
    ((gin, gout),) = seen
    assert [g is None for g in gin] == [False, True, False, True] and len(gout) == 2
    equal(gin[0], [5, 5])
    equal(gin[2], [4, 4])
    equal(x.grad, [5, 5])


def test_backward_hooks_without_tracked_inputs():
    net, seen = Scale(), []
    net.register_full_backward_hook(lambda m, gin, gout: seen.append((gin, gout)))
    net(pm.ones(3)).sum().backward()
    ((gin, gout),) = seen
    assert gin == (None,)
    equal(gout[0], [1, 1, 1])
    with pm.no_grad():
        equal(net(pm.ones(3)), [3, 3, 3])
    assert len(seen) == 1


def test_hooks_of_nested_modules_are_freed_with_the_graph():
    net = nn.Sequential(Scale(), Scale())
    for m in net:
        m.register_full_backward_hook(lambda m, gin, gout: None)
    x = pm.ones(3, requires_grad=True)
    net(x).sum().backward()
    gc.collect()
    gc.disable()
    try:
        y = net(x)
        held = weakref.ref(y)
        y.sum().backward()
        del y
        assert held() is None
        if engine_name in ("numpy", "strict"):
            assert gc.collect() == 0
    finally:
        gc.enable()
