"""The parts of the report, and what each runs."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from .running import TAIL, Job, NotRun, Outcome, by_benchmark, by_commands, by_pytest, run

KIT = "pytest_polymod"
MODELS = ("mlp", "cnn", "chimera", "transformer")


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
    if importlib.util.find_spec("polymod.testing") is None or importlib.util.find_spec(KIT) is None:
        raise NotRun(f"this polymod has no conformance kit (polymod.testing, {KIT})")
    known = any(entry.value == KIT for entry in entry_points(group="pytest11"))
    share = ["--polymod-share", str(400 if job.quick else job.share)]
    plugin = [] if known else ["-p", KIT]  # from a checkout that is only on the path
    return by_pytest(job, "--pyargs", "polymod.testing.conformance", "--polymod-backend", job.device, *share, *plugin)


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


NEEDED = ("hypothesis", "ndindex", "pytest_jsonreport")  # by the official suite
COUNTS = re.compile(r"^polymod on .*: (\d+) passed, (\d+) failed, (\d+) skipped")


def suite(job: Job) -> Outcome:
    """The standard's official tests; those that fail on the engine alone too are not polymod's failures."""
    if job.suite is None:
        raise NotRun("no checkout of array-api-tests: name it with --suite or POLYMOD_ARRAY_API_TESTS")
    if not (job.suite / "array_api_tests").is_dir():
        raise NotRun(f"{job.suite} is no checkout of array-api-tests")
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise NotRun(f"it needs packages that are not installed: {', '.join(missing)}")
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
