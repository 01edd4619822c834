"""The code in the README and in the documentation runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.any_engine

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```python\n(.*?)^```", re.M | re.S)
pages = [p for p in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if BLOCK.search(p.read_text())]


@pytest.mark.parametrize("page", pages, ids=lambda page: page.name)
def test_code_runs(page: Path) -> None:
    blocks = BLOCK.findall(page.read_text())
    if any("scipy" in block for block in blocks):
        pytest.importorskip("scipy")
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)
