"""The results as Markdown, for the terminal and the file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..report import duration
from .cases import SWEEPS
from .contestants import CAPTURED, OURS
from .run import errors
from .sweep import crossings, sentence
from .transfer import summary

WAYS = {"to_device": "host to device", "to_host": "device to host"}


def page(found: dict[str, Any], level: int = 1) -> str:
    """The whole report, its headings from `level` on."""
    head = "#" * level
    parts = [f"{head} Devices compared", about(found)]
    if found.get("models"):
        parts += [f"{head}# The same models", speeds(found)]
    if found.get("sweeps"):
        parts += [f"{head}# Where a device starts to pay", starts(found)]
    if found.get("transfer"):
        parts += [f"{head}# Transfer", transfers(found)]
    if found.get("fresh"):
        parts += [f"{head}# The first training step in a new process", first_steps(found)]
    if found.get("memory"):
        parts += [f"{head}# Memory of a training step", memory(found)]
    lines = errors(found)
    if lines:
        parts += [f"{head}# ERRORS", "\n".join(f"- {line}" for line in lines)]
    return "\n\n".join(parts)


def about(found: dict[str, Any]) -> str:
    machine, settings = found["machine"], found["settings"]
    rows = [["contestant", "engine", "version", "device"]]
    for name in found["contestants"]:
        d = found["devices"].get(name.removeprefix(OURS).removesuffix(CAPTURED))
        if d is None:
            library, _, place = name.partition(":")
            d = {"engine": library, "version": machine["versions"].get(library, ""), "device": place or "cpu"}
        rows.append([name, d["engine"], d["version"], d["device"]])
    notes = [
        f"{machine['cpu']}, {machine['threads']} of {machine['cores']} cores used, load {machine['load_average']}; "
        f"Python {machine['python']}. {found['precision']}.",
        "Times are medians; all contestants take turns in one process. Before anything is timed, their outputs, "
        "gradients and the loss after an optimizer step must agree.",
    ]
    if settings["clock"] == "cpu":
        notes.append("The clock counts this process's CPU time: nothing that runs on a GPU.")
    if settings["quick"]:
        notes.append("**Quick: small sizes, to try the program out. No timing of this run means anything.**")
    return table(rows) + "\n\n" + "\n\n".join(notes)


def speeds(found: dict[str, Any]) -> str:
    """Per model and pass the time on each, and how many times as fast the others are as the first."""
    names = found["contestants"]
    first = names[0]
    times = {(r["model"], r["pass"], r["contestant"]): r for r in found["models"]}
    places = list(dict.fromkeys((r["model"], r["title"], r["pass"]) for r in found["models"]))
    rows = [["model", "pass", *names, *(f"speed of {n}" for n in names[1:])]]
    for model, title, step in places:
        medians = [_median(times.get((model, step, n))) for n in names]
        base = medians[0]
        gains = ["-" if m is None or base is None else f"{base / m:.2f} x" for m in medians[1:]]
        rows.append([title, step, *(_time(times.get((model, step, n))) for n in names), *gains])
    note = f"Speed: how many times as fast as {first} (its time over the other's; below 1 slower)." if names[1:] else ""
    return table(rows) + ("\n\n" + note if note else "")


def starts(found: dict[str, Any]) -> str:
    first, *others = found["contestants"]
    at = {(c["sweep"], c["other"]): c for c in crossings(found["sweeps"], first, others)}
    lines = []
    for sweep in SWEEPS:
        chosen = [at[sweep.name, o] for o in others if (sweep.name, o) in at]
        if chosen:
            lines.append(f"- {sweep.title}:")
            lines += [f"  - {sentence(sweep, c)}" for c in chosen]
    rows = [["workload", "size", *found["contestants"]]]
    by_place = {(r["sweep"], r["size"], r["contestant"]): r for r in found["sweeps"]}
    for sweep in SWEEPS:
        for size in sorted({r["size"] for r in found["sweeps"] if r["sweep"] == sweep.name}):
            cells = [_time(by_place.get((sweep.name, size, n)), spread=False) for n in found["contestants"]]
            rows.append([sweep.title, sweep.phrase.format(size), *cells])
    left = f"A dash: left out, for it took more than {found['settings']['slowest']:g} s at a smaller size."
    return "\n".join(lines) + ("\n\n" if lines else "") + table(rows) + "\n\n" + left


def transfers(found: dict[str, Any]) -> str:
    rows = [["device", "way", "latency (4 bytes)", "bandwidth", "of an array of"]]
    for s in summary(found["transfer"]):
        bandwidth = f"{s['bytes_per_s'] / 1e9:.3g} GB/s"
        rows.append([s["device"], WAYS[s["way"]], duration(s["latency_s"]), bandwidth, size(s["bytes"])])
    return table(rows) + "\n\nOrdinary host memory (not pinned), one copy each way, waited for."


def first_steps(found: dict[str, Any]) -> str:
    head = ["model", "contestant", "cold, caches empty", "cold, caches filled", "compilation", "warm", "cold / warm"]
    rows = [head]
    for r in found["fresh"]:
        if r["error"]:
            rows.append([r["model"], r["contestant"], "ERROR", "", "", "", ""])
            continue
        warm = r["filled"]["warm"]
        compiled = r["compilation"] is not None
        filled = [duration(r["cold_filled_s"]), f"{r['compilation']:.0%}"] if compiled else ["-", "none kept"]
        cells = [duration(r["cold_s"]), *filled, duration(warm)]
        rows.append([r["model"], r["contestant"], *cells, f"{r['cold_s'] / warm:.3g} x"])
    note = (
        "Cold: from loading the engine to the end of the first training step, model and data brought to the device "
        "in between; polymod itself is imported. Compilation: the part of it that is saved where the caches of "
        "compiled code are filled; none kept: nothing was laid into them. Warm: the median of later steps."
    )
    return table(rows) + "\n\n" + note


def memory(found: dict[str, Any]) -> str:
    rows = [["model", "contestant", "high-water mark", "of it held between steps", "known from"]]
    for r in found["memory"]:
        if r["error"]:
            rows.append([r["model"], r["contestant"], "ERROR", "", ""])
            continue
        most = "-" if r["most"] is None else size(r["most"])
        rows.append([r["model"], r["contestant"], most, size(r["held"]), r["how"]])
    note = (
        "High-water mark: the most that there is at once in a training step, beyond a process that has trained a small "
        "model. Held: weights, the optimizer's state and the data. An engine counts its arrays; resident memory has "
        "in it, besides, what libraries and the compiler keep."
    )
    return table(rows) + "\n\n" + note


def size(n: float) -> str:
    """Bytes in the unit that a reader takes in at a glance."""
    for unit in ("B", "KiB", "MiB"):
        if n < 1024:
            return f"{n:.3g} {unit}"
        n /= 1024
    return f"{n:.3g} GiB"


def table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns are aligned in the source too."""
    widths = [max(3, *(len(row[i]) for row in rows)) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])


def _median(row: dict[str, Any] | None) -> float | None:
    return row["median_s"] if row else None


def _time(row: dict[str, Any] | None, spread: bool = True) -> str:
    if row is None:
        return "-"
    if row["median_s"] is None:
        return "ERROR"
    quartiles = row["quartiles_s"] if spread else None
    return duration(row["median_s"]) + (f" [{duration(quartiles[0])}, {duration(quartiles[1])}]" if quartiles else "")
