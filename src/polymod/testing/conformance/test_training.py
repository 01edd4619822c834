"""Models train: step by step the losses of NumPy, with every optimizer; their state is saved, loaded and moved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polymod as pm
from polymod import nn, optim
from polymod.testing.compare import precisions

STEPS = 12
OPTIMIZERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "sgd": lambda p: optim.SGD(p, lr=0.3),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.001),
    "adam": lambda p: optim.Adam(p, lr=0.02),
    "amsgrad": lambda p: optim.Adam(p, lr=0.02, amsgrad=True),
    "adamw": lambda p: optim.AdamW(p, lr=0.02, weight_decay=0.05),
}


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.LayerNorm(16), nn.Linear(16, 3))


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 6)),
        nn.Conv1d(1, 4, 3, padding=1),
        nn.BatchNorm1d(4),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Flatten(),
        nn.Dropout(0.1),
        nn.Linear(12, 3),
    )


class Attending(nn.Module):
    """Words, a recurrent layer, attention, and the mean over the words."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(9, 8)
        self.recurrent = nn.GRU(8, 8, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.out = nn.Linear(8, 3)

    def forward(self, x: pm.Tensor) -> pm.Tensor:
        words = pm.astype(pm.clip(pm.round(x * 2 + 4), 0, 8), pm.int64)
        h, _ = self.recurrent(self.embedding(words))
        attended, _ = self.attention(h, h, h)
        return self.out(pm.mean(h + attended, axis=1))


MODELS: dict[str, Callable[[], nn.Module]] = {
    "perceptron": perceptron,
    "convolutional": convolutional,
    "attending": Attending,
}


def data(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(8)
    x = rng.normal(size=(24, 6)).astype(dtype)
    return x, np.argmax(x[:, :3], axis=1)


def trained(
    make: Callable[[], nn.Module], optimizer: Callable[[Any], optim.Optimizer], dtype: str
) -> tuple[nn.Module, list[float]]:
    """A model trained on the current engine, and the loss of each step."""
    x, labels = map(pm.tensor, data(dtype))
    with pm.random.fork(3):
        model = make().to(getattr(pm, dtype))
        steps = optimizer(model.parameters())
        losses = []
        for _ in range(STEPS):
            steps.zero_grad()
            loss = nn.functional.cross_entropy(model(x), labels)
            loss.backward()
            steps.step()
            losses.append(float(loss))
    return model, losses


def host_state(model: nn.Module) -> dict[str, np.ndarray]:
    return {name: pm.to_numpy(values) for name, values in model.state_dict().items()}


def check(make: Callable[[], nn.Module], optimizer: Callable[[Any], optim.Optimizer], engine: pm.Device) -> None:
    dtype = precisions(engine)[0]
    model, losses = trained(make, optimizer, dtype)
    with pm.use_backend("numpy"):
        reference, expected = trained(make, optimizer, dtype)
    assert losses[-1] < losses[0], losses
    tolerance = 1e-5 if dtype == "float64" else 1e-2  # weights begin alike up to the last digits of float32
    np.testing.assert_allclose(losses, expected, rtol=tolerance, atol=tolerance)
    for (name, found), values in zip(host_state(model).items(), host_state(reference).values(), strict=True):
        np.testing.assert_allclose(found, values, rtol=10 * tolerance, atol=10 * tolerance, err_msg=name)
    assert {str(p.device) for p in model.parameters()} == {str(engine)}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer(name: str, engine: pm.Device) -> None:
    check(perceptron, OPTIMIZERS[name], engine)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "perceptron"])
def test_model(name: str, engine: pm.Device) -> None:
    check(MODELS[name], OPTIMIZERS["adam"], engine)


@pytest.mark.parametrize("name", MODELS)
def test_state_is_saved_and_loaded(name: str, engine: pm.Device, tmp_path: Path) -> None:
    with pm.random.fork(4):
        model, other = MODELS[name](), MODELS[name]()
    pm.save_file(model.state_dict(), tmp_path / "model.safetensors")
    other.load_state_dict(pm.load_file(tmp_path / "model.safetensors"))
    loaded = host_state(other)
    for key, values in host_state(model).items():
        np.testing.assert_array_equal(loaded[key], values, err_msg=key)
    assert {str(p.device) for p in other.parameters()} == {str(engine)}
    x = pm.tensor(data("float32")[0])
    np.testing.assert_array_equal(pm.to_numpy(model.eval()(x)), pm.to_numpy(other.eval()(x)))


def test_an_optimizer_goes_on_where_it_was(engine: pm.Device) -> None:
    """Its state, loaded into another one, gives the same next step."""
    x, labels = map(pm.tensor, data("float32"))
    with pm.random.fork(5):
        model = perceptron()
    other = perceptron()
    first = optim.Adam(model.parameters(), lr=0.05)

    def step(model: nn.Module, optimizer: optim.Optimizer) -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), labels).backward()
        optimizer.step()

    step(model, first)
    other.load_state_dict(model.state_dict())
    second = optim.Adam(other.parameters(), lr=0.05)
    second.load_state_dict(first.state_dict())
    step(model, first)
    step(other, second)
    found = host_state(other)
    for key, values in host_state(model).items():
        np.testing.assert_array_equal(found[key], values, err_msg=key)


def test_models_move(engine: pm.Device) -> None:
    with pm.random.fork(6):
        model = perceptron()
    before = host_state(model)
    model.to("numpy")
    assert {str(p.device) for p in model.parameters()} == {str(pm.device("numpy"))}
    model.to(engine)
    assert {str(p.device) for p in model.parameters()} == {str(engine)}
    for key, values in host_state(model).items():
        np.testing.assert_array_equal(values, before[key], err_msg=key)
