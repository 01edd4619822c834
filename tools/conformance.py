"""Run the array API standard's official test suite on polymod and on its engines, and compare what fails.

    python tools/conformance.py SUITE [--engines numpy strict torch jax cupy] [--write docs/conformance.md]

SUITE is a checkout of data-apis/array-api-tests with its submodule array-api. Each engine is tested twice: by itself,
and under polymod. The exit status is 1 if polymod fails a test that its engine passes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from polymod.backend import load_backend
from polymod.errors import BackendError

COMMIT = "55fcc60179efa2680ddd6cd926ddf17b83530e2b"  # of the suite, where the checkout does not tell
MODULES = {
    "numpy": "array_api_compat.numpy",
    "strict": "array_api_strict",
    "torch": "array_api_compat.torch",
    "jax": "jax.numpy",
    "cupy": "array_api_compat.cupy",
}
EXAMPLES = {"numpy": 100, "strict": 30, "torch": 10, "jax": 5, "cupy": 5}  # of each property; slow engines get fewer
START, END = "<!-- counts: written by tools/conformance.py -->", "<!-- end of counts -->"


@dataclass
class Result:
    """One run of the suite: the names of the tests that failed, and how many passed and were skipped."""

    failed: set[str]
    passed: int
    skipped: int

    def __str__(self) -> str:
        return f"{self.passed} passed, {len(self.failed)} failed, {self.skipped} skipped"


def run(suite: Path, module: str, backend: str, examples: int, selection: list[str]) -> Result:
    """Run the suite on the array library `module`."""
    environment = {
        **os.environ,
        "ARRAY_API_TESTS_MODULE": module,
        "POLYMOD_BACKEND": backend,
        "JAX_ENABLE_X64": "1",
    }
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        options = ["--disable-deadline", "--max-examples", str(examples), "-p", "no:cacheprovider", "--tb=line"]
        command = [sys.executable, "-m", "pytest", "-q", *options, f"--junitxml={report}", *selection]
        done = subprocess.run(command, cwd=suite, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode not in (0, 1) or not report.exists():
            raise RuntimeError(f"the suite did not run on {module}:\n{done.stdout.decode()[-3000:]}")
        cases = ET.parse(report).getroot().iter("testcase")
        kinds = {name_of(case): {child.tag for child in case} for case in cases}
    failed = {name for name, kind in kinds.items() if kind & {"failure", "error"}}
    skipped = sum("skipped" in kind for kind in kinds.values())
    return Result(failed, len(kinds) - len(failed) - skipped, skipped)


def name_of(case: ET.Element) -> str:
    return f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"


def commit_of(suite: Path) -> str:
    """The suite's commit; the one this tool was written for where the folder is no checkout."""
    command = ["git", "-C", str(suite), "rev-parse", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 and Path(suite, ".git").exists() else COMMIT


def page(rows: list[tuple[str, Result, Result]], commit: str) -> str:
    """The counts and the differences as Markdown."""
    lines = [
        f"Suite: data-apis/array-api-tests at `{commit}`, version 2025.12 of the standard.",
        "",
        "| engine | examples | the engine alone | polymod on it | only polymod fails | only the engine fails |",
        "|---|---|---|---|---|---|",
    ]
    for engine, alone, ours in rows:
        fewer, more = len(alone.failed - ours.failed), len(ours.failed - alone.failed)
        lines.append(f"| `{MODULES[engine]}` | {EXAMPLES[engine]} | {alone} | {ours} | {more} | {fewer} |")
    for engine, alone, ours in rows:
        if ours.failed:
            lines += ["", f"What polymod fails on {engine} (those that the engine passes in bold):", ""]
            lines += [f"- {f'`{n}`' if n in alone.failed else f'**`{n}`**'}" for n in sorted(ours.failed)]
    return "\n".join(lines)


def write(path: Path, text: str) -> None:
    """Put `text` between the marks in the document, which keeps what people wrote around them."""
    old = path.read_text()
    before, _, rest = old.partition(START)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{START}\n\n{text}\n\n{END}{after}")


def installed(engine: str) -> bool:
    try:
        load_backend(engine)
    except BackendError as error:
        print(f"{engine} is left out: {error}", flush=True)
        return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("suite", type=Path, help="a checkout of data-apis/array-api-tests with its submodule")
    parser.add_argument("--engines", nargs="+", choices=list(MODULES), help="by default all that are installed")
    parser.add_argument(
        "--max-examples", type=int, help="examples of each property, instead of the engine's own number"
    )
    parser.add_argument("--select", nargs="+", default=["array_api_tests"], help="files or tests of the suite")
    parser.add_argument("--write", type=Path, help="the document to put the counts into")
    chosen = parser.parse_args()
    if chosen.max_examples:
        EXAMPLES.update(dict.fromkeys(EXAMPLES, chosen.max_examples))
    rows = []
    for engine in chosen.engines or [name for name in MODULES if installed(name)]:
        alone = run(chosen.suite, MODULES[engine], "numpy", EXAMPLES[engine], chosen.select)
        print(f"{engine} alone: {alone}", flush=True)
        ours = run(chosen.suite, "polymod", engine, EXAMPLES[engine], chosen.select)
        print(f"polymod on {engine}: {ours}", flush=True)
        rows.append((engine, alone, ours))
    text = page(rows, commit_of(chosen.suite))
    print(text)
    if chosen.write:
        write(chosen.write, text)
    return int(any(ours.failed - alone.failed for _, alone, ours in rows))


if __name__ == "__main__":
    sys.exit(main())
