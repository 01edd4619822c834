"""`python -m benchmarks`: see README.md in this directory."""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path

from . import machine


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Time polymod beside other libraries.")
    parser.add_argument("--backends", default="numpy", help="polymod's engines, with commas (default: numpy)")
    parser.add_argument(
        "--peers", help='other libraries among numpy, torch, jax, autograd, mygrad; "" for none (default: installed)'
    )
    parser.add_argument("--workloads", help="names, or beginnings of names, with commas (default: all)")
    parser.add_argument("--repeat", type=int, default=21, help="samples of each contestant (default: 21)")
    parser.add_argument("--threads", type=int, default=machine.cores(), help="default: all cores")
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="wall time, or this process's CPU time, which other programs disturb less (use it with --threads 1)",
    )
    parser.add_argument("--out", type=Path, help="directory for benchmarks.json and benchmarks.png")
    parser.add_argument("--list", action="store_true", help="list the workloads and the installed peers, and stop")
    return parser


def listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def main() -> int:
    parser = arguments()
    options = parser.parse_args()
    if options.repeat < 1 or options.threads < 1:
        parser.error("--repeat and --threads must be at least 1")
    machine.restart_in(machine.environment(options.threads))
    machine.limit_cores(options.threads)

    from polymod.backend import device
    from polymod.errors import BackendError

    from . import ours, peers, report
    from .harness import compete
    from .workloads import WORKLOADS, problem

    wanted = listed(options.workloads) if options.workloads else list(WORKLOADS)
    unknown = [w for w in wanted if not any(name.startswith(w) for name in WORKLOADS)]
    if unknown:
        parser.error(f"unknown workloads {', '.join(unknown)}; there are {', '.join(WORKLOADS)}")
    if options.list:
        for workload in WORKLOADS.values():
            print(f"{workload.name:20} {workload.title}")
        print(f"{'peers installed':20} {', '.join(peers.installed())}")
        return 0
    names = peers.installed() if options.peers is None else listed(options.peers)
    strange = [name for name in names if name not in peers.HOMES]
    if strange:
        parser.error(f"unknown peers {', '.join(strange)}; there are {', '.join(peers.HOMES)}")
    backends = listed(options.backends)
    try:
        for name in backends:
            device(name)
        others = {name: peers.load(name) for name in names}
    except (BackendError, ImportError) as error:
        parser.error(str(error))

    described = machine.description(options.threads)
    if (described["load_average"] or 0) > 0.5:
        print(f"note: the machine is busy (load {described['load_average']})", file=sys.stderr)
    clock = {"wall": time.perf_counter, "cpu": time.process_time}[options.clock]
    results = []
    for workload in WORKLOADS.values():
        if not any(workload.name.startswith(w) for w in wanted):
            continue
        given = problem(workload)
        builders = {f"polymod:{b}": partial(ours.build, workload, given, b) for b in backends}
        for name, peer in others.items():
            builders[name] = partial(peer.build, workload, given)
        repeat = min(options.repeat, workload.repeat or options.repeat)
        print(f"{workload.name}: {workload.title}", file=sys.stderr, flush=True)
        results += compete(workload.name, builders, workload.tolerance, repeat, clock)

    print(report.text(described, results, [*(f"polymod:{b}" for b in backends), *names]))
    if options.out is not None:
        settings = {"backends": backends, "peers": names, "repeat": options.repeat, "clock": options.clock}
        for path in report.write(options.out, described, settings, results):
            print(path)
    return 1 if any(r.error for r in results) else 0


if __name__ == "__main__":
    sys.exit(main())
