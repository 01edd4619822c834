"""The GPUs: which there are, and the copies to and between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import numpy as np

from polymod.errors import BackendError, CaptureError

try:
    import cupy
except ModuleNotFoundError:
    raise
except ImportError as error:  # it does not fit this machine's CUDA, say; CuPy's own text is a page long
    cause = " ".join(str(error.__cause__ or error).split())
    raise BackendError(
        f"CuPy is installed but can't be imported ({cause}): install the one for this machine's CUDA "
        "(pip install 'polymod[cupy]' for CUDA 13, 'polymod[cupy12]' for CUDA 12), or use --backend numpy"
    ) from error

try:
    count = cupy.cuda.runtime.getDeviceCount()
    if count == 0:
        raise RuntimeError("it counts 0 devices")
except RuntimeError as error:  # CuPy's CUDARuntimeError is one
    raise BackendError(
        f"CuPy {cupy.__version__} is installed but finds no CUDA GPU ({error}): "
        "install an NVIDIA driver new enough for it, or use --backend numpy"
    ) from error

# isort: split
from cupy.cuda.runtime import getDevice

from .graph import recorder

_used: set[int] = set()  # the GPUs that polymod put arrays on: to wait for another would start CUDA on it


def devices() -> list[cupy.cuda.Device]:
    current = cupy.cuda.Device()
    return [current, *(cupy.cuda.Device(n) for n in range(count) if n != current.id)]


def device_name(device: cupy.cuda.Device) -> str:
    return f"cuda:{device.id}"


def from_numpy(x: np.ndarray, device: cupy.cuda.Device) -> cupy.ndarray:
    _used.add(device.id)
    with device:
        if x.ndim == 0:  # a kernel's argument, which is no transfer; cupy.array would also lose the sign of -0.0
            return cupy.full((), x[()], x.dtype)
        if recorder() is not None:
            raise CaptureError(
                f"a captured step makes a Tensor of {x.size} host values, which would be the same at each call; make "
                "it before and use it in the step, or pass the host array to the step"
            )
        return cupy.array(x)


def to_numpy(x: cupy.ndarray) -> np.ndarray:
    if recorder() is not None:
        raise CaptureError(
            "a captured step reads a Tensor's values on the host (by float(), int(), bool(), print or `if`, say), and "
            "has none yet: return the Tensor and read it after the call, or use where() instead of `if`"
        )
    return cupy.asnumpy(x)


def to_device(x: cupy.ndarray, device: cupy.cuda.Device) -> cupy.ndarray:
    """`x` on another GPU. Each GPU's current stream waits for the other's part of the copy, and the host for none."""
    _used.add(device.id)
    source = x.device
    if source == device:
        return x
    with source:
        x = cupy.ascontiguousarray(x)  # CuPy copies nothing else between GPUs
        ready = cupy.cuda.get_current_stream().record(cupy.cuda.Event(disable_timing=True))
    with device:
        stream = cupy.cuda.get_current_stream()
        stream.wait_event(ready)
        copied = cupy.array(x)
        done = stream.record(cupy.cuda.Event(disable_timing=True))
    with source:  # before x's memory is used again
        cupy.cuda.get_current_stream().wait_event(done)
    return copied


def following(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, run on the GPU of the first array among its arguments."""

    @wraps(function)
    def on_its_gpu(*args: Any, **attrs: Any) -> Any:
        device = _first_device(args)
        if device is None or device.id == getDevice():
            return function(*args, **attrs)
        with device:
            return function(*args, **attrs)

    return on_its_gpu


def _first_device(args: Iterable[Any]) -> cupy.cuda.Device | None:
    for x in args:
        if isinstance(x, cupy.ndarray):
            return x.device
        if isinstance(x, list | tuple | dict):
            device = _first_device(x.values() if isinstance(x, dict) else x)
            if device is not None:
                return device
    return None


def synchronize() -> None:
    for n in _used | {cupy.cuda.Device().id}:
        cupy.cuda.Device(n).synchronize()
