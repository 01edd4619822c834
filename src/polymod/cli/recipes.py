"""What `polymod train --model NAME` builds, and the settings it trains well with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .. import nn, optim
from ..models import CNN, MLP, ChimeraClassifier, TransformerClassifier

ImageShape = tuple[int, ...]  # (C, H, W)


@dataclass(frozen=True)
class Recipe:
    """A model and its default settings.

    Attributes:
        build: makes the model for images of the given shape; it gives 10 logits per image.
        optimizer: makes the optimizer of the parameters and a learning rate.
        epochs, batch_size, lr: what the command uses unless it is told otherwise.
    """

    build: Callable[[ImageShape], nn.Module]
    optimizer: Callable[..., Any]
    epochs: int
    batch_size: int
    lr: float


def momentum(parameters: Any, lr: float) -> optim.SGD:
    """Gradient descent with momentum 0.9."""
    return optim.SGD(parameters, lr=lr, momentum=0.9)


RECIPES: dict[str, Recipe] = {
    "chimera": Recipe(lambda _: ChimeraClassifier(), optim.AdamW, epochs=20, batch_size=32, lr=0.002),
    "mlp": Recipe(lambda _: nn.Sequential(nn.Flatten(), MLP()), momentum, epochs=30, batch_size=32, lr=0.2),
    "cnn": Recipe(lambda shape: CNN(shape[0]), momentum, epochs=8, batch_size=32, lr=0.01),
    "transformer": Recipe(TransformerClassifier, optim.AdamW, epochs=20, batch_size=64, lr=0.003),
}
