"""What a run shows: a table of times, a table of ratios, a JSON file and a bar chart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .harness import Result

OURS = "polymod:"
RATIO = "ratios: polymod's median time over the other's; below 1 polymod is faster"


def duration(seconds: float) -> str:
    """Seconds in the unit that a reader takes in at a glance."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def ratios(results: list[Result]) -> list[dict[str, Any]]:
    """For each workload, polymod's median over that of each other contestant, per engine."""
    medians: dict[str, dict[str, float]] = {}
    for r in results:
        if r.median is not None:
            medians.setdefault(r.workload, {})[r.contestant] = r.median
    return [
        {"workload": workload, "polymod": ours, "other": other, "ratio": seconds[ours] / seconds[other]}
        for workload, seconds in medians.items()
        for ours in seconds
        if ours.startswith(OURS)
        for other in seconds
        if other != ours and not other.startswith(OURS)
    ]


def text(machine: dict[str, Any], results: list[Result], contestants: list[str]) -> str:
    """The whole report for the terminal."""
    workloads = list(dict.fromkeys(r.workload for r in results))
    by_place = {(r.workload, r.contestant): r for r in results}
    times = [["median [quartiles]", *contestants]]
    for workload in workloads:
        times.append([workload, *(_cell(by_place.get((workload, c))) for c in contestants)])
    found = {(r["workload"], r["polymod"], r["other"]): r["ratio"] for r in ratios(results)}
    pairs = list(dict.fromkeys((o, p) for _, o, p in found))
    compared = [["ratio", *(f"{o.removeprefix(OURS)}/{p}" for o, p in pairs)]]
    for workload in workloads:
        row = [found.get((workload, *pair)) for pair in pairs]
        compared.append([workload, *("-" if v is None else f"{v:.2f}" for v in row)])
    parts = [describe(machine), _table(times)]
    if pairs:
        parts += [RATIO + "\n" + _table(compared)]
    first = [
        f"  {r.workload} {r.contestant}: {duration(r.first)}"
        for r in results
        if r.first and r.median and r.first > max(20 * r.median, 0.02)
    ]
    modules = [
        f"  {r.contestant}: {r.notes['modules']} ({r.notes['statement']})" for r in results if "modules" in r.notes
    ]
    errors = [f"  {r.workload} {r.contestant}: {r.error}" for r in results if r.error]
    for title, lines in (("first calls (compilation)", first), ("imported modules", modules), ("ERRORS", errors)):
        if lines:
            parts.append("\n".join([title, *lines]))
    return "\n\n".join(parts)


def describe(machine: dict[str, Any]) -> str:
    """The machine in two lines."""
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items())
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads, load {machine['load_average']}\n"
        f"Python {machine['python']}, {versions}"
    )


def _cell(result: Result | None) -> str:
    if result is None:
        return "-"
    if result.median is None:
        return "ERROR"
    spread = result.quartiles
    return duration(result.median) + (f" [{duration(spread[0])}, {duration(spread[1])}]" if spread else "")


def _table(rows: list[list[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * w for w in widths), *lines[1:]])


def write(directory: Path, machine: dict[str, Any], settings: dict[str, Any], results: list[Result]) -> list[Path]:
    """Write benchmarks.json and, where there is something to compare, benchmarks.png; returns their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    content = {
        "machine": machine,
        "settings": settings,
        "ratio": RATIO,
        "results": [
            {
                "workload": r.workload,
                "contestant": r.contestant,
                "median_s": r.median,
                "quartiles_s": r.quartiles,
                "first_s": r.first,
                "samples_s": r.samples,
                "error": r.error,
                "notes": r.notes,
            }
            for r in results
        ],
        "ratios": ratios(results),
    }
    written = [directory / "benchmarks.json"]
    written[0].write_text(json.dumps(content, indent=1) + "\n")
    if content["ratios"]:
        written.append(directory / "benchmarks.png")
        chart(written[1], machine, content["ratios"])
    return written


def chart(path: Path, machine: dict[str, Any], found: list[dict[str, Any]]) -> None:
    """A bar per workload and pair: the ratio, on a logarithmic axis around 1."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    workloads = list(dict.fromkeys(r["workload"] for r in found))[::-1]
    pairs = list(dict.fromkeys((r["polymod"], r["other"]) for r in found))
    height = 0.8 / len(pairs)
    figure, axes = plt.subplots(figsize=(9, 1.5 + 0.2 * len(workloads) * max(2, len(pairs))))
    for i, (ours, other) in enumerate(pairs):
        chosen = [r for r in found if (r["polymod"], r["other"]) == (ours, other)]
        places = [workloads.index(r["workload"]) + 0.4 - height * (i + 0.5) for r in chosen]
        bars = axes.barh(places, [r["ratio"] - 1 for r in chosen], height, left=1, label=f"{ours} / {other}")
        axes.bar_label(bars, [f"{r['ratio']:.2f}" for r in chosen], fontsize=7, padding=2)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.margins(x=0.15)
    low, high = axes.get_xlim()
    ticks = [t for t in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if low <= t <= high]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()
    axes.set_yticks(range(len(workloads)), workloads)
    axes.set_xlabel("time of polymod / time of the other (below 1 polymod is faster)")
    axes.set_title(f"{machine['cpu']}, {machine['threads']} threads", fontsize=9)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
