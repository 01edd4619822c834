"""The code in the README and in the documentation runs, each page in a process of its own."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.any_engine

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```python\n(.*?)^```", re.M | re.S)
ON_CUPY = ROOT / "docs" / "cupy.md"  # whose code test_cupy_interchange.py runs
pages = [p for p in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if BLOCK.search(p.read_text())]
pages = [p for p in pages if p != ON_CUPY]


@pytest.mark.parametrize("page", pages, ids=lambda page: page.name)
def test_code_runs(page: Path) -> None:
    code = "\n".join(BLOCK.findall(page.read_text()))
    if "scipy" in code and importlib.util.find_spec("scipy") is None:
        pytest.skip(f"{page.name} uses SciPy, which is not installed")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_table_of_torchs_names_is_current() -> None:
    """docs/torch_nn.md is what its tool writes: with torch's names, or where it is not installed with the page's."""
    done = subprocess.run([sys.executable, ROOT / "tools" / "torch_names.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
