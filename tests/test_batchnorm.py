"""Batch norm and instance norm against torch and finite differences; running statistics."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from against import TOLERANCE, against_differences, against_torch, assert_close

import polymod as pm
from polymod import nn
from polymod.nn import functional as F

both_dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])
with_and_without = pytest.mark.parametrize("affine", ["weight and bias", "weight", "bias", "neither"])
both_functions = pytest.mark.parametrize("name", ["batch_norm", "instance_norm"])


def chosen(affine: str, weight: np.ndarray, bias: np.ndarray) -> dict[str, np.ndarray]:
    return {k: v for k, v in (("weight", weight), ("bias", bias)) if k in affine}


def for_torch(given: dict[str, Any]) -> dict[str, Any]:
    """With a weight of ones where there is only a bias: torch's second derivative fails without it."""
    return {"weight": given["bias"].new_ones(given["bias"].shape), **given} if set(given) == {"bias"} else given


shapes = [(4, 3, 5), (4, 3, 5, 2), (1, 3, 4, 4), (2, 3, 2, 3, 2)]


@both_dtypes
@with_and_without
@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(
    ("name", "shape"), [("batch_norm", s) for s in [(6, 3), *shapes]] + [("instance_norm", s) for s in shapes]
)
def test_functions_are_those_of_torch(name, shape, affine, own, dtype, rng):
    """Results, both derivatives, and the running statistics after the call."""
    torch = pytest.importorskip("torch")
    x = 2 * rng.normal(size=shape) + 1
    extra = chosen(affine, rng.normal(size=3), rng.normal(size=3))
    mean, var = rng.normal(size=3).astype(dtype), rng.uniform(0.5, 2, 3).astype(dtype)
    running, expected = [pm.tensor(v) for v in (mean, var)], [torch.tensor(v) for v in (mean, var)]
    more = {"training" if name == "batch_norm" else "use_input_stats": own, "momentum": 0.3, "eps": 1e-3}

    against_torch(
        lambda x, *v: getattr(F, name)(x, *running, **dict(zip(extra, v, strict=True)), **more),
        lambda x, *v: getattr(torch.nn.functional, name)(
            x, *expected, **for_torch(dict(zip(extra, v, strict=True))), **more
        ),
        [x, *extra.values()],
        dtype,
        rng,
    )
    for found, t, before in zip(running, expected, (mean, var), strict=True):
        assert_close(pm.to_numpy(found), t.numpy(), TOLERANCE[dtype], "running")
        assert np.array_equal(pm.to_numpy(found), before) is not own


def test_derivatives_are_those_of_finite_differences(rng):
    x, weight, bias = rng.normal(size=(3, 2, 4)), rng.normal(size=2), rng.normal(size=2)
    against_differences(
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True, eps=0.1) ** 2, [x, weight, bias], rng
    )
    against_differences(lambda x, w, b: F.instance_norm(x, weight=w, bias=b, eps=0.1) ** 2, [x, weight, bias], rng)


def test_gradients_of_the_weights_alone(rng):
    """The input needs no gradient, and none of its own statistics do."""
    torch = pytest.importorskip("torch")
    x = rng.normal(size=(4, 3, 2))
    against_torch(
        lambda w, b: F.batch_norm(pm.tensor(x), None, None, w, b, training=True),
        lambda w, b: torch.nn.functional.batch_norm(torch.tensor(x), None, None, w, b, training=True),
        [rng.normal(size=3), rng.normal(size=3)],
        "float64",
        rng,
    )


@both_functions
def test_an_empty_batch_changes_no_statistics(name):
    weight, bias = (pm.ones(3, requires_grad=True) for _ in range(2))
    mean, var = pm.zeros(3), pm.ones(3)
    x = pm.zeros((0, 3, 4), requires_grad=True)
    own = {"training" if name == "batch_norm" else "use_input_stats": True}
    y = getattr(F, name)(x, mean, var, weight, bias, **own)
    assert y.shape == x.shape
    y.sum().backward()
    np.testing.assert_array_equal(pm.to_numpy(weight.grad), 0)
    np.testing.assert_array_equal(pm.to_numpy(mean), 0)
    np.testing.assert_array_equal(pm.to_numpy(var), 1)
    assert F.batch_norm(pm.zeros(0), pm.zeros(0), pm.zeros(0), training=True).shape == (0,)


