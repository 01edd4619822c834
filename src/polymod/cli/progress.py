"""Showing how a training gets on: a line for each epoch, and a bar where there is a terminal and tqdm."""

from __future__ import annotations

import sys
import time
from typing import Any

from ..tensor import Tensor
from ..train import Epoch

BAR_SECONDS = 0.2  # between looks at the loss, each of which waits for the device
LINE_SECONDS = 10.0


class Progress:
    """Prints epochs on stdout; in between shows a bar on stderr or, without one, a line every ten seconds.

    Args:
        epochs: how many there will be.
        images: how many images there are to train on.
    """

    def __init__(self, epochs: int, images: int) -> None:
        self.epochs, self.images = epochs, images
        self.epoch = self.done = 0
        self.bar = _bar(epochs * images)
        self.started = time.perf_counter()
        self.shown = self.started if self.bar is None else 0.0  # a bar shows the first loss at once

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def step(self, loss: Tensor, images: int) -> None:
        """Count a step's images, and show its loss if it is time to."""
        self.done += images
        if self.bar is not None:
            self.bar.update(images)
        now = time.perf_counter()
        if now - self.shown < (LINE_SECONDS if self.bar is None else BAR_SECONDS):
            return
        self.shown = now
        if self.bar is not None:
            self.bar.set_postfix_str(f"loss {float(loss):.4f}")
        else:
            rate = self.done / (now - self.started)
            text = f"{self._title(self.epoch + 1)}  {self.done}/{self.images}  loss {float(loss):.4f}"
            print(f"{text}  {rate:,.0f} images/s", file=sys.stderr, flush=True)

    def end_of_epoch(self, epoch: Epoch) -> None:
        """Print what an epoch gave."""
        self.epoch += 1
        self.done, self.started = 0, time.perf_counter()
        text = f"{self._title(self.epoch)}  loss {epoch.loss:.4f}"
        if epoch.accuracy is not None:
            text += f"  test accuracy {epoch.accuracy:.2%}"
        text += f"  {epoch.images / epoch.seconds:,.0f} images/s"
        if self.bar is not None:
            self.bar.write(text)
        else:
            print(text, flush=True)

    def _title(self, number: int) -> str:
        return f"epoch {number:{len(str(self.epochs))}}/{self.epochs}"


def _bar(total: int) -> Any:
    if not sys.stderr.isatty():
        return None
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(total=total, unit=" images", unit_scale=True, leave=False, dynamic_ncols=True)
