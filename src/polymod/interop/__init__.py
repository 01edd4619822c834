"""Libraries that have to be told of polymod's Tensors; each is when it is imported, before polymod or after."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

_told = {"einops": "polymod.interop.einops"}  # a library, and the module that tells it


class _OnImport:
    """A finder on sys.meta_path that lets the others find a library, and tells it once it has run."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name not in _told:
            return None
        from importlib.util import find_spec

        module = _told.pop(name)  # now, so that the search below passes this finder by
        spec = find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def run_and_tell(library: Any) -> None:
            run(library)
            import_module(module)

        vars(spec.loader)["exec_module"] = run_and_tell
        return spec


def watch() -> None:
    """Tell the libraries that are imported already, and the others when they are."""
    for name in [n for n in _told if n in sys.modules]:
        import_module(_told.pop(name))
    if _told:
        sys.meta_path.insert(0, _OnImport())
