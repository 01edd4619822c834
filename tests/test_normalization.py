"""Layer norm and batch norm against torch and finite differences; running statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from against import TOLERANCE, against_differences, against_torch, assert_close

import polymod as pm
from polymod import nn
from polymod.backend import portable
from polymod.nn import functional as F

both_dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])
with_and_without = pytest.mark.parametrize("affine", ["weight and bias", "weight", "bias", "neither"])


def for_torch(given: dict[str, Any], like: Any) -> dict[str, Any]:
    """With a weight of ones where there is only a bias: torch's second derivative fails without it."""
    return {"weight": like.new_ones(given["bias"].shape), **given} if set(given) == {"bias"} else given


def chosen(affine: str, weight: np.ndarray, bias: np.ndarray) -> dict[str, np.ndarray]:
    return {k: v for k, v in (("weight", weight), ("bias", bias)) if k in affine}


@both_dtypes
@with_and_without
@pytest.mark.parametrize(
    ("shape", "normalized"), [((4, 7), (7,)), ((2, 3, 4, 5), (4, 5)), ((5,), (5,)), ((3, 2), (3, 2))]
)
def test_layer_norm_is_that_of_torch(shape, normalized, affine, dtype, rng):
    torch = pytest.importorskip("torch")
    x = 2 * rng.normal(size=shape) + 3
    extra = chosen(affine, rng.normal(size=normalized), rng.normal(size=normalized))
    against_torch(
        lambda x, *v: F.layer_norm(x, normalized, **dict(zip(extra, v, strict=True)), eps=1e-3),
        lambda x, *v: torch.nn.functional.layer_norm(
            x, normalized, **for_torch(dict(zip(extra, v, strict=True)), x), eps=1e-3
        ),
        [x, *extra.values()],
        dtype,
        rng,
    )


@both_dtypes
@with_and_without
@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5), (4, 3, 5, 2), (1, 3, 4, 4)])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_is_that_of_torch(shape, affine, training, dtype, rng):
    torch = pytest.importorskip("torch")
    x = 2 * rng.normal(size=shape) + 1
    extra = chosen(affine, rng.normal(size=3), rng.normal(size=3))
    mean, var = rng.normal(size=3).astype(dtype), rng.uniform(0.5, 2, 3).astype(dtype)
    running, expected = [pm.tensor(v) for v in (mean, var)], [torch.tensor(v) for v in (mean, var)]

    def normalize(module, stats, x, *v):
        given = dict(zip(extra, v, strict=True))
        given = given if module is F else for_torch(given, x)
        return module.batch_norm(x, *stats, **given, training=training, momentum=0.3, eps=1e-3)

    against_torch(
        lambda x, *v: normalize(F, running, x, *v),
        lambda x, *v: normalize(torch.nn.functional, expected, x, *v),
        [x, *extra.values()],
        dtype,
        rng,
    )
    for found, t, before in zip(running, expected, (mean, var), strict=True):
        assert_close(pm.to_numpy(found), t.numpy(), TOLERANCE[dtype], "running")
        assert np.array_equal(pm.to_numpy(found), before) is not training


def test_derivatives_are_those_of_finite_differences(rng):
    x, weight, bias = rng.normal(size=(3, 2, 4)), rng.normal(size=2), rng.normal(size=2)
    against_differences(
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True, eps=0.1) ** 2, [x, weight, bias], rng
    )
    weight, bias = rng.normal(size=(2, 2, 4))
    against_differences(lambda x, w, b: F.layer_norm(x, (2, 4), w, b, eps=0.1) ** 2, [x, weight, bias], rng)


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


def test_values_far_from_zero(rng):
    """A mean of 1000 standard deviations costs no more digits than float32 has for such values."""
    x = (rng.normal(size=(64, 8, 5)) + 1000).astype(np.float32)
    wide = x.astype(np.float64)
    for axes, function in (
        ((0, 2), lambda x: F.batch_norm(x, None, None, training=True)),
        ((1, 2), lambda x: F.layer_norm(x, (8, 5))),
    ):
        mean, var = wide.mean(axes, keepdims=True), wide.var(axes, keepdims=True)
        expected = (wide - mean) / np.sqrt(var + 1e-5)
        found = pm.to_numpy(function(pm.tensor(x)))
        np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("name", ["layer_norm", "layer_norm_back", "moments", "batch_norm", "batch_norm_back"])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("size", [3, 300])
