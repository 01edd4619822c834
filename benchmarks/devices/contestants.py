"""Who takes part: polymod on each device, and other libraries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from .. import ours, peers
from ..harness import Run
from ..workloads import Problem, Workload

OURS = "polymod:"
CAPTURED = " captured"  # after the name of one of ours: its training step is captured once and then replayed

Builder = Callable[[Workload, Problem], Run | None]


def builder(name: str) -> Builder:
    """What makes the contestant `polymod:<device>`, the same captured, or the peer of that name."""
    if name.startswith(OURS):
        device = name.removeprefix(OURS).removesuffix(CAPTURED)
        return partial(ours.build, backend=device, captured=name.endswith(CAPTURED))
    return peers.load(name)


def entered(builders: Mapping[str, Builder], workload: Workload, problem: Problem) -> dict[str, Any]:
    """The contestants of one workload, for `harness.compete`."""
    return {name: partial(build, workload, problem) for name, build in builders.items()}
