"""Timing imports: each sample is a fresh process, and what counts is its CPU time."""

from __future__ import annotations

import subprocess
import sys

from .harness import Run

_SCRIPT = """
import sys, time
before, start = set(sys.modules), time.process_time()
{statement}
print(time.process_time() - start, len(set(sys.modules) - before))
"""


def importing(statement: str) -> Run:
    """The CPU seconds that `statement` takes in a new interpreter; the number of modules goes to the notes."""
    notes: dict[str, object] = {"statement": statement}

    def measure() -> float:
        script = _SCRIPT.format(statement=statement)
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        seconds, notes["modules"] = done.stdout.split()[-2:]
        return float(seconds)

    return Run(lambda: None, measure=measure, notes=notes)
