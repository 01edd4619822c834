"""The SYCL devices: which there are, what they are called, and the copies to and between them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from polymod.errors import BackendError

from .runtime import LIBRARY, VARIABLE, cpu_runtime

with cpu_runtime():
    import dpctl

    found = dpctl.get_devices()

if not found:
    raise BackendError(
        f"dpctl {dpctl.__version__} is installed but finds no SYCL device: for a CPU pip install intel-opencl-rt and "
        f"set {VARIABLE}={LIBRARY} before Python starts, for a GPU install its driver; "
        "`python -m dpctl --full` lists what is found"
    )

import dpnp

Device = Any  # a queue of a SYCL device, dpnp's `x.device`


@cache
def devices() -> list[Device]:
    """All of them, each with the queue that dpnp uses for it; first SYCL's default, which the environment's
    ONEAPI_DEVICE_SELECTOR decides once for the process."""
    default = dpctl.select_default_device()
    return [dpnp.empty(0, dtype="int8", device=d).device for d in sorted(found, key=lambda d: d != default)]


def names_of(sycl_devices: Sequence[Any]) -> dict[Any, str]:
    """What SYCL devices are called: "cpu", "gpu:0", "gpu:1" as the runtime that SYCL prefers counts them. The same
    hardware may be there once more by another runtime: "opencl:gpu:0"."""
    called = {}
    for kind in ("cpu", "gpu", "accelerator"):
        alike = [d for d in sycl_devices if d.device_type.name == kind]
        if alike:
            preferred = max(alike, key=lambda d: d.default_selector_score).backend
            first = [d for d in alike if d.backend == preferred]
            for n, d in enumerate(first):
                called[d] = kind if kind == "cpu" and len(first) == 1 else f"{kind}:{n}"
            called |= {d: d.filter_string for d in alike if d.backend != preferred}
    return called


names = names_of(found)


def device_name(device: Device) -> str:
    sycl_device = getattr(device, "sycl_device", device)  # dpnp's __array_namespace_info__ lists these
    return names.get(sycl_device) or sycl_device.filter_string


def device_of(x: dpnp.ndarray) -> Device:
    return x.device


def from_numpy(x: np.ndarray, device: Device) -> dpnp.ndarray:
    """A copy; dpnp itself would give float32 where a device has no float64."""
    if x.dtype.name in ("float64", "complex128") and not device.sycl_device.has_aspect_fp64:
        narrow = "float32" if x.dtype.kind == "f" else "complex64"
        raise TypeError(f"{device_name(device)} ({device.sycl_device.name}) has no {x.dtype}; use {narrow}")
    return dpnp.array(x.astype(x.dtype.newbyteorder("="), copy=False), device=device)


def to_device(x: dpnp.ndarray, device: Device) -> dpnp.ndarray:
    return x.to_device(device)


def synchronize() -> None:
    for device in devices():
        device.wait()
