"""`python -m benchmarks.overhead`: what a recorded operation on 8 elements costs beside NumPy's own call, and where.

Each line is timed in turns with `np.add`; the ratio of the medians counts, the nanoseconds belong to the machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np

import polymod as pm
from polymod.autograd.tape import Node, next_order
from polymod.tensor import wrap

from . import machine

CALLS, ROUNDS = 2000, 25


def lines() -> dict[str, Callable[[], Any]]:
    a, b = np.ones(8, np.float32), np.ones(8, np.float32)
    x, y = pm.tensor(a), pm.tensor(b)
    p, q = pm.tensor(a, requires_grad=True), pm.tensor(b, requires_grad=True)
    flag: ContextVar[bool] = ContextVar("flag", default=True)
    return {
        "np.add(a, b)": lambda: np.add(a, b),
        "x + y, not recorded": lambda: x + y,
        "p + q, recorded": lambda: p + q,
        "p * q, recorded": lambda: p * q,
        "p / q, recorded": lambda: p / q,
        "exp(p), recorded": lambda: pm.exp(p),
        "np.exp(a)": lambda: np.exp(a),
        "part: comparing shapes and dtypes": lambda: a.shape == b.shape and a.dtype is b.dtype,
        "part: asking whether to record": flag.get,
        "part: the node's number": next_order,
        "part: making a node": lambda: Node(None, (), None, (), {}),
        "part: making a Tensor": lambda: wrap(a),
    }


def measure() -> dict[str, float]:
    """The median seconds of each line."""
    timed = lines()
    empty = [_seconds(lambda: None) for _ in range(ROUNDS)]
    found: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(ROUNDS):
        for name, call in timed.items():
            found[name].append(_seconds(call))
    call_itself = statistics.median(empty)
    return {name: statistics.median(v) - call_itself for name, v in found.items()}


def _seconds(call: Callable[[], Any]) -> float:
    start = time.thread_time()
    for _ in range(CALLS):
        call()
    return (time.thread_time() - start) / CALLS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("--out", type=Path, help="directory for overhead.json")
    options = parser.parse_args()
    described = machine.description(1)
    medians = measure()
    base = medians["np.add(a, b)"]
    print(f"{described['cpu']}, Python {described['python']}, numpy {np.__version__}\n")
    for name, seconds in medians.items():
        print(f"{name:52} {seconds * 1e9:7.0f} ns   {seconds / base:5.2f} x np.add")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        content = {"machine": described, "seconds": medians, "ratios": {n: s / base for n, s in medians.items()}}
        (options.out / "overhead.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
