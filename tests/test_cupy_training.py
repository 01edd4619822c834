"""A training step on CuPy neither copies between host and GPU nor waits: CuPy-on-CPU counts what reaches CUDA."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

import polymod as pm
import polymod.nn.functional as F
from polymod import nn, optim

pytestmark = pytest.mark.engine("cupy")


@pytest.fixture
def counted() -> Any:
    """Counts what CuPy asks of the runtime; only CuPy-on-CPU can."""
    cpu = getattr(pytest.importorskip("cupy"), "_cpu", None)
    if cpu is None:
        pytest.skip("a GPU's CUDA runtime keeps no counts; test_cupy_synchronization has CuPy look there")
    return cpu.counted


class Sentences(nn.Module):
    """Tokens through an embedding and a transformer's encoder to classes."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 16, padding_idx=0)
        layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.1, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.out = nn.Linear(16, 10)

    def forward(self, tokens: pm.Tensor) -> pm.Tensor:
        return self.out(self.encoder(self.embedding(tokens)).mean(1))


class Sequences(nn.Module):
    """The last state of an LSTM to classes."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.out = nn.LSTM(8, 16, batch_first=True), nn.Linear(16, 10)

    def forward(self, x: pm.Tensor) -> pm.Tensor:
        return self.out(self.lstm(x)[0][:, -1])


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(20, 64), nn.LayerNorm(64), nn.GELU(), nn.Dropout(0.1), nn.Linear(64, 10))


def convolutions() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout2d(0.1)),
        *(nn.Conv2d(8, 8, 3, groups=8), nn.GroupNorm(2, 8), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Linear(8, 10),
    )


cases: dict[str, tuple[Callable[[], nn.Module], Callable[[], pm.Tensor], Callable[..., Any], dict[str, Any]]] = {
    "perceptron, AdamW": (perceptron, lambda: pm.randn(8, 20), optim.AdamW, {}),
    "convolutions, SGD": (
        convolutions,
        lambda: pm.randn(4, 3, 12, 12),
        optim.SGD,
        {"momentum": 0.9, "nesterov": True, "weight_decay": 1e-4},
    ),
    "transformer, Adam": (Sentences, lambda: pm.randint(1, 50, (4, 12)), optim.Adam, {"amsgrad": True}),
    "LSTM, Adam": (Sequences, lambda: pm.randn(4, 6, 8), optim.Adam, {}),
}


def step_of(case: str) -> Callable[[], pm.Tensor]:
    """One step of training: forward, loss, backward, clipping, and the optimizer's."""
    make, draw, optimizer_, options = cases[case]
    pm.manual_seed(0)
    model, x = make(), draw()
    labels = pm.randint(0, 10, (x.shape[0],))
    optimizer = optimizer_(model.parameters(), lr=1e-3, **options)

    def step() -> pm.Tensor:
        loss = F.cross_entropy(model(x), labels, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.detach()

    return step


@pytest.mark.every_engine
@pytest.mark.parametrize("case", cases)
def test_a_step_launches_kernels_and_nothing_else(case: str, counted: Any):
    step = step_of(case)
    for _ in range(3):  # kernels are compiled, the optimizer has its state, the pool its memory
        step()
    with counted(where=True) as n:
        losses = [step() for _ in range(2)]
    assert n["kernel_launches"] > 0
    assert not waiting(n), n.where
    assert all(map(math.isfinite, losses))


def waiting(counts: dict[str, int]) -> dict[str, int]:
    """Transfers, synchronizations, and allocations that the pool does not serve."""
    begin = ("host_to_device", "device_to_host", "device_malloc", "pinned_malloc")
    return {k: n for k, n in counts.items() if n and (k.startswith(begin) or k.endswith("synchronizations"))}


@pytest.mark.every_engine
def test_what_waits_is_counted(counted: Any):
    """The test above can fail."""
    x = pm.randn(3)
    with counted() as n:
        float(x[0])
    assert waiting(n)
