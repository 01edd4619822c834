"""`pm.capture` on every engine: the same program, whether the engine records it or calls it."""

from __future__ import annotations

import numpy as np
import pytest

import polymod as pm
from polymod import nn, optim
from polymod.nn import functional as F


def training(rng):
    pm.manual_seed(5)
    model = nn.Sequential(nn.Linear(3, 7), nn.Dropout(0.4), nn.ReLU(), nn.Linear(7, 2))
    optimizer = optim.AdamW(model.parameters(), lr=0.02)

    def step(x, y, *, scale=1.0):
        """One step."""
        loss = F.mse_loss(model(x), y) * scale
        optimizer.zero_grad()
        loss.backward()
        optimizer.step(max_norm=1.0)
        return {"loss": loss, "scale": scale}

    return model, optimizer, step, [[rng.normal(size=(4, n)).astype(np.float32) for n in (3, 2)] for _ in range(6)]


def test_a_captured_step_trains_as_the_step(rng):
    model, _, step, batches = training(rng)
    expected = [float(step(*map(pm.tensor, batch))["loss"].detach()) for batch in batches]
    weights = [pm.to_numpy(p) for p in model.parameters()]
    model, optimizer, step, _ = training(rng)
    captured = pm.capture(step, model, optimizer)
    assert captured.__name__ == "step" and captured.__doc__ == "One step."
    found = [captured(*map(pm.tensor, batch))["loss"] for batch in batches]
    assert all(loss.node is None and loss.shape == () for loss in found)
    np.testing.assert_allclose([float(loss) for loss in found], expected, rtol=1e-5)  # products may be summed otherwise
    for p, w in zip(model.parameters(), weights, strict=True):
        np.testing.assert_allclose(pm.to_numpy(p), w, rtol=1e-4, atol=1e-6)


def test_host_arrays_become_tensors_beside_the_model(rng, engine):
    model, optimizer, step, batches = training(rng)
    captured = pm.capture(step, [model], {"optimizer": optimizer})
    for x, y in batches:
        result = captured(x, y, scale=2.0)
        assert result["loss"].device == engine and result["scale"] == 2.0


def test_modules_of_unknown_size(rng):
    model = nn.Sequential(nn.Linear(None, 3), nn.BatchNorm1d(None))
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step(x):
        loss = (model(x) ** 2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    step = pm.capture(step)  # finds both among the variables of `step`
    for _ in range(4):
        assert step(rng.normal(size=(5, 4)).astype(np.float32)) is None
    assert model[1].num_batches_tracked.item() == 4
    assert optimizer.state


def test_a_captured_step_in_another_one_is_part_of_it(rng):
    total = pm.zeros(2)

    @pm.capture
    def add(x):
        total.array = (total + x).array
        return total

    outer = pm.capture(lambda x: add(add(x)), total)
    for i in range(1, 5):
        outer(pm.ones(2))
        assert float(total[0]) == 2 ** (i + 1) - 2


def test_what_is_no_step_or_no_state_is_refused():
    with pytest.raises(TypeError, match="a function and the state"):
        pm.capture(nn.Linear(1, 1).weight)
    with pytest.raises(TypeError, match="received str"):
        pm.capture(lambda: None, "model")


def test_outside_of_a_capture_nothing_is_kept_for_replays():
    from polymod.replay import at_replay, is_capturing

    at_replay(lambda: pytest.fail("called"))
    assert not is_capturing()


def test_fit_trains_the_same_captured(rng):
    from polymod.train import fit

    data = [
        (pm.tensor(rng.normal(size=(n, 6)).astype(np.float32)), pm.tensor(rng.integers(0, 4, size=n)))
        for n in (5, 5, 2)
    ]
    losses = []
    for captured in (False, True):
        pm.manual_seed(1)
        model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 4))
        optimizer = optim.AdamW(model.parameters(), lr=0.01)
        losses.append([epoch.losses for epoch in fit(model, optimizer, data, 3, captured=captured)])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