def test_kernels_agree_with_the_portable_definition(name, weighted, size, rng, engine):
    """Also where the input is too large for a kernel to take it at once."""
    xp = engine.backend.namespace
    x, g = rng.normal(size=(2, size, 6, 40))
    channels = (6,) if name.startswith("batch") else (6, 40)
    weight, bias = (rng.normal(size=channels) if weighted else None for _ in range(2))
    statistics = np.stack([x.mean((0, 2)), x.var((0, 2))])
    inputs = {
        "layer_norm": (x, weight, bias),
        "layer_norm_back": (g, x, weight),
        "moments": (x,),
        "batch_norm": (x, statistics, weight, bias),
        "batch_norm_back": (g, x, statistics, weight),
    }[name]
    attrs = {} if name == "moments" else {"eps": 1e-3} | ({"axes": (-2, -1)} if name.startswith("layer") else {})
    arrays = [None if v is None else pm.tensor(v).array for v in inputs]
    found, expected = getattr(xp, name)(*arrays, **attrs), portable[name](xp, *arrays, **attrs)
    if not name.endswith("back"):
        found, expected = (found,), (expected,)
    for a, b in zip(found, expected, strict=True):
        assert (a is None) is (b is None)
        if a is not None:
            assert_close(pm.to_numpy(a), pm.to_numpy(b), 1e-11, name)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_results_keep_the_dtype(dtype, rng, engine):
    if getattr(engine.backend.xp, dtype, None) is None:
        pytest.skip(f"{engine} has no {dtype}")
    x = pm.astype(pm.tensor(rng.normal(size=(8, 3, 4))), dtype)
    x.requires_grad_()
    for y in (F.layer_norm(x, (3, 4)), F.batch_norm(x, None, None, training=True)):
        assert y.dtype == dtype
        (g,) = pm.autograd.grad(y.sum(), [x])
        assert g.dtype == dtype


# ------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: F.layer_norm(pm.zeros((2, 5)), 4), r"\(2, 5\).*\(\.\.\., 4,\)"),
        (lambda: F.layer_norm(pm.zeros((2, 4)), 4, pm.ones(5)), r"weight of shape \(4,\).*\(5,\)"),
        (lambda: F.layer_norm(pm.zeros((2, 5)), 4, pm.ones(5)), r"input of shape.*weight of shape"),
        (lambda: F.batch_norm(pm.zeros(5), None, None, training=True), r"\(N, C, \.\.\.\).*\(5,\)"),
        (lambda: F.batch_norm(pm.zeros((2, 3)), pm.zeros(4), pm.ones(3)), r"running_mean has shape \(4,\)"),
        (lambda: F.batch_norm(pm.zeros((1, 3)), None, None, training=True), r"more than one element.*\(1, 3\)"),
        (lambda: nn.BatchNorm2d(3)(pm.zeros((2, 3))), r"4 axes.*\(2, 3\)"),
        (lambda: nn.BatchNorm1d(3)(pm.zeros((2, 3, 4, 4))), r"2 or 3 axes.*\(2, 3, 4, 4\)"),
        (lambda: nn.BatchNorm2d(3)(pm.zeros((2, 4, 3, 3))), r"\(4,\).*running_mean has shape \(3,\)"),
        (lambda: nn.LayerNorm((3, None))(pm.zeros((2, 4, 3))), r"3, any.*\(2, 4, 3\)"),
    ],
)
def test_shapes_that_do_not_fit(call, says):
    with pytest.raises(pm.ShapeError, match=says):
        call()


def test_wrong_arguments():
    for wrong in (0, -1, (), (3, 0), (None, 3), 2.5):
        with pytest.raises(ValueError, match="normalized_shape"):
            nn.LayerNorm(wrong)
    for wrong in (0, -3, 2.5):
        with pytest.raises(ValueError, match="num_features"):
            nn.BatchNorm2d(wrong)
    with pytest.raises(ValueError, match="running_mean"):
        F.batch_norm(pm.zeros((2, 3)), None, None)


