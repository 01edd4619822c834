"""What registering a hook returns."""

from __future__ import annotations

from typing import Any


class Handle:
    """`remove()` takes the hook away again. Also a context manager that does so at its end."""

    def __init__(self, hooks: list, entry: Any) -> None:
        self._hooks: list | None = hooks
        self._entry = entry

    def remove(self) -> None:
        """Take the hook away; a second time has no effect."""
        hooks, self._hooks = self._hooks or [], None
        for i, entry in enumerate(hooks):
            if entry is self._entry:
                del hooks[i]
                return

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()
