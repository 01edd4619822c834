"""What `import polymod` costs and brings along."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.any_engine

SCRIPT = """
import json, sys
import numpy
before = set(sys.modules)
import polymod
after = set(sys.modules) - before
polymod.zeros(3)
used = set(sys.modules) - before - after
print(json.dumps([sorted(before), sorted(after), sorted(used)]))
"""


def imported() -> tuple[list[str], list[str], list[str]]:
    """The modules that NumPy imports, that polymod adds to them, and that its first array adds."""
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    before, after, used = json.loads(run.stdout)
    return before, after, used


def test_import_is_light() -> None:
    """Beside its own, polymod adds few modules to NumPy's: under a third of them, and nothing slow."""
    before, after, _ = imported()
    others = [m for m in after if m.partition(".")[0] not in ("polymod", "array_api_compat")]
    assert len(others) < 30, others
    assert len(after) < len(before), after
    slow = {"argparse", "importlib.metadata", "matplotlib", "scipy", "tqdm", "unittest", "safetensors", "asyncio"}
    assert not slow & set(after)
    assert "polymod.nn" not in after  # as are optim, data, models and io, it is imported when first used


def test_no_engine_is_imported_before_it_is_needed() -> None:
    _, after, used = imported()
    engines = {"cupy", "torch", "jax", "array_api_strict", "dpnp", "mlx"}
    plugins = {f"polymod_{name}" for name in ("numpy", "cupy", "torch", "jax", "strict")}
    assert not (engines | plugins) & {m.partition(".")[0] for m in after}
    assert {m.partition(".")[0] for m in used} & (engines | plugins) == {"polymod_numpy"}


def test_lazy_names_are_there() -> None:
    import polymod as pm

    for name in ("nn", "optim", "data", "models", "random", "special", "load_file", "manual_seed"):
        assert name in dir(pm)
        assert getattr(pm, name) is not None
