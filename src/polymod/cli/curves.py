"""The picture of a training: loss and accuracy over epochs."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence

from ..errors import PolymodError
from ..io import atomic_write
from ..train import Epoch


def require_matplotlib() -> None:
    """Raise PolymodError, with the command that mends it, where curves can't be drawn."""
    try:
        import matplotlib.backends.backend_agg  # noqa: F401
    except ImportError as error:
        raise PolymodError(
            f"--save draws curves.png with matplotlib, which can't be imported ({error}): pip install 'polymod[train]'"
        ) from None


def save_curves(path: str | os.PathLike[str], history: Sequence[Epoch], title: str) -> None:
    """Write a PNG with the loss of every step and epoch, and the accuracy after each epoch."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    loss, accuracy = figure.subplots(1, 2)
    epochs = range(1, len(history) + 1)
    steps = [i + (k + 1) / len(e.losses) for i, e in enumerate(history) for k in range(len(e.losses))]
    loss.plot(steps, [x for e in history for x in e.losses], color="0.8", linewidth=0.8, label="each step")
    loss.plot(epochs, [e.loss for e in history], marker="o", markersize=3, label="mean of the epoch")
    loss.set(xlabel="epoch", ylabel="cross-entropy", yscale="log", title="training loss")
    loss.legend()
    accuracy.plot(epochs, [e.accuracy for e in history], marker="o", markersize=3, color="C2")
    accuracy.set(xlabel="epoch", title="test accuracy")
    accuracy.yaxis.set_major_formatter(PercentFormatter(1.0))
    for axes in (loss, accuracy):
        axes.grid(alpha=0.3)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    with atomic_write(path) as file:
        file.write(picture.getvalue())
