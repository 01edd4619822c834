"""The results as one picture: the curves over size, the transfers, the models, and the memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .cases import SWEEPS
from .sweep import crossings, times

LOW = 4.4  # inches of a row of panels
STYLES = ("o-", "s-", "^-", "D-", "v-", "P-", "X-", "*-")


def draw(path: Path, found: dict[str, Any]) -> bool:
    """Write the picture; False where nothing was measured that it could show."""
    panels: list[Callable[[Any], None]] = []
    last = LOW  # the height of the last row, inches
    for sweep in SWEEPS:
        if any(r["sweep"] == sweep.name and r["median_s"] for r in found.get("sweeps", [])):
            panels.append(lambda axes, sweep=sweep: curve(axes, found, sweep))
    if any(r["median_s"] for r in found.get("transfer", [])):
        panels.append(lambda axes: bandwidth(axes, found))
    if any(r.get("most") for r in found.get("memory", [])):
        panels.append(lambda axes: memory(axes, found))
    if any(r["median_s"] for r in found.get("models", [])) and len(found["contestants"]) > 1:
        panels.append(lambda axes: gains(axes, found))
        last = max(LOW, 0.13 * len(found["models"]))
    if not panels or find_spec("matplotlib") is None:
        return False

    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = -(-len(panels) // 2)
    heights = [LOW] * (rows - 1) + [last]
    size = (13, sum(heights) + 1)
    ratios = {"height_ratios": heights}
    figure, grid = plt.subplots(rows, 2, figsize=size, squeeze=False, layout="constrained", gridspec_kw=ratios)
    for axes, panel in zip(grid.flat, panels, strict=False):
        panel(axes)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    figure.suptitle(headline(found), fontsize=11)
    lines = [look(found, name) for name in found["contestants"]]
    handles = [plt.Line2D([], [], color=s["color"], marker=s["fmt"][0], label=s["label"]) for s in lines]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=10)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return True


def headline(found: dict[str, Any]) -> str:
    machine = found["machine"]
    hardware = found.get("hardware") or f"{machine['cpu']}, {machine['threads']} thread{'s' * (machine['threads'] > 1)}"
    quick = "quick: no timing means anything" if found["settings"]["quick"] else found["precision"]
    return f"{hardware}\n{quick}"


def look(found: dict[str, Any], contestant: str) -> dict[str, Any]:
    """The colour and the marker of a contestant, the same in all panels."""
    n = found["contestants"].index(contestant)
    return {"color": f"C{n}", "fmt": STYLES[n % len(STYLES)], "label": contestant}


def logarithmic(axis: Any, values: Sequence[float]) -> None:
    """Ticks that can be read on a short logarithmic axis too."""
    from matplotlib.ticker import LogLocator, NullLocator

    wide = max(values) > 1000 * min(values)
    axis.set_major_locator(
        LogLocator(subs=(1,) if wide else (1, 2, 5) if max(values) > 4 * min(values) else range(1, 10))
    )
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:g}")


def curve(axes: Any, found: dict[str, Any], sweep: Any) -> None:
    rows, drawn = found["sweeps"], []
    for name in found["contestants"]:
        points = times(rows, sweep.name, name)
        if points:
            style = look(found, name)
            values = [s * 1e3 for s in points.values()]
            axes.plot(list(points), values, style["fmt"], color=style["color"], markersize=4)
            drawn += values
    first, *others = found["contestants"]
    for c in crossings([r for r in rows if r["sweep"] == sweep.name], first, others):
        if c["at"] and c["at"]["estimate"]:
            color = look(found, c["other"])["color"]
            at = c["at"]["estimate"]
            axes.axvline(at, color=color, linestyle=":", linewidth=1.5)
            place = axes.get_xaxis_transform()
            axes.text(at, 0.02, f"{at:.0f} ", color=color, transform=place, fontsize=8, ha="right", va="bottom")
    sizes = sorted({r["size"] for r in rows if r["sweep"] == sweep.name})
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    shown = sizes if len(sizes) < 10 else sizes[::2]
    axes.set_xticks(shown, [str(n) for n in shown])
    axes.minorticks_off()
    logarithmic(axes.yaxis, drawn)
    axes.set_xlabel(sweep.axis)
    axes.set_ylabel("time of one call (ms)")
    axes.set_title(f"{sweep.title}\ndotted: from there on faster than {first}", fontsize=9)
    axes.grid(alpha=0.3)


def bandwidth(axes: Any, found: dict[str, Any]) -> None:
    for n, device in enumerate(found["settings"]["devices"]):
        for way, line in (("to_device", "-"), ("to_host", "--")):
            rows = [r for r in found["transfer"] if (r["device"], r["way"]) == (device, way) and r["median_s"]]
            axes.plot(
                [r["bytes"] for r in rows],
                [r["bytes_per_s"] / 1e9 for r in rows],
                line,
                marker=STYLES[n % len(STYLES)][0],
                color=f"C{n}",
                markersize=4,
            )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    sizes = sorted({r["bytes"] for r in found["transfer"]})
    axes.set_xticks(sizes, [_bytes(n) for n in sizes])
    axes.minorticks_off()
    logarithmic(axes.yaxis, [r["bytes_per_s"] / 1e9 for r in found["transfer"] if r["median_s"]])
    axes.set_xlabel("size of the array (bytes)")
    axes.set_ylabel("GB/s")
    axes.set_title("Transfer, ordinary host memory\nsolid: to the device, dashed: back to the host", fontsize=9)
    axes.grid(alpha=0.3)


def gains(axes: Any, found: dict[str, Any]) -> None:
    """A bar per model, pass and contestant: how many times as fast as the first."""
    first, *others = found["contestants"]
    seconds = {(r["model"], r["pass"], r["contestant"]): r["median_s"] for r in found["models"]}
    places = list(dict.fromkeys((r["model"], r["pass"]) for r in found["models"]))[::-1]
    height = 0.8 / len(others)
    drawn = [1.0]
    for i, name in enumerate(others):
        values = [
            (n, seconds[m, p, first] / seconds[m, p, name])
            for n, (m, p) in enumerate(places)
            if seconds.get((m, p, first)) and seconds.get((m, p, name))
        ]
        if values:
            at = [n + 0.4 - height * (i + 0.5) for n, _ in values]
            color = look(found, name)["color"]
            bars = axes.barh(at, [v - 1 for _, v in values], height, left=1, color=color)
            drawn += [v for _, v in values]
            axes.bar_label(bars, [f"{v:.3g}" for _, v in values], fontsize=6, padding=2)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.margins(x=0.2)
    logarithmic(axes.xaxis, drawn)
    axes.set_yticks(range(len(places)), [f"{m}: {p}" for m, p in places], fontsize=7)
    axes.set_xlabel(f"times as fast as {first}")
    axes.set_title("The same models: forward, training step, inference", fontsize=9)


def memory(axes: Any, found: dict[str, Any]) -> None:
    """A bar per model and contestant: the high-water mark, with what is held between steps."""
    rows = [r for r in found["memory"] if r.get("most") is not None and not r["error"]]
    models = list(dict.fromkeys(r["model"] for r in rows))
    names = [n for n in found["contestants"] if any(r["contestant"] == n for r in rows)]
    width = 0.8 / len(names)
    mebi = 2**20
    for i, name in enumerate(names):
        chosen = [r for r in rows if r["contestant"] == name]
        at = [models.index(r["model"]) - 0.4 + width * (i + 0.5) for r in chosen]
        color = look(found, name)["color"]
        held = [r["held"] / mebi for r in chosen]
        most = [r["most"] / mebi for r in chosen]
        bars = axes.bar(at, most, width * 0.95, color=color, alpha=0.5)
        axes.bar(at, held, width * 0.95, color=color)
        axes.bar_label(bars, [f"{v:.3g}" for v in most], fontsize=7, padding=2)
    axes.margins(y=0.15)
    axes.set_xticks(range(len(models)), models)
    axes.set_ylabel("MiB")
    axes.set_title("Memory: high-water mark of a training step\ndark: held between steps", fontsize=9)


def _bytes(n: int) -> str:
    for unit in ("", "K", "M"):
        if n < 1024:
            return f"{n}{unit}"
        n //= 1024
    return f"{n}G"
