"""A pytest plugin that writes down every CUDA source of polymod's that CuPy compiles while the tests run.

    PYTHONPATH=tools pytest -p record_kernels --record-kernels FOLDER --backend cupy

Each becomes a JSON file in FOLDER, named by its content: the source, the names of the templates' instances, CuPy's
options. `compile_kernels.py FOLDER` hands them to NVIDIA's compiler. Sources that CuPy generates for its own functions
(`cupy_add`) are CuPy's to test and are left out.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

_OURS = re.compile(r"\bpolymod_\w+")  # ElementwiseKernel and ReductionKernel bear their name in the source


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-kernels", type=Path, help="folder for the CUDA sources that are compiled")


def pytest_configure(config: pytest.Config) -> None:
    folder = config.getoption("--record-kernels")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        record(folder)


def record(folder: Path) -> None:
    """From now on write every source of polymod's that CuPy is asked for, compiled already or not, to `folder`."""
    from cupy.cuda import compiler

    compile_ = compiler._compile_module_with_cache

    def recorded(source: str, options: tuple[str, ...] = (), **others: Any) -> Any:
        names = others.get("name_expressions") or ()
        found = _OURS.search(source)
        if names or found:
            kept = [o for o in options if not o.startswith("-I")]  # they name this machine's folders
            title = names[0] if names else found.group()  # type: ignore[union-attr]
            text = json.dumps({"title": title, "source": source, "names": list(names), "options": kept})
            (folder / f"{hashlib.sha256(text.encode()).hexdigest()[:20]}.json").write_text(text)
        return compile_(source, options, **others)

    compiler._compile_module_with_cache = recorded
