"""NumPy itself, without derivatives: the floor for one operation and for the import."""

from __future__ import annotations

import numpy as np

from ..harness import Run
from ..imports import importing
from ..workloads import Problem, Workload

NAME, PACKAGE = "numpy", "numpy"


def build(workload: Workload, problem: Problem) -> Run | None:
    if workload.kind == "import":
        return importing(workload, "import numpy", "numpy.zeros(1)")
    if workload.kind == "operation":
        x = np.arange(8, dtype=np.float32)
        y = x.copy()
        return Run(lambda: x + y, lambda: {"sum": x + y})
    return None
