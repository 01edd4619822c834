"""Optimizers: against torch, across engines, and what a step may and may not touch."""

from __future__ import annotations

import copy
import itertools
import pickle

import numpy as np
import places
import pytest

import polymod as pm
from polymod import nn, optim
from polymod.backend import backend_of, portable

# 0-d, small, and one that NumPy's kernels treat by itself
SHAPES = [(), (3,), (4, 5), (40, 30)]


def parameters(values, dtype=None):
    return [nn.Parameter(pm.tensor(v, dtype=dtype)) for v in values]


def give(params, gradients):
    for p, g in zip(params, gradients, strict=True):
        p.grad = None if g is None else pm.asarray(pm.tensor(g), dtype=p.dtype, device=p.device)


def values_of(params):
    return [pm.to_numpy(p) for p in params]


def assert_close(ours, expected, tolerance):
    for a, b in zip(ours, expected, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def combinations():
    """Every pair of options at least once, and all off."""
    sgd = {
        "momentum": (0.0, 0.9),
        "dampening": (0.0, 0.3),
        "weight_decay": (0.0, 0.1),
        "nesterov": (False, True),
        "maximize": (False, True),
    }
    adam = {
        "betas": ((0.9, 0.999), (0.5, 0.8)),
        "eps": (1e-8, 1e-3),
        "weight_decay": (0.0, 0.1),
        "amsgrad": (False, True),
        "maximize": (False, True),
    }
    for name, options in (("SGD", sgd), ("Adam", adam), ("AdamW", adam)):
        for chosen in itertools.product(*options.values()):
            given = dict(zip(options, chosen, strict=True))
            if given.get("nesterov") and (given["dampening"] or not given["momentum"]):
                continue
            yield pytest.param(name, given, id="-".join([name, *map(str, chosen)]))


@pytest.mark.parametrize(("name", "options"), list(combinations()))
def test_same_as_torch_in_float64(name, options, rng):
    torch = pytest.importorskip("torch")
    start = [rng.normal(size=s) for s in SHAPES]
    ours, theirs = parameters(start), [torch.nn.Parameter(torch.tensor(v)) for v in start]
    a = getattr(optim, name)(ours, lr=0.05, **options)
    b = getattr(torch.optim, name)(theirs, lr=0.05, **options)
    for i in range(20):
        gradients = [rng.normal(size=s) for s in SHAPES]
        if i % 5 == 2:
            gradients[1] = None  # so that parameters count different steps
        give(ours, gradients)
        for p, g in zip(theirs, gradients, strict=True):
            p.grad = None if g is None else torch.tensor(g)
        a.step()
        b.step()
    assert_close(values_of(ours), [p.detach().numpy() for p in theirs], 1e-12)


def test_float32_stays_float32_and_near_torch(rng):
    torch = pytest.importorskip("torch")
    start = [rng.normal(size=s).astype(np.float32) for s in SHAPES]
    ours, theirs = parameters(start), [torch.nn.Parameter(torch.tensor(v)) for v in start]
    a, b = optim.AdamW(ours, lr=0.01), torch.optim.AdamW(theirs, lr=0.01)
    for _ in range(5):
        gradients = [rng.normal(size=s).astype(np.float32) for s in SHAPES]
        give(ours, gradients)
        for p, g in zip(theirs, gradients, strict=True):
            p.grad = torch.tensor(g)
        a.step()
        b.step()
    assert_close(values_of(ours), [p.detach().numpy() for p in theirs], 2e-6)
    assert all(v.dtype == pm.float32 for s in a.state.values() for v in s.values() if isinstance(v, pm.Tensor))


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_complex_parameters_as_torch(name, rng):
    torch = pytest.importorskip("torch")
    start = rng.normal(size=4) + 1j * rng.normal(size=4)
    (ours,), theirs = parameters([start]), torch.nn.Parameter(torch.tensor(start))
    a = getattr(optim, name)([ours], lr=0.1, weight_decay=0.1)
    b = getattr(torch.optim, name)([theirs], lr=0.1, weight_decay=0.1)
    for _ in range(5):
        g = rng.normal(size=4) + 1j * rng.normal(size=4)
        give([ours], [g])
        theirs.grad = torch.tensor(g)
        a.step()
        b.step()
    assert_close(values_of([ours]), [theirs.detach().numpy()], 1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(7,), (50, 30), (3, 32768), (32769,)])
