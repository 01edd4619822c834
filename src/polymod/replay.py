"""What code that a step may run while it is recorded needs to know of that: little, and nothing of engines."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

current: ContextVar[Any] = ContextVar("polymod recording of a step", default=None)

Callback = Callable[[], Callable[[], None] | None]


def at_replay(function: Callback) -> None:
    """While a step is being recorded, have `function` called before each later launch of it; otherwise do nothing.

    It prepares what the launch needs of the host, and changes nothing that is seen; what it returns, if anything, is
    called after the launch, and brings objects up to date.
    """
    now = current.get()
    if now is not None:
        now.callbacks.append(function)


def is_capturing() -> bool:
    """Whether a step is being recorded at the moment (see `capture`)."""
    return current.get() is not None
