"""Builds the wheel of CuPy-on-CPU:  python tools/cupy_cpu/build.py OUTDIR

Takes about three minutes on two cores, and downloads CuPy's sdist, Cython, setuptools and NumPy through pip. The
version holds a hash of this recipe, of Python's version and of the platform: where OUTDIR has that wheel already,
nothing is done. Progress goes to stderr; the last and only line on stdout is the wheel's path.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
CUPY = "14.2.0"
TOOLS = ["setuptools>=77", "wheel", "Cython>=3.2,<3.3,!=3.2.6", "numpy>=2"]
PARTS = ("build.py", "library.py", "patch.py", "python", "src", "include")


class BuildError(Exception):
    """Why there is no wheel, and what to do."""


def recipe_hash() -> str:
    """Changes with any file that the wheel is made from, with Python's version and with the platform."""
    digest = hashlib.sha256(f"{CUPY} {sysconfig.get_config_var('SOABI')} {sysconfig.get_platform()}".encode())
    for part in PARTS:
        path = HERE / part
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(file.relative_to(HERE).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return "g" + digest.hexdigest()[:8]  # a letter first, for a version's number may not begin with 0


def version() -> str:
    return f"{CUPY}+cpu.{recipe_hash()}"


def wheel_in(folder: Path) -> Path | None:
    """The wheel of this very recipe, if it is there."""
    return next(iter(sorted(folder.glob(f"cupy-{version()}-*.whl"))), None)


def check_machine() -> None:
    """Raises BuildError with all that is missing."""
    missing = []
    if sys.platform != "linux" or platform.machine() != "x86_64":
        missing.append(f"Linux on x86-64 (this is {sys.platform} on {platform.machine()})")
    if sys.implementation.name != "cpython":
        missing.append(f"CPython (this is {sys.implementation.name})")
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.is_file():
        missing.append(f"Python's headers ({header}; on Debian: apt install python3-dev)")
    for name in ("gcc", "g++", "nm"):
        if shutil.which(name) is None:
            missing.append(f"{name} (on Debian: apt install g++)")
    if shutil.which("g++"):
        found = subprocess.run(["g++", "-dumpfullversion"], capture_output=True, text=True).stdout.strip()
        if not re.match(r"\d+", found) or int(found.split(".")[0]) < 12:
            missing.append(f"g++ 12 or later (this is {found or 'unknown'})")
    if missing:
        raise BuildError("CuPy-on-CPU can't be built here; it needs\n  " + "\n  ".join(missing))


def run(what: str, command: list[str | Path], why: str = "", **options) -> None:
    """Runs a command in silence; raises BuildError with the end of its output if it fails."""
    start = time.monotonic()
    print(f"CuPy-on-CPU: {what} ...", file=sys.stderr, flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        end = "\n".join(done.stdout.splitlines()[-40:])
        raise BuildError(f"{end}\n{what}: failed with status {done.returncode}. {why}")
    print(f"CuPy-on-CPU: {what}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)


def build(out: Path, work: Path, sdist: Path | None, jobs: int) -> Path:
    """Builds in `work`; returns the wheel, which lies in `out`."""
    from library import compile_library, symbols
    from patch import patch

    environment = os.environ | {"CUPY_INSTALL_USE_STUB": "1", "CUPY_NUM_BUILD_JOBS": str(jobs)}
    run("virtual environment", [sys.executable, "-m", "venv", "--clear", work / "venv"])
    pip = [work / "venv/bin/python", "-m", "pip", "--disable-pip-version-check"]
    no_index = "Is a package index in reach? pip's own settings (PIP_INDEX_URL, pip.conf) hold here."
    run("Cython and what else builds CuPy", [*pip, "install", *TOOLS], no_index)
    if sdist is None:
        options = ["--no-deps", "--no-build-isolation", "--no-binary", "cupy", "--dest", work]
        run(f"CuPy {CUPY}'s sdist", [*pip, "download", *options, f"cupy=={CUPY}"], no_index, env=environment)
        sdist = work / f"cupy-{CUPY}.tar.gz"
    shutil.rmtree(work / f"cupy-{CUPY}", ignore_errors=True)
    with tarfile.open(sdist) as archive:
        archive.extractall(work, filter="data")

    source = work / f"cupy-{CUPY}"
    start = time.monotonic()
    library = compile_library(source, recipe_hash(), jobs)
    patch(source, version(), symbols(library))
    print(f"CuPy-on-CPU: libcpucuda.so, patches: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    # Nothing here is timed: compile fast, not well.
    environment |= {"CFLAGS": "-O0 -g0 -w", "CXXFLAGS": "-O0 -g0 -w", "LDFLAGS": "-s"}
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", out]
    run("CuPy", [*pip, "wheel", *options, source], env=environment)
    wheel = wheel_in(out)
    if wheel is None:
        raise BuildError(f"pip made no wheel cupy-{version()}-*.whl in {out}")
    return wheel


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUTDIR", help="where the wheel goes")
    parser.add_argument("--work", type=Path, help="folder to build in, kept (default: a temporary one)")
    parser.add_argument("--sdist", type=Path, help=f"cupy-{CUPY}.tar.gz, instead of downloading it")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="compilers at once")
    parser.add_argument("--force", action="store_true", help="build though the wheel is there")
    given = parser.parse_args(arguments)
    out = given.out.resolve()
    wheel = wheel_in(out)
    try:
        if wheel is None or given.force:
            check_machine()
            out.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="cupy_cpu") as scratch:
                work = given.work.resolve() if given.work else Path(scratch)
                work.mkdir(parents=True, exist_ok=True)
                wheel = build(out, work, given.sdist and given.sdist.resolve(), given.jobs)
    except (BuildError, RuntimeError, OSError, subprocess.CalledProcessError) as error:
        print(f"{error}", file=sys.stderr)
        return 1
    print(wheel)
    return 0


if __name__ == "__main__":
    sys.exit(main())