@pytest.mark.parametrize("operation", ["sgd", "adam"])
def test_engine_step_is_the_portable_one(operation, shape, dtype, engine, rng):
    """Several parameters of a shape together; also layouts that can't be overwritten block by block."""
    xp = engine.backend.namespace
    count = {"sgd": 3, "adam": 5}[operation]
    options = {"lr": 0.1, "weight_decay": 0.2, "maximize": True}
    options |= {"momentum": 0.5} if operation == "sgd" else {"beta1": 0.5, "beta2": 0.7, "eps": 1e-3}
    many = {} if operation == "sgd" else {"steps": [3, 3, 4]}
    host = [[rng.random(shape).astype(dtype) for _ in range(3)] for _ in range(count)]

    def arrays():
        lists = [[pm.tensor(x).array for x in column] for column in host]
        if len(shape) == 2:  # one parameter lies in memory column by column
            lists[0][1] = pm.tensor(np.ascontiguousarray(host[0][1].T)).mT.array
        return lists

    given = arrays()
    got = getattr(xp, operation + "_steps")(*given, **options, **many)
    for i, columns in enumerate(zip(*arrays(), strict=True)):
        one = {} if operation == "sgd" else {"step": many["steps"][i]}
        expected = portable[operation + "_step"](xp, *columns, **options, **one)
        tolerance = 1e-12 if dtype is np.float64 else 1e-5
        assert_close([pm.to_numpy(x) for x in got[i]], [pm.to_numpy(x) for x in expected], tolerance)
    np.testing.assert_array_equal(pm.to_numpy(given[1][0]), host[1][0])  # the gradient is never written


def test_groups_have_options_of_their_own(rng):
    a, b = parameters([np.ones(3), np.ones(3)])
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.1)
    give([a, b], [np.ones(3), np.ones(3)])
    optimizer.step()
    np.testing.assert_allclose(pm.to_numpy(a), 0.9)
    np.testing.assert_allclose(pm.to_numpy(b), 0.5)
    optimizer.param_groups[0]["lr"] = 1.0
    optimizer.step()
    np.testing.assert_allclose(pm.to_numpy(a), -0.1, atol=1e-15)
    c = parameters([np.ones(2)])[0]
    optimizer.add_param_group({"params": [("c", c)], "momentum": 0.5})
    give([c], [np.ones(2)])
    optimizer.step()
    np.testing.assert_allclose(pm.to_numpy(c), 0.9)


