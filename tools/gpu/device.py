"""What device this is: `python tools/gpu/device.py cupy` prints it as JSON, in a process of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import distributions
from typing import Any

import polymod as pm

PACKAGES = (
    "numpy cupy torch jax jaxlib array-api-compat array-api-strict dpnp nvmath-python nvidia-cudnn-frontend "
    "nvidia-cublas nvidia-cudnn nvidia-cuda-nvrtc nvidia-cuda-runtime"
).split()


def of_cupy(native: Any) -> dict[str, Any]:
    import cupy

    runtime = cupy.cuda.runtime
    facts = runtime.getDeviceProperties(native.id)
    nvrtc = cupy.cuda.nvrtc.getVersion()
    return {
        "name": facts["name"].decode(),
        "gpu": "+cpu" not in cupy.__version__,
        "compute capability": f"{facts['major']}.{facts['minor']}",
        "memory": f"{facts['totalGlobalMem'] / 2**30:.1f} GiB",
        "multiprocessors": facts["multiProcessorCount"],
        "CUDA of the driver": cuda_version(runtime.driverGetVersion()),
        "CUDA runtime": cuda_version(runtime.runtimeGetVersion()),
        "NVRTC": ".".join(map(str, nvrtc)),
        "CuPy": cupy.__version__,
    }


def cuda_version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def of_torch(native: Any) -> dict[str, Any]:
    import torch

    if native.type != "cuda":
        return {"name": f"torch on {native}", "gpu": False}
    facts = torch.cuda.get_device_properties(native)
    return {
        "name": facts.name,
        "gpu": True,
        "compute capability": f"{facts.major}.{facts.minor}",
        "memory": f"{facts.total_memory / 2**30:.1f} GiB",
        "multiprocessors": facts.multi_processor_count,
        "CUDA runtime": torch.version.cuda,
        "cuDNN": torch.backends.cudnn.version(),
    }


def of_jax(native: Any) -> dict[str, Any]:
    return {"name": f"jax on {native.device_kind}", "gpu": native.platform in ("gpu", "cuda", "rocm")}


READERS: dict[str, Callable[[Any], dict[str, Any]]] = {"cupy": of_cupy, "torch": of_torch, "jax": of_jax}


def smi() -> dict[str, str]:
    """What nvidia-smi says of the first GPU, where there is one."""
    fields = {"driver": "driver_version", "power limit": "power.limit", "highest SM clock": "clocks.max.sm"}
    if shutil.which("nvidia-smi") is None:
        return {}
    command = ["nvidia-smi", f"--query-gpu={','.join(fields.values())}", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True)
    values = done.stdout.splitlines()[0].split(", ") if done.returncode == 0 and done.stdout else []
    return dict(zip(fields, values, strict=False))


def versions() -> dict[str, str]:
    """The versions of the packages that matter, also of those whose name ends in the CUDA they are for."""
    found = {}
    for package in distributions():
        name = (package.metadata["Name"] or "").lower()
        if any(name == wanted or name.startswith(f"{wanted}-cu") for wanted in PACKAGES):
            found[name] = package.version
    return dict(sorted(found.items()))


def describe(spec: str) -> dict[str, Any]:
    """The device's name, whether it is a GPU, and all that is known of it."""
    device = pm.device(spec)
    engine = device.backend
    read = READERS.get(engine.name, lambda native: {"name": f"{engine.name} on {device}", "gpu": False})
    facts = {"device": str(device), "engine": f"{engine.name} {engine.version}", **read(device.native)}
    facts["captures"] = device.backend.capture is not None
    return {**facts, **(smi() if facts["gpu"] else {}), "packages": versions(), "polymod": pm.__version__}


if __name__ == "__main__":
    print(json.dumps(describe(sys.argv[1])))
