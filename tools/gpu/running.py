"""Running a part of the report: pytest, commands or a benchmark, with a time limit, and reading what came of it."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from . import test_log

ROOT = Path(__file__).resolve().parents[2]
GRACE = 10.0  # seconds between the request to stop and the end
RESTARTS = 30  # of pytest, where tests end its process
TAIL = 15  # lines of a command that failed


class NotRun(Exception):
    """Why a part can't be run here."""


@dataclass
class Outcome:
    """What came of a part.

    Attributes:
        state: "passed", "failed", "cut" (by the time limit), or "not run".
        note: one line: what to know of it, or why it was not run.
        failures: by name, the first lines of each.
        reasons: of skipped tests, with their number.
        data: a benchmark's results.
    """

    state: str = "passed"
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    expected: int = 0
    seconds: float = 0.0
    note: str = ""
    failures: dict[str, list[str]] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    data: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Job:
    """What a part is given: the device, the options of the command line, a folder, and the seconds it may take.

    Attributes:
        log: where a pytest part keeps its tests' outcomes; it is there already where the part was cut before.
        before: this part's entry in the report so far, of the same sources.
    """

    device: str
    engine: str
    is_gpu: bool
    captures: bool
    quick: bool
    share: int
    workers: int
    suite: Path | None
    folder: Path
    log: Path
    limit: float
    before: dict[str, Any] | None = None
    end: float = 0.0

    def __post_init__(self) -> None:
        self.end = time.monotonic() + self.limit

    @property
    def left(self) -> float:
        return self.end - time.monotonic()


def run(command: list[str], job: Job, **environment: str) -> tuple[int | None, list[str]]:
    """Run a command until it ends or the job's time is over (then None), and give the lines that it printed.

    A command whose time is over is interrupted as by Ctrl-C, with its children, and ended if that does not help.
    """
    variables = {**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": joined(ROOT / "tools"), **environment}
    output = job.folder / "output.txt"
    with output.open("w") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, env=variables, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
        code: int | None
        try:
            code = process.wait(max(1.0, job.left))
        except subprocess.TimeoutExpired:
            code = None
            stop(process)
        except BaseException:
            stop(process)
            raise
    return code, output.read_text(errors="replace").splitlines()


def stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, number)
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                continue


def joined(folder: Path) -> str:
    given = os.environ.get("PYTHONPATH")
    return f"{folder}{os.pathsep}{given}" if given else str(folder)


# ---------------------------------------------------------------------------------------------------- kinds of part


def by_pytest(job: Job, *arguments: str) -> Outcome:
    """Run tests whose outcomes are kept one by one, and go on in a new process where one of them ended the old."""
    if importlib.util.find_spec("pytest") is None:
        raise NotRun("pytest is not installed")
    parallel = importlib.util.find_spec("xdist") is not None and job.workers > 1
    several = ["-n", str(job.workers), "--dist", "worksteal"] if parallel else []
    command = [sys.executable, "-m", "pytest", "-q", "-p", "gpu.test_log", "-p", "no:cacheprovider"]
    variables = {test_log.VARIABLE: str(job.log)}
    start = test_log.read(job.log).lines
    code, lines = run([*command, *several, *arguments], job, **variables)
    for _ in range(RESTARTS):
        new = test_log.read(job.log, start)
        died = code is not None and (code < 0 or code > 128) and new.begun is not None
        if code is None or not (died or new.lost):
            break
        if variables.get(test_log.FROM) is None:  # failures from here on are those of one process each
            variables[test_log.FROM] = str(new.lines)
        if died and new.begun not in new.outcomes:
            said = [f"the process ended: exit status {code}", *lines[-TAIL:]]
            test_log.append(job.log, {"test": new.begun, "when": "call", "outcome": "failed", "lines": said})
        start = test_log.read(job.log).lines
        code, lines = run([*command, *arguments], job, **variables)
    log = test_log.read(job.log)
    outcome = Outcome(
        passed=log.count("passed"),
        failed=log.count("failed"),
        skipped=log.count("skipped"),
        expected=log.count("expected"),
        failures=log.failures,
        reasons=dict(log.skips.most_common()),
    )
    if code is None:
        outcome.state = "cut"
        reached = f"{len(log.outcomes)} of {log.total or '?'} tests were reached"
        outcome.note = f"{reached}; the same command goes on from there"
    elif code not in (0, 1) and not (code == 5 and log.outcomes):  # 5: nothing to run, for all is done
        outcome.failures["pytest itself"] = [f"exit status {code}", *lines[-TAIL:]]
        outcome.failed += 1
    if outcome.failed:
        outcome.state = "failed" if outcome.state == "passed" else outcome.state
    elif outcome.state == "passed" and not outcome.passed:
        outcome.state, outcome.note = "not run", "; ".join(outcome.reasons) or "no test was chosen"
    return outcome


def by_commands(job: Job, commands: dict[str, list[str]]) -> Outcome:
    """Run commands that say by their exit status whether all is well."""
    outcome, last = Outcome(), []
    for name, command in commands.items():
        code, lines = run([sys.executable, *command], job)
        if code is None:
            outcome.state, outcome.note = "cut", f"the time was over in: {name}"
            return outcome
        if code:
            outcome.failed += 1
            outcome.failures[name] = [f"exit status {code}", *lines[-TAIL:]]
        else:
            outcome.passed += 1
            last += [f"{name}: {line}" for line in lines[-1:] if line.startswith(("largest", "compiled"))]
    outcome.state = "failed" if outcome.failed else "passed"
    outcome.note = "; ".join(last)
    return outcome


def by_benchmark(job: Job, arguments: list[str], file: str, rows: tuple[str, ...]) -> Outcome:
    """Run `python -m benchmarks`; what it had written when it was cut is kept."""
    code, lines = run([sys.executable, "-m", "benchmarks", *arguments, "--out", str(job.folder)], job)
    path = job.folder / file
    data = json.loads(path.read_text()) if path.exists() else None
    outcome = Outcome(data=data)
    for row in [row for name in rows for row in (data or {}).get(name, [])]:
        if row.get("error"):
            words = ("workload", "model", "pass", "sweep", "size", "way", "bytes", "contestant", "device")
            outcome.failures[" ".join(str(row[w]) for w in words if w in row)] = [row["error"]]
        else:
            outcome.passed += 1
    if code is None:
        outcome.state, outcome.note = "cut", "the time was over; the same command goes on with what is missing"
    elif code and not outcome.failures:
        outcome.failures["python -m benchmarks"] = [f"exit status {code}", *lines[-TAIL:]]
    outcome.failed = len(outcome.failures)
    if outcome.failed and outcome.state == "passed":
        outcome.state = "failed"
    return outcome
