"""Layer norm, RMS norm and group norm against torch and finite differences; kernels of all norms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from against import against_differences, against_torch, assert_close
from parity import compare_layers

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
@pytest.mark.parametrize(
    ("shape", "groups"), [((4, 6), 2), ((4, 6), 1), ((2, 6, 5), 6), ((1, 4, 3, 2), 2), ((2, 1), 1)]
)
def test_group_norm_is_that_of_torch(shape, groups, affine, dtype, rng):
    torch = pytest.importorskip("torch")
    extra = chosen(affine, rng.normal(size=shape[1]), rng.normal(size=shape[1]))
    against_torch(
        lambda x, *v: F.group_norm(x, groups, **dict(zip(extra, v, strict=True)), eps=1e-2),
        lambda x, *v: torch.nn.functional.group_norm(
            x, groups, **for_torch(dict(zip(extra, v, strict=True)), x), eps=1e-2
        ),
        [2 * rng.normal(size=shape) + 3, *extra.values()],
        dtype,
        rng,
    )


@both_dtypes
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("eps", [None, 0.1])
@pytest.mark.parametrize(("shape", "normalized"), [((4, 7), (7,)), ((2, 3, 4, 5), (4, 5)), ((5,), (5,))])
def test_rms_norm_is_that_of_torch(shape, normalized, eps, weighted, dtype, rng):
    torch = pytest.importorskip("torch")
    against_torch(
        lambda x, *w: F.rms_norm(x, normalized, *w, eps=eps),
        lambda x, *w: torch.nn.functional.rms_norm(x, normalized, *w, eps=eps),
        [2 * rng.normal(size=shape) + 1, *([rng.normal(size=normalized)] if weighted else [])],
        dtype,
        rng,
    )


def test_rms_norm_of_complex_numbers(rng):
    """Numbers are multiplied with themselves, not with their conjugates."""
    torch = pytest.importorskip("torch")
    x = rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4))
    a, t = pm.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, expected = F.rms_norm(a, 4), torch.nn.functional.rms_norm(t, (4,))
    assert_close(pm.to_numpy(y), expected.detach().numpy(), 1e-9, "result")
    (abs(y) ** 2).sum().backward()
    (expected.abs() ** 2).sum().backward()
    assert_close(pm.to_numpy(a.grad), t.grad.numpy(), 1e-9, "gradient")


def test_the_default_eps_of_rms_norm_is_that_of_the_precision(rng):
    """Of float32 at least. Tiny inputs make it the larger part of the denominator."""
    torch = pytest.importorskip("torch")
    for dtype in ("float16", "float32", "float64"):
        if not pm.current_device().backend.has_dtype(dtype):
            continue
        x = np.full((2, 3), 1e-4, dtype)
        found = pm.to_numpy(F.rms_norm(pm.tensor(x), 3))
        np.testing.assert_allclose(found, torch.nn.functional.rms_norm(torch.tensor(x), (3,)).numpy(), rtol=4e-3)


def test_derivatives_are_those_of_finite_differences(rng):
    x, (weight, bias) = rng.normal(size=(3, 2, 4)), rng.normal(size=(2, 2, 4))
    against_differences(lambda x, w, b: F.layer_norm(x, (2, 4), w, b, eps=0.1) ** 2, [x, weight, bias], rng)
    against_differences(lambda x, w: F.rms_norm(x, (2, 4), w, eps=0.1) ** 2, [x, weight], rng)
    weight, bias = rng.normal(size=(2, 4))
    against_differences(
        lambda x, w, b: F.group_norm(x, 2, w, b, eps=0.1) ** 2, [rng.normal(size=(2, 4, 3)), weight, bias], rng
    )


def test_nothing_to_normalize():
    """No examples, or no elements: the result is empty and the gradients of the weights are 0."""
    for call, shape, size in (
        (lambda x, w: F.layer_norm(x, 3, w, w), (0, 3), 3),
        (lambda x, w: F.layer_norm(x, 0, w, w), (3, 0), 0),
        (lambda x, w: F.rms_norm(x, 3, w), (0, 3), 3),
        (lambda x, w: F.group_norm(x, 2, w, w), (0, 4, 5), 4),
        (lambda x, w: F.group_norm(x, 2, w, w), (3, 4, 0), 4),
    ):
        weight = pm.ones(size, requires_grad=True)
        y = call(pm.zeros(shape), weight)
        assert y.shape == shape
        y.sum().backward()
        np.testing.assert_array_equal(pm.to_numpy(weight.grad), np.zeros(size))


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


@pytest.mark.parametrize(
    "name",
    [
        *("layer_norm", "layer_norm_back", "rms_norm", "rms_norm_back", "group_norm", "group_norm_back"),
        *("moments", "batch_norm", "batch_norm_back", "channel_affine", "channel_affine_back"),
    ],
)
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize(("size", "length"), [(3, 40), (300, 40), (3, 1), (100, 200)])
def test_kernels_agree_with_the_portable_definition(name, weighted, size, length, rng, engine):
    """Also where the input is too large for a kernel to take it at once."""
    xp = engine.backend.namespace
    x, g = rng.normal(size=(2, size, 6, length))
    channels = (6, length) if name.startswith(("layer", "rms")) else (6,)
    weighted |= name.startswith("channel")
    weight, bias = (rng.normal(size=channels) if weighted else None for _ in range(2))
    statistics = np.stack([x.mean((0, 2)), x.var((0, 2))])
    inputs = {
        "layer_norm": (x, weight, bias),
        "layer_norm_back": (g, x, weight),
        "rms_norm": (x, weight),
        "rms_norm_back": (g, x, weight),
        "group_norm": (x, weight, bias),
        "group_norm_back": (g, x, weight),
        "channel_affine": (x, weight, bias),
        "channel_affine_back": (g, x, weight),
        "moments": (x,),
        "batch_norm": (x, statistics, weight, bias),
        "batch_norm_back": (g, x, statistics, weight),
    }[name]
    attrs = {} if name == "moments" or name.startswith("channel") else {"eps": 1e-3}
    attrs |= {"axes": (-2, -1)} if len(channels) > 1 else {"groups": 3} if name.startswith("group") else {}
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
    for y in (
        F.layer_norm(x, (3, 4)),
        F.rms_norm(x, (3, 4)),
        F.group_norm(x, 3),
        F.batch_norm(x, None, None, training=True),
    ):
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
        (lambda: F.rms_norm(pm.zeros((2, 5)), 4, pm.ones(5)), r"rms_norm.*input of shape.*weight of shape"),
        (lambda: F.group_norm(pm.zeros(4), 2), r"\(N, C, \.\.\.\).*\(4,\)"),
        (lambda: F.group_norm(pm.zeros((2, 5)), 2), r"5 channels, of input \(2, 5\).*2 groups"),
        (lambda: F.group_norm(pm.zeros((2, 4)), 2, pm.ones(3)), r"weight has shape \(3,\)"),
        (lambda: F.group_norm(pm.zeros((1, 4)), 4), r"more than one element per group.*\(1, 4\)"),
        (lambda: nn.GroupNorm(2, 4)(pm.zeros((2, 6, 3))), r"weight has shape \(4,\)"),
        (lambda: nn.GroupNorm(2, None)(pm.zeros((2, 5, 3))), r"divisible by 2, received \(2, 5, 3\)"),
        (lambda: nn.RMSNorm((3, None))(pm.zeros(3)), r"3, any.*\(3,\)"),
        (lambda: nn.LayerNorm((3, None))(pm.zeros((2, 4, 3))), r"3, any.*\(2, 4, 3\)"),
    ],
)
def test_shapes_that_do_not_fit(call, says):
    with pytest.raises(pm.ShapeError, match=says):
        call()


def test_wrong_arguments():
    for layer in (nn.LayerNorm, nn.RMSNorm):
        for wrong, error in ((-1, ValueError), ((), ValueError), ((None, 3), TypeError), (2.5, TypeError)):
            with pytest.raises(error, match="normalized_shape"):
                layer(wrong)
    for function in (F.layer_norm, F.rms_norm):
        with pytest.raises(ValueError, match="at least one size"):
            function(pm.ones(3), ())
        with pytest.raises(TypeError, match=r"received polymod\.int64"):
            function(pm.ones(3, dtype=pm.int64), 3)
    with pytest.raises(TypeError, match=r"a floating input, received polymod\.complex128"):
        F.layer_norm(pm.ones(3, dtype=pm.complex128), 3)
    with pytest.raises(ValueError, match=r"num_channels \(5\) must be divisible by num_groups \(2\)"):
        nn.GroupNorm(2, 5)
    for wrong, error in ((0, ValueError), (-1, ValueError), (1.0, TypeError)):
        with pytest.raises(error, match="num_groups"):
            nn.GroupNorm(wrong, 4)
    with pytest.raises(ValueError, match="num_groups must be positive"):
        F.group_norm(pm.ones((2, 4)), 0)


# ------------------------------------------------------------------------------------------------------- layers


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
    ("name", "arguments", "more"),
    [
        ("RMSNorm", (5,), {}),
        ("RMSNorm", ((4, 5),), {"eps": 1e-2}),
        ("RMSNorm", (5,), {"elementwise_affine": False}),
        ("GroupNorm", (2, 4), {}),
        ("GroupNorm", (4, 4, 1e-2), {"bias": False}),
        ("GroupNorm", (1, 4), {"affine": False}),
    ],
)
def test_other_layers_are_those_of_torch(name, arguments, more, rng):
    torch = pytest.importorskip("torch")
    layer, reference = getattr(nn, name)(*arguments, **more), getattr(torch.nn, name)(*arguments, **more)
    assert repr(layer) == repr(reference)
    compare_layers(layer, reference, rng.normal(size=(3, 4, 5)))


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda n: nn.LayerNorm(n), (4, 3)),
        (lambda n: nn.LayerNorm((4, n), bias=False), (2, 4, 3)),
        (lambda n: nn.LayerNorm(n, elementwise_affine=False), (4, 3)),
        (lambda n: nn.RMSNorm((4, n)), (2, 4, 3)),
        (lambda n: nn.RMSNorm(n, elementwise_affine=False), (4, 3)),
        (lambda n: nn.GroupNorm(3, n), (2, 3, 4)),
        (lambda n: nn.GroupNorm(3, n, affine=False), (2, 3, 4)),
    ],
)
def test_sizes_are_found_at_the_first_call(make, shape, rng):
    x = pm.tensor(rng.normal(size=shape).astype(np.float32))
    lazy, known = make(None), make(3)
    assert "None" in repr(lazy)
    tensors = [*lazy.parameters()]
    np.testing.assert_array_equal(pm.to_numpy(lazy(x).detach()), pm.to_numpy(known(x).detach()))
    assert all(a is b for a, b in zip(tensors, lazy.parameters(), strict=True))
    assert repr(lazy) == repr(known)
    loaded = make(None)
    loaded.load_state_dict(known.state_dict())
    np.testing.assert_array_equal(pm.to_numpy(loaded(x).detach()), pm.to_numpy(known(x).detach()))


def test_device_and_dtype(engine):
    for make in (lambda **o: nn.LayerNorm(3, **o), lambda **o: nn.RMSNorm(3, **o), lambda **o: nn.GroupNorm(1, 3, **o)):
        for tensor in make(device=engine, dtype=pm.float64).parameters():
            assert tensor.device == engine
            assert tensor.dtype == pm.float64


def test_shapes_without_data():
    model = nn.Sequential(nn.Conv2d(None, 4, 3), nn.GroupNorm(2, None), nn.LayerNorm((None,)), nn.RMSNorm((7, None)))
    assert model.output_shape((2, 3, 9, 9)) == (2, 4, 7, 7)
    assert model[1].num_channels == 4


@pytest.mark.filterwarnings("ignore:Mismatch dtype")  # torch's, of a slower way that it goes
@pytest.mark.parametrize("function", ["layer_norm", "rms_norm", "group_norm"])
def test_half_precision_beside_single(function, rng):
    """A float16 input with float32 weights gives float16."""
    torch = pytest.importorskip("torch")
    if not pm.current_device().backend.has_dtype("float16"):
        pytest.skip("the engine says that it has no float16")
    x, weight = rng.normal(size=(4, 6)).astype(np.float16), rng.normal(size=6).astype(np.float32)
    arguments = (2,) if function == "group_norm" else ((6,),)
    y = getattr(F, function)(pm.tensor(x), *arguments, pm.tensor(weight))
    t = getattr(torch.nn.functional, function)(torch.tensor(x), *arguments, torch.tensor(weight))
    assert y.dtype == pm.float16
    np.testing.assert_allclose(pm.to_numpy(y), t.numpy(), atol=1e-2)


def test_lazy_layer_norm_keeps_what_was_loaded() -> None:
    layer = nn.LayerNorm(None)
    layer.load_state_dict({"weight": np.full(3, 2.0), "bias": np.full(3, 5.0)})
    y = layer(pm.tensor([[1.0, 2.0, 3.0]]))
    assert layer.normalized_shape == (3,)
    np.testing.assert_allclose(pm.to_numpy(layer.weight), 2.0)
    np.testing.assert_allclose(pm.to_numpy(y.detach()).mean(), 5.0, rtol=1e-6)
