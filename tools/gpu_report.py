"""Prove polymod on a GPU: all tests, the conformance kits, the models and the benchmarks, and one report of them.

    python tools/gpu_report.py                               # everything, on the engine cupy
    python tools/gpu_report.py --minutes 10                  # what 10 minutes allow; the same again goes on from there
    python tools/gpu_report.py --only tests,kit --device cuda:1
    python tools/gpu_report.py --quick                       # a small selection of everything, to try it out

It writes gpu_<device>_<date>.json, .md and .png into benchmarks/results (trial_... where the device is no GPU), anew
after each part. Each part runs in processes of its own, with a time limit: what it had when it was cut counts, and the
next run with the same sources goes on from there. It needs nothing but what is installed.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NoReturn

from gpu import page
from gpu.parts import PARTS
from gpu.running import ROOT, Job, NotRun, Outcome

LONGEST = 7200.0  # seconds for a part where --minutes does not say less
LEAST = 20.0  # seconds in which a part can do anything
WRITING = 20.0  # seconds that are kept for ending a part that is cut, and for the report itself
KINDS = (".py", ".cu", ".cuh", ".toml")
SOURCES = ("src", "backends", "tests", "benchmarks", "examples", "tools")


def arguments() -> argparse.ArgumentParser:
    text = (__doc__ or "").split("\n\n")
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=text[0], epilog="\n\n".join(text[1:]), formatter_class=shape)
    parser.add_argument("--device", default="cupy", help="engine or device to prove (default: cupy)")
    parser.add_argument("--minutes", type=float, help="time for everything together (default: no limit)")
    parser.add_argument("--only", metavar="A,B", help=f"some of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--share", type=int, default=1, help="every N-th case of each test only (default: 1, all)")
    parser.add_argument("--workers", type=int, help="processes of pytest, with xdist (default: half the cores, 1 to 8)")
    parser.add_argument("--suite", type=Path, help="a checkout of array-api-tests (default: POLYMOD_ARRAY_API_TESTS)")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results", help="folder for the report")
    parser.add_argument("--name", help="of the report's files, to go on with one of another day")
    parser.add_argument("--anew", action="store_true", help="forget what earlier runs found of these parts")
    parser.add_argument("--quick", action="store_true", help="a small selection of everything, to try it out")
    return parser


def main() -> int:
    parser = arguments()
    options = parser.parse_args()
    begun = time.monotonic()
    chosen = [name.strip() for name in options.only.split(",")] if options.only else list(PARTS)
    strange = [name for name in chosen if name not in PARTS]
    if strange:
        parser.error(f"unknown parts {', '.join(strange)}; there are {', '.join(PARTS)}")
    if options.minutes is not None and options.minutes * 60 < LEAST + WRITING:
        parser.error(f"--minutes: at least {(LEAST + WRITING) / 60:.2g}")
    signal.signal(signal.SIGTERM, interrupt)
    facts = facts_of(parser, options.device)
    base = options.out / (options.name or default_name(facts))
    options.out.mkdir(parents=True, exist_ok=True)
    report = begin(base, facts)
    end = begun + (options.minutes * 60 - WRITING if options.minutes else float("inf"))
    print(f"{facts['name']}{'' if facts['gpu'] else ' (no GPU: a trial)'}; report: {base}.md", flush=True)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            for i, name in enumerate(chosen):
                left = end - time.monotonic()
                share = PARTS[name].weight / sum(PARTS[n].weight for n in chosen[i:])
                limit = min(LONGEST, max(LEAST, left * share)) if left >= LEAST else 0.0
                one(report, base, Path(scratch), name, limit, options)
                save(report, base)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    for path in save(report, base):
        print(path)
    states = [report["parts"][name]["state"] for name in chosen if name in report["parts"]]
    return int(len(states) < len(chosen) or any(state in ("failed", "cut") for state in states))


def interrupt(*_: Any) -> NoReturn:
    raise KeyboardInterrupt


def facts_of(parser: argparse.ArgumentParser, device: str) -> dict[str, Any]:
    """What device it is; ends the program with one line where it can't be used."""
    command = [sys.executable, str(ROOT / "tools" / "gpu" / "device.py"), device]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        parser.error(re.sub(r"^[\w.]+Error: ", "", said))
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if facts["engine"].startswith("numpy "):
        parser.error("numpy is what the others are compared with; name another engine or device")
    return facts


