"""Working memory that stays."""

from __future__ import annotations

import threading
from math import prod
from typing import Any

import numpy as np

KEPT_BYTES = 2**26  # larger pieces are given back after use

_kept = threading.local()


def working_memory(name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An uninitialised array that the next call of the same name (in the same thread) gets again.

    Fresh memory from the operating system costs more, at its first touch, than to fill it.
    """
    size = prod(shape) * np.dtype(dtype).itemsize
    held = getattr(_kept, name, None)
    if held is None or held.nbytes < size:
        held = np.empty(size, np.uint8)
        if size <= KEPT_BYTES:
            setattr(_kept, name, held)
    return held[:size].view(dtype).reshape(shape)
