"""Run the table: `python -m consumers [--engines polymod,torch,jax] [--only TEXT] [--write]`."""

from __future__ import annotations

import argparse
import json
import os
import pickle
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from .worker import Worker

for _name, _value in {
    "SCIPY_ARRAY_API": "1",
    "JAX_PLATFORMS": "cpu",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}.items():
    os.environ.setdefault(_name, _value)


def references(table: dict[str, Any], names: list[str], file: Path | None) -> dict[str, Any]:
    """The reference of every call, kept in `file` between runs; those without one are named and left out."""
    known = pickle.loads(file.read_bytes()) if file and file.exists() else {}
    worker = Worker("reference")
    found = {}
    for name in names:
        inputs = table[name].inputs
        if name not in known or not all(map(np.array_equal, known[name].inputs, inputs)):
            answer = worker(name)
            if isinstance(answer, str | tuple):
                print(f"left out: {name}: {answer}", flush=True)
                continue
            known[name] = answer
        found[name] = known[name]
    worker.close()
    if file:
        file.write_bytes(pickle.dumps(known))
    return found


def main() -> None:
    """Run the calls asked for on the engines asked for; print, and write the page if asked."""
    parser = argparse.ArgumentParser(prog="python -m consumers", description=__doc__)
    parser.add_argument("--engines", default="polymod,torch,jax", help="comma-separated; also polymod:strict:device1")
    parser.add_argument("--only", default="", help="calls whose name contains this")
    parser.add_argument(
        "--references",
        type=Path,
        help="a file that keeps the finite differences between runs; delete it when a call changes",
    )
    parser.add_argument("--outcomes", type=Path, help="a file that gathers the outcomes of runs by engine, for --write")
    parser.add_argument("--write", action="store_true", help="write docs/consumers.md")
    options = parser.parse_args()
    from .calls import table
    from .page import write

    names = [n for n in table if options.only in n]
    started = time.perf_counter()
    known = references(table, names, options.references)
    print(f"{len(known)} calls, references in {time.perf_counter() - started:.0f} s", flush=True)
    outcomes: dict[str, dict[str, tuple[str, str]]] = {}
    if options.outcomes and options.outcomes.exists():
        outcomes = json.loads(options.outcomes.read_text())
    for engine in filter(None, options.engines.split(",")):
        started = time.perf_counter()
        worker = Worker(engine)
        outcomes.setdefault(engine, {})
        for name in known:
            outcomes[engine][name] = outcome, why = worker(name, known[name])
            if outcome != "right":
                print(f"{engine:8s} {outcome:14s} {name}: {why}", flush=True)
        worker.close()
        counts = Counter(outcomes[engine][name][0] for name in known)
        summary = ", ".join(f"{outcome} {n}" for outcome, n in counts.most_common())
        print(f"{engine}: {summary}; {time.perf_counter() - started:.0f} s", flush=True)
    if options.outcomes:
        options.outcomes.write_text(json.dumps(outcomes))
    if options.write:
        write({e: {n: found[n] for n in known} for e, found in outcomes.items()})


if __name__ == "__main__":
    main()
