"""A GPU that the host leaves alone."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any


def alone() -> AbstractContextManager[Any]:
    """A context in which it is an error that CuPy copies between host and GPU or waits; on a real GPU, that it waits.

    What runs in it must have run before: compiling a kernel may do both.
    """
    import cupy
    import cupyx

    emulator = getattr(cupy, "_cpu", None)
    if hasattr(emulator, "forbidden"):
        return emulator.forbidden("transfers", "synchronizations")
    return cupyx.allow_synchronize(False)
