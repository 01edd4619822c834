"""Timing imports: each sample is a fresh process, and what counts is its CPU time."""

from __future__ import annotations

import os
import subprocess
import sys

from .harness import Run
from .workloads import Workload

_SCRIPT = """
import sys, time
before, start = set(sys.modules), time.process_time()
{statement}
print(time.process_time() - start, len(set(sys.modules) - before))
"""


def importing(workload: Workload, library: str, first_array: str) -> Run:
    """The CPU seconds of a new interpreter until a library is there, or until it has made its first array.

    Args:
        workload: its `model` says which: "alone" or "first array".
        library: the statement that imports it.
        first_array: the statement that makes an array.

    The number of modules imported goes to the notes.
    """
    statement = library if workload.model == "alone" else f"{library}; {first_array}"
    notes: dict[str, object] = {"statement": statement}
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}

    def measure() -> float:
        script = _SCRIPT.format(statement=statement)
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        seconds, notes["modules"] = done.stdout.split()[-2:]
        return float(seconds)

    measure()  # compiles the modules that have no bytecode yet, as their first import does everywhere
    return Run(lambda: None, measure=measure, notes=notes)