def test_closure_and_zero_grad():
    p = parameters([np.array([2.0, 3.0])])[0]
    optimizer = optim.SGD([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with pm.no_grad():
        assert float(optimizer.step(closure)) == 13.0
    np.testing.assert_allclose(pm.to_numpy(p), [1.6, 2.4])
    p.grad = pm.tensor(np.array([np.nan, 1.0]))
    optimizer.zero_grad(set_to_none=False)
    np.testing.assert_array_equal(pm.to_numpy(p.grad), [0.0, 0.0])
    optimizer.zero_grad()
    assert p.grad is None
    before = pm.to_numpy(p)
    optimizer.step()
    np.testing.assert_array_equal(pm.to_numpy(p), before)


@pytest.mark.parametrize(
    "make",
    [lambda p: optim.SGD(p, lr=0.1, momentum=0.9), lambda p: optim.Adam(p, lr=0.1)],
    ids=["SGD", "Adam"],
)
@pytest.mark.parametrize("loss", [lambda w, x: (w @ x).sum(), lambda w, x: (w.T @ x).exp().sum()], ids=["w", "view"])
def test_graph_recorded_before_a_step(make, loss, rng):
    """A step that overwrites makes the old graph unusable; one that does not leaves it right."""
    host = rng.normal(size=(40, 40)) / 10
    w = parameters([host])[0]
    x = pm.tensor(rng.normal(size=(40, 40)) / 10, requires_grad=True)
    optimizer = make([w])
    w.grad = pm.ones_like(w.detach())
    optimizer.step()  # the first never overwrites
    optimizer.zero_grad()
    y = loss(w, x)
    y.backward(retain_graph=True)
    expected = pm.to_numpy(x.grad)
    x.grad = None
    array, leaf = w.array, w.node
    optimizer.step()
    if w.array is array:
        with pytest.raises(pm.GradientError, match="changed in place"):
            y.backward()
    else:
        y.backward()
        np.testing.assert_array_equal(pm.to_numpy(x.grad), expected)
    assert w.node is leaf  # so that its hooks and its place in dictionaries stay
    optimizer.zero_grad()
    loss(w, x).backward()
    assert w.grad is not None


def test_numpy_overwrites_large_parameters():
    with pm.use_backend("numpy"):
        p = parameters([np.ones((100, 100))])[0]
    optimizer = optim.Adam([p])
    p.grad = pm.ones_like(p.detach())
    optimizer.step()
    arrays = [p.array, *(optimizer.state[p][k].array for k in ("exp_avg", "exp_avg_sq"))]
    optimizer.step()
    after = [p.array, *(optimizer.state[p][k].array for k in ("exp_avg", "exp_avg_sq"))]
    assert all(a is b for a, b in zip(arrays, after, strict=True))


def test_first_step_leaves_arrays_that_others_hold(rng):
    shared = pm.tensor(rng.normal(size=(60, 60)))
    before = pm.to_numpy(shared)
    a, b = nn.Parameter(shared), nn.Parameter(shared)
    optimizer = optim.SGD([a, b], lr=0.5)
    give([a, b], [np.ones((60, 60)), np.ones((60, 60))])
    optimizer.step()
    np.testing.assert_array_equal(pm.to_numpy(shared), before)
    assert_close(values_of([a, b]), [before - 0.5, before - 0.5], 1e-15)


def test_gradient_is_not_kept_as_momentum(rng):
    """Two steps with the same gradient Tensor, which a buffer made of it would change."""
    p = parameters([np.zeros((50, 50))])[0]
    optimizer = optim.SGD([p], lr=1.0, momentum=0.5)
    p.grad = pm.ones_like(p.detach())
    for expected in (-1.0, -2.5, -4.25):
        optimizer.step()
        np.testing.assert_allclose(pm.to_numpy(p), expected)
        np.testing.assert_array_equal(pm.to_numpy(p.grad), 1.0)


# ----------------------------------------------------------------------------------------- moving, lazy sizes


@pytest.mark.parametrize("target", ["numpy", "strict:device1", "torch", "float32"])
def test_state_follows_the_parameter(target, rng):
    if target != "float32":
        places.find(target)
    start, gradients = rng.normal(size=(5, 4)), rng.normal(size=(6, 5, 4))
    ends = []
    for moves in (False, True):
        module = nn.Module()
        module.weight = parameters([start])[0]
        optimizer = optim.Adam(module.parameters(), lr=0.1, amsgrad=True)
        for i, g in enumerate(gradients):
            if moves and i == 3:
                module.to(pm.float32 if target == "float32" else target)
            give([module.weight], [g])
            optimizer.step()
        ends.append(pm.to_numpy(module.weight))
        held = optimizer.state[module.weight]["exp_avg"]
        assert held.device == module.weight.device and held.dtype == module.weight.dtype
    np.testing.assert_allclose(ends[1], ends[0], rtol=1e-4 if target == "float32" else 1e-12)


def test_parameters_of_unknown_shape(engine):
    p = nn.UninitializedParameter()
    q = nn.Parameter(pm.ones((2,)))
    optimizer = optim.Adam([p, q], lr=0.1)
    q.grad = pm.ones((2,))
    optimizer.step()
    assert p not in optimizer.state
    saved = optimizer.state_dict()
    p.materialize((3,))
    p.grad = pm.ones((3,))
    optimizer.step()
    assert optimizer.state[p]["step"] == 1 and optimizer.state[q]["step"] == 2
    np.testing.assert_allclose(pm.to_numpy(p), -0.1, rtol=1e-6)
    again = optim.Adam([nn.UninitializedParameter(), q])
    again.load_state_dict(saved)
    assert again.param_groups[0]["lr"] == 0.1
    with_state = optimizer.state_dict()
    again.load_state_dict(with_state)  # the shape is not known yet, so any is taken
    assert again.state[again.param_groups[0]["params"][0]]["exp_avg"].shape == (3,)


# ------------------------------------------------------------------------------------------------ saved state


def run(optimizer, params, gradients):
    for g in gradients:
        give(params, g)
        optimizer.step()


@pytest.mark.parametrize("name", ["SGD", "Adam"])
@pytest.mark.parametrize("other", ["numpy", "strict:device1", "jax"])
def test_state_saved_here_continues_elsewhere(name, other, rng):
    places.find(other)
    options = {"momentum": 0.9} if name == "SGD" else {"amsgrad": True}
    start = [rng.normal(size=s) for s in SHAPES]
    gradients = [[rng.normal(size=s) for s in SHAPES] for _ in range(4)]
    a = parameters(start)
    one = getattr(optim, name)(a, lr=0.1, **options)
    run(one, a, gradients[:2])
    middle, saved = values_of(a), one.state_dict()
    with pm.use_backend(other):
        b = parameters(middle)
        two = getattr(optim, name)(b, lr=0.5, **options)
        two.load_state_dict(saved)
        run(two, b, gradients[2:])
    run(one, a, gradients[2:])
    assert_close(values_of(b), values_of(a), 1e-12)
    assert two.param_groups[0]["lr"] == 0.1


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_torch_reads_our_state_and_we_torchs(name, rng):
    torch = pytest.importorskip("torch")
    options = {"momentum": 0.9} if name == "SGD" else {"amsgrad": True}
    start = [rng.normal(size=s) for s in SHAPES]
    gradients = [[rng.normal(size=s) for s in SHAPES] for _ in range(4)]

    def theirs_for(values):
        return [torch.nn.Parameter(torch.tensor(v)) for v in values]

    def run_torch(optimizer, params, gradients):
        for many in gradients:
            for p, g in zip(params, many, strict=True):
                p.grad = torch.tensor(g)
            optimizer.step()

    ours, theirs = parameters(start), theirs_for(start)
    a, b = (
        getattr(optim, name)(ours, lr=0.1, **options),
        getattr(torch.optim, name)(theirs, lr=0.1, **options),
    )
    run(a, ours, gradients[:2])
    run_torch(b, theirs, gradients[:2])

    resumed = parameters([p.detach().numpy() for p in theirs])
    c = getattr(optim, name)(resumed)
    c.load_state_dict(b.state_dict())
    run(c, resumed, gradients[2:])

    resumed_there = theirs_for(values_of(ours))
    d = getattr(torch.optim, name)(resumed_there)
    state = a.state_dict()
    for values in state["state"].values():
        for key, value in values.items():
            values[key] = torch.tensor(float(value) if key == "step" else pm.to_numpy(value))
    d.load_state_dict(state)
    run_torch(d, resumed_there, gradients[2:])

    run(a, ours, gradients[2:])
    assert_close(values_of(resumed), values_of(ours), 1e-12)
    assert_close([p.detach().numpy() for p in resumed_there], values_of(ours), 1e-12)


def test_loaded_state_is_a_copy(rng):
    a, b = parameters([np.ones((40, 40))]), parameters([np.ones((40, 40))])
    one, two = optim.Adam(a), optim.Adam(b)
    run(one, a, [[np.ones((40, 40))]])
    saved = one.state_dict()
    two.load_state_dict(saved)
    run(one, a, [[np.ones((40, 40))]] * 2)
    np.testing.assert_allclose(pm.to_numpy(two.state[b[0]]["exp_avg"]), 0.1)


def test_failed_load_changes_nothing(rng):
    a = parameters([np.ones(3), np.ones((2, 2))])
    optimizer = optim.Adam(a, lr=0.1)
    run(optimizer, a, [[np.ones(3), np.ones((2, 2))]])
    before = copy.deepcopy(optimizer.state_dict())
    wrong = copy.deepcopy(before)
    wrong["state"][0]["exp_avg"] = pm.ones((4,))
    del wrong["state"][1]["exp_avg_sq"]
    wrong["param_groups"][0]["lr"] = 7.0
    with pytest.raises(pm.StateError) as error:
        optimizer.load_state_dict(wrong)
    assert "parameter 0 of group 0" in str(error.value) and "(4,)" in str(error.value)
    assert "exp_avg_sq missing" in str(error.value)
    bad_option = copy.deepcopy(before)
    bad_option["param_groups"][0]["betas"] = (0.9, 2.0)
    with pytest.raises(pm.StateError, match=r"betas\[1\]"):
        optimizer.load_state_dict(bad_option)
    with pytest.raises(pm.StateError, match="parameters"):
        optimizer.load_state_dict(optim.Adam(a[:1]).state_dict())
    with pytest.raises(pm.StateError, match="exp_avg"):
        sgd = optim.SGD(a, momentum=0.9)
        sgd.step()
        optimizer.load_state_dict(sgd.state_dict())
    with pytest.raises(pm.StateError, match="param_groups"):
        optimizer.load_state_dict({"weight": 1})
    after = optimizer.state_dict()
    assert after["param_groups"] == before["param_groups"]
    for i in (0, 1):
        assert after["state"][i]["step"] == 1
        for name in ("exp_avg", "exp_avg_sq"):
            np.testing.assert_array_equal(pm.to_numpy(after["state"][i][name]), pm.to_numpy(before["state"][i][name]))


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"])
def test_copies_go_on_alike_and_apart(clone, rng):
    a = parameters([rng.normal(size=(40, 40)), rng.normal(size=3)])
    one = optim.Adam(a, lr=0.1)
    gradients = [[rng.normal(size=(40, 40)), rng.normal(size=3)] for _ in range(3)]
    run(one, a, gradients[:2])
    b, two = clone((a, one))
    assert all(p is q for p, q in zip(b, two.param_groups[0]["params"], strict=True))
    run(two, b, gradients[2:])
    changed = values_of(b)
    run(one, a, gradients[2:])
    assert_close(values_of(a), changed, 1e-15)


# ----------------------------------------------------------------------------------------------------- errors


def test_failed_step_changes_nothing():
    a, b = parameters([np.ones((50, 50)), np.ones(3)])
    optimizer = optim.Adam([("a", a), ("b", b)], lr=0.1)
    give([a, b], [np.ones((50, 50)), np.ones(3)])
    optimizer.step()
    before = [*values_of([a, b]), *(pm.to_numpy(optimizer.state[p]["exp_avg"]) for p in (a, b))]
    b.grad = pm.tensor(np.ones(3, dtype=np.float32))
    with pytest.raises(pm.GradientError, match=r"parameter 'b' is \(3,\) polymod.float64 on .*float32"):
        optimizer.step()
    optimizer.param_groups[0]["lr"] = -1.0
    give([b], [np.ones(3)])
    with pytest.raises(ValueError, match=r"lr must be at least 0.0, received -1.0"):
        optimizer.step()
    after = [*values_of([a, b]), *(pm.to_numpy(optimizer.state[p]["exp_avg"]) for p in (a, b))]
    for x, y in zip(before, after, strict=True):
        np.testing.assert_array_equal(x, y)
    assert optimizer.state[a]["step"] == 1


def test_gradient_on_another_engine_is_refused(engine):
    elsewhere = places.find("strict:no_float64" if engine.backend.name != "strict" else "numpy")
    p = parameters([np.ones(3, dtype=np.float32)])[0]
    optimizer = optim.SGD([p])
    p.grad = pm.tensor(np.ones(3, dtype=np.float32), device=elsewhere)
    with pytest.raises(pm.GradientError, match="nothing has changed"):
        optimizer.step()
    np.testing.assert_array_equal(pm.to_numpy(p), 1.0)


def test_failed_add_changes_nothing():
    a, b = parameters([np.ones(3), np.ones(3)])
    optimizer = optim.SGD([a])
    with pytest.raises(ValueError, match="twice"):
        optimizer.add_param_group({"params": [b, a]})
    with pytest.raises(ValueError, match="lr"):
        optimizer.add_param_group({"params": [b], "lr": -1})
    with pytest.raises(TypeError, match="params"):
        optimizer.add_param_group([b])
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda p: optim.SGD([p], lr=-0.1), ValueError, "lr must be at least 0.0, received -0.1"),
        (lambda p: optim.SGD([p], lr=float("nan")), ValueError, "lr"),
        (lambda p: optim.SGD([p], lr="fast"), ValueError, "lr must be a number, received 'fast'"),
        (lambda p: optim.SGD([p], momentum=-1), ValueError, "momentum"),
        (lambda p: optim.SGD([p], weight_decay=-1), ValueError, "weight_decay"),
        (lambda p: optim.SGD([p], nesterov=True), ValueError, "nesterov"),
        (lambda p: optim.SGD([p], momentum=0.9, dampening=0.1, nesterov=True), ValueError, "nesterov"),
        (
            lambda p: optim.Adam([p], betas=(0.9, 1.0)),
            ValueError,
            r"betas\[1\] must be at least 0.0 and below 1.0",
        ),
        (lambda p: optim.Adam([p], betas=0.9), ValueError, "two numbers"),
        (lambda p: optim.Adam([p], eps=-1e-8), ValueError, "eps"),
        (lambda p: optim.AdamW([p], weight_decay=-1), ValueError, "weight_decay"),
        (lambda _: optim.Adam([]), ValueError, "no parameters"),
        (lambda p: optim.Adam([p, p]), ValueError, "twice: number 1"),
        (lambda p: optim.Adam([{"params": [p]}, {"params": [p]}]), ValueError, "twice"),
        (lambda p: optim.Adam(p), TypeError, "iterable"),
        (lambda _: optim.Adam(nn.Module()), TypeError, r"use its parameters\(\)"),
        (lambda p: optim.Adam([{"params": {p}}]), TypeError, "order"),
        (lambda p: optim.Adam([("a", p), p]), TypeError, "names"),
        (lambda p: optim.Adam([p, np.ones(3)]), TypeError, "numpy.ndarray as parameter 1"),
        (lambda p: optim.Adam([p * 2]), ValueError, "computed"),
        (lambda _: optim.Adam([pm.arange(3)]), ValueError, "int64"),
    ],
)
def test_arguments_are_checked(make, error, text):
    p = parameters([np.ones(3)])[0]
    with pytest.raises(error, match=text):
        make(p)


