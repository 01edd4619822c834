"""`polymod compare`: one seed, one model, several engines; how far apart are their losses?

Engines add up in different orders, so in float32 the losses of the first few epochs differ by some 1e-7 (5e-7
was the most for these models and the seeds tried). BOUND leaves room for a rarer thing: where the input of a
ReLU is zero within rounding, engines may take it for positive or not, and a step then differs by one image's
share of one unit. In long trainings such differences grow, and the bound with them is the user's choice. A wrong
derivative or another order of the images differs by 1e-2 or more within the first steps.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np

from ..backend import Device, backend_names, current_device, device, use_backend
from ..data.dataset import Split
from ..errors import BackendError, PolymodError
from ..train import Epoch, fit
from .job import Settings, load, positive, prepare, settings
from .job import add_arguments as add_settings
from .threads import limited

BOUND = 1e-4  # on the absolute difference of two losses at any step
EPOCHS = 3


@dataclass(frozen=True)
class Curve:
    """What a training on one engine gave.

    Attributes:
        losses: the loss of each step, float64 of shape (steps,).
    """

    device: Device
    losses: np.ndarray
    history: list[Epoch]
    seconds: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "--backends",
        metavar="NAME,NAME",
        default="all",
        help="engines or devices (strict:device1); those that can't be used are reported and left out",
    )
    add_settings(parser, default_model="mlp", default_epochs=EPOCHS)
    parser.add_argument("--bound", type=positive, default=BOUND, help="the largest difference of losses that passes")


def run(args: argparse.Namespace) -> int:
    """The command. Returns 0 where no loss differs by more than the bound, else 1.

    Raises:
        PolymodError: something given can't be used, or fewer than two engines can.
    """
    chosen = settings(args)
    names = requested(args.backends)
    data = load(chosen)
    usable, reasons = sort_out(names)
    for name, reason in reasons.items():
        print(f"{name}: left out: {reason}")
    if len(usable) < 2:
        found = ", ".join(map(label, usable)) or "none"
        raise PolymodError(f"compare needs two engines that can be used, found {found}; `polymod backends` says more")
    print(
        f"{chosen.model} on {chosen.data}, seed {chosen.seed}: {chosen.epochs} epochs in batches of {chosen.batch_size}"
    )
    print(f"{'device':<20}{'first loss':>12}{'last loss':>12}{'accuracy':>10}{'seconds':>9}  from {label(usable[0])}")
    curves: list[Curve] = []
    for target in usable:
        curves.append(curve(chosen, data, target))
        print(row(curves[-1], curves[0]), flush=True)
    return verdict(curves, args.bound)


def requested(text: str) -> list[str]:
    """The engines or devices that `--backends` names, each once; for "all" the default engine and the others."""
    if text == "all":
        first = current_device().backend.name
        return [first, *(name for name in backend_names() if name != first)]
    return list(dict.fromkeys(filter(None, map(str.strip, text.split(",")))))


def sort_out(names: list[str]) -> tuple[list[Device], dict[str, str]]:
    """The devices that can be used, and for each other name why not.

    Raises:
        BackendError: a name is no plugin's.
    """
    usable, reasons = [], {}
    for name in names:
        try:
            found = device(name)
        except BackendError as error:
            if name.partition(":")[0] not in backend_names():
                raise
            reasons[name] = " ".join(str(error).split())
        else:
            if found.backend.is_engine and found not in usable:
                usable.append(found)
    return usable, reasons


def label(place: Device) -> str:
    """The engine and the device, also where the device's name alone would do."""
    return f"{place.backend.name}:{place.backend.device_name(place.native)}"


def curve(chosen: Settings, data: Split, target: Device) -> Curve:
    """Train on `target`."""
    with use_backend(target), limited(chosen.threads):
        start = time.perf_counter()
        job = prepare(chosen, data)
        history = list(fit(job.model, job.optimizer, job.batches, chosen.epochs, test_batches=job.test_batches))
        seconds = time.perf_counter() - start
    return Curve(target, np.concatenate([epoch.losses for epoch in history]), history, seconds)


def row(one: Curve, first: Curve) -> str:
    """A line of the table."""
    difference = "" if one is first else f"{np.max(np.abs(one.losses - first.losses)):.1e}"
    return (
        f"{label(one.device):<20}{one.losses[0]:12.6f}{one.losses[-1]:12.6f}{one.history[-1].accuracy:10.2%}"
        f"{one.seconds:9.1f}  {difference}"
    )


def verdict(curves: list[Curve], bound: float) -> int:
    """Print the largest difference between any two curves; return 0 where it is within `bound`, else 1."""
    losses = np.stack([one.losses for one in curves])
    spread = losses.max(axis=0) - losses.min(axis=0)
    largest, step = float(spread.max()), int(spread.argmax()) + 1
    within = largest <= bound
    print(
        f"largest difference of the loss curves: {largest:.1e}, at step {step} of {len(spread)}; "
        f"{'within' if within else 'BEYOND'} the bound {bound:g}"
    )
    return 0 if within else 1
