"""The GPUs: which there are, and the copies to and between them."""

from __future__ import annotations

import numpy as np

from polymod.errors import BackendError

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
        return cupy.array(x)


def to_device(x: cupy.ndarray, device: cupy.cuda.Device) -> cupy.ndarray:
    _used.add(device.id)
    with device:
        return cupy.asarray(x)


def synchronize() -> None:
    for n in _used | {cupy.cuda.Device().id}:
        cupy.cuda.Device(n).synchronize()
