"""The machine and the environment that the timings belong to. Imports no array library."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# Set for the whole machine by some administrators; they choose OpenBLAS's kernels for another CPU.
MISLEADING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
# Without these, GPU libraries may round float32 products to TF32 (10 bits), each by a default of its own.
FULL_PRECISION = {"NVIDIA_TF32_OVERRIDE": "0", "CUPY_TF32": "0", "JAX_DEFAULT_MATMUL_PRECISION": "highest"}
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
PACKAGES = ("numpy", "torch", "jax", "cupy", "array-api-strict", "autograd", "mygrad", "matplotlib")


def cores() -> int:
    """How many CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def environment(threads: int) -> dict[str, str]:
    """The environment variables that the benchmarks run under."""
    wanted = {k: v for k, v in os.environ.items() if k not in MISLEADING}
    wanted |= dict.fromkeys(THREAD_VARIABLES, str(threads))
    wanted.setdefault("JAX_PLATFORMS", "cpu")
    wanted |= FULL_PRECISION
    if threads == 1:
        flags = wanted.get("XLA_FLAGS", "").split()
        single = "--xla_cpu_multi_thread_eigen=false"
        wanted["XLA_FLAGS"] = " ".join(flags if single in flags else [*flags, single])
    return wanted


def restart_in(wanted: dict[str, str]) -> None:
    """Start this program anew where its environment is not `wanted`: libraries read it when they are loaded."""
    if dict(os.environ) != wanted:
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks", *sys.argv[1:]], wanted)


def limit_cores(threads: int) -> None:
    """Keep this process, with all its threads, on `threads` CPUs, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def description(threads: int) -> dict[str, object]:
    """What a reader needs to know to judge the timings."""
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "threads": threads,
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "precision": "float32, TF32 off in every library",
        "versions": {name: v for name in PACKAGES if (v := version_of(name))},
        "unset": [name for name in MISLEADING if name not in os.environ],
    }


def cpu_name() -> str:
    """The CPU's name as the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def version_of(package: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
