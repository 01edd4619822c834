"""`polymod train`: train one of the models on real images, and keep the result."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

from .._version import __version__
from ..backend import Device, current_device, place, use_backend
from ..errors import DataError
from ..io import atomic_write, save_file
from ..train import Epoch, fit
from .curves import require_matplotlib, save_curves
from .job import Job, Settings, load, prepare, settings
from .job import add_arguments as add_settings
from .progress import Progress
from .threads import limited


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--backend", metavar="NAME", help="the engine; `polymod backends` lists them (default: numpy)")
    parser.add_argument("--device", metavar="D", help="a device of the engine, such as cuda:1 (default: its first)")
    add_settings(parser, default_model="mlp")
    parser.add_argument("--save", metavar="DIR", help="write model.safetensors, metrics.json and curves.png there")


def run(args: argparse.Namespace) -> int:
    """The command. Returns the exit code.

    Raises:
        PolymodError: something given can't be used; nothing was trained.
    """
    chosen = settings(args)
    device = current_device() if args.backend is None and args.device is None else place(args.device, args.backend)
    data = load(chosen)
    if args.save is not None:
        require_matplotlib()
    folder = None if args.save is None else writable_folder(args.save)
    with use_backend(device):
        job = prepare(chosen, data)
        parameters = sum(p.size for p in job.model.parameters())
        engine = f"{device.backend.name} {device.backend.version}"
        print(f"{chosen.model} ({parameters:,} parameters) on {device} ({engine}), {chosen.data}:", end=" ")
        print(f"{len(data.train_labels):,} images to train on, {len(data.test_labels):,} to test with")
        start = time.perf_counter()
        with limited(chosen.threads):
            history = train(job, chosen.epochs)
        seconds = time.perf_counter() - start
        print(f"test accuracy {history[-1].accuracy:.2%} after {chosen.epochs} epochs in {seconds:.1f} s")
        if folder is not None:
            write(folder, job, chosen, device, history, seconds)
            print(f"wrote model.safetensors, metrics.json and curves.png in {folder}")
    return 0


def train(job: Job, epochs: int) -> list[Epoch]:
    """Train, showing progress. Returns what each epoch gave."""
    history = []
    with Progress(epochs, len(job.batches.dataset)) as progress:
        for epoch in fit(
            job.model,
            job.optimizer,
            job.batches,
            epochs,
            test_batches=job.test_batches,
            on_step=progress.step,
        ):
            history.append(epoch)
            progress.end_of_epoch(epoch)
    return history


def writable_folder(path: str) -> Path:
    """The folder `path`, made if need be.

    Raises:
        DataError: it can't be made, or nothing can be written in it.
    """
    if not path:
        raise DataError("--save needs the name of a folder, received an empty one")
    folder = Path(path)
    trial = folder / ".polymod-writes-here"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise DataError(f"--save {path}: can't write there ({error.strerror}); name a folder of your own") from None
    return folder


def write(folder: Path, job: Job, chosen: Settings, device: Device, history: Sequence[Epoch], seconds: float) -> None:
    """Write the three files of `--save`."""
    about = {"model": chosen.model, "polymod": __version__}
    save_file(job.model.state_dict(), folder / "model.safetensors", about)
    metrics = {
        **about,
        "backend": device.backend.name,
        "backend_version": device.backend.version,
        "device": str(device),
        "data": chosen.data,
        "seed": chosen.seed,
        "epochs": chosen.epochs,
        "batch_size": chosen.batch_size,
        "lr": chosen.lr,
        "optimizer": type(job.optimizer).__name__,
        "loss": [epoch.loss for epoch in history],
        "accuracy": [epoch.accuracy for epoch in history],
        "test_accuracy": history[-1].accuracy,
        "seconds": seconds,
    }
    with atomic_write(folder / "metrics.json", "w") as file:
        json.dump(metrics, file, indent=2)
        file.write("\n")
    title = f"{chosen.model} on {chosen.data}, {device} ({device.backend.name}), seed {chosen.seed}"
    save_curves(folder / "curves.png", history, title)
