"""Times over the size of a problem, and from which size on one device is faster than another."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ..harness import compete
from ..workloads import make_problem
from .cases import Sweep
from .contestants import Builder, entered


def measure(
    sweep: Sweep,
    sizes: tuple[int, ...],
    builders: Mapping[str, Builder],
    repeat: int,
    slowest: float,
    clock: Callable[[], float],
    seconds: float,
) -> list[dict[str, Any]]:
    """A row per size and contestant. Who takes longer than `slowest` seconds is left out of the larger sizes."""
    found: list[dict[str, Any]] = []
    racing = dict(builders)
    for size in sizes:
        if not racing:
            break
        workload = sweep.make(f"{sweep.name} {size}", size)
        print(f"{sweep.name}: {sweep.phrase.format(size)}", file=sys.stderr, flush=True)
        contestants = entered(racing, workload, make_problem(workload))
        for r in compete(workload.name, contestants, workload.tolerance, repeat, clock, seconds):
            row = {"sweep": sweep.name, "size": size, "contestant": r.contestant, "median_s": r.median}
            found.append({**row, "quartiles_s": r.quartiles, "error": r.error})
            if r.error or r.median is None or r.median > slowest:
                del racing[r.contestant]
    return found


def times(rows: list[dict[str, Any]], sweep: str, contestant: str) -> dict[int, float]:
    """The median seconds by size."""
    chosen = [r for r in rows if (r["sweep"], r["contestant"]) == (sweep, contestant)]
    return {r["size"]: r["median_s"] for r in chosen if r["median_s"]}


def crossing(slow: Mapping[int, float], fast: Mapping[int, float]) -> dict[str, Any] | None:
    """From which size on `fast` takes less time than `slow`; None where that is so at no end of the sizes.

    Returns:
        `size`: the smallest one measured from which on `fast` wins at every size that both have; `estimate`: where
        the lines through the points on both sides of it cross, on logarithmic axes (None where it wins from the first
        size on); `largest` size measured of both, and the `ratio` there, slow over fast.
    """
    sizes = sorted(slow.keys() & fast.keys())
    gains = [math.log(slow[n] / fast[n]) for n in sizes]
    first = len(sizes)
    while first and gains[first - 1] > 0:
        first -= 1
    if first == len(sizes):
        return None
    estimate = None
    if first:
        low, high = gains[first - 1], gains[first]
        step = math.log(sizes[first] / sizes[first - 1])
        estimate = sizes[first - 1] * math.exp(step * -low / (high - low))
    ratio = math.exp(gains[-1])
    return {"size": sizes[first], "estimate": estimate, "largest": sizes[-1], "ratio": ratio}


def crossings(rows: list[dict[str, Any]], first: str, others: list[str]) -> list[dict[str, Any]]:
    """Per sweep and other device: when it beats the `first` one."""
    found = []
    for sweep in dict.fromkeys(r["sweep"] for r in rows):
        base = times(rows, sweep, first)
        for other in others:
            theirs = times(rows, sweep, other)
            both = sorted(base.keys() & theirs.keys())
            if both:
                at = crossing(base, theirs)
                ratio = base[both[-1]] / theirs[both[-1]]
                found.append(
                    {"sweep": sweep, "first": first, "other": other, "at": at, "largest": both[-1], "ratio": ratio}
                )
    return found


def sentence(sweep: Sweep, found: Mapping[str, Any]) -> str:
    """When the other is faster than the first, where the curves cross, and what is gained at the largest size."""
    first, other = found["first"], found["other"]
    largest = f"{found['ratio']:.3g} times as fast at {sweep.phrase.format(found['largest'])}"
    at = found["at"]
    if at is None:
        return f"{other} is not faster than {first} ({largest})"
    on = f"{other} is faster than {first} from {sweep.phrase.format(at['size'])} on"
    if at["estimate"] is None:
        return f"{on}, the smallest measured ({largest})"
    return f"{on} (the curves cross at about {at['estimate']:.0f}; {largest})"
