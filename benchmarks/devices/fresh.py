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
from collections.abc import Callable
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
        together that the filled caches save, or None where nothing was laid into the caches (then `filled` is
        `empty`).
    """
    with tempfile.TemporaryDirectory() as folder:
        variables = {name: str(Path(folder, name.lower())) for name in CACHES} | KEEP_ALL
        empty = _fresh("start", contestant, case, variables, limit)
        compiled = any(path.is_file() for path in Path(folder).rglob("*"))
        filled = _fresh("start", contestant, case, variables, limit) if compiled else empty
    cold, again = (s["prepare"] + s["first"] for s in (empty, filled))
    share = max(0.0, (cold - again) / cold) if compiled else None
    return {"empty": empty, "filled": filled, "cold_s": cold, "cold_filled_s": again, "compilation": share}


def memory(contestant: str, case: str, limit: float) -> dict[str, Any]:
    """The bytes `held` between two training steps, the `most` that there are at once in one (None where there is no
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


def take(small: Callable[[], Any], large: Callable[[], Any]) -> dict[str, Any]:
    """The memory that making and training `large` takes, beyond that of a process that has trained `small`."""
    loaded = small()  # brings in the engine's code and whatever its libraries allocate once and for all
    _steps(loaded, 2)
    held = 0

    def train(then: Callable[[], Any]) -> None:
        nonlocal held
        run = large()
        _steps(run, 2)
        then()
        _steps(run, 1)
        held = run.held()

    if loaded.peak_memory(lambda: None) is not None:
        most, how = loaded.peak_memory(lambda: train(lambda: None)), "counted by the engine"
    elif loaded.on_host:
        gc.collect()
        most, how = resident(train), "the process's resident memory"
    else:
        train(lambda: None)
        most, how = None, "not known"
    return {"held": held, "most": most, "how": how if most is not None else "not known"}


def _steps(run: Any, count: int) -> None:
    for _ in range(count):
        run.step()
    run.synchronize()


def resident(train: Callable[[Callable[[], Any]], None]) -> int | None:
    """How far the memory of this process is, in a later training step, above that before; None where the system can't
    tell. `train` calls what it is given before that step, so that the compilation of the first is not counted."""
    reset, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    try:
        before = _kilobytes(status, "VmRSS")
        train(lambda: reset.write_text("5"))  # VmHWM starts again from what is resident then
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
    build = builder(contestant)
    if what == "memory":
        small = make_problem(QUICK_CASES[1])
        print(json.dumps(take(lambda: build(QUICK_CASES[1], small), lambda: build(workload, problem))))
        return
    run = build(workload, problem)
    print(json.dumps(start(run, began)))


if __name__ == "__main__":
    main()
