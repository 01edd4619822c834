"""AdaptiveLogSoftmaxWithLoss: as torch's, a distribution, and only the rows that a cluster needs."""

from __future__ import annotations

import numpy as np
import pytest
from parity import compare_layers

import polymod as pm
from polymod import nn


def targets(rng: np.random.Generator) -> np.ndarray:
    return np.asarray([0, 3, 4, 9, 10, 19, 2, 12])


@pytest.mark.parametrize("how", [{}, {"div_value": 2.0, "head_bias": True}])
def test_as_torch(how: dict, rng: np.random.Generator):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 10], **how)
    ours = nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 10], **how)
    x = rng.normal(size=(8, 8))
    compare_layers(ours, theirs, x, targets(rng))
    compare_layers(ours, theirs, x[0], np.asarray(12))
    for method in ("log_prob", "predict"):
        found, expected = getattr(ours, method)(pm.tensor(x)), getattr(theirs, method)(torch.tensor(x))
        np.testing.assert_allclose(pm.to_numpy(found), expected.detach().numpy(), rtol=1e-9)
    assert repr(ours) == repr(theirs)


def test_is_a_distribution_and_its_own_targets(rng: np.random.Generator):
    layer = nn.AdaptiveLogSoftmaxWithLoss(6, 12, [2, 5, 9], dtype=pm.float64)
    x = pm.tensor(rng.normal(size=(12, 6)))
    log_prob = pm.to_numpy(layer.log_prob(x))
    np.testing.assert_allclose(np.exp(log_prob).sum(1), 1, rtol=1e-12)
    output, loss = layer(x, pm.arange(12))
    np.testing.assert_allclose(pm.to_numpy(output), np.diag(log_prob), rtol=1e-12)
    np.testing.assert_allclose(float(loss), -np.diag(log_prob).mean(), rtol=1e-12)
    np.testing.assert_array_equal(pm.to_numpy(layer.predict(x)), log_prob.argmax(1))


def test_under_vmap_where_targets_are_not_known(rng: np.random.Generator):
    layer = nn.AdaptiveLogSoftmaxWithLoss(6, 12, [2, 5], dtype=pm.float64)
    x, t = pm.tensor(rng.normal(size=(3, 4, 6))), pm.tensor(rng.integers(0, 12, (3, 4)))
    found = pm.vmap(lambda a, b: layer(a, b).output)(x, t)
    each = [pm.to_numpy(layer(x[i], t[i]).output) for i in range(3)]
    np.testing.assert_allclose(pm.to_numpy(found), np.stack(each), rtol=1e-12)


def test_wrong_arguments(engine: pm.Device):
    for cutoffs in ([], [0, 3], [3, 2], [3, 3], [5, 12], [2.5]):
        with pytest.raises(ValueError, match=r"cutoffs must be increasing.*n_classes - 1 = 11"):
            nn.AdaptiveLogSoftmaxWithLoss(6, 12, cutoffs)
    layer = nn.AdaptiveLogSoftmaxWithLoss(6, 12, [2, 5])
    for x, t in ((pm.ones((3, 6)), pm.tensor([0, 1])), (pm.ones(6), pm.tensor([1])), (pm.ones((3, 5)), pm.arange(3))):
        with pytest.raises(pm.ShapeError, match=r"input \(N, 6\) and a target \(N,\)"):
            layer(x, t)
    if engine.backend.capabilities.host_access and str(engine) not in ("strict:device1", "strict:device2"):
        with pytest.raises(IndexError, match="target 12"):
            layer(pm.ones((1, 6)), pm.tensor([12]))
