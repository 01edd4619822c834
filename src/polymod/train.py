"""Training a classifier: the loop, short enough to read and to start one's own from."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .autograd import no_grad
from .capturing import capture
from .errors import PolymodError
from .nn import Module
from .nn import functional as F
from .ops import ops
from .tensor import Tensor, to_numpy

Batches = Iterable[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training data gave.

    Attributes:
        losses: the loss of each step, float64 of shape (steps,).
        loss: their mean over the images.
        accuracy: the fraction of test images classified rightly after it; None without test data.
        images: how many images were trained on.
        seconds: how long training took, without the test.
    """

    losses: np.ndarray
    loss: float
    accuracy: float | None
    images: int
    seconds: float


def fit(
    model: Module,
    optimizer: Any,
    batches: Batches,
    epochs: int,
    *,
    test_batches: Batches | None = None,
    loss_function: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
    on_step: Callable[[Tensor, int], None] | None = None,
    captured: bool = False,
) -> Iterator[Epoch]:
    """Train `model`, and yield an `Epoch` after each pass over `batches`.

    It is a generator: nothing happens before it is iterated over, and `break` ends the training.

    Args:
        model: gives logits (N, classes) for images (N, ...).
        optimizer: of `polymod.optim`, made of the model's parameters.
        batches: pairs of images and integer labels (N,), anew at each iteration, as `DataLoader` gives them.
        epochs: how many passes.
        test_batches: what to measure the accuracy on after each pass.
        loss_function: of logits and labels; a mean over the batch.
        on_step: called with each step's loss and its number of images, for instance to show progress. Reading
            the loss (`float(loss)`) waits for the device.
        captured: record the step where the engine can, see `polymod.capture`.

    Raises:
        PolymodError: the loss is no longer a finite number.
    """

    def train_step(images: Tensor, labels: Tensor) -> Tensor:
        loss = loss_function(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    run = capture(train_step, model, optimizer) if captured else train_step
    for number in range(1, epochs + 1):
        start = time.perf_counter()
        losses, counts = [], []
        model.train()
        for images, labels in batches:
            losses.append(run(images, labels))
            counts.append(labels.shape[0])
            if on_step is not None:
                on_step(losses[-1], counts[-1])
        values = to_numpy(ops.stack(losses)).astype(np.float64)  # one transfer an epoch, not one a step
        seconds = time.perf_counter() - start
        if not np.isfinite(values).all():
            step = int(np.argmin(np.isfinite(values))) + 1
            raise PolymodError(
                f"the loss is {values[step - 1]} at step {step} of epoch {number}; a lower learning rate may help"
            )
        accuracy = None if test_batches is None else evaluate(model, test_batches)
        yield Epoch(values, float(np.average(values, weights=counts)), accuracy, sum(counts), seconds)


def evaluate(model: Module, batches: Batches) -> float:
    """The fraction of images to whose label `model`, put into evaluation mode, gives the largest logit."""
    right = total = 0
    model.eval()
    with no_grad():
        for images, labels in batches:
            right += int((model(images).argmax(axis=1) == labels).sum())
            total += labels.shape[0]
    return right / total