def test_a_failed_call_changes_no_statistics():
    layer = nn.BatchNorm1d(3)
    before = {k: pm.to_numpy(v) for k, v in layer.state_dict().items()}
    with pytest.raises(pm.ShapeError):
        layer(pm.ones((1, 3)))
    assert all(np.array_equal(pm.to_numpy(v), before[k]) for k, v in layer.state_dict().items())


# ------------------------------------------------------------------------------------------------------- layers


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"momentum": 0.3, "eps": 1e-3},
        {"momentum": None},
        {"affine": False},
        {"bias": False},
        {"track_running_stats": False},
        {"affine": False, "track_running_stats": False},
    ],
)
@pytest.mark.parametrize(
    ("name", "shape"), [("BatchNorm1d", (5, 4)), ("BatchNorm1d", (3, 4, 6)), ("BatchNorm2d", (3, 4, 2, 5))]
)
def test_batch_norm_layers_are_those_of_torch(name, shape, more, rng):
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


@pytest.mark.parametrize(
    ("shape", "more"),
    [(5, {}), ((4, 5), {"eps": 1e-2}), (5, {"bias": False}), (5, {"elementwise_affine": False})],
)
def test_layer_norm_layer_is_that_of_torch(shape, more, rng):
    torch = pytest.importorskip("torch")
    layer = nn.LayerNorm(shape, dtype=pm.float64, **more)
    reference = torch.nn.LayerNorm(shape, dtype=torch.float64, **more)
    assert {k: v.shape for k, v in layer.state_dict().items()} == {
        k: tuple(v.shape) for k, v in reference.state_dict().items()
    }
    for key, value in layer.state_dict().items():
        np.testing.assert_array_equal(pm.to_numpy(value), reference.state_dict()[key].numpy())
    assert repr(layer) == repr(reference)
    against_torch(layer, reference, [rng.normal(size=(3, 4, 5))], "float64", rng)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda n: nn.BatchNorm1d(n), (4, 3)),
        (lambda n: nn.BatchNorm2d(n, affine=False), (2, 3, 2, 2)),
        (lambda n: nn.BatchNorm2d(n, track_running_stats=False), (2, 3, 2, 2)),
        (lambda n: nn.LayerNorm(n), (4, 3)),
        (lambda n: nn.LayerNorm((4, n), bias=False), (2, 4, 3)),
        (lambda n: nn.LayerNorm(n, elementwise_affine=False), (4, 3)),
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
    for a, b in zip(lazy.state_dict().values(), known.state_dict().values(), strict=True):
        np.testing.assert_array_equal(pm.to_numpy(a), pm.to_numpy(b))
    loaded = make(None)
    loaded.load_state_dict(known.state_dict())
    np.testing.assert_array_equal(pm.to_numpy(loaded.eval()(x).detach()), pm.to_numpy(known.eval()(x).detach()))


def test_device_and_dtype(engine):
    for layer in (nn.BatchNorm2d(3, device=engine, dtype=pm.float64), nn.LayerNorm(3, device=engine, dtype=pm.float64)):
        for tensor in (*layer.parameters(), *layer.buffers()):
            assert tensor.device == engine
            assert tensor.dtype in (pm.float64, pm.int64)


def test_shapes_without_data():
    model = nn.Sequential(nn.Conv2d(None, 4, 3), nn.BatchNorm2d(None), nn.LayerNorm((None,)))
    assert model.output_shape((2, 3, 9, 9)) == (2, 4, 7, 7)
    assert int(model[1].num_batches_tracked) == 0


def test_lazy_layer_norm_keeps_what_was_loaded() -> None:
    layer = nn.LayerNorm(None)
    layer.load_state_dict({"weight": np.full(3, 2.0), "bias": np.full(3, 5.0)})
    y = layer(pm.tensor([[1.0, 2.0, 3.0]]))
    assert layer.normalized_shape == (3,)
    np.testing.assert_allclose(pm.to_numpy(layer.weight), 2.0)
    np.testing.assert_allclose(pm.to_numpy(y.detach()).mean(), 5.0, rtol=1e-6)
