"""The benchmarks run, check before they time, and say so when contestants disagree."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
pytestmark = [
    pytest.mark.any_engine,
    pytest.mark.skipif(not (ROOT / "benchmarks").is_dir(), reason="benchmarks/ is in the repository, not in the sdist"),
]


@pytest.fixture
def harness(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import harness

    return harness


def test_smoke(tmp_path):
    peers = ["numpy", *(["torch"] if importlib.util.find_spec("torch") else [])]
    command = [sys.executable, "-m", "benchmarks", "--peers", ",".join(peers), "--repeat", "2", "--threads", "1"]
    command += [
        "--workloads",
        "chimera,mlp-adam-32,narrow-16,cnn-8,forward-conv-d,layer-lstm-128,operation,import",
        "--out",
        str(tmp_path),
    ]
    environment = {**os.environ, "OPENBLAS_CORETYPE": "Haswell"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "below 1 polymod is faster" in done.stdout
    content = json.loads((tmp_path / "benchmarks.json").read_text())
    assert content["machine"]["cpu"] and content["machine"]["threads"] == 1
    assert "OPENBLAS_CORETYPE" in content["machine"]["unset"]
    results = {(r["workload"], r["contestant"]): r for r in content["results"]}
    assert results["import", "numpy"]["notes"]["modules"]
    assert all(r["error"] is None and r["median_s"] > 0 and len(r["samples_s"]) == 2 for r in results.values())
    if "torch" in peers:
        assert {w for w, c in results if c == "torch"} >= {"chimera", "mlp-adam-32", "narrow-16", "cnn-8"}
        assert (tmp_path / "benchmarks.png").stat().st_size > 1000


def test_unknown_names_are_refused():
    for option in ("--workloads", "--peers", "--backends"):
        command = [sys.executable, "-m", "benchmarks", option, "nonsense"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 2 and "nonsense" in done.stderr


def run_of(harness, value, calls):
    return harness.Run(lambda: calls.append(value), lambda: {"loss": np.asarray(value), "gradient": np.ones(3)})


def test_who_disagrees_is_not_timed(harness):
    calls: list[float] = []

    def fails():
        raise RuntimeError("no such model")

    results = harness.compete(
        "w",
        {
            "a": lambda: run_of(harness, 1.0, calls),
            "b": lambda: run_of(harness, 1.00001, calls),
            "c": lambda: run_of(harness, 1.1, calls),
            "d": lambda: run_of(harness, float("nan"), calls),
            "e": lambda: harness.Run(lambda: None, lambda: {"loss": np.asarray(1.0)}),
            "f": fails,
            "g": lambda: None,
        },
        tolerance=1e-4,
        repeat=3,
    )
    found = {r.contestant: r for r in results}
    assert [len(found[n].samples) for n in "abcdef"] == [3, 3, 0, 0, 0, 0] and "g" not in found
    assert "loss differs from a's by 1.0e-01" in found["c"].error
    assert "not finite" in found["d"].error and "other outputs" in found["e"].error
    assert found["f"].error == "RuntimeError: no such model"
    assert 1.1 not in calls


def test_contestants_take_turns(harness):
    order: list[str] = []

    def measured(name):
        return harness.Run(lambda: None, measure=lambda: order.append(name) or 1.0)

    harness.compete("w", {"a": lambda: measured("a"), "b": lambda: measured("b")}, tolerance=0.0, repeat=3)
    assert order == ["a", "b"] * 3


def test_nothing_is_timed_where_the_reference_fails(harness):
    def fails():
        raise ValueError("broken")

    a, b = harness.compete("w", {"a": fails, "b": lambda: run_of(harness, 1.0, [])}, tolerance=1.0, repeat=1)
    assert a.error == "ValueError: broken" and b.error == "not run, for a failed" and not b.samples


def test_ratios_are_of_medians(harness):
    from benchmarks import report

    results = [harness.Result("w", n, [s]) for n, s in (("polymod:numpy", 1.0), ("torch", 2.0), ("jax", 0.5))]
    found = {r["other"]: r["ratio"] for r in report.ratios(results)}
    assert found == {"torch": 0.5, "jax": 2.0}
