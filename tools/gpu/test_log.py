"""A pytest plugin that keeps each test's outcome as soon as there is one, and goes on where a run was cut.

    PYTHONPATH=tools POLYMOD_TEST_LOG=FILE pytest -p gpu.test_log ...

appends a line of JSON per test to FILE. Tests that FILE has already, and that did not fail, are not run again; nor,
where POLYMOD_TEST_LOG_FROM=N, those that failed in its lines from N on.

A kernel that reads where it must not ends all work of its process with the GPU, so that every later test fails too:
such a run stops there, and whoever started it starts another.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

VARIABLE, FROM = "POLYMOD_TEST_LOG", "POLYMOD_TEST_LOG_FROM"
LOST = re.compile(
    "cudaErrorIllegalAddress|illegal memory access|cudaErrorLaunchFailure|unspecified launch failure|cudaErrorAssert|"
    "device-side assert|cudaErrorMisalignedAddress|CUDA_ERROR_ILLEGAL_ADDRESS|CUDA_ERROR_LAUNCH_FAILED"
)
FIRST_LINES = 12  # of a failure


@dataclass
class Log:
    """What a file has: the outcome of each test ("passed", "failed", "skipped", "expected"), the lines of the
    failures, how often which reason led to a skip, how many tests there are in all (None: not known), the test that
    was begun last, the failures after which the process was of no use, and how many lines the file has."""

    outcomes: dict[str, str] = field(default_factory=dict)
    failures: dict[str, list[str]] = field(default_factory=dict)
    skips: Counter[str] = field(default_factory=Counter)
    total: int | None = None
    begun: str | None = None
    lost: set[str] = field(default_factory=set)
    lines: int = 0

    @property
    def done(self) -> set[str]:
        return {test for test, outcome in self.outcomes.items() if outcome != "failed"}

    def count(self, outcome: str) -> int:
        return sum(o == outcome for o in self.outcomes.values())


def read(path: Path, start: int = 0) -> Log:
    """The log in `path` from line `start` on; an empty one where there is none. A line that was cut is left out."""
    log, reasons = Log(), {}
    lines = path.read_text().splitlines() if path.exists() else []
    log.lines = len(lines)
    for line in lines[start:]:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if "total" in entry:
            log.total = entry["total"]
            continue
        if "begun" in entry:
            log.begun = entry["begun"]
            continue
        test, outcome = entry["test"], entry["outcome"]
        if entry["when"] == "call" or outcome == "failed" or test not in log.outcomes or entry["when"] == "setup":
            log.outcomes[test] = outcome
            log.failures.pop(test, None)
        if outcome == "failed":
            log.failures[test] = entry["lines"]
            if any(map(LOST.search, entry["lines"])):
                log.lost.add(test)
        reasons[test] = entry["lines"][0] if outcome in ("skipped", "expected") and entry["lines"] else ""
    log.skips = Counter(r for test, r in reasons.items() if r and log.outcomes[test] in ("skipped", "expected"))
    return log


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get(VARIABLE):
        config.pluginmanager.register(Keeper(config, Path(os.environ[VARIABLE])))


class Keeper:
    def __init__(self, config: pytest.Config, path: Path) -> None:
        self.path, self.done = path, read(path).done
        if os.environ.get(FROM):
            self.done |= set(read(path, int(os.environ[FROM])).failures)
        self.reports = not hasattr(config, "workerinput")  # xdist's workers leave the reports to their master
        self.session: pytest.Session | None = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self.session = session

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        if self.reports:
            self.write({"begun": nodeid})

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        self.write({"total": len(items)})
        done = [item for item in items if item.nodeid in self.done]
        items[:] = [item for item in items if item.nodeid not in self.done]
        config.hook.pytest_deselected(items=done)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if self.reports and (report.when == "call" or not report.passed):
            outcome = "expected" if hasattr(report, "wasxfail") and report.skipped else report.outcome
            lines = first_lines(report)
            self.write({"test": report.nodeid, "when": report.when, "outcome": outcome, "lines": lines})
            if report.failed and self.session is not None and any(map(LOST.search, lines)):
                self.session.shouldstop = "the device is lost for this process"

    def write(self, entry: dict[str, Any]) -> None:
        append(self.path, entry)


def append(path: Path, entry: dict[str, Any]) -> None:
    with path.open("a") as file:
        file.write(json.dumps(entry) + "\n")


def first_lines(report: Any) -> list[str]:
    """Why a test failed or was skipped, in a few lines."""
    if report.passed:
        return []
    if hasattr(report, "wasxfail"):
        return [str(report.wasxfail)]
    if report.skipped:
        return [report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else "skipped"]
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else str(report.longrepr)
    place = [f"{crash.path}:{crash.lineno}"] if crash is not None else []
    return [*place, *(line[:200] for line in text.strip().splitlines()[: FIRST_LINES - 1])]