def test_own_optimizer_in_torchs_style():
    class Plain(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        def step(self, closure=None):
            with pm.no_grad():
                for group in self.param_groups:
                    for p in group["params"]:
                        self.state[p]["count"] = self.state[p].get("count", 0) + 1
                        p -= group["lr"] * p.grad

    p = parameters([np.ones(3)])[0]
    optimizer = Plain([p], lr=0.5)
    give([p], [np.ones(3)])
    optimizer.step()
    np.testing.assert_allclose(pm.to_numpy(p), 0.5)
    assert optimizer.state_dict()["state"] == {0: {"count": 1}}
    with pytest.raises(NotImplementedError):
        optim.Optimizer([p], {}).step()


# --------------------------------------------------------------------------------------------------- clipping


@pytest.mark.parametrize("make", [lambda p: optim.SGD(p, momentum=0.9), optim.AdamW], ids=["SGD", "AdamW"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("max_norm", [0.5, 1e6])
def test_a_step_clips_as_clipping_before_it(make, dtype, max_norm, rng):
    start = [rng.normal(size=s) for s in SHAPES]
    ours, theirs = parameters(start, dtype), parameters(start, dtype)
    a, b = (make([{"params": p[:2]}, {"params": p[2:], "lr": 0.1}]) for p in (ours, theirs))
    for _ in range(3):
        gradients = [rng.normal(size=s) for s in SHAPES]
        give(ours, gradients)
        give(theirs, gradients)
        kept = [p.grad.array for p in ours]
        a.step(max_norm=max_norm)
        assert all(p.grad.array is g for p, g in zip(ours, kept, strict=True))
        nn.utils.clip_grad_norm_(theirs, max_norm)
        b.step()
    assert_close(values_of(ours), values_of(theirs), 1e-13 if dtype == "float64" else 1e-6)
    with pytest.raises(ValueError, match="max_norm"):
        a.step(max_norm=-1.0)


@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.0, float("inf")])
@pytest.mark.parametrize("max_norm", [0.5, 1e6])
def test_clip_grad_norm_as_torch(norm_type, max_norm, rng):
    torch = pytest.importorskip("torch")
    gradients = [rng.normal(size=s) for s in SHAPES[:3]]
    ours, theirs = parameters(gradients), [torch.nn.Parameter(torch.tensor(g)) for g in gradients]
    give(ours, gradients)
    for p, g in zip(theirs, gradients, strict=True):
        p.grad = torch.tensor(g)
    unused = parameters([np.ones(2)])
    total = nn.utils.clip_grad_norm_([*ours, *unused], max_norm, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    np.testing.assert_allclose(float(total), float(expected), rtol=1e-12)
    assert_close(values_of([p.grad for p in ours]), [p.grad.numpy() for p in theirs], 1e-12)
    assert unused[0].grad is None


def test_clip_grad_norm_of_nothing_and_of_nan():
    p = parameters([np.ones(2)])[0]
    assert float(nn.utils.clip_grad_norm_([p], 1.0)) == 0.0
    give([p], [np.array([np.nan, 1.0])])
    with pytest.raises(pm.GradientError, match="nan"):
        nn.utils.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
    np.testing.assert_array_equal(pm.to_numpy(p.grad), [np.nan, 1.0])


def test_clip_grad_value():
    p = parameters([np.ones(3)])[0]
    give([p], [np.array([-3.0, 0.25, 9.0])])
    nn.utils.clip_grad_value_([p], 0.5)
    np.testing.assert_array_equal(pm.to_numpy(p.grad), [-0.5, 0.25, 0.5])


def test_step_runs_on_the_parameters_engine(engine):
    p = parameters([np.ones(3)])[0]
    give([p], [np.ones(3)])
    optim.AdamW([p]).step()
    assert backend_of(p.array) is engine.backend and p.device == engine
