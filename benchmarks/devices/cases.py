"""What runs on every device: models for the comparison, and workloads that grow for the curves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..workloads import ADAM, ADAMW, MOMENTUM, Workload, classes, data, floats

PASSES = {"recorded": "forward", "train": "training step", "inference": "inference"}
"""The kinds of workload that each case is timed as, and what the tables call them."""

SMOOTH = 1e-3  # how far outputs and gradients may be off, as a part of their norm: sums of some thousand products

# Of a million inputs of ReLUs, rounding takes one or two for positive on one engine and for negative on another. Each
# takes the gradient of one unit for one image away, so that all of a gradient differs by the square root of that part.
KINKED = 1e-2


def mlp(name: str, batch: int, hidden: int, title: str = "") -> Workload:
    """784 features, one hidden layer, 10 classes: a training step with Adam."""
    return Workload(
        name,
        title or f"MLP 784-{hidden}-10, batch {batch}, Adam",
        model="mlp",
        arguments={"hidden": hidden},
        loss="cross_entropy",
        optimizer=ADAM,
        inputs=data(x=floats(batch, 784), y=classes(batch)),
        tolerance=KINKED,
    )


def block(name: str, batch: int, length: int, size: int, heads: int) -> Workload:
    """A Transformer block on (batch, length, size): a training step with AdamW."""
    return Workload(
        name,
        f"Transformer block, {batch}x{length} tokens of {size}, AdamW",
        model="block",
        arguments={"d_model": size, "nhead": heads},
        loss="mse",
        optimizer=ADAMW,
        inputs=data(x=floats(batch, length, size), y=floats(batch, length, size)),
        tolerance=SMOOTH,
    )


def cnn(name: str, batch: int, image: int = 28) -> Workload:
    """Three convolutions with batch norm, two linear layers: a training step with momentum."""
    return Workload(
        name,
        f"CNN, {batch} images of {image}x{image}, SGD with momentum",
        model="cnn",
        loss="cross_entropy",
        optimizer=MOMENTUM,
        inputs=data(x=floats(batch, 1, image, image), y=classes(batch)),
        tolerance=KINKED,
    )


def product(name: str, size: int) -> Workload:
    return Workload(
        name,
        f"{size} x {size} times {size} x {size}, float32",
        kind="product",
        inputs=data(x=floats(size, size), y=floats(size, size)),
    )


def chimera(name: str) -> Workload:
    return Workload(name, "chimera, 2x20, no optimizer", model="chimera", inputs=data(x=floats(2, 20)))


CASES = [
    chimera("chimera"),
    mlp("mlp-256", batch=256, hidden=256),
    cnn("cnn-32", batch=32),
    block("block-64", batch=8, length=32, size=64, heads=4),
    mlp("mlp-4096", batch=1024, hidden=4096),
    cnn("cnn-512", batch=512),
    block("block-512", batch=8, length=256, size=512, heads=8),
]
LARGE = ("mlp-4096", "cnn-512", "block-512")  # where the memory of a step is worth counting
FRESH = ("mlp-256", "cnn-32", "block-64")  # whose first step in a new process is timed
QUICK_CASES = [chimera("chimera"), mlp("mlp-32", batch=32, hidden=256), block("block-32", 2, 16, 32, 4)]
QUICK_LARGE = ("mlp-32",)
QUICK_FRESH = ("mlp-32",)


def timed_as(workload: Workload, kind: str) -> Workload:
    """`workload` as one of `PASSES`."""
    tolerance = workload.tolerance if kind == "train" else min(workload.tolerance, SMOOTH)
    return replace(workload, kind=kind, name=f"{workload.name} {PASSES[kind]}", tolerance=tolerance)


@dataclass(frozen=True)
class Sweep:
    """A workload over its size.

    Attributes:
        title, axis: for the plot; `axis` says what the sizes are.
        make: `(name, size) -> Workload`.
        phrase: how a size is told, with {} for it.
    """

    name: str
    title: str
    axis: str
    phrase: str
    sizes: tuple[int, ...]
    quick: tuple[int, ...]
    make: Callable[[str, int], Workload]


def powers(low: int, high: int, factor: int = 2) -> tuple[int, ...]:
    found = [low]
    while found[-1] * factor <= high:
        found.append(found[-1] * factor)
    return tuple(found)


SWEEPS = [
    Sweep(
        "matmul", "Matrix product", "n (n x n times n x n)", "{0} x {0}", powers(32, 8192), powers(16, 256, 4), product
    ),
    Sweep(
        "mlp-batch",
        "MLP 784-1024-10, training step",
        "batch",
        "batch {0}",
        powers(1, 16384, 4),
        (1, 8, 64),
        lambda name, n: mlp(name, batch=n, hidden=1024),
    ),
    Sweep(
        "mlp-width",
        "MLP 784-n-10, batch 256, training step",
        "n, width of the hidden layer",
        "width {0}",
        powers(64, 16384, 2),
        (16, 64, 256),
        lambda name, n: mlp(name, batch=256, hidden=n),
    ),
    Sweep(
        "block-length",
        "Transformer block, 4 x n tokens of 256, training step",
        "n, length of the sequences",
        "length {0}",
        powers(16, 4096),
        (4, 16),
        lambda name, n: block(name, batch=4, length=n, size=256, heads=4),
    ),
    Sweep(
        "cnn-batch",
        "CNN on 28x28 images, training step",
        "batch",
        "batch {0}",
        powers(1, 2048),
        (1, 4),
        lambda name, n: cnn(name, batch=n),
    ),
]
