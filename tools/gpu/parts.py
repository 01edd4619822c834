"""The parts of the report: what each runs, and how its outcome is read."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from . import test_log

ROOT = Path(__file__).resolve().parents[2]
MODELS = ("mlp", "cnn", "chimera", "transformer")
GRACE = 15.0  # seconds between the request to stop and the end
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


# ------------------------------------------------------------------------------------------------------- the parts


def seed_models(job: Job) -> Outcome:
    commands = {"the builder's guide": ["examples/builders_guide.py", "--backend", job.device]}
    for model in MODELS[:1] if job.quick else MODELS:
        few = ["--epochs", "1"] if job.quick else []
        commands[f"compare {model}"] = (
            ["-m", "polymod", "compare", "--backends", f"numpy,{job.device}", "--model", model, *few]
        )  # fmt: skip
    return by_commands(job, commands)


def pretrained(job: Job) -> Outcome:
    few = ["-k", "sentence"] if job.quick else []
    return by_pytest(job, "tests/test_pretrained.py", "--backend", job.device, *few)


def kit(job: Job) -> Outcome:
    if importlib.util.find_spec("polymod.testing") is None:
        raise NotRun("this polymod has no polymod.testing")
    share = ["--polymod-share", str(400 if job.quick else job.share)]
    return by_pytest(job, "--pyargs", "polymod.testing.conformance", "--polymod-backend", job.device, *share)


def devices(job: Job) -> Outcome:
    """The parts that an earlier run has finished are kept."""
    names = ("models", "transfer") if job.quick else ("models", "sweeps", "transfer", "fresh", "memory")
    data = (job.before or {}).get("data") or {}
    missing = [name for name in names if name not in data.get("finished", ())]
    peers = "torch" if importlib.util.find_spec("torch") is not None else ""
    options = ["--devices", f"numpy,{job.device}", "--peers", peers, "--parts", ",".join(missing or names)]
    chosen = {"--quick": job.quick, "--capture": job.captures}
    outcome = by_benchmark(job, [*options, *(o for o, wanted in chosen.items() if wanted)], "devices.json", names)
    if data and missing and outcome.data:
        kept = [name for name in data["finished"] if name not in outcome.data["finished"]]
        outcome.data |= {name: data[name] for name in kept}
        outcome.data["finished"] = [*kept, *outcome.data["finished"]]
        outcome.passed += sum(len(data[name]) for name in kept)
    elif data and missing:
        outcome.data = data
    return outcome


def peers(job: Job) -> Outcome:
    if importlib.util.find_spec("torch") is None:
        raise NotRun("torch is not installed")
    chosen = "chimera,mlp,narrow,cnn,transformer,forward,layer,operation"
    few = ["--workloads", "chimera", "--repeat", "3"] if job.quick else ["--workloads", chosen]
    return by_benchmark(
        job, ["--backends", f"numpy,{job.device}", "--peers", "torch", *few], "benchmarks.json", ("results",)
    )


def tests(job: Job) -> Outcome:
    chosen = ["tests/test_views.py"] if job.quick else ["tests", "--ignore", "tests/test_pretrained.py"]
    record = ["-p", "record_kernels", "--record-kernels", str(kernels_folder(job))] if job.is_gpu else []
    return by_pytest(job, *chosen, "--backend", job.device, "--share", str(job.share), *record)


def kernels_folder(job: Job) -> Path:
    return job.folder.parent / "kernels"


def kernels(job: Job) -> Outcome:
    if not job.is_gpu:
        raise NotRun("it takes NVIDIA's compiler")
    if not kernels_folder(job).is_dir():
        raise NotRun("no sources were written down: the tests come first, in the same run")
    return by_commands(job, {"compile": ["tools/compile_kernels.py", str(kernels_folder(job))]})


COUNTS = re.compile(r"^polymod on .*: (\d+) passed, (\d+) failed, (\d+) skipped")


def suite(job: Job) -> Outcome:
    """The standard's official tests; those that fail on the engine alone too are not polymod's failures."""
    if job.suite is None:
        raise NotRun("no checkout of array-api-tests: name it with --suite or POLYMOD_ARRAY_API_TESTS")
    if not (job.suite / "array_api_tests").is_dir():
        raise NotRun(f"{job.suite} is no checkout of array-api-tests")
    few = ["--select", "array_api_tests/test_constants.py"] if job.quick else []
    code, lines = run([sys.executable, "tools/conformance.py", str(job.suite), "--engines", job.engine, *few], job)
    if code is None:
        return Outcome("cut", note="the time was over; it starts anew")
    found = next((m for line in lines if (m := COUNTS.match(line))), None)
    if found is None:
        return Outcome("failed", failed=1, failures={"the suite": lines[-TAIL:]})
    passed, failed, skipped = map(int, found.groups())
    ours = [line for line in lines if line.startswith("- **`")]
    failures = {line.strip("- *`"): ["the engine alone passes it"] for line in ours}
    alone = failed - len(ours)
    note = f"{alone} more fail on the engine alone too" if alone else ""
    state = "failed" if ours else "passed"
    return Outcome(state, passed, len(ours), skipped, expected=alone, note=note, failures=failures)


@dataclass(frozen=True)
class Part:
    """`weight`: its share of the time, beside the other parts'."""

    title: str
    run: Callable[[Job], Outcome]
    weight: float


PARTS = {  # what is short comes first, so that the time that it leaves goes to the others
    "models": Part("The builder's guide, and losses of the seed models beside NumPy's", seed_models, 2),
    "pretrained": Part("Models that others trained", pretrained, 1),
    "kit": Part("polymod's conformance kit", kit, 3),
    "devices": Part("Benchmark across devices", devices, 5),
    "peers": Part("Benchmark beside torch", peers, 2),
    "suite": Part("The array API standard's official suite", suite, 3),
    "tests": Part("polymod's tests", tests, 10),
    "kernels": Part("CUDA sources compiled for sm_80, sm_90, sm_100", kernels, 1),
}