# ------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: F.batch_norm(pm.zeros(5), None, None, training=True), r"\(N, C, \.\.\.\).*\(5,\)"),
        (lambda: F.batch_norm(pm.zeros((2, 3)), pm.zeros(4), pm.ones(3)), r"running_mean has shape \(4,\)"),
        (lambda: F.batch_norm(pm.zeros((1, 3)), None, None, training=True), r"more than one element.*\(1, 3\)"),
        (lambda: F.instance_norm(pm.zeros((2, 3))), r"more than one element.*\(2, 3\)"),
        (lambda: F.instance_norm(pm.zeros((2, 3, 1, 1))), r"more than one element.*\(2, 3, 1, 1\)"),
        (lambda: F.instance_norm(pm.zeros((2, 3, 4)), weight=pm.ones(6)), r"weight has shape \(6,\)"),
        (lambda: nn.BatchNorm2d(3)(pm.zeros((2, 3))), r"4 axes.*\(2, 3\)"),
        (lambda: nn.BatchNorm1d(3)(pm.zeros((2, 3, 4, 4))), r"2 or 3 axes.*\(2, 3, 4, 4\)"),
        (lambda: nn.BatchNorm3d(3)(pm.zeros((2, 3, 4, 4))), r"5 axes.*\(2, 3, 4, 4\)"),
        (lambda: nn.SyncBatchNorm(3)(pm.zeros(3)), r"2 or more axes.*\(3,\)"),
        (lambda: nn.LazyBatchNorm2d()(pm.zeros((2, 3))), r"4 axes.*\(2, 3\)"),
        (lambda: nn.BatchNorm2d(3)(pm.zeros((2, 4, 3, 3))), r"\(4,\).*running_mean has shape \(3,\)"),
        (lambda: nn.InstanceNorm2d(3)(pm.zeros((2, 3))), r"3 or 4 axes.*\(2, 3\)"),
        (lambda: nn.InstanceNorm1d(3, affine=True)(pm.zeros((2, 4, 5))), r"InstanceNorm1d\(3\).*4 channels"),
        (lambda: nn.InstanceNorm1d(3, track_running_stats=True)(pm.zeros((4, 5))), r"InstanceNorm1d\(3\).*4 channels"),
    ],
)
def test_shapes_that_do_not_fit(call, says):
    with pytest.raises(pm.ShapeError, match=says):
        call()


def test_wrong_arguments():
    for wrong, error in ((-3, ValueError), (2.5, TypeError), (True, TypeError), ("3", TypeError)):
        for layer in (nn.BatchNorm2d, nn.InstanceNorm1d, nn.SyncBatchNorm):
            with pytest.raises(error, match="num_features"):
                layer(wrong)
    x, three = pm.ones((2, 3, 4)), pm.ones(3)
    for eps, training in ((-1e-5, False), (0.0, True)):
        with pytest.raises(ValueError, match="eps must be positive in training"):
            F.batch_norm(x, three, three, training=training, eps=eps)
    for function, own in ((F.batch_norm, {"training": True}), (F.instance_norm, {})):
        with pytest.raises(ValueError, match="running_var is None"):
            function(x, three, None, **own)
        with pytest.raises(TypeError, match="running_mean, which must be a Tensor, received ndarray"):
            function(x, np.ones(3), np.ones(3), **own)
        with pytest.raises(TypeError, match=r"floating input, received polymod\.int64"):
            function(pm.ones((2, 3, 4), dtype=pm.int64), None, None, **own)
    for function, off in ((F.batch_norm, {"training": False}), (F.instance_norm, {"use_input_stats": False})):
        with pytest.raises(ValueError, match="running_mean and running_var unless"):
            function(x, None, None, **off)


def test_a_failed_call_changes_no_statistics():
    layer = nn.BatchNorm1d(3)
    before = {k: pm.to_numpy(v) for k, v in layer.state_dict().items()}
    with pytest.raises(pm.ShapeError):
        layer(pm.ones((1, 3)))
    assert all(np.array_equal(pm.to_numpy(v), before[k]) for k, v in layer.state_dict().items())


def test_instance_norm_without_weight_takes_other_channels_with_a_warning(rng):
    torch = pytest.importorskip("torch")
    x = rng.normal(size=(2, 4, 5))
    with pytest.warns(UserWarning, match="received 4 channels"):
        y = nn.InstanceNorm1d(3)(pm.tensor(x))
    expected = torch.nn.functional.instance_norm(torch.tensor(x)).numpy()
    assert_close(pm.to_numpy(y), expected, 1e-9, "result")


