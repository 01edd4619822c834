"""The report of a GPU: parts that fail, are cut or die leave their results, and a later run goes on from there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOOL = ROOT / "tools" / "gpu_report.py"
pytestmark = [
    pytest.mark.any_engine,
    pytest.mark.skipif(not TOOL.exists(), reason="tools/ is in the repository, not in the wheel"),
]


@pytest.fixture
def running(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    from gpu import running

    return running


@pytest.fixture
def job(running, tmp_path):
    def make(limit=120.0):
        folder = tmp_path / "work"
        folder.mkdir(exist_ok=True)
        return running.Job("numpy", "numpy", False, False, True, 1, 1, None, folder, tmp_path / "log.jsonl", limit)

    return make


def written(tmp_path, text):
    path = tmp_path / "test_written.py"
    path.write_text("import os, pathlib, pytest, signal, time\n" + text)
    return str(path)


def test_outcomes_of_tests(running, job, tmp_path):
    path = written(
        tmp_path,
        "def test_good(): pass\n"
        "def test_bad(): assert 1 == 2, 'one is not two'\n"
        "@pytest.mark.skip(reason='no wings')\n"
        "def test_flies(): pass\n"
        "@pytest.mark.xfail(reason='known')\n"
        "def test_known(): assert False\n"
        "@pytest.fixture\n"
        "def broken(): raise RuntimeError('in the fixture')\n"
        "def test_setup(broken): pass\n",
    )
    outcome = running.by_pytest(job(), path)
    counts = (outcome.state, outcome.passed, outcome.failed, outcome.skipped, outcome.expected)
    assert counts == ("failed", 1, 2, 1, 1)
    said = {name.partition("::")[2]: lines for name, lines in outcome.failures.items()}
    assert "one is not two" in said["test_bad"][1] and "in the fixture" in " ".join(said["test_setup"])
    assert outcome.reasons["no wings"] == 1


def test_only_what_failed_is_run_again(running, job, tmp_path):
    path = written(
        tmp_path,
        f"count = pathlib.Path({str(tmp_path / 'count')!r})\n"
        "def test_once(): count.write_text(count.read_text() + 'x' if count.exists() else 'x')\n"
        f"def test_mended(): assert pathlib.Path({str(tmp_path / 'mended')!r}).exists()\n",
    )
    assert running.by_pytest(job(), path).failed == 1
    (tmp_path / "mended").touch()
    outcome = running.by_pytest(job(), path)
    assert (outcome.state, outcome.passed) == ("passed", 2)
    outcome = running.by_pytest(job(), path)  # there is nothing left to run
    assert (outcome.state, outcome.passed, outcome.failures) == ("passed", 2, {})
    assert (tmp_path / "count").read_text() == "x"


def test_a_run_that_is_cut_keeps_its_results(running, job, tmp_path):
    first = "def test_quick(): pass\n"
    path = written(tmp_path, first + "def test_slow(): time.sleep(600)\n")
    outcome = running.by_pytest(job(limit=15.0), path)
    assert (outcome.state, outcome.passed) == ("cut", 1)
    assert "1 of 2 tests" in outcome.note
    path = written(tmp_path, first + "def test_slow(): pass\n")
    assert running.by_pytest(job(), path).passed == 2


def test_tests_after_one_that_ends_the_process(running, job, tmp_path):
    path = written(
        tmp_path,
        "lost = False\n"
        "def test_a(): pass\n"
        "def test_dies(): os.kill(os.getpid(), signal.SIGKILL)\n"
        "def test_b(): pass\n"
        "def test_loses_the_device():\n"
        "    global lost\n"
        "    lost = True\n"
        "    raise RuntimeError('cudaErrorIllegalAddress: an illegal memory access was encountered')\n"
        "def test_c(): assert not lost\n",
    )
    outcome = running.by_pytest(job(), path)
    assert (outcome.state, outcome.passed, outcome.failed) == ("failed", 3, 2)
    assert {name.partition("::")[2] for name in outcome.failures} == {"test_dies", "test_loses_the_device"}


def test_pytest_that_does_not_start(running, job):
    outcome = running.by_pytest(job(), "--no-such-option")
    assert outcome.state == "failed" and "no-such-option" in " ".join(outcome.failures["pytest itself"])


def test_commands(running, job):
    outcome = running.by_commands(job(), {"good": ["-c", "pass"], "bad": ["-c", "raise SystemExit('no luck')"]})
    assert (outcome.state, outcome.passed, outcome.failed) == ("failed", 1, 1)
    assert outcome.failures["bad"][-1] == "no luck"
    outcome = running.by_commands(job(limit=1.0), {"long": ["-c", "import time; time.sleep(600)"]})
    assert outcome.state == "cut"


def test_the_official_suite(monkeypatch, job, tmp_path):
    """What only polymod fails counts, as tools/conformance.py tells it."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import conformance
    from gpu import parts

    suite = tmp_path / "suite"
    (suite / "array_api_tests").mkdir(parents=True)
    given = job()
    given.suite, given.engine = suite, "cupy"
    alone, ours = conformance.Result({"a::x", "b::y"}, 8, 1), conformance.Result({"b::y", "c::z"}, 8, 1)
    told = [f"cupy alone: {alone}", f"polymod on cupy: {ours}"]
    told += conformance.page([("cupy", alone, ours)], "0" * 40).splitlines()
    monkeypatch.setattr(parts, "run", lambda *_: (1, told))
    monkeypatch.setattr(parts, "NEEDED", ())
    outcome = parts.suite(given)
    counts = (outcome.state, outcome.passed, outcome.failed, outcome.skipped, outcome.expected)
    assert counts == ("failed", 8, 1, 1, 1) and list(outcome.failures) == ["c::z"]
    given.suite = tmp_path
    with pytest.raises(parts.NotRun, match="no checkout"):
        parts.suite(given)


def report(*arguments):
    command = [sys.executable, str(TOOL), "--workers", "1", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_report_grows(tmp_path):
    """Two runs, of a part each, make one report."""
    where = ["--device", "strict:device1", "--quick", "--out", str(tmp_path), "--name", "trial"]
    for part, code in (("tests", 0), ("kernels", 0)):
        done = report(*where, "--only", part)
        assert done.returncode == code, done.stdout + done.stderr
    content = json.loads((tmp_path / "trial.json").read_text())
    assert content["parts"]["tests"]["passed"] >= 10 and content["parts"]["kernels"]["state"] == "not run"
    assert content["facts"]["gpu"] is False and content["facts"]["device"] == "strict:device1"
    page = (tmp_path / "trial.md").read_text()
    assert "This is no GPU" in page and "it takes NVIDIA's compiler" in page


def test_benchmarks_in_the_report(tmp_path):
    done = report("--device", "strict", "--quick", "--out", str(tmp_path), "--only", "devices", "--anew")
    assert done.returncode == 0, done.stdout + done.stderr
    (page,) = tmp_path.glob("trial_*.md")
    assert "| polymod:strict" in page.read_text() and "Transfer" in page.read_text()
    assert page.with_suffix(".png").stat().st_size > 1000


def test_what_is_refused():
    for arguments, text in (
        (["--device", "nonsense"], "unknown device or backend 'nonsense'"),
        (["--device", "numpy"], "name another engine"),
        (["--only", "nonsense"], "unknown parts nonsense"),
        (["--minutes", "0"], "at least 0.67"),
    ):
        done = report(*arguments)
        assert done.returncode == 2 and text in done.stderr, done.stderr
