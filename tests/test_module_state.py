"""A module's values: saved, loaded, made late, moved, copied and pickled."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from nets import Scale, Tree, elsewhere, engine_name, equal, host, lazy_net, shared_tree, snapshot, unchanged

import polymod as pm
from polymod import nn

# --------------------------------------------------------------------------------------------------------- saved state


def test_state_dict_shares_values_and_carries_no_gradient():
    net = Scale()
    state = net.state_dict()
    assert list(state) == ["weight", "offset"] and type(state) is dict
    assert all(type(t) is pm.Tensor and not t.requires_grad for t in state.values())
    assert state["weight"].array is net.weight.array
    assert list(net.state_dict(prefix="net.")) == ["net.weight", "net.offset"]


@pytest.mark.parametrize("form", ["tensors", "host arrays", "engine arrays", "another engine", "float64", "lists"])
def test_load_state_dict_takes_any_arrays(form: str):
    source, net = Tree(), Tree()
    change = {
        "tensors": lambda t: t,
        "host arrays": pm.to_numpy,
        "engine arrays": lambda t: t.array,
        "another engine": lambda t: t.to(elsewhere()),
        "float64": lambda t: t.astype(pm.float64),
        "lists": pm.Tensor.tolist,
    }[form]
    before = dict(net.named_parameters())
    with pm.no_grad():
        source.own *= 5
        source.stats += 1
    result = net.load_state_dict({k: change(v) for k, v in source.state_dict().items()})
    assert result.missing_keys == [] and result.unexpected_keys == []
    assert tuple(result) == ([], [])
    for name, t in net.state_dict().items():
        equal(t, host(source.state_dict()[name]))
        assert t.dtype == pm.float32 and t.device == pm.current_device()
    assert all(before[n] is p and p.requires_grad for n, p in net.named_parameters())
    state = source.state_dict()
    net.load_state_dict(state)
    with pm.no_grad():
        net.own *= 2
    assert net.own.array is not source.own.array  # loading copies


def test_one_error_lists_every_problem_and_nothing_changes():
    net = shared_tree()
    before = snapshot(net)
    state: dict[str, Any] = {k: v + 1 for k, v in net.state_dict().items()}
    del state["b.1.bias"]
    state["a.bias"] = pm.ones((4,))
    state["b.0.bias"] = state["again.bias"] = state["a.bias"]
    state["b.1.weight"] = pm.zeros((3, 3))
    state["extra"] = pm.ones(1)
    state["surplus"] = pm.ones(1)
    with pytest.raises(pm.StateError) as caught:
        net.load_state_dict(state)
    text = str(caught.value)
    for part in (
        "missing keys: b.1.bias",
        "unexpected keys: extra, surplus",
        "a.bias: the shape is (3,), received (4,)",
        "a.weight and b.1.weight are one tied parameter but have different values",
        "unchanged",
    ):
        assert part in text
    assert unchanged(net, before)
    with pytest.raises(pm.StateError) as caught:
        net.load_state_dict(state, strict=False)
    assert "missing" not in str(caught.value) and "a.bias" in str(caught.value)
    assert unchanged(net, before)


def test_load_state_dict_not_strict():
    net = Scale()
    result = net.load_state_dict({"weight": np.zeros(3), "other": np.zeros(1)}, strict=False)
    assert result.missing_keys == ["offset"] and result.unexpected_keys == ["other"]
    equal(net.weight, [0, 0, 0])


def test_load_state_dict_refuses_what_does_not_fit():
    net = Scale()
    before = snapshot(net)
    for value, text in (
        (np.ones(3, complex), "complex128"),
        ("abc", "str"),
        (None, "None"),
        (np.ones((3, 1)), r"(3, 1)"),
    ):
        with pytest.raises(pm.StateError) as caught:
            net.load_state_dict({"weight": value, "offset": np.zeros(3)})
        assert "weight: " in str(caught.value) and text in str(caught.value)
    with pytest.raises(TypeError, match="list"):
        net.load_state_dict([1, 2])
    assert unchanged(net, before)


def test_forgiving_keys():
    net = nn.Sequential(nn.BatchNorm1d(3))
    state = net.state_dict()
    del state["0.num_batches_tracked"]
    assert net.load_state_dict(state).missing_keys == ["0.num_batches_tracked"]
    plain = nn.Module()
    plain.fc, plain.mask = nn.Linear(1, 1), pm.ones(2)  # torch does not save plain tensors
    assert plain.load_state_dict(plain.fc.state_dict(prefix="fc.")).missing_keys == ["mask"]
    ties = shared_tree()
    state = ties.state_dict()
    for name in ("b.0.weight", "b.1.weight", "again.weight", "again.bias", "b.0.bias"):
        del state[name]
    state["a.weight"] = np.full((3, 3), 7.0)
    ties.load_state_dict(state)  # one name of a tied parameter is enough
    equal(ties.b[1].weight, np.full((3, 3), 7.0))


def test_many_missing_keys_are_summed_up():
    net = nn.Sequential(*(nn.Linear(1, 1) for _ in range(30)))
    with pytest.raises(pm.StateError, match="and 40 more"):
        net.load_state_dict({})


def test_parameters_stay_themselves_and_recorded_graphs_right():
    net = Scale()
    y = (net.weight * net.weight).sum()
    net.load_state_dict({"weight": np.full(3, 9.0), "offset": np.zeros(3)})
    y.backward()  # of the values that y was computed from
    equal(net.weight.grad, [4, 4, 4])


# ------------------------------------------------------------------------------------------------------ lazy parameters


def test_lazy_parameters():
    net = lazy_net()
    assert len(list(net.parameters())) == 3 and "UninitializedParameter" in repr(net[0].weight)
    with pytest.raises(pm.StateError, match=r"0\.weight, 2\.weight.*output_shape"):
        net.state_dict()
    with pytest.raises(pm.StateError, match="no shape"):
        _ = net[0].weight.shape
    held = net[0].weight
    assert net(pm.ones((5, 3))).shape == (5, 2)
    assert net[0].weight is held and type(held) is nn.Parameter and held.shape == (4, 3)
    net(pm.ones((1, 3))).sum().backward()
    assert held.grad.shape == (4, 3)


def test_lazy_parameters_take_what_is_loaded():
    source, net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2, bias=False)), lazy_net()
    net.load_state_dict(source.state_dict())
    x = pm.ones((5, 3))
    np.testing.assert_allclose(host(net(x)), host(source(x)), rtol=1e-6)
    with pytest.raises(pm.StateError, match="no values yet"):
        nn.Linear(3, 4).load_state_dict({"weight": nn.Linear(None, 4).weight, "bias": np.zeros(4)})


def test_lazy_parameters_copy_move_and_freeze():
    net = lazy_net().to(pm.float64)
    for twin in (net, copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        twin[0].weight.requires_grad_(False)
        assert isinstance(twin[0].weight, nn.UninitializedParameter)
        assert twin(pm.ones((1, 3), dtype=pm.float64)).dtype == pm.float64
        assert not twin[0].weight.requires_grad and twin[2].weight.requires_grad
    net = lazy_net().to(elsewhere())
    assert net(pm.ones((1, 3), device=elsewhere())).device == elsewhere()
    tie = lazy_net()
    tie.other = tie[0]
    twin = copy.deepcopy(tie)
    assert twin.other is twin[0] and twin.other.weight is twin[0].weight


# --------------------------------------------------------------------------------------------------------------- moves


def test_to_dtype_and_device():
    net = Tree()
    net.register_buffer("count", pm.tensor(3))
    net(pm.ones((2, 3))).sum().backward()
    held = dict(net.named_parameters())
    assert net.to(pm.float64) is net
    assert net.count.dtype == pm.int64 and net.stats.dtype == pm.float64 and net.constant.dtype == pm.float64
    for name, p in net.named_parameters():
        assert p is held[name] and p.dtype == pm.float64
        assert p.grad is None or p.grad.dtype == pm.float64
    assert net.first.weight.grad is not None
    for where in (elsewhere(), str(pm.current_device())):
        values = snapshot(net)
        net.to(where)
        assert unchanged(net, values)
        for t in (*net.parameters(), *net.buffers()):
            assert t.device == where and (t.grad is None or t.grad.device == where)
    for argument in ("float32", np.float32, pm.float32):
        assert net.to(pm.float64).to(argument).own.dtype == pm.float32
    net.to(pm.current_device(), pm.float64)
    assert net.own.dtype == pm.float64
    net.to(device=elsewhere(), dtype=pm.float32)
    assert net.own.dtype == pm.float32 and net.own.device == elsewhere()
    net.to(backend=engine_name)
    assert net.own.device.backend.name == engine_name
    net.to(pm.ones(1, dtype=pm.float64))
    assert net.own.dtype == pm.float64 and net.own.device == pm.current_device()


def test_a_failed_move_changes_nothing():
    net = Tree()
    before, where = snapshot(net), net.own.device
    with pytest.raises(pm.BackendError, match="nowhere"):
        net.to("nowhere")
    with pytest.raises(TypeError, match="int32"):
        net.to(pm.int32)
    if engine_name == "strict":
        net.to("strict:device1")
    # float16 does not exist on array-api-strict: the move fails half way
    with pytest.raises(TypeError, match="float16"):
        net.to("strict:device1", pm.float16)
    assert unchanged(net, before)
    assert {p.dtype for p in net.parameters()} == {pm.float32}
    assert engine_name == "strict" or {p.device for p in net.parameters()} == {where}


def test_mixed_devices_name_the_module_and_its_parameters():
    net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2)))
    net[1].to(elsewhere())
    with pytest.raises(pm.MixedDevicesError) as caught:
        net(pm.ones((1, 2)))
    for part in ("in module '1.0'", "Linear(", f"weight is on {elsewhere()}", str(pm.current_device()), "model.to("):
        assert part in str(caught.value)


# -------------------------------------------------------------------------------------------------- copies and pickle


@pytest.mark.parametrize("through", [copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))])
def test_copies_are_equal_and_independent(through: Any):
    net = Tree()
    net.eval()
    net(pm.ones((2, 3))).sum().backward()
    twin = through(net)
    assert list(twin.state_dict()) == list(net.state_dict()) and not twin.training
    assert unchanged(twin, snapshot(net))
    x = pm.ones((2, 3))
    np.testing.assert_array_equal(host(twin(x)), host(net(x)))
    assert {type(t) for t in twin.buffers()} == {type(t) for t in net.buffers()} and not twin.hidden.persistent
    before = snapshot(net)
    with pm.no_grad():
        for p in twin.parameters():
            p *= 0
    assert unchanged(net, before)
    assert isinstance(twin.own, nn.Parameter) and twin.own.requires_grad


def test_deepcopy_keeps_gradients_and_hooks():
    net = Scale()
    net.register_forward_hook(lambda m, args, out: out * 10)
    net(pm.ones(3)).sum().backward()
    twin = copy.deepcopy(net)
    equal(twin.weight.grad, [10, 10, 10])
    equal(twin(pm.ones(3)), [30, 30, 30])
