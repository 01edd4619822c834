"""What `polymod train --model NAME` builds, and the settings it trains well with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .. import nn
from ..models import CNN, MLP, ChimeraClassifier, TransformerClassifier

ImageShape = tuple[int, ...]  # (C, H, W)


@dataclass(frozen=True)
class Recipe:
    """A model and its default settings.

    Attributes:
        build: makes the model for images of the given shape; it gives 10 logits per image.
        epochs, batch_size: what the command uses unless it is told otherwise.
    """

    build: Callable[[ImageShape], nn.Module]
    epochs: int
    batch_size: int


RECIPES: dict[str, Recipe] = {
    "chimera": Recipe(lambda _: ChimeraClassifier(), epochs=20, batch_size=32),
    "mlp": Recipe(lambda _: nn.Sequential(nn.Flatten(), MLP()), epochs=30, batch_size=32),
    "cnn": Recipe(lambda shape: CNN(shape[0]), epochs=10, batch_size=64),
    "transformer": Recipe(lambda shape: TransformerClassifier(shape), epochs=20, batch_size=64),
}

# Small enough that rounding does not grow from step to step: engines then agree on the loss to many digits for
# as long as these trainings last, which at 0.01 they would not.
LEARNING_RATE = 0.002
