"""The way to a device and back: latency and bandwidth."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import polymod as pm

from ..harness import Result, Run, compete

SIZES = tuple(4 * 8**k for k in range(9))  # bytes: 4 to 64 Mi
QUICK = (4, 4096, 4 * 2**20)


def measure(devices: list[str], sizes: tuple[int, ...], repeat: int, seconds: float) -> list[dict[str, Any]]:
    """Seconds to bring an array of each size onto each device, and back into host memory.

    Ordinary (pageable) host memory, as users have it; a copy each way, made by polymod.tensor and polymod.to_numpy.
    """
    found = []
    for size in sizes:
        array = np.random.default_rng(size).standard_normal(max(1, size // 4), dtype=np.float32)
        for way in (to_device, to_host):
            builders = {d: partial(way, array, d) for d in devices}
            results = compete(f"{way.__name__} {size}", builders, 0.0, repeat, seconds=seconds)
            found += [_row(way.__name__, array.nbytes, r) for r in results]
    return found


def to_device(array: np.ndarray, place: str) -> Run:
    device = pm.device(place)
    return Run(
        lambda: pm.tensor(array, device=device),
        lambda: {"array": pm.to_numpy(pm.tensor(array, device=device))},
        device.backend.synchronize,
    )


def to_host(array: np.ndarray, place: str) -> Run:
    x = pm.tensor(array, device=place)
    x.device.backend.synchronize()
    return Run(lambda: pm.to_numpy(x), lambda: {"array": pm.to_numpy(x)})


def _row(way: str, size: int, result: Result) -> dict[str, Any]:
    median = result.median
    return {
        "way": way,
        "device": result.contestant,
        "bytes": size,
        "median_s": median,
        "quartiles_s": result.quartiles,
        "bytes_per_s": None if median is None else size / median,
        "error": result.error,
    }


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per device and way: the time of the smallest array and the bandwidth of the largest."""
    found = []
    for device, way in dict.fromkeys((r["device"], r["way"]) for r in rows):
        good = [r for r in rows if (r["device"], r["way"]) == (device, way) and r["median_s"]]
        if good:
            low, high = min(good, key=lambda r: r["bytes"]), max(good, key=lambda r: r["bytes"])
            found.append(
                {
                    "device": device,
                    "way": way,
                    "latency_s": low["median_s"],
                    "bytes_per_s": high["bytes_per_s"],
                    "bytes": high["bytes"],
                }
            )
    return found
