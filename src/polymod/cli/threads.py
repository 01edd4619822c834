"""How many threads the host's matrix products use during a training."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any


def limited(count: int | None) -> AbstractContextManager[Any]:
    """Within the `with` block let BLAS and OpenMP use `count` threads; None leaves them alone.

    The products of a small model gain nothing from a second thread, and on a busy machine lose much: each waits
    for a thread that is not scheduled. Without the package threadpoolctl, which is in the extra `train`, nothing
    is changed.
    """
    if count is None:
        return nullcontext()
    try:
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError:
        return nullcontext()
    limits: AbstractContextManager[Any] = threadpool_limits(limits=count)
    return limits
