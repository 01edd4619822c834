"""The report as Markdown and as a picture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from .parts import PARTS
from .running import ROOT

if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks.devices import figures, tables
from benchmarks.report import duration

SHOWN = 40  # failures of a part
ORDER = ("tests", "kit", "suite", "models", "pretrained", "kernels", "devices", "peers")


def write(base: Path, report: dict[str, Any]) -> list[Path]:
    """`base`.md, and `base`.png where there is something to draw."""
    written = [base.with_name(base.name + ".md")]
    written[0].write_text(page(report) + "\n")
    data = data_of(report, "devices")
    if data:
        picture = base.with_name(base.name + ".png")
        if figures.draw(picture, {**data, "hardware": headline(report)}):
            written.append(picture)
    return written


def headline(report: dict[str, Any]) -> str:
    return report["facts"]["name"] + ("" if report["facts"]["gpu"] else ": NO GPU, a trial of the program")


def page(report: dict[str, Any]) -> str:
    facts, parts = report["facts"], report["parts"]
    done = [name for name in ORDER if name in parts]
    blocks = [f"# polymod on {facts['name']}"]
    if not facts["gpu"]:
        blocks.append(
            f"**This is no GPU.** {facts['engine']} computes on the host here: outcomes of tests tell of the code, "
            "timings of nothing."
        )
    blocks += [device_table(report), "## Results", results(parts)]
    if any(parts[name]["source"] != report["source"] for name in done):
        blocks.append("Not all parts were run on the same sources; the last column of the JSON's `source` tells which.")
    left_out = [name for name in ORDER if name not in parts or parts[name]["state"] == "not run"]
    if left_out:
        lines = [f"- {PARTS[n].title}: {parts[n]['note'] if n in parts else 'not asked for'}" for n in left_out]
        blocks += ["## Not run", "\n".join(lines)]
    for title, key in (("Failures", "failures"), ("Skipped", "reasons")):
        lines = [line for name in done for line in details(parts[name], key)]
        if lines:
            blocks += [f"## {title}", "\n".join(lines)]
    if data_of(report, "devices"):
        blocks.append(tables.page(parts["devices"]["data"], level=2))
    if data_of(report, "peers"):
        blocks += ["## Beside torch", beside(parts["peers"]["data"])]
    return "\n\n".join(blocks)


def data_of(report: dict[str, Any], name: str) -> dict[str, Any] | None:
    return (report["parts"].get(name) or {}).get("data")


def device_table(report: dict[str, Any]) -> str:
    facts, machine = report["facts"], report["machine"]
    hidden = ("name", "gpu", "packages", "captures")
    rows = [["", ""], *([key, str(value)] for key, value in facts.items() if key not in hidden)]
    rows.append(["host", f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}"])
    rows.append(["Python", machine["python"]])
    rows.append(["packages", ", ".join(f"{k} {v}" for k, v in facts["packages"].items())])
    rows.append(["sources", f"{report['source']}" + (f", commit {report['commit']}" if report["commit"] else "")])
    return tables.table(rows)


def results(parts: dict[str, Any]) -> str:
    rows = [["part", "result", "passed", "failed", "expected to fail", "skipped", "time", "note"]]
    for name in ORDER:
        if name not in parts or parts[name]["state"] == "not run":
            continue
        p = parts[name]
        numbers = [str(p[key]) for key in ("passed", "failed", "expected", "skipped")]
        quick = "; quick: a small selection" if p["quick"] else ""
        state = p["state"] if p["state"] == "passed" else f"**{p['state']}**"
        rows.append([PARTS[name].title, state, *numbers, duration(p["seconds"]), p["note"] + quick])
    return tables.table([[c.replace("|", "\\|").lstrip("; ") for c in row] for row in rows])


def details(part: dict[str, Any], key: str) -> list[str]:
    """A part's failures with their first lines, or the reasons of what was skipped."""
    found = part[key]
    if not found:
        return []
    lines = [f"- {part['title']}:"]
    for name, said in list(found.items())[:SHOWN]:
        if key == "reasons":
            lines.append(f"  - {said} x: {name}")
        else:
            lines += [f"  - `{name}`", "", "    ```", *(f"    {line}" for line in said), "    ```", ""]
    if len(found) > SHOWN:
        lines.append(f"  - and {len(found) - SHOWN} more, in the JSON")
    return lines


def beside(data: dict[str, Any]) -> str:
    """The times beside other libraries, and the ratios."""
    names = list(dict.fromkeys(r["contestant"] for r in data["results"]))
    ratios = {(r["workload"], r["polymod"], r["other"]): r["ratio"] for r in data["ratios"]}
    pairs = list(dict.fromkeys((ours, other) for _, ours, other in ratios))
    rows = [["workload", *names, *(f"{ours} / {other}" for ours, other in pairs)]]
    times = {(r["workload"], r["contestant"]): r for r in data["results"]}
    for workload in dict.fromkeys(r["workload"] for r in data["results"]):
        cells = [times.get((workload, n)) for n in names]
        shown = ["-" if r is None else "ERROR" if r["median_s"] is None else duration(r["median_s"]) for r in cells]
        compared = [ratios.get((workload, *pair)) for pair in pairs]
        rows.append([workload, *shown, *("-" if v is None else f"{v:.2f}" for v in compared)])
    return (
        tables.table(rows) + "\n\nMedian times; a ratio is the first one's time over the other's, below 1 it is faster."
    )
