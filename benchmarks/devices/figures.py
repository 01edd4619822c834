"""The results as one picture: the curves over size, the transfers, the models, and the memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .cases import SWEEPS
from .sweep import crossings, times

STYLES = ("o-", "s-", "^-", "D-", "v-", "P-", "X-", "*-")


def draw(path: Path, found: dict[str, Any]) -> bool:
    """Write the picture; False where nothing was measured that it could show."""
    panels: list[Callable[[Any], None]] = []
    for sweep in SWEEPS:
        if any(r["sweep"] == sweep.name and r["median_s"] for r in found.get("sweeps", [])):
            panels.append(lambda axes, sweep=sweep: curve(axes, found, sweep))
    if any(r["median_s"] for r in found.get("transfer", [])):
        panels.append(lambda axes: bandwidth(axes, found))
    if any(r["median_s"] for r in found.get("models", [])) and len(found["contestants"]) > 1:
        panels.append(lambda axes: gains(axes, found))
    if any(r.get("held") for r in found.get("memory", [])):
        panels.append(lambda axes: memory(axes, found))
    if not panels:
        return False

    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = -(-len(panels) // 2)
    figure, grid = plt.subplots(rows, 2, figsize=(13, 4.6 * rows), squeeze=False, layout="constrained")
    for axes, panel in zip(grid.flat, panels, strict=False):
        panel(axes)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    figure.suptitle(headline(found), fontsize=11)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return True


def headline(found: dict[str, Any]) -> str:
    machine = found["machine"]
    hardware = found.get("hardware") or f"{machine['cpu']}, {machine['threads']} threads"
    quick = "quick: no timing means anything" if found["settings"]["quick"] else found["precision"]
    return f"{hardware}\n{quick}"


def look(found: dict[str, Any], contestant: str) -> dict[str, Any]:
    """The colour and the marker of a contestant, the same in all panels."""
    n = found["contestants"].index(contestant)
    return {"color": f"C{n}", "fmt": STYLES[n % len(STYLES)]}


def curve(axes: Any, found: dict[str, Any], sweep: Any) -> None:
    rows = found["sweeps"]
    for name in found["contestants"]:
        points = times(rows, sweep.name, name)
        if points:
            style = look(found, name)
            values = [s * 1e3 for s in points.values()]
            axes.plot(list(points), values, style["fmt"], color=style["color"], label=name, markersize=4)
    first, *others = found["contestants"]
    for c in crossings([r for r in rows if r["sweep"] == sweep.name], first, others):
        if c["at"] and c["at"]["estimate"]:
            color = look(found, c["other"])["color"]
            axes.axvline(c["at"]["estimate"], color=color, linestyle=":", linewidth=1.5)
    sizes = sorted({r["size"] for r in rows if r["sweep"] == sweep.name})
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    shown = sizes if len(sizes) < 10 else sizes[::2]
    axes.set_xticks(shown, [str(n) for n in shown])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel(sweep.axis)
    axes.set_ylabel("time of one call (ms)")
    axes.set_title(f"{sweep.title}\ndotted: where a curve crosses that of {first}", fontsize=9)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def bandwidth(axes: Any, found: dict[str, Any]) -> None:
    for n, device in enumerate(found["settings"]["devices"]):
        for way, line in (("to_device", "-"), ("to_host", "--")):
            rows = [r for r in found["transfer"] if (r["device"], r["way"]) == (device, way) and r["median_s"]]
            label = f"{device}, {'to it' if way == 'to_device' else 'back to the host'}"
            axes.plot(
                [r["bytes"] for r in rows],
                [r["bytes_per_s"] / 1e9 for r in rows],
                line,
                marker=STYLES[n % len(STYLES)][0],
                color=f"C{n}",
                label=label,
                markersize=4,
            )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    sizes = sorted({r["bytes"] for r in found["transfer"]})
    axes.set_xticks(sizes, [_bytes(n) for n in sizes])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("size of the array")
    axes.set_ylabel("GB/s")
    axes.set_title("Transfer from and to ordinary host memory", fontsize=9)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def gains(axes: Any, found: dict[str, Any]) -> None:
    """A bar per model, pass and contestant: how many times as fast as the first."""
    first, *others = found["contestants"]
    seconds = {(r["model"], r["pass"], r["contestant"]): r["median_s"] for r in found["models"]}
    places = list(dict.fromkeys((r["model"], r["pass"]) for r in found["models"]))[::-1]
    height = 0.8 / len(others)
    for i, name in enumerate(others):
        values = [
            (n, seconds[m, p, first] / seconds[m, p, name])
            for n, (m, p) in enumerate(places)
            if seconds.get((m, p, first)) and seconds.get((m, p, name))
        ]
        if values:
            at = [n + 0.4 - height * (i + 0.5) for n, _ in values]
            color = look(found, name)["color"]
            bars = axes.barh(at, [v - 1 for _, v in values], height, left=1, color=color, label=name)
            axes.bar_label(bars, [f"{v:.3g}" for _, v in values], fontsize=6, padding=2)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.margins(x=0.2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_yticks(range(len(places)), [f"{m}: {p}" for m, p in places], fontsize=7)
    axes.set_xlabel(f"times as fast as {first}")
    axes.set_title("The same models", fontsize=9)
    axes.legend(fontsize=8)


def memory(axes: Any, found: dict[str, Any]) -> None:
    """A bar per model and contestant: what is held, and what a training step adds at most."""
    rows = [r for r in found["memory"] if r.get("held") is not None and not r["error"]]
    models = list(dict.fromkeys(r["model"] for r in rows))
    names = [n for n in found["contestants"] if any(r["contestant"] == n for r in rows)]
    width = 0.8 / len(names)
    mebi = 2**20
    for i, name in enumerate(names):
        chosen = [r for r in rows if r["contestant"] == name]
        at = [models.index(r["model"]) - 0.4 + width * (i + 0.5) for r in chosen]
        color = look(found, name)["color"]
        held = [r["held"] / mebi for r in chosen]
        added = [(r["step"] or 0) / mebi for r in chosen]
        axes.bar(at, held, width * 0.95, color=color, alpha=0.45)
        bars = axes.bar(at, added, width * 0.95, bottom=held, color=color, label=name)
        texts = [f"{h + a:.3g}" if r["step"] is not None else "?" for h, a, r in zip(held, added, chosen, strict=True)]
        axes.bar_label(bars, texts, fontsize=7, padding=2)
    axes.margins(y=0.15)
    axes.set_xticks(range(len(models)), models)
    axes.set_ylabel("MiB")
    axes.set_title("Memory of a training step: held between steps (pale), and what a step adds at most", fontsize=9)
    axes.legend(fontsize=8)


def _bytes(n: int) -> str:
    for unit in ("", "K", "M"):
        if n < 1024:
            return f"{n}{unit}"
        n //= 1024
    return f"{n}G"
