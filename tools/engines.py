"""Run polymod's conformance kit on every engine that is installed, and write what it found to docs/engines.md.

    python tools/engines.py [ENGINE ...] [--share N] [--write]

Engines are named as in `--backend`: numpy, strict:device1, cupy. With `--share N` those that compile run one case in N
of each test. `--reports FOLDER` keeps the kit's reports there, and reads those of engines that are not named: so one
engine can be run anew. The exit status is 1 if an engine fails a test that it is not expected to fail.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ENGINES = ("numpy", "strict", "strict:device1", "torch", "jax", "cupy", "dpnp")
COMPILING = ("jax", "cupy")  # each shape, or each dtype, anew
PAGE = Path(__file__).parents[1] / "docs" / "engines.md"
Report = dict[str, Any]

INTRODUCTION = """# Engines

What the conformance kit found on each engine. It is part of polymod, and proves any engine, also one of your own:

    pytest --pyargs polymod.testing.conformance --polymod-backend NAME[:DEVICE]

Its chapters:

- **values**: every operation's value, shape and dtype, in float64 and float32, is NumPy's, in the engine's own arrays
  on its device; **derivatives**: so are the reverse, the forward and the second derivative
- **kernels**: every kernel of the plugin has the signature and the values of the portable definition it replaces, in
  every precision and for any strides, and leaves its inputs alone
- **indexing**: elements read, written and added to by keys of every kind, as NumPy does
- **transfers**, **devices**, **interchange**: copies to the host and back keep every bit; arrays move between devices;
  devices have names that are understood; DLPack
- **namespace**, **capabilities**: the standard's names, dtypes and promotions; what the backend says of its engine
  is so
- **random**, **training**: one seed gives NumPy's numbers; models train as on NumPy, step by step, and are saved,
  loaded and moved
- **errors**: mixing engines or devices is refused, by an error that names both

A failure that is known is listed in the plugin's `expected_failures.toml` with its reason and a link. The list is
strict: a test in it that passes is a failure, too.

"""


def run(engine: str, share: int, reports: Path) -> Report | None:
    """The kit's report on one engine; None if the engine can't be used here."""
    path = reports / f"{engine.replace(':', '-')}.json"
    path.unlink(missing_ok=True)
    options = ["--polymod-backend", engine, "--polymod-share", str(share), "--polymod-report", str(path.resolve())]
    command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--pyargs", "polymod.testing.conformance", *options],
        cwd=reports,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    print(done.stdout[-4000:])
    if not path.exists():
        print(f"{engine}: left out\n")
        return None
    return read(path)


def read(path: Path) -> Report:
    return dict(json.loads(path.read_text()))


def page(reports: Iterable[Report]) -> str:
    """All reports as Markdown."""
    reports = list(reports)
    versions = ", ".join(f"{r['engine']} {r['version']}" for r in {r["engine"]: r for r in reports}.values())
    lines = [
        f"Run by `python tools/engines.py --write` on Python {reports[0]['python']}: {versions}. Cells have the tests "
        "that passed, those that failed as expected (+), those that failed (!), and those that were skipped (~).",
        "",
        table(reports),
        "",
    ]
    shares = [f"{name(r)} one case in {r['share']} of each test" for r in reports if r["share"] > 1]
    if shares:
        lines += [f"Run in part: {'; '.join(shares)}.", ""]
    for kind, title in (("expected", "Expected failures"), ("skipped", "Skipped")):
        lines += [f"## {title}", ""]
        for r in reports:
            lines += [f"- **{name(r)}**, {len(tests)}: {linked(why)}" for why, tests in sorted(r[kind].items())]
        lines.append("")
    failed = [f"- **{name(r)}**: `{test}`" for r in reports for test in r["failed"]]
    if failed:
        lines += ["## Failed", "", *failed, ""]
    return INTRODUCTION + "\n".join(lines).rstrip() + "\n"


def name(report: Report) -> str:
    """The engine and, unless its name begins with the engine's, the device."""
    engine, device = report["engine"], report["device"]
    return device if device.startswith(engine) else f"{engine} ({device})"


def table(reports: list[Report]) -> str:
    chapters = sorted({chapter for r in reports for chapter in r["chapters"]})
    rows = [["", *map(name, reports)], ["---", *("---:" for _ in reports)]]
    rows += [[chapter, *(cell(r["chapters"].get(chapter, {})) for r in reports)] for chapter in chapters]
    totals = [{k: sum(c.get(k, 0) for c in r["chapters"].values()) for k in ("passed", *MARKS)} for r in reports]
    rows.append(["**all**", *map(cell, totals)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


MARKS = {"expected": "+", "failed": "!", "skipped": "~"}


def cell(found: dict[str, int]) -> str:
    return " ".join([str(found.get("passed", 0)), *(f"{mark}{found[k]}" for k, mark in MARKS.items() if found.get(k))])


def linked(reason: str) -> str:
    """The link at the end of a reason as Markdown has it."""
    text, _, link = reason.removesuffix(")").rpartition(" (http")
    return f"[{text}](http{link})" if text else reason


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("engines", nargs="*", help=f"by default {', '.join(ENGINES)}, as far as installed")
    parser.add_argument("--share", type=int, default=1, metavar="N", help=f"of {', '.join(COMPILING)}: one case in N")
    parser.add_argument("--reports", type=Path, metavar="FOLDER", help="keep reports here, and read those of others")
    parser.add_argument("--write", action="store_true", help="write docs/engines.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.reports or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for engine in options.engines or ENGINES:
            run(engine, options.share if engine.partition(":")[0] in COMPILING else 1, folder)
        order = [e.replace(":", "-") for e in ENGINES]
        found = sorted(folder.glob("*.json"), key=lambda p: order.index(p.stem) if p.stem in order else len(order))
        reports = [read(path) for path in found]
    if not reports:
        print("no engine could be used")
        return 1
    if options.write:
        PAGE.write_text(page(reports), encoding="utf-8")
    print(table(reports))
    return 1 if any(r["failed"] for r in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
