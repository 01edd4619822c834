"""What pytest does in a run of the conformance kit: one engine, expected failures, a summary by chapter.

`pytest_polymod` imports it where `--polymod-backend` is given.
"""

from __future__ import annotations

import json
import platform
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polymod as pm

from . import conformance, expected
from .share import in_share

HOME = Path(conformance.__file__).parent
PROPERTY = "polymod conformance"
OUTCOMES = ("passed", "expected", "skipped", "failed")
device_key, entries_key = pytest.StashKey[pm.Device](), pytest.StashKey[list[expected.Expected]]()


def pytest_configure(config: pytest.Config) -> None:
    try:
        device = config.stash[device_key] = pm.device(config.getoption("polymod_backend"))
        given = config.getoption("polymod_xfails")
        path = Path(given) if given else expected.default_file(device)
        config.stash[entries_key] = expected.read(path, device) if path else []
    except (pm.BackendError, expected.ExpectationError) as error:
        raise pytest.UsageError(str(error)) from error
    for message in ("divide by zero", "invalid value", "overflow", "underflow"):  # as wanted as the results are
        config.addinivalue_line("filterwarnings", f"ignore:{message} encountered:RuntimeWarning")


def pytest_report_header(config: pytest.Config) -> str:
    return f"polymod {pm.__version__}: conformance of {title(config)}"


def title(config: pytest.Config) -> str:
    device = config.stash[device_key]
    return f"{device.backend.name} {device.backend.version} on {device}"


# ------------------------------------------------------------------------------------------------ which tests


def name_of(item: pytest.Item) -> str:
    """chapter/test/case, as expected failures name it: `test_values.py::test_equals_numpy[exp-0]` is
    values/equals_numpy/exp-0."""
    test, _, case = item.name.partition("[")
    parts = [item.path.stem.removeprefix("test_"), test.removeprefix("test_"), case.removesuffix("]")]
    return "/".join(part for part in parts if part)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is expected to fail; keep one case in N of each test."""
    ours = [item for item in items if item.path.parent == HOME]
    names = [name_of(item) for item in ours]
    entries = config.stash[entries_key]
    whole = {item.path for item in ours} == set(HOME.glob("test_*.py")) and not any("::" in a for a in config.args)
    left = expected.unmatched(entries, names) if whole else []
    if left:
        raise pytest.UsageError("expected failures that are no tests of the kit: " + ", ".join(left))
    for item, name in zip(ours, names, strict=True):
        item.user_properties.append((PROPERTY, name))  # reports have it, also those of other processes
        for entry in entries:
            if entry.names(name):
                item.add_marker(pytest.mark.xfail(reason=f"{entry.reason} ({entry.link})", strict=True))
                break
    share = config.getoption("polymod_share")
    seen: Counter[str] = Counter()
    out = []
    for item in ours:
        test = item.nodeid.partition("[")[0]
        if not in_share(seen[test], share):
            out.append(item)
        seen[test] += 1
    if out:
        chosen = set(map(id, out))
        items[:] = [item for item in items if id(item) not in chosen]
        config.hook.pytest_deselected(items=out)


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Iterator[pm.Device]:
    """The device that is being proven; arrays are made on it."""
    with pm.use_backend(request.config.stash[device_key]) as device:
        yield device


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Random numbers that are the same in every run of this test, on every engine."""
    return np.random.default_rng(list(name_of(request.node).encode()))


# ----------------------------------------------------------------------------------------------- the summary


def reported(report: Any) -> str:
    """The name of the test that a report is of; empty if it is none of the kit's."""
    return str(dict(getattr(report, "user_properties", ())).get(PROPERTY, ""))


def counts(reporter: Any) -> dict[str, Counter[str]]:
    """How many tests of each chapter passed, failed as expected, were skipped, failed."""
    kinds = {"passed": "passed", "xfailed": "expected", "skipped": "skipped", "failed": "failed", "error": "failed"}
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for outcome, kind in kinds.items():
        for report in reporter.getreports(outcome):
            if name := reported(report):
                found[name.partition("/")[0]][kind] += 1
    return dict(sorted(found.items()))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    chapters = counts(terminalreporter)
    if not chapters:
        return
    share = config.getoption("polymod_share")
    part = f" (one case in {share})" if share > 1 else ""
    terminalreporter.section(f"conformance of {title(config)}{part}")
    width = max(map(len, chapters))
    terminalreporter.write_line(f"{'':{width}}  " + "".join(f"{o:>10}" for o in OUTCOMES))
    for chapter, found in chapters.items():
        terminalreporter.write_line(f"{chapter:{width}}  " + "".join(f"{found[o] or '':>10}" for o in OUTCOMES))
    total = sum(chapters.values(), Counter())
    terminalreporter.write_line(f"{'':{width}}  " + "".join(f"{total[o]:>10}" for o in OUTCOMES))
    reasons = reasons_of(terminalreporter)
    for kind, why in reasons.items():
        for reason, tests in sorted(why.items()):
            terminalreporter.write_line(f"{kind}: {len(tests)} {'test' if len(tests) == 1 else 'tests'}: {reason}")
    path = config.getoption("polymod_report")
    if path:
        Path(path).write_text(json.dumps(report(config, chapters, reasons, terminalreporter), indent=1))


def reasons_of(reporter: Any) -> dict[str, dict[str, list[str]]]:
    """Why tests failed as expected, and why they were skipped: the names of the tests by reason."""
    expected_, skipped = defaultdict(list), defaultdict(list)
    for r in reporter.getreports("xfailed"):
        expected_[r.wasxfail.removeprefix("reason: ")].append(reported(r))
    for r in reporter.getreports("skipped"):
        skipped[r.longrepr[2].removeprefix("Skipped: ")].append(reported(r))
    return {"expected": dict(expected_), "skipped": dict(skipped)}


def report(
    config: pytest.Config, chapters: dict[str, Counter[str]], reasons: dict[str, Any], reporter: Any
) -> dict[str, Any]:
    """All of the summary as data."""
    device = config.stash[device_key]
    return {
        "engine": device.backend.name,
        "device": str(device),
        "version": device.backend.version,
        "polymod": pm.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "share": config.getoption("polymod_share"),
        "chapters": {name: dict(found) for name, found in chapters.items()},
        **reasons,
        "failed": sorted({reported(r) or r.nodeid for kind in ("failed", "error") for r in reporter.getreports(kind)}),
    }
