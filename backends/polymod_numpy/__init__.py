"""NumPy, on the CPU."""

from __future__ import annotations

from typing import Any

import array_api_compat.numpy as xp
import numpy as np

from polymod.backend import Backend

from .kernels import kernels


def copied(x: np.ndarray) -> np.ndarray:
    """A copy in the machine's byte order, the only one that other engines take."""
    return np.array(x, dtype=x.dtype.newbyteorder("="))


def index_add(x: np.ndarray, key: Any, values: Any) -> np.ndarray:
    result = np.array(x)
    np.add.at(result, key, values)
    return result


backend = Backend(
    name="numpy",
    xp=xp,
    array_types=(np.ndarray, np.generic),
    devices=lambda: ["cpu"],
    from_numpy=lambda x, device: copied(x),
    to_numpy=copied,
    synchronize=lambda: None,
    index_add=index_add,
    kernels=kernels,
    device_of=lambda x: "cpu",
    to_device=lambda x, device: x,
    version=np.__version__,
)
