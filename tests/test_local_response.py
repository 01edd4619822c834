"""Normalisation by the channels nearby, against torch and its formula."""

from __future__ import annotations

import numpy as np
import pytest
from against import against_differences
from parity import compare

import polymod as pm
from polymod import nn
from polymod.nn import functional as F


@pytest.mark.parametrize("size", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("shape", [(2, 5, 4), (2, 5, 3, 2), (2, 3, 2, 2, 3)])
def test_local_response_norm_is_that_of_torch(size, shape, rng):
    torch = pytest.importorskip("torch")
    x = 3 * rng.normal(size=shape)
    theirs = torch.nn.LocalResponseNorm(size, alpha=0.3, beta=0.6, k=1.5)
    ours = nn.LocalResponseNorm(size, alpha=0.3, beta=0.6, k=1.5)
    assert repr(ours) == repr(theirs)
    compare(lambda x: ours(x) ** 2, lambda x: theirs(x) ** 2, x)
    compare(lambda x: F.local_response_norm(x, size), lambda x: torch.nn.functional.local_response_norm(x, size), x)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9])
def test_cross_map_norm_has_the_values_of_torch(size, rng):
    torch = pytest.importorskip("torch")
    x = 3 * rng.normal(size=(2, 8, 2, 3))
    ours, theirs = (t.nn.CrossMapLRN2d(size, alpha=0.3, beta=0.6, k=1.5) for t in (pm, torch))
    assert repr(ours) == repr(theirs)
    np.testing.assert_allclose(pm.to_numpy(ours(pm.tensor(x))), theirs(torch.tensor(x)).numpy(), rtol=1e-12)


def test_derivatives_are_those_of_finite_differences(rng):
    x = rng.normal(size=(2, 5, 2, 1))
    against_differences(lambda x: nn.CrossMapLRN2d(3, alpha=0.5)(x) ** 2, [x], rng)
    against_differences(lambda x: F.local_response_norm(x, 2, alpha=0.5) ** 2, [x], rng)


def test_no_images():
    assert F.local_response_norm(pm.zeros((0, 3, 4)), 2).shape == (0, 3, 4)


def test_what_does_not_fit():
    for kind in (nn.LocalResponseNorm, nn.CrossMapLRN2d):
        with pytest.raises(ValueError, match="size"):
            kind(0)
        with pytest.raises(TypeError, match="size"):
            kind(2.5)
    with pytest.raises(ValueError, match="size"):
        F.local_response_norm(pm.zeros((1, 2, 3)), 0)
    with pytest.raises(pm.ShapeError, match=r"\(2, 3\)"):
        nn.LocalResponseNorm(2)(pm.zeros((2, 3)))
    with pytest.raises(pm.ShapeError, match=r"\(2, 3, 4\)"):
        nn.CrossMapLRN2d(2)(pm.zeros((2, 3, 4)))


def test_shapes_without_data():
    assert nn.Sequential(nn.LocalResponseNorm(2), nn.CrossMapLRN2d(3)).output_shape((2, 8, 4, 4)) == (2, 8, 4, 4)
