"""What is timed: models with their data, loss and optimizer, and a few costs that no model shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

import polymod as pm
from polymod import models, nn


@dataclass(frozen=True)
class Workload:
    """One thing to time.

    Attributes:
        kind: "train" (forward and backward, and a step where there is an optimizer), "recorded" (forward, ready for
            backward), "inference" (forward in evaluation mode, nothing recorded), "forward" or "layer" (forward, or
            forward and backward to input and parameters, of one class that has the same name in torch.nn), or a
            kind that the contestants know by name: "product" (x @ y), "tree", "operation", "import".
        model: the name of a model in `MODELS` or of a class, or what the kind is to do.
        loss: "sum" of the outputs, "cross_entropy" with labels, or "mse".
        optimizer: the name of the class and its options, or None.
        inputs: gives the host arrays "x" and, where the loss needs it, "y".
        tolerance: see `harness.compete`.
        repeat: the most samples that are taken, for what is slow.
    """

    name: str
    title: str
    kind: str = "train"
    model: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    loss: str = "sum"
    optimizer: tuple[str, dict[str, Any]] | None = None
    inputs: Callable[[np.random.Generator], dict[str, np.ndarray]] | None = None
    tolerance: float = 1e-4
    repeat: int | None = None


@dataclass(frozen=True)
class Problem:
    """The weights and data of a workload, as host arrays: the same for all contestants."""

    weights: dict[str, np.ndarray]
    learned: tuple[str, ...]  # the names of the weights that are parameters
    inputs: dict[str, np.ndarray]

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """The weights that are learned."""
        return {name: self.weights[name] for name in self.learned}

    @property
    def constants(self) -> dict[str, np.ndarray]:
        """The weights that are not."""
        return {name: w for name, w in self.weights.items() if name not in self.learned}


def narrow(width: int, layers: int = 96) -> nn.Module:
    """Many thin layers, so that the time goes into the calls; weights that keep the signal's size."""
    model = nn.Sequential(*(m for _ in range(layers) for m in (nn.Linear(width, width), nn.ReLU())))
    for module in model:
        if isinstance(module, nn.Linear):
            nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
    return model


MODELS: dict[str, Callable[..., nn.Module]] = {
    "chimera": models.chimera,
    "mlp": models.MLP,
    "narrow": narrow,
    "cnn": models.CNN,
    "block": models.TransformerBlock,
}


LAYER_KINDS = ("forward", "layer")
LAYERS = (  # name, class, arguments, shape of the input
    ("conv-64", "Conv2d", {"in_channels": 64, "out_channels": 64, "kernel_size": 3, "padding": 1}, (8, 64, 56, 56)),
    (
        "conv-256",
        "Conv2d",
        {"in_channels": 256, "out_channels": 256, "kernel_size": 3, "padding": 1},
        (16, 256, 14, 14),
    ),
    (
        "conv-depthwise",
        "Conv2d",
        {"in_channels": 64, "out_channels": 64, "kernel_size": 3, "padding": 1, "groups": 64},
        (8, 64, 28, 28),
    ),
    ("lstm-128", "LSTM", {"input_size": 64, "hidden_size": 128}, (32, 32, 64)),
    ("lstm-256", "LSTM", {"input_size": 256, "hidden_size": 256}, (50, 16, 256)),
    (
        "encoder-256",
        "TransformerEncoderLayer",
        {"d_model": 256, "nhead": 4, "dim_feedforward": 1024, "dropout": 0.0, "batch_first": True},
        (8, 128, 256),
    ),
)


def make_problem(workload: Workload) -> Problem:
    """The weights, from polymod's model with seed 0 on NumPy, and the data, of `workload`."""
    if workload.inputs is None:
        return Problem({}, (), {})
    inputs = workload.inputs(np.random.default_rng(0))
    if not workload.model:
        return Problem({}, (), inputs)
    with pm.use_backend("numpy"):
        pm.manual_seed(0)
        make = getattr(nn, workload.model) if workload.kind in LAYER_KINDS else MODELS[workload.model]
        model = make(**workload.arguments)
        model(pm.tensor(inputs["x"]))  # parameters of unknown size get theirs
        fresh = {k: pm.to_numpy(v) for k, v in model.state_dict().items() if "running" not in k}
        weights = {k: v for k, v in fresh.items() if "num_batches" not in k}
        return Problem(weights, tuple(k for k, _ in model.named_parameters()), inputs)