def default_name(facts: dict[str, Any]) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", facts["name"].lower()).strip("-")
    return f"{'gpu' if facts['gpu'] else 'trial'}_{slug}_{datetime.datetime.now(datetime.UTC).date()}"


def begin(base: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """The report so far, with this run's device and sources."""
    from benchmarks import machine

    path = base.with_name(base.name + ".json")
    report = json.loads(path.read_text()) if path.exists() else {"kind": "gpu report", "parts": {}}
    described = machine.description(machine.cores())
    git = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    commit = git.stdout.strip() if git.returncode == 0 else None
    return {**report, "facts": facts, "machine": described, "source": source_hash(), "commit": commit}


def source_hash() -> str:
    """Changes with any source file; the same in a copy without git."""
    digest = hashlib.sha256()
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in KINDS and "results" not in path.parts:
                digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def one(
    report: dict[str, Any], base: Path, scratch: Path, name: str, limit: float, options: argparse.Namespace
) -> None:
    """Run a part in a folder of its own in `scratch` and put what came of it into the report."""
    part = PARTS[name]
    identity = f"{report['source']} {report['facts']['device']} {options.quick} {options.share}"
    earlier = report["parts"].get(name)
    before = earlier if earlier and earlier["identity"] == identity and not options.anew else None
    print(f"{name}: {part.title} ...", end=" ", flush=True)
    start = time.monotonic()
    folder = scratch / name
    folder.mkdir()
    log = the_log(base, name, identity, options.anew)
    job = Job(
        options.device,
        report["facts"]["engine"].partition(" ")[0],
        report["facts"]["gpu"],
        report["facts"]["captures"],
        options.quick,
        options.share,
        options.workers or max(1, min(8, (os.cpu_count() or 2) // 2)),
        suite_of(options),
        folder,
        log,
        limit,
        before,
    )
    try:
        if limit < LEAST:
            raise NotRun("the time was over; the same command goes on with it")
        outcome = part.run(job)
    except NotRun as reason:
        outcome = Outcome("not run", note=str(reason))
    except Exception as error:  # one part's failure must not end the others
        outcome = Outcome("failed", failed=1, failures={"the report": [f"{type(error).__name__}: {error}"]})
    outcome.seconds = round(time.monotonic() - start + (before["seconds"] if before and log.exists() else 0.0), 1)
    print(f"{outcome.state}: {outcome.passed} passed, {outcome.failed} failed. {outcome.note}", flush=True)
    whole = before and before["state"] in ("passed", "failed")
    if earlier and earlier["state"] != "not run" and (outcome.state == "not run" or (outcome.state == "cut" and whole)):
        return  # what is known is more
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    report["parts"][name] = {
        "title": part.title,
        **outcome.as_dict(),
        "quick": options.quick,
        "source": report["source"],
        "identity": identity,
        "finished": now,
    }


def the_log(base: Path, name: str, identity: str, anew: bool) -> Path:
    """Where a part keeps its tests' outcomes; those of other sources are thrown away."""
    key = hashlib.sha256(identity.encode()).hexdigest()[:8]
    wanted = base.with_name(f"{base.name}.{name}.{key}.jsonl")
    for path in base.parent.glob(f"{base.name}.{name}.*.jsonl"):
        if path != wanted or anew:
            path.unlink()
    return wanted


def suite_of(options: argparse.Namespace) -> Path | None:
    given = options.suite or os.environ.get("POLYMOD_ARRAY_API_TESTS")
    return Path(given).resolve() if given else None


def save(report: dict[str, Any], base: Path) -> list[Path]:
    """Write the report; returns its files."""
    path = base.with_name(base.name + ".json")
    path.write_text(json.dumps(report, indent=1) + "\n")
    return [path, *page.write(base, report)]


if __name__ == "__main__":
    sys.exit(main())
