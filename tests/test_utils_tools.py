"""Smaller tools of nn.utils: vectors of parameters, fusion, skip_init, clipping with a known norm."""

from __future__ import annotations

import numpy as np
import pytest

import polymod as pm
from polymod import nn
from polymod.nn import utils


def values(tensor):
    return pm.to_numpy(tensor.detach())


def test_parameters_as_a_vector(rng):
    layer = nn.Linear(3, 2).to(pm.float64)
    vector = utils.parameters_to_vector(layer.parameters())
    np.testing.assert_array_equal(values(vector), np.concatenate([values(p).ravel() for p in layer.parameters()]))
    (vector**2).sum().backward()
    np.testing.assert_allclose(values(layer.bias.grad), 2 * values(layer.bias))
    weight, new = layer.weight, rng.normal(size=8)
    utils.vector_to_parameters(pm.tensor(new), layer.parameters())
    assert layer.weight is weight
    np.testing.assert_array_equal(values(layer.weight), new[:6].reshape(2, 3))
    with pytest.raises(pm.ShapeError, match="8 elements"):
        utils.vector_to_parameters(pm.tensor(new[:7]), layer.parameters())
    with pytest.raises(TypeError):
        utils.vector_to_parameters(new, layer.parameters())
    np.testing.assert_array_equal(values(layer.bias), new[6:])


def trained(norm, rng):
    for name in ("running_mean", "running_var", "weight", "bias"):
        tensor = getattr(norm, name)
        if tensor is not None:
            tensor.array = pm.tensor(rng.uniform(0.5, 2, size=tensor.shape)).array
    return norm.to(pm.float64).eval()


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_fused_layers_do_what_both_did(bias, affine, rng):
    x = pm.tensor(rng.normal(size=(2, 3, 5, 5)))
    conv = nn.Conv2d(3, 4, 3, bias=bias).to(pm.float64).eval()
    norm = trained(nn.BatchNorm2d(4, affine=affine), rng)
    fused = utils.fuse_conv_bn_eval(conv, norm)
    np.testing.assert_allclose(values(fused(x)), values(norm(conv(x))), rtol=1e-9, atol=1e-12)
    conv = nn.ConvTranspose2d(3, 4, 3, bias=bias).to(pm.float64).eval()
    fused = utils.fuse_conv_bn_eval(conv, norm, transpose=True)
    np.testing.assert_allclose(values(fused(x)), values(norm(conv(x))), rtol=1e-9, atol=1e-12)
    linear = nn.Linear(5, 4, bias=bias).to(pm.float64).eval()
    norm = trained(nn.BatchNorm1d(4, affine=affine), rng)
    fused = utils.fuse_linear_bn_eval(linear, norm)
    x = pm.tensor(rng.normal(size=(6, 5)))
    np.testing.assert_allclose(values(fused(x)), values(norm(linear(x))), rtol=1e-9, atol=1e-12)
    assert fused is not linear
    assert fused.weight.requires_grad


def test_what_can_not_be_fused():
    conv, norm = nn.Conv1d(2, 3, 1), nn.BatchNorm1d(3)
    with pytest.raises(pm.StateError, match="evaluation"):
        utils.fuse_conv_bn_eval(conv, norm.eval())
    with pytest.raises(pm.StateError, match="running statistics"):
        utils.fuse_conv_bn_eval(conv.eval(), nn.BatchNorm1d(3, track_running_stats=False).eval())
    with pytest.raises(pm.ShapeError, match="4 features"):
        utils.fuse_linear_bn_eval(nn.Linear(2, 4).eval(), norm)


def test_skip_init_draws_nothing():
    pm.random.manual_seed(3)
    expected = values(pm.random.rand(3))
    pm.random.manual_seed(3)
    layer = utils.skip_init(nn.Linear, 3, out_features=2, dtype=pm.float64)
    np.testing.assert_array_equal(values(pm.random.rand(3)), expected)
    assert layer.weight.shape == (2, 3)
    assert layer.weight.dtype == pm.float64
    assert layer.weight.requires_grad
    with pytest.raises(TypeError, match="class of modules"):
        utils.skip_init(len)


def test_clipping_with_a_known_norm():
    layer = nn.Linear(2, 1)
    layer(pm.asarray([[3.0, 4.0]])).sum().backward()
    total = utils.get_total_norm([p.grad for p in layer.parameters()])
    assert float(total) == pytest.approx(26**0.5)
    utils.clip_grads_with_norm_(layer.parameters(), 1.0, total)
    np.testing.assert_allclose(values(layer.weight.grad), np.asarray([[3, 4]]) / 26**0.5, rtol=1e-5)
    utils.clip_grads_with_norm_(layer.parameters(), 1.0, pm.asarray(0.5))
    np.testing.assert_allclose(values(layer.weight.grad), np.asarray([[3, 4]]) / 26**0.5, rtol=1e-5)


def test_functional_call():
    layer = nn.Linear(2, 1)
    given = {"weight": pm.ones((1, 2)), "bias": pm.zeros((1,))}
    assert float(utils.stateless.functional_call(layer, given, pm.asarray([2.0, 3.0]))[0]) == 5
