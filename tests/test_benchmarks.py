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


def test_samples_end_with_the_time(harness):
    results = harness.compete("w", {"a": lambda: run_of(harness, 1.0, [])}, tolerance=1.0, repeat=50, seconds=0.0)
    assert len(results[0].samples) == harness.LEAST


# ----------------------------------------------------------------------------------------------- several devices


def compare(*arguments):
    command = [sys.executable, "-m", "benchmarks", "--threads", "1", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_devices(tmp_path):
    done = compare("--devices", "numpy,strict:device1", "--quick", "--out", str(tmp_path), "--repeat", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads((tmp_path / "devices.json").read_text())
    ours = ["polymod:numpy", "polymod:strict:device1"]
    assert content["contestants"] == ours
    assert content["finished"] == ["models", "sweeps", "transfer", "fresh", "memory"]
    assert all(not row["error"] for part in content["finished"] for row in content[part])
    for part in ("models", "sweeps"):
        assert {r["contestant"] for r in content[part]} == set(ours) and all(r["median_s"] > 0 for r in content[part])
    assert {r["pass"] for r in content["models"]} == {"forward", "training step", "inference"}
    assert {r["way"] for r in content["transfer"]} == {"to_device", "to_host"}
    for r in content["fresh"]:
        assert r["compilation"] is None and r["cold_s"] > r["filled"]["first"] > 0  # neither engine compiles
    mlp = 4 * (784 * 256 + 256 + 256 * 10 + 10)  # the bytes of a model with its two states of Adam, and the data
    data = 32 * (784 * 4 + 8)
    for r in content["memory"]:
        assert r["held"] == 3 * mlp + data
        if sys.platform == "linux":
            assert r["held"] < r["most"] < 10 * mlp  # the gradients are there besides
    page = (tmp_path / "devices.md").read_text()
    assert page.strip() in done.stdout and "No timing of this run means anything" in page
    assert (tmp_path / "devices.png").stat().st_size > 1000


def test_devices_that_are_refused():
    for arguments, text in (
        (["--devices", "numpy,nonsense"], "unknown device or backend 'nonsense'"),
        (["--devices", "numpy,strict:nonsense"], "has no device 'nonsense'"),
        (["--devices", "cpu,numpy"], "cpu and numpy are the same device"),
        (["--devices", ","], "at least one"),
        (["--devices", "numpy", "--parts", "nonsense"], "unknown parts nonsense"),
        (["--devices", "numpy", "--backends", "strict"], "not allowed with"),
        (["--devices", "numpy", "--peers", "jax:cuda"], "has no choice of devices"),
    ):
        done = compare(*arguments)
        assert done.returncode == 2 and text in done.stderr, done.stderr


@pytest.fixture
def sweep(harness):
    from benchmarks.devices import sweep

    return sweep


def test_where_a_device_starts_to_pay(sweep):
    slow = {n: n / 100 for n in (1, 10, 100, 1000)}
    fast = dict.fromkeys(slow, 0.5)  # a cost per call, and then nothing: the lines cross at 50
    found = sweep.crossing(slow, fast)
    assert (found["size"], found["largest"]) == (100, 1000)
    assert np.isclose(found["estimate"], 50) and np.isclose(found["ratio"], 20)
    assert sweep.crossing(fast, slow) is None  # it wins at small sizes, and no longer
    always = sweep.crossing({1: 2.0, 2: 2.0}, {1: 1.0, 2: 1.0, 4: 1.0})
    assert (always["size"], always["estimate"], always["largest"]) == (1, None, 2)
    between = sweep.crossing({1: 2.0, 2: 1.0, 4: 2.0}, {1: 1.0, 2: 2.0, 4: 1.0})
    assert between["size"] == 4  # a win that is lost again does not count


def test_a_sweep_leaves_out_who_is_slow_or_wrong(sweep, harness):
    from benchmarks.devices.cases import SWEEPS

    sizes: dict[str, list[int]] = {"a": [], "slow": [], "wrong": []}

    def builder(name):
        def build(workload, problem):
            n = len(problem.inputs["x"])
            sizes[name].append(n)
            value = float(name == "wrong" and n > 16)
            return harness.Run(
                lambda: None,
                lambda: {"loss": np.asarray(value)},
                measure=lambda: 2.0 if name == "slow" and n > 16 else 0.1,
            )

        return build

    (product,) = [s for s in SWEEPS if s.name == "matmul"]
    rows = sweep.measure(product, (8, 32, 64), {n: builder(n) for n in sizes}, 3, 1.0, None, 1.0)
    assert sizes == {"a": [8, 32, 64], "slow": [8, 32], "wrong": [8, 32]}
    assert sweep.times(rows, "matmul", "slow") == {8: 0.1, 32: 2.0}
    assert [r["error"] is None for r in rows if r["contestant"] == "wrong"] == [True, False]


def test_memory_of_this_process(harness):
    from benchmarks.devices import fresh

    def train(then):
        then()
        np.ones(50 * 2**20, np.uint8)

    if sys.platform == "linux":
        assert 40 * 2**20 < fresh.resident(train) < 80 * 2**20


def test_peak_memory_of_an_engine():
    """What the engines count: two arrays of 4 MB at once, and not the third that comes when one is gone."""
    import polymod as pm
    from polymod.errors import BackendError

    def work(device):
        x = pm.zeros((1000, 1000), device=device)
        y = x + 1
        del x
        return y + 1

    for name in ("cupy", "torch"):
        try:
            device = pm.device(name)
        except BackendError:
            continue
        most = device.backend.peak_memory(device.native, lambda device=device: work(device))
        assert most is None if name == "torch" and str(device) == "torch:cpu" else 8_000_000 <= most < 8_100_000
