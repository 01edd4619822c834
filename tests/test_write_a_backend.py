"""The page that tells how to write a backend: its example does what it promises, and its list of names is complete."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import polymod.optim
from polymod.backend import Backend, Capabilities, portable
from polymod.rules import primitives

pytestmark = pytest.mark.any_engine

PAGE = (Path(__file__).parent.parent / "docs" / "write_a_backend.md").read_text(encoding="utf-8")
EXAMPLE = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)[-1]

USE = """
rng = np.random.default_rng(0)
table = rng.normal(size=(5, 4, 3)).astype("float32")
rows = np.asarray([[4, 0], [0, -1]])

def f(x):
    picked = x[pm.tensor(rows), ..., ::-1] * pm.nn.functional.softmax(x[0], dim=-1)[:, None, None, :].sum(axis=0)
    spread = pm.index_add(pm.zeros((5, 4)), pm.tensor(rows), x[:2, :2, 0][..., None])
    return (picked ** 2).sum() + pm.linalg.svdvals(x).sum() + (spread * x[..., 1]).sum() + x[x > 0.5].sum()

found = []
for name in ("numpy", "grid"):
    with pm.use_backend(name):
        x = pm.tensor(table, requires_grad=True)
        first = pm.grad(f)(x)
        second = pm.grad(lambda v: (pm.grad(f)(v) ** 2).sum())(x)
        y = x.detach().copy()
        y[1:, pm.tensor([2, 0])] = 7.0
        order = pm.argsort(y, axis=0, descending=True, stable=True)
        weight = pm.tensor(np.arange(18.0, dtype="float32").reshape(2, 1, 3, 3))
        image = pm.nn.functional.max_pool2d(pm.nn.functional.conv2d(x[:, None], weight, padding=1), 2)
        results = [f(x).detach(), first, second, y, order, image.detach(), pm.fft.rfft(y).real, y.std(axis=0)]
        kinds = x.device.backend.array_types
        assert all(isinstance(r.array, kinds) and r.device == x.device for r in results)
        found.append([pm.to_numpy(r) for r in results])
for i, (a, b) in enumerate(zip(*found)):
    assert a.dtype == b.dtype, i
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4, err_msg=str(i))
"""


def test_the_example_computes_what_numpy_does() -> None:
    done = subprocess.run([sys.executable, "-c", EXAMPLE + USE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_field_is_explained() -> None:
    section = PAGE.split("## The fields of Backend")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|", section, re.M)
    assert rows == [f.name for f in fields(Backend)]
    assert all(f"`{f.name}`" in section for f in fields(Capabilities))


def test_every_name_that_an_operation_calls_on_an_engine_is_listed() -> None:
    assert polymod.optim.SGD  # its definitions are among those looked at
    section = PAGE.split("## The namespace xp")[1].split("\n## ")[0]
    listed = {name for code in re.findall(r"`([^`]+)`", section) for name in re.findall(r"[A-Za-z_0-9]+", code)}
    plain = set(primitives) - set(portable)
    called = {
        name
        for function in portable.values()
        for name in re.findall(r"\bxp\.(?:linalg\.|fft\.)?(\w+)", inspect.getsource(function))
        if name not in portable and name not in primitives and name not in ("index_add", "linalg", "fft", "backend")
    }
    missing = (plain | called) - listed
    assert not missing, f"docs/write_a_backend.md lacks what operations call on engines: {sorted(missing)}"
