"""A training: its settings, its data, its model, made ready on one device."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from typing import Any

from .. import nn
from ..autograd import no_grad
from ..data import DataLoader, load_digits, load_fashion_mnist
from ..data.dataset import Split
from ..errors import DataError, ShapeError
from ..optim import AdamW
from ..random import manual_seed
from .recipes import LEARNING_RATE, RECIPES

TEST_BATCH = 500  # images at a time, for the accuracy only


@dataclass(frozen=True)
class Settings:
    """What a training depends on besides the engine."""

    model: str
    data: str
    data_dir: str | None
    seed: int
    epochs: int
    batch_size: int
    lr: float
    threads: int | None  # of the host's matrix products; None leaves them alone


@dataclass(frozen=True)
class Job:
    """A model with initial weights, its optimizer, and batches of the data."""

    model: nn.Module
    optimizer: Any
    batches: DataLoader
    test_batches: DataLoader


def add_arguments(parser: argparse.ArgumentParser, default_model: str, default_epochs: int | None = None) -> None:
    """The options that make up `Settings`."""
    parser.add_argument("--model", choices=sorted(RECIPES), default=default_model, help="what to train")
    parser.add_argument(
        "--data",
        choices=["digits", "fashion-mnist"],
        default="digits",
        help="the images; digits come with polymod",
    )
    parser.add_argument(
        "--data-dir", metavar="DIR", help="the folder with the four idx files of Fashion-MNIST (or MNIST)"
    )
    parser.add_argument(
        "--epochs",
        type=whole_number,
        metavar="N",
        default=default_epochs,
        help="passes over the training images" + ("" if default_epochs else "; by default what suits the model"),
    )
    parser.add_argument("--batch-size", type=whole_number, metavar="N", help="by default what suits the model")
    parser.add_argument("--lr", type=positive, metavar="RATE", default=LEARNING_RATE, help="learning rate of AdamW")
    parser.add_argument("--seed", type=seed_number, metavar="S", default=0, help="fixes weights, order and dropout")

    parser.add_argument(
        "--threads",
        type=whole_number,
        metavar="N",
        help="of the host's matrix products (default: 1 for the digits, else all)",
    )


def whole_number(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, received {text!r}")
    return number


def positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, received {text!r}")
    return number


def seed_number(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not 0 <= number < 2**64:
        raise argparse.ArgumentTypeError(f"expected a whole number in [0, 2**64), received {text!r}")
    return number


def settings(args: argparse.Namespace) -> Settings:
    """The settings that `args` name, with the model's own where they name none."""
    recipe = RECIPES[args.model]
    return Settings(
        model=args.model,
        data=args.data,
        data_dir=args.data_dir,
        seed=args.seed,
        epochs=args.epochs or recipe.epochs,
        batch_size=args.batch_size or recipe.batch_size,
        lr=args.lr,
        threads=args.threads or (1 if args.data == "digits" else None),
    )


def load(chosen: Settings) -> Split:
    """The images and labels.

    Raises:
        DataError: they can't be read, there are none, or a folder is given or missing against sense.
    """
    if chosen.data == "digits":
        if chosen.data_dir is not None:
            raise DataError("--data-dir is for --data fashion-mnist; the digits come with polymod")
        return load_digits()
    if chosen.data_dir is None:
        raise DataError("--data fashion-mnist needs --data-dir DIR, the folder with its four idx files")
    split = load_fashion_mnist(chosen.data_dir)
    if not len(split.train_labels) or not len(split.test_labels):
        raise DataError(f"{chosen.data_dir}: there are no images to train on, or none to test with")
    return split


def prepare(chosen: Settings, data: Split) -> Job:
    """Build everything on the current device. The seed alone decides the weights and the images' order."""
    recipe = RECIPES[chosen.model]
    manual_seed(chosen.seed)
    model = recipe.build(data.train_images.shape[1:])
    test_batches = DataLoader(data.test, TEST_BATCH)
    try:
        with no_grad():  # finds the sizes that are left open, and whether the model takes these images
            model.eval()(next(iter(DataLoader(data.train, 1)))[0])
    except ShapeError as error:
        size = "x".join(map(str, data.train_images.shape[1:]))
        raise DataError(f"the model {chosen.model} can't take images of {size}: {error}") from error
    return Job(
        model,
        AdamW(model.parameters(), lr=chosen.lr),
        DataLoader(data.train, chosen.batch_size, shuffle=True, seed=chosen.seed),
        test_batches,
    )
