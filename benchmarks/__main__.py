"""`python -m benchmarks`: see README.md in this directory."""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path

from . import machine

PARTS = ("models", "sweeps", "transfer", "fresh", "memory")


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Time polymod beside other libraries, or (with --devices) the same models on several devices.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--backends", metavar="A,B", help="polymod's engines, beside peers (default: numpy)")
    what.add_argument(
        "--devices",
        metavar="A,B",
        help="engines or devices to compare with the first of them: cpu,cuda or numpy,strict:device1,cuda:1",
    )
    parser.add_argument(
        "--peers",
        metavar="A,B",
        help="other libraries among numpy, torch, torch:cuda, jax, autograd, mygrad; with an engine on a GPU, torch is "
        'torch:cuda where it can be; "" for none (default: all installed; with --devices: none)',
    )
    parser.add_argument("--repeat", type=int, help="samples of each contestant (default: 21; with --devices: 11)")
    parser.add_argument("--threads", type=int, default=machine.cores(), help="default: all cores")
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="wall time, or this process's CPU time, which other programs disturb less (use it with --threads 1; it "
        "sees nothing of a GPU's time)",
    )
    parser.add_argument("--out", type=Path, help="directory for the results (JSON, PNG; with --devices Markdown too)")
    parser.add_argument("--list", action="store_true", help="list the workloads and the installed peers, and stop")
    ours = parser.add_argument_group("with --backends")
    ours.add_argument("--workloads", metavar="A,B", help="names, or beginnings of names (default: all)")
    devices = parser.add_argument_group("with --devices")
    devices.add_argument("--parts", metavar="A,B", help=f"some of {', '.join(PARTS)} (default: all)")
    devices.add_argument(
        "--capture", action="store_true", help="also the training step captured and replayed, where a device can"
    )
    devices.add_argument("--quick", action="store_true", help="small sizes, to try the program out")
    devices.add_argument(
        "--slowest",
        type=float,
        default=1.0,
        metavar="S",
        help="who takes more than S seconds for a call is left out of the sweeps' larger sizes (default: 1)",
    )
    return parser


def listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def main() -> int:
    parser = arguments()
    options = parser.parse_args()
    if (options.repeat is not None and options.repeat < 1) or options.threads < 1:
        parser.error("--repeat and --threads must be at least 1")
    machine.restart_in(machine.environment(options.threads))
    machine.limit_cores(options.threads)
    if options.list:
        return catalogue()

    from polymod.errors import BackendError

    places = listed(options.devices or options.backends or "numpy")
    try:
        peers = chosen_peers(options, places)
    except (BackendError, ImportError, ValueError) as error:
        parser.error(str(error))
    described = machine.description(options.threads)
    if (described["load_average"] or 0) > 0.5:
        print(f"note: the machine is busy (load {described['load_average']})", file=sys.stderr)
    compare = compare_devices if options.devices is not None else compare_libraries
    try:
        return compare(options, places, peers, described)
    except ValueError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        kept = f"; {options.out / 'devices.json'} has what was found" if options.devices and options.out else ""
        print(f"interrupted{kept}", file=sys.stderr)
        return 130


def chosen_peers(options: argparse.Namespace, places: list[str]) -> list[str]:
    """The names of the peers, with the GPU in them where they use it; tries out engines and peers.

    Raises:
        BackendError, ImportError, ValueError: one is not known or can't be used.
    """
    from polymod.backend import device

    from . import peers

    if not places:
        raise ValueError("name at least one engine or device")
    found = [device(place) for place in places]
    for i, one in enumerate(found):
        if one in found[:i]:
            raise ValueError(f"{places[found.index(one)]} and {places[i]} are the same device")
    gpu = any(d.backend.device_name(d.native).startswith(("cuda", "rocm")) for d in found)
    if options.peers is not None:
        names = listed(options.peers)
    else:
        names = [] if options.devices is not None else peers.installed()
    strange = [name for name in names if not peers.known(name)]
    if strange:
        raise ValueError(f"unknown peers {', '.join(strange)}; there are {', '.join(peers.HOMES)}")
    names = list(dict.fromkeys(peers.on_gpu(name) if gpu else name for name in names))
    for name in names:
        peers.load(name)
    return names


def compare_libraries(
    options: argparse.Namespace, backends: list[str], names: list[str], described: dict[str, object]
) -> int:
    from . import ours, peers, report
    from .harness import compete
    from .workloads import WORKLOADS, problem

    wanted = listed(options.workloads) if options.workloads else list(WORKLOADS)
    unknown = [w for w in wanted if not any(name.startswith(w) for name in WORKLOADS)]
    if unknown:
        raise ValueError(f"unknown workloads {', '.join(unknown)}; there are {', '.join(WORKLOADS)}")
    clock = {"wall": time.perf_counter, "cpu": time.process_time}[options.clock]
    repeat = options.repeat or 21
    others = {name: peers.load(name) for name in names}
    results = []
    for workload in WORKLOADS.values():
        if not any(workload.name.startswith(w) for w in wanted):
            continue
        given = problem(workload)
        builders = {f"polymod:{b}": partial(ours.build, workload, given, b) for b in backends}
        for name, build in others.items():
            builders[name] = partial(build, workload, given)
        print(f"{workload.name}: {workload.title}", file=sys.stderr, flush=True)
        samples = min(repeat, workload.repeat or repeat)
        results += compete(workload.name, builders, workload.tolerance, samples, clock)

    print(report.text(described, results, [*(f"polymod:{b}" for b in backends), *names]))
    if options.out is not None:
        settings = {"backends": backends, "peers": names, "repeat": repeat, "clock": options.clock}
        for path in report.write(options.out, described, settings, results):
            print(path)
    return 1 if any(r.error for r in results) else 0


def compare_devices(
    options: argparse.Namespace, places: list[str], names: list[str], described: dict[str, object]
) -> int:
    from .devices import figures, run, tables
    from .devices.contestants import CAPTURED

    parts = listed(options.parts) if options.parts else list(PARTS)
    strange = [part for part in parts if part not in PARTS]
    if strange:
        raise ValueError(f"unknown parts {', '.join(strange)}; there are {', '.join(PARTS)}")
    settings = run.Settings(
        places,
        names,
        tuple(parts),
        quick=options.quick,
        capture=options.capture,
        repeat=options.repeat or (3 if options.quick else 11),
        clock=options.clock,
        slowest=options.slowest,
    )
    if options.capture and not any(name.endswith(CAPTURED) for name in settings.contestants):
        raise ValueError(f"--capture: none of {', '.join(places)} can capture a step")
    found = run.run(settings, described, options.out)
    page = tables.page(found)
    print(page)
    if options.out is not None:
        (options.out / "devices.md").write_text(page + "\n")
        written = ["devices.json", "devices.md"]
        if figures.draw(options.out / "devices.png", found):
            written.append("devices.png")
        print()
        for name in written:
            print(options.out / name)
    return 1 if run.errors(found) else 0


def catalogue() -> int:
    from . import peers
    from .devices.cases import CASES, SWEEPS
    from .workloads import WORKLOADS

    for workload in WORKLOADS.values():
        print(f"{workload.name:20} {workload.title}")
    print("with --devices:")
    for workload in CASES:
        print(f"  {workload.name:18} {workload.title}")
    for sweep in SWEEPS:
        print(f"  {sweep.name:18} {sweep.title}: {sweep.axis}, {sweep.sizes[0]} to {sweep.sizes[-1]}")
    print(f"{'peers installed':20} {', '.join(peers.installed())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
