"""One contestant in a new process: its first step, with the compilation in it, and the memory that a step takes.

    python -m benchmarks.devices.fresh start polymod:cupy mlp-256

prints one line of JSON. `first_steps` and `memory` run it in processes of their own.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WARM = 10  # steps after the first two

CACHES = ("CUPY_CACHE_DIR", "CUDA_CACHE_PATH", "JAX_COMPILATION_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR")
"""Where engines, compilers and drivers keep what they compiled, by environment variable."""

KEEP_ALL = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}

RETURN_AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""glibc then gives arrays' memory back to the system when they go, so that the process's size tells what is held."""


def first_steps(contestant: str, case: str, limit: float) -> dict[str, Any]:
    """The first training step in a new process, with all caches of compiled code empty, and then with them filled.

    Returns:
        `empty` and `filled`, each with the seconds of `prepare` (load the engine, model and data onto the device),
        `first`, `second` and `warm` (the median of later steps); `compilation`, the part of prepare and first
        together that the filled caches save.
    """
    with tempfile.TemporaryDirectory() as folder:
        variables = {name: str(Path(folder, name.lower())) for name in CACHES} | KEEP_ALL
        found = {state: _fresh("start", contestant, case, variables, limit) for state in ("empty", "filled")}
    empty, filled = (s["prepare"] + s["first"] for s in found.values())
    return {**found, "cold_s": empty, "cold_filled_s": filled, "compilation": max(0.0, (empty - filled) / empty)}


def memory(contestant: str, case: str, limit: float) -> dict[str, Any]:
    """The bytes `held` between two training steps, the most that a `step` takes beyond them (None where there is no
    way to know), and `how` that was found."""
    return _fresh("memory", contestant, case, RETURN_AT_ONCE, limit)


def _fresh(what: str, contestant: str, case: str, variables: dict[str, str], limit: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.devices.fresh", what, contestant, case]
    environment = {**os.environ, **variables}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"took more than {limit:.0f} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise RuntimeError(lines[-1])
    return json.loads(done.stdout.splitlines()[-1])


def start(run: Any, began: float) -> dict[str, float]:
    def one() -> float:
        before = time.perf_counter()
        run.step()
        run.synchronize()
        return time.perf_counter() - before

    run.synchronize()
    prepare = time.perf_counter() - began
    first, second, *others = [one() for _ in range(2 + WARM)]
    return {"prepare": prepare, "first": first, "second": second, "warm": statistics.median(others)}


def take(run: Any) -> dict[str, Any]:
    def step() -> None:
        run.step()
        run.synchronize()

    for _ in range(3):
        step()
    gc.collect()
    taken, how = run.peak_memory(step), "counted by the engine"
    if taken is None and run.on_host:
        taken, how = resident(step), "the process's resident memory"
    return {"held": run.held(), "step": taken, "how": how if taken is not None else "not known"}


def resident(function: Any) -> int | None:
    """How far the memory of this process grows at most while `function` runs; None where the system can't tell."""
    reset, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    try:
        reset.write_text("5")  # VmHWM starts again from what is resident now
        before = _kilobytes(status, "VmHWM")
        function()
        return max(0, _kilobytes(status, "VmHWM") - before) * 1024
    except (OSError, KeyError):
        return None


def _kilobytes(status: Path, name: str) -> int:
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    return int(lines[name].split()[0])


def main() -> None:
    from ..workloads import make_problem
    from .cases import CASES, QUICK_CASES
    from .contestants import builder

    what, contestant, case = sys.argv[1:]
    workload = next(w for w in [*CASES, *QUICK_CASES] if w.name == case)
    problem = make_problem(workload)
    began = time.perf_counter()
    run = builder(contestant)(workload, problem)
    if run is None:
        raise SystemExit(f"{contestant} has no means for {case}")
    print(json.dumps(start(run, began) if what == "start" else take(run)))


if __name__ == "__main__":
    main()