# ------------------------------------------------------------------------------------------------------- layers


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"momentum": 0.3, "eps": 1e-3},
        {"momentum": None},
        {"affine": False},
        {"affine": True, "track_running_stats": True},
        {"affine": True, "bias": False},
        {"track_running_stats": False},
        {"track_running_stats": True, "momentum": None},
        {"affine": False, "track_running_stats": False},
    ],
)
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("BatchNorm1d", (5, 4)),
        ("BatchNorm1d", (3, 4, 6)),
        ("BatchNorm2d", (3, 4, 2, 5)),
        ("BatchNorm3d", (2, 4, 2, 3, 2)),
        ("SyncBatchNorm", (3, 4, 2)),
        ("InstanceNorm1d", (3, 4, 6)),
        ("InstanceNorm1d", (4, 6)),
        ("InstanceNorm2d", (3, 4, 2, 5)),
        ("InstanceNorm2d", (4, 2, 5)),
        ("InstanceNorm3d", (2, 4, 2, 3, 2)),
        ("InstanceNorm3d", (4, 2, 3, 2)),
    ],
)
def test_layers_are_those_of_torch(name, shape, more, rng):
    """Several training steps, then evaluation: results, gradients, buffers and keys."""
    torch = pytest.importorskip("torch")
    layer = getattr(nn, name)(4, dtype=pm.float64, **more)
    reference = getattr(torch.nn, name)(4, dtype=torch.float64, **more)
    assert repr(layer) == repr(reference)
    if layer.affine:
        for p, q in zip(layer.parameters(), reference.parameters(), strict=True):
            values = rng.normal(size=4)
            with pm.no_grad(), torch.no_grad():
                p[...] = pm.tensor(values)
                q.copy_(torch.tensor(values))
    for step in range(4):
        if step == 3:
            layer.eval()
            reference.eval()
        x = rng.normal(size=shape) + step
        against_torch(layer, reference, [x], "float64", rng)
        state, expected = layer.state_dict(), reference.state_dict()
        assert list(state) == list(expected)
        for key in state:
            assert_close(pm.to_numpy(state[key]), expected[key].numpy(), 1e-9, f"{key} after step {step}")
    y, t = layer(pm.tensor(x)), reference(torch.tensor(x))
    if layer.affine:
        (y * y).sum().backward()
        (t * t).sum().backward()
        for p, q in zip(layer.parameters(), reference.parameters(), strict=True):
            assert_close(pm.to_numpy(p.grad), q.grad.numpy(), 1e-9, "gradient")


@pytest.mark.parametrize("name", ["BatchNorm2d", "InstanceNorm2d"])
@pytest.mark.parametrize("where", ["functional", "layer"])
def test_half_precision_beside_single(name, where, rng):
    """A float16 input with float32 parameters and statistics gives float16, and the statistics stay float32."""
    torch = pytest.importorskip("torch")
    if not pm.current_device().backend.has_dtype("float16"):
        pytest.skip("the engine says that it has no float16")
    x = rng.normal(size=(4, 3, 5, 5)).astype(np.float16)
    layer = getattr(nn, name)(3, affine=True, track_running_stats=True)
    reference = getattr(torch.nn, name)(3, affine=True, track_running_stats=True)
    y, t = layer(pm.tensor(x)), reference(torch.tensor(x))
    assert y.dtype == pm.float16
    np.testing.assert_allclose(pm.to_numpy(y.detach()), t.detach().numpy(), atol=1e-2)
    for key, value in layer.state_dict().items():
        expected = reference.state_dict()[key]
        assert value.dtype.name == str(expected.dtype).removeprefix("torch.")
        np.testing.assert_allclose(pm.to_numpy(value), expected.numpy(), atol=1e-3)


def test_the_count_of_batches_is_a_0d_int64():
    layer = nn.BatchNorm2d(3)
    layer(pm.ones((2, 3, 2, 2)))
    assert layer.num_batches_tracked.shape == ()
    assert layer.num_batches_tracked.dtype == pm.int64
    assert int(layer.num_batches_tracked) == 1
    layer.reset_running_stats()
    assert int(layer.num_batches_tracked) == 0


def test_buffers_stay_the_same_objects_and_carry_no_gradient(rng):
    layer = nn.BatchNorm1d(3)
    mean = layer.running_mean
    x = pm.tensor(rng.normal(size=(4, 3)).astype(np.float32), requires_grad=True)
    y = layer(x)
    assert layer.running_mean is mean
    assert not mean.requires_grad
    assert y.requires_grad
    assert float(abs(mean).max()) > 0


