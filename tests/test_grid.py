"""affine_grid and grid_sample held to torch's, on and off the elements' centres."""

from __future__ import annotations

import numpy as np
import pytest
from parity import compare

import polymod as pm
import polymod.nn.functional as F


def places(rng, *shape):
    """In and around the input, on centres and edges of its elements too."""
    grid = rng.uniform(-2.5, 2.5, size=shape)
    grid[:, 0] = rng.integers(-4, 5, size=grid[:, 0].shape) / 2
    grid[:, 1] = rng.integers(-8, 9, size=grid[:, 1].shape) / 3
    return grid


@pytest.mark.parametrize("corners", [True, False])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize(
    ("mode", "axes"), [("bilinear", 2), ("nearest", 2), ("bicubic", 2), ("bilinear", 3), ("nearest", 3)]
)
def test_samples_are_those_of_torch(mode, axes, padding, corners, rng):
    torch = pytest.importorskip("torch")
    x, grid = rng.normal(size=(2, 3, 4, 5, 3)[: axes + 2]), places(rng, *(2, 3, 4, 2)[: axes + 1], axes)
    if not (mode == "nearest" and not corners):  # in single precision, halves round either way
        compare(
            lambda x, g: F.grid_sample(x, g, mode, padding, corners),
            lambda x, g: torch.nn.functional.grid_sample(x, g, mode, padding, corners),
            x,
            np.round(grid * 64) / 64 + 1 / 256 if mode == "nearest" else grid,
            second=False,
        )
    a, b = torch.tensor(x, requires_grad=True), torch.tensor(grid, requires_grad=True)
    p, q = pm.tensor(x, requires_grad=True), pm.tensor(grid, requires_grad=True)
    torch.nn.functional.grid_sample(a, b, mode, padding, corners).square().sum().backward()
    (F.grid_sample(p, q, mode, padding, corners) ** 2).sum().backward()
    np.testing.assert_allclose(pm.to_numpy(p.grad), a.grad.numpy(), atol=1e-9)
    np.testing.assert_allclose(pm.to_numpy(q.grad), b.grad.numpy(), atol=1e-9)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_second_derivatives(mode, padding, rng):
    x = pm.tensor(rng.normal(size=(1, 2, 3, 4)), requires_grad=True)
    position = rng.integers(-2, 4, size=(1, 2, 2, 2)) + rng.uniform(0.1, 0.4, size=(1, 2, 2, 2))  # away from kinks
    grid = pm.tensor((2 * position + 1) / np.asarray([4, 3]) - 1, requires_grad=True)
    pm.check_grads(lambda x, g: F.grid_sample(x, g, mode, padding), [x, grid], order=2)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("corners", [True, False, None])
@pytest.mark.parametrize("size", [(2, 3, 4, 5), (2, 1, 3, 4, 2), (1, 1, 1, 1)])
def test_affine_grids_are_those_of_torch(size, corners, rng):
    torch = pytest.importorskip("torch")
    axes = len(size) - 2
    compare(
        lambda t: F.affine_grid(t, size, corners),
        lambda t: torch.nn.functional.affine_grid(t, list(size), bool(corners)),
        rng.normal(size=(size[0], axes, axes + 1)),
        second=False,
    )


def test_the_identity_map_gives_the_input_back(rng):
    x = pm.tensor(rng.normal(size=(2, 3, 4, 5)))
    theta = pm.tensor(np.broadcast_to(np.eye(2, 3), (2, 2, 3)).copy())
    for corners in (True, False):
        y = F.grid_sample(x, F.affine_grid(theta, x.shape, corners), align_corners=corners)
        np.testing.assert_allclose(pm.to_numpy(y), pm.to_numpy(x), atol=1e-12)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_places_without_a_number_do_no_harm(rng):
    x = pm.tensor(rng.normal(size=(1, 1, 3, 3)))
    grid = pm.tensor(np.asarray([np.nan, np.inf, -np.inf, 1e30, 0, 0]).reshape(1, 1, 3, 2))
    for mode in ("bilinear", "nearest", "bicubic"):
        for padding in ("zeros", "border", "reflection"):
            y = F.grid_sample(x, grid, mode, padding, True)
            assert float(y[0, 0, 0, 2]) == pytest.approx(float(x[0, 0, 1, 1]))


def test_what_does_not_fit():
    x, grid = pm.ones((2, 1, 3, 3)), pm.zeros((2, 4, 4, 2))
    for a, b in ((x, grid[:1]), (x, grid[..., :1]), (x[0], grid), (x, pm.zeros((2, 4, 4, 4, 3)))):
        with pytest.raises(pm.ShapeError, match="received shapes"):
            F.grid_sample(a, b)
    with pytest.raises(ValueError, match="padding_mode"):
        F.grid_sample(x, grid, padding_mode="wrap")
    with pytest.raises(ValueError, match="mode must be"):
        F.grid_sample(x, grid, mode="linear")
    with pytest.raises(ValueError, match="bicubic"):
        F.grid_sample(pm.ones((2, 1, 3, 3, 3)), pm.zeros((2, 4, 4, 4, 3)), mode="bicubic")
    with pytest.raises(TypeError, match="one dtype"):
        F.grid_sample(x, pm.astype(grid, pm.float64) if x.dtype == pm.float32 else pm.astype(grid, pm.float32))
    with pytest.raises(pm.ShapeError, match="theta"):
        F.affine_grid(pm.ones((1, 2, 3)), (2, 1, 3, 3))
    with pytest.raises(ValueError, match="size must be"):
        F.affine_grid(pm.ones((1, 2, 3)), (1, 1, 0, 3))
    with pytest.raises(TypeError, match="floating"):
        F.affine_grid(pm.ones((1, 2, 3), dtype=pm.int64), (1, 1, 3, 3))
