"""Running contestants: first all must agree, then they are timed in turns (A B C A B C ...)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SAMPLE = 0.005  # seconds that one sample takes at least; short calls are repeated
LEAST = 3  # samples, however long they take
PAUSE = 0.005  # seconds between contestants, so that one's idle threads stop spinning on the next one's cores


@dataclass
class Run:
    """A contestant, ready to go.

    Attributes:
        step: what is timed.
        outputs: what the contestants must agree on, as host arrays by name; called once, before any timing.
        synchronize: waits for what `step` left running.
        measure: gives the seconds of one sample itself, for what can't be timed here; then `step` is not called.
        peak_memory: calls a function and gives the most bytes of the device that it took meanwhile, or None.
        held: the bytes of what is there between two steps: weights, the optimizer's state, the data.
        on_host: whether its arrays lie in this process's memory.
        notes: further facts for the report, filled in while running.
    """

    step: Callable[[], Any]
    outputs: Callable[[], Mapping[str, Any]] = dict
    synchronize: Callable[[], Any] = lambda: None
    measure: Callable[[], float] | None = None
    peak_memory: Callable[[Callable[[], Any]], int | None] = lambda function: None
    held: Callable[[], int] = lambda: 0
    on_host: bool = True
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Result:
    """What came of one contestant in one workload: seconds per call, or the reason why there are none."""

    workload: str
    contestant: str
    samples: list[float] = field(default_factory=list)
    first: float | None = None  # the first call, with whatever is compiled or planned in it
    error: str | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float | None:
        return statistics.median(self.samples) if self.samples else None

    @property
    def quartiles(self) -> tuple[float, float] | None:
        """The first and third quartile."""
        if len(self.samples) < 2:
            return None
        q1, _, q3 = statistics.quantiles(self.samples, n=4, method="inclusive")
        return q1, q3


def compete(
    workload: str,
    builders: Mapping[str, Callable[[], Run | None]],
    tolerance: float,
    repeat: int,
    clock: Callable[[], float] = time.perf_counter,
    seconds: float = float("inf"),
) -> list[Result]:
    """Build, check and time the contestants.

    Args:
        builders: by contestant; the first one's outputs are what the others are compared with. One that gives
            None takes no part.
        tolerance: how far an output may be off, as a part of the reference's Euclidean norm.
        repeat: samples per contestant.
        clock: gives seconds.
        seconds: after so many (of the wall) no further samples are taken once there are three.

    Returns:
        A Result per contestant. One that fails, or disagrees with the first, has an error and no samples; where
        the first itself fails nothing is timed, for there is nothing to compare with.
    """
    results = {name: Result(workload, name) for name in builders}
    runs: dict[str, Run] = {}
    reference: Mapping[str, Any] | None = None
    for name, build in builders.items():
        try:
            run = build()
            if run is None:
                del results[name]
                continue
            outputs = run.outputs()
            if reference is None:
                reference = outputs
            else:
                results[name].error = disagreement(outputs, reference, tolerance, next(iter(builders)))
        except Exception as error:  # one contestant's failure must not end the others' race
            results[name].error = f"{type(error).__name__}: {error}".splitlines()[0]
            if reference is None:
                for other in list(results)[1:]:
                    results[other].error = f"not run, for {name} failed"
                break
        if results[name].error is None:
            runs[name] = run
    _time(runs, results, repeat, clock, seconds)
    return list(results.values())


def disagreement(outputs: Mapping[str, Any], reference: Mapping[str, Any], tolerance: float, name: str) -> str | None:
    """Where `outputs` are not the `reference`, which `name` gave; None if they agree."""
    if outputs.keys() != reference.keys():
        odd = sorted(outputs.keys() ^ reference.keys())
        return f"has other outputs than {name}: {', '.join(odd[:5])}"
    worst, where = 0.0, ""
    for key, expected in reference.items():
        a, b = (np.asarray(x, dtype=np.float64) for x in (outputs[key], expected))
        if a.shape != b.shape:
            return f"{key} has shape {a.shape}, from {name} {b.shape}"
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            return f"{key} is not finite"
        distance = float(np.linalg.norm(a - b)) / (float(np.linalg.norm(b)) or 1.0)
        if distance > worst:
            worst, where = distance, key
    return f"{where} differs from {name}'s by {worst:.1e} of its norm" if worst > tolerance else None


def _time(
    runs: Mapping[str, Run],
    results: Mapping[str, Result],
    repeat: int,
    clock: Callable[[], float],
    limit: float,
) -> None:
    calls = {}
    for name, run in runs.items():
        if run.measure is None:
            results[name].first = _seconds(run, 1, clock)
            calls[name] = _calls_for_a_sample(run, clock)
    end = time.monotonic() + limit
    for taken in range(repeat):
        if taken >= LEAST and time.monotonic() > end:
            break
        for name, run in runs.items():
            time.sleep(PAUSE)
            seconds = run.measure() if run.measure else _seconds(run, calls[name], clock) / calls[name]
            results[name].samples.append(seconds)
    for name, run in runs.items():
        results[name].notes = run.notes


def _seconds(run: Run, calls: int, clock: Callable[[], float]) -> float:
    step = run.step
    start = clock()
    for _ in range(calls):
        step()
    run.synchronize()
    return clock() - start


def _calls_for_a_sample(run: Run, clock: Callable[[], float]) -> int:
    calls = 1
    while (seconds := _seconds(run, calls, clock)) < SAMPLE:
        calls *= 2 if seconds <= 0 else min(10, max(2, int(SAMPLE / seconds) + 1))
    return calls
