"""The whole comparison of devices, part by part; what is there is written after each part."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polymod as pm

from ..__main__ import PARTS
from ..harness import compete
from ..workloads import make_problem
from . import cases, fresh, sweep, transfer
from .contestants import CAPTURED, OURS, Builder, builder, entered


@dataclass
class Settings:
    """What is compared and how long.

    Attributes:
        devices: as `polymod.device` takes them; ratios are to the first.
        peers: other libraries, as `peers.load` takes them.
        capture: whether the training step is also run captured.
        slowest: who takes more seconds than that for one call is left out of a sweep's larger sizes.
        seconds: for the samples of one workload.
        process_limit: seconds for one fresh process.
    """

    devices: list[str]
    peers: list[str] = field(default_factory=list)
    parts: tuple[str, ...] = PARTS
    quick: bool = False
    capture: bool = False
    repeat: int = 11
    clock: str = "wall"
    slowest: float = 1.0
    seconds: float = 3.0
    process_limit: float = 300.0

    @property
    def contestants(self) -> list[str]:
        ours = [OURS + d for d in self.devices]
        captured = [OURS + d + CAPTURED for d in self.devices if self.capture and pm.device(d).backend.capture]
        return [*ours, *captured, *self.peers]

    @property
    def read_clock(self) -> Callable[[], float]:
        return {"wall": time.perf_counter, "cpu": time.process_time}[self.clock]


def run(settings: Settings, machine: dict[str, Any], out: Path | None) -> dict[str, Any]:
    """Everything that `settings.parts` names, as it goes to the JSON file; see README.md for the keys.

    Where `out` is given, `out/devices.json` is written anew after each part, and when the run is interrupted: what
    was found is kept, and `finished` names the parts that are whole.
    """
    found: dict[str, Any] = {
        "kind": "devices",
        "machine": machine,
        "precision": machine["precision"],
        "settings": asdict(settings),
        "contestants": settings.contestants,
        "devices": {d: described(d) for d in settings.devices},
        "finished": [],
    }
    builders = {name: builder(name) for name in settings.contestants}
    measures = {"models": models, "sweeps": sweeps, "transfer": transfers, "fresh": fresh_steps, "memory": memories}
    try:
        for part in PARTS:
            if part in settings.parts:
                found[part] = []
                for row in measures[part](settings, builders):
                    found[part].append(row)
                found["finished"].append(part)
                save(found, out)
    finally:
        save(found, out)
    return found


def save(found: dict[str, Any], out: Path | None) -> None:
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "devices.json").write_text(json.dumps(found, indent=1) + "\n")


def described(name: str) -> dict[str, str]:
    device = pm.device(name)
    native = device.backend.device_name(device.native)
    return {"engine": device.backend.name, "version": device.backend.version, "device": native}


def models(settings: Settings, builders: dict[str, Builder]) -> Any:
    for workload in cases.QUICK_CASES if settings.quick else cases.CASES:
        problem = make_problem(workload)
        for kind, label in cases.PASSES.items():
            one = cases.timed_as(workload, kind)
            say(f"{workload.title}: {label}")
            results = compete(
                one.name,
                entered(builders, one, problem),
                one.tolerance,
                settings.repeat,
                settings.read_clock,
                settings.seconds,
            )
            for r in results:
                yield {
                    "model": workload.name,
                    "title": workload.title,
                    "pass": label,
                    "contestant": r.contestant,
                    "median_s": r.median,
                    "quartiles_s": r.quartiles,
                    "first_s": r.first,
                    "error": r.error,
                }


def sweeps(settings: Settings, builders: dict[str, Builder]) -> Any:
    for s in cases.SWEEPS:
        sizes = s.quick if settings.quick else s.sizes
        yield from sweep.measure(
            s, sizes, builders, settings.repeat, settings.slowest, settings.read_clock, settings.seconds
        )


def transfers(settings: Settings, builders: dict[str, Builder]) -> Any:
    say("transfer to the devices and back")
    sizes = transfer.QUICK if settings.quick else transfer.SIZES
    return transfer.measure(settings.devices, sizes, settings.repeat, settings.seconds)


def fresh_steps(settings: Settings, builders: dict[str, Builder]) -> Any:
    return _in_processes(settings, cases.QUICK_FRESH if settings.quick else cases.FRESH, fresh.first_steps)


def memories(settings: Settings, builders: dict[str, Builder]) -> Any:
    return _in_processes(settings, cases.QUICK_LARGE if settings.quick else cases.LARGE, fresh.memory)


def _in_processes(settings: Settings, names: tuple[str, ...], measure: Callable[..., dict[str, Any]]) -> Any:
    for name in names:
        for contestant in settings.contestants:
            say(f"{measure.__name__.replace('_', ' ')}, {name}: {contestant}, in a new process")
            row = {"model": name, "contestant": contestant, "error": None}
            try:
                row |= measure(contestant, name, settings.process_limit)
            except RuntimeError as error:
                row["error"] = str(error)
            yield row


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def errors(found: dict[str, Any]) -> list[str]:
    """A line for each thing that failed."""
    lines = []
    for part in PARTS:
        for r in found.get(part, []):
            if r.get("error"):
                words = [r.get(k) for k in ("model", "pass", "sweep", "way", "size", "bytes", "contestant", "device")]
                lines.append(f"{part}: {' '.join(str(w) for w in words if w is not None)}: {r['error']}")
    return lines