# ------------------------------------------------------------------------------------------------- sizes to be found


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda n: nn.BatchNorm1d(n), (4, 3)),
        (lambda n: nn.BatchNorm2d(n, affine=False), (2, 3, 2, 2)),
        (lambda n: nn.BatchNorm2d(n, track_running_stats=False), (2, 3, 2, 2)),
        (lambda n: nn.InstanceNorm2d(n, affine=True), (3, 4, 2)),
        (lambda n: nn.InstanceNorm2d(n), (2, 3, 4, 2)),
        (lambda n: nn.LazyBatchNorm1d() if n is None else nn.BatchNorm1d(n), (4, 3)),
        (lambda n: nn.LazyBatchNorm2d(bias=False) if n is None else nn.BatchNorm2d(n, bias=False), (4, 3, 2, 2)),
        (lambda n: nn.LazyBatchNorm3d(1e-3) if n is None else nn.BatchNorm3d(n, 1e-3), (4, 3, 2, 2, 1)),
        (lambda n: nn.LazyInstanceNorm1d() if n is None else nn.InstanceNorm1d(n, 1e-5, 0.1, True, True), (4, 3, 2)),
        (
            lambda n: (
                nn.LazyInstanceNorm2d(affine=False) if n is None else nn.InstanceNorm2d(n, 1e-5, 0.1, False, True)
            ),
            (3, 2, 4),
        ),
        (
            lambda n: nn.LazyInstanceNorm3d() if n is None else nn.InstanceNorm3d(n, 1e-5, 0.1, True, True),
            (2, 3, 2, 2, 2),
        ),
    ],
)
def test_sizes_are_found_at_the_first_call(make, shape, rng):
    x = pm.tensor(rng.normal(size=shape).astype(np.float32))
    lazy, known = make(None), make(3)
    assert "None" in repr(lazy)
    tensors = [*lazy.parameters(), *lazy.buffers()]
    np.testing.assert_array_equal(pm.to_numpy(lazy(x).detach()), pm.to_numpy(known(x).detach()))
    assert all(a is b for a, b in zip(tensors, [*lazy.parameters(), *lazy.buffers()], strict=True))
    assert repr(lazy) == repr(known)
    assert type(lazy) is type(known)
    assert list(lazy.state_dict()) == list(known.state_dict())
    for a, b in zip(lazy.state_dict().values(), known.state_dict().values(), strict=True):
        np.testing.assert_array_equal(pm.to_numpy(a), pm.to_numpy(b))
    loaded = make(None)
    loaded.load_state_dict(known.state_dict())
    np.testing.assert_array_equal(pm.to_numpy(loaded.eval()(x).detach()), pm.to_numpy(known.eval()(x).detach()))


def test_shapes_without_data():
    model = nn.Sequential(
        nn.Conv2d(None, 4, 3), nn.LazyBatchNorm2d(), nn.InstanceNorm2d(None, affine=True), nn.LazyInstanceNorm2d()
    )
    assert model.output_shape((2, 3, 9, 9)) == (2, 4, 7, 7)
    assert int(model[1].num_batches_tracked) == 0
    assert model[2].num_features == 4
    assert type(model[1]) is nn.BatchNorm2d


def test_device_and_dtype(engine):
    for kind in (nn.BatchNorm2d, nn.InstanceNorm2d):
        layer = kind(3, affine=True, track_running_stats=True, device=engine, dtype=pm.float64)
        for tensor in (*layer.parameters(), *layer.buffers()):
            assert tensor.device == engine
            assert tensor.dtype in (pm.float64, pm.int64)


# -------------------------------------------------------------------------------------------------- SyncBatchNorm


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        shared = nn.BatchNorm1d(4)
        self.first = nn.Sequential(nn.Linear(4, 4), shared)
        self.blocks = [nn.BatchNorm1d(4, momentum=None), nn.InstanceNorm1d(4)]
        self.named = nn.ModuleDict({"a": nn.BatchNorm1d(4, affine=False)})
        self.pair = (nn.ReLU(), shared)

    def forward(self, input):
        return self.pair[1](self.named["a"](self.blocks[0](self.first(input))))


def test_convert_sync_batchnorm(rng):
    """Every BatchNorm, wherever it is held, is replaced by one with the same parameters; ties stay."""
    net = Net().eval()
    other = copy.deepcopy(net)
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    assert converted is net
    assert not [m for m in net.modules() if isinstance(m, nn.BatchNorm1d)]
    assert sum(isinstance(m, nn.SyncBatchNorm) for m in net.modules()) == 3
    assert net.pair[1] is net.first[1]
    assert not net.pair[1].training
    assert (
        repr(net.blocks[0]) == "SyncBatchNorm(4, eps=1e-05, momentum=None, affine=True, bias=True, "
        "track_running_stats=True)"
    )
    assert list(net.state_dict()) == list(other.state_dict())
    x = pm.tensor(rng.normal(size=(5, 4)).astype(np.float32))
    for mode in (True, False):
        net.train(mode)
        other.train(mode)
        np.testing.assert_array_equal(pm.to_numpy(net(x).detach()), pm.to_numpy(other(x).detach()))
    single = nn.BatchNorm2d(3)
    layer = nn.SyncBatchNorm.convert_sync_batchnorm(single)
    assert isinstance(layer, nn.SyncBatchNorm)
    assert layer.weight is single.weight
    assert layer.running_mean is single.running_mean