@cache
def _problem(name: str) -> Problem:
    return make_problem(WORKLOADS[name])


def problem(workload: Workload) -> Problem:
    """The problem of one of `WORKLOADS`, made once."""
    return _problem(workload.name)


def cotangent(shape: tuple[int, ...]) -> np.ndarray:
    """What the gradients of a layer's output are weighted with."""
    return np.random.default_rng(1).standard_normal(shape, dtype=np.float32)


def floats(*shape: int) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda rng: rng.standard_normal(shape, dtype=np.float32)


def classes(n: int) -> Callable[[np.random.Generator], np.ndarray]:
    return lambda rng: rng.integers(0, 10, n)


def data(**arrays: Callable[[np.random.Generator], np.ndarray]) -> Callable[[np.random.Generator], Any]:
    return lambda rng: {name: make(rng) for name, make in arrays.items()}


SGD = ("SGD", {"lr": 0.01})
MOMENTUM = ("SGD", {"lr": 0.01, "momentum": 0.9})
ADAM = ("Adam", {"lr": 1e-3})
ADAMW = ("AdamW", {"lr": 1e-3})


def _all() -> list[Workload]:
    found = [Workload("chimera", "chimera, 2x20: forward and backward", model="chimera", inputs=data(x=floats(2, 20)))]
    for name, optimizer in (("sgd", SGD), ("adam", ADAM)):
        for batch in (32, 256):
            found.append(
                Workload(
                    f"mlp-{name}-{batch}",
                    f"MLP 784-256-10, batch {batch}: training step, {optimizer[0]}",
                    model="mlp",
                    loss="cross_entropy",
                    optimizer=optimizer,
                    inputs=data(x=floats(batch, 784), y=classes(batch)),
                )
            )
    for width, batch in ((16, 4), (64, 32)):
        found.append(
            Workload(
                f"narrow-{width}",
                f"96 layers of width {width}, batch {batch}: forward and backward",
                model="narrow",
                arguments={"width": width},
                inputs=data(x=floats(batch, width)),
                tolerance=1e-3,  # rounding grows through 96 layers
            )
        )
    for size in (8, 28):
        found.append(
            Workload(
                f"cnn-{size}",
                f"CNN, 32 images of {size}x{size}: training step, SGD with momentum",
                model="cnn",
                loss="cross_entropy",
                optimizer=MOMENTUM,
                inputs=data(x=floats(32, 1, size, size), y=classes(32)),
            )
        )
    found.append(
        Workload(
            "transformer-block",
            "Transformer block, 8x32 tokens of 64: training step, AdamW",
            model="block",
            arguments={"d_model": 64, "nhead": 4},
            loss="mse",
            optimizer=ADAMW,
            inputs=data(x=floats(8, 32, 64), y=floats(8, 32, 64)),
        )
    )
    for name, model, options, shape in LAYERS:
        for kind, passes in (("forward", "forward"), ("layer", "forward and backward")):
            found.append(
                Workload(
                    f"{kind}-{name}",
                    f"{model}, input {'x'.join(map(str, shape))}: {passes}",
                    kind=kind,
                    model=model,
                    arguments=options,
                    inputs=data(x=floats(*shape)),
                    tolerance=1e-3,  # sums of up to 25,000 products
                )
            )
    for what in ("build", "parameters", "state_dict"):
        found.append(
            Workload(
                f"tree-{what.replace('_', '-')}",
                f"10,001 modules in a tree: {what}",
                kind="tree",
                model=what,
                repeat=7,
            )
        )
    found += [
        Workload("operation", "x + y on 8 elements, recorded", kind="operation"),
        Workload("import", "import, CPU time in a fresh process", kind="import", model="alone", repeat=15),
        Workload("first-array", "import and one array, CPU time", kind="import", model="first array", repeat=15),
    ]
    return found


WORKLOADS = {workload.name: workload for workload in _all()}

# The tree: a Sequential of 100 blocks, each a Sequential of 33 pairs (Linear(4, 4), ReLU) in Sequentials.
TREE = {"blocks": 100, "pairs": 33, "width": 4}
