"""array-api-strict: the standard and nothing more, on NumPy arrays behind devices that refuse the host.

It is slow and for tests: what runs on `strict:device1` uses the standard alone and copies nothing to the host
unasked. Its devices `no_float64` and `no_x64` also lack those data types.
"""

from __future__ import annotations

from typing import Any

import array_api_strict as xp
import numpy as np

from polymod.backend import Backend

from .indexing import index, index_add, index_set, to_numpy

info = xp.__array_namespace_info__()
array_type = type(xp.zeros(()))


def devices() -> list[Any]:
    host = info.default_device()
    return [host, *(d for d in info.devices() if d != host)]


def device_name(device: Any) -> str:
    return repr(device).split("'")[1]  # array_api_strict.Device('device1')


backend = Backend(
    name="strict",
    xp=xp,
    array_types=(array_type,),
    devices=devices,
    from_numpy=lambda x, device: xp.asarray(np.asarray(x), device=device, copy=True),
    to_numpy=to_numpy,
    synchronize=lambda: None,
    index_add=index_add,
    kernels={"index": index, "index_set": index_set},
    device_name=device_name,
    device_of=lambda x: x.device,
    to_device=lambda x, device: x.to_device(device),
    version=xp.__version__,
)
