"""The handwritten digits that come with polymod: 1,797 images of 8x8 (source and licence in DIGITS.md)."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from .. import philox
from ..errors import DataError
from .dataset import Split

FILE = Path(__file__).with_name("digits.npz")
HELD_OUT = 359  # a fifth of 1,797
SEED = 0


def load_digits() -> Split:
    """Real handwritten digits, to train and test with: the UCI optical digits, as scikit-learn ships them.

    The test part is a fifth that is held out: of the order `philox.permutation(seed=0, draw=0, n=1797)` the
    first 359 images are for testing, the other 1,438 for training, each part in that order. Classes are not
    balanced by this rule, and a writer's digits may be in both parts.

    Returns:
        Images (n, 1, 8, 8) float32 in [0, 1] (the file's 0..16, divided by 16), labels (n,) int64 in 0..9.

    Raises:
        DataError: the packed file is missing or damaged; reinstalling polymod mends it.
    """
    try:
        with np.load(FILE, allow_pickle=False) as file:
            pixels, labels = file["images"], file["labels"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{FILE}: the digits can't be read ({error}); reinstall polymod") from error
    if pixels.shape != (1797, 8, 8) or labels.shape != (1797,):
        raise DataError(f"{FILE}: expected 1797 images of 8x8, found {pixels.shape}; reinstall polymod")
    order = philox.permutation(SEED, 0, len(labels))
    images = (pixels[order, None].astype(np.float32)) / np.float32(16)
    labels = labels[order].astype(np.int64)
    return Split(images[HELD_OUT:], labels[HELD_OUT:], images[:HELD_OUT], labels[:HELD_OUT])
