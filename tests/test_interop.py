"""Libraries that have to be told of Tensors are told, whichever is imported first."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import polymod as pm

einops = pytest.importorskip("einops")


@pytest.mark.any_engine
@pytest.mark.parametrize("order", ["import polymod, einops", "import einops, polymod", "import polymod; import einops"])
def test_whichever_is_imported_first(order: str):
    program = f"{order}; print(einops.rearrange(polymod.ones((2, 3, 4)), 'a b c -> c (b a)').shape)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "(4, 6)", done.stderr


@pytest.mark.any_engine
def test_polymod_does_not_import_it():
    program = "import sys, polymod; print('einops' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_einops_on_tensors():
    host = np.arange(24.0).reshape(2, 3, 4) / 7
    x = pm.tensor(host)
    calls = [
        lambda x: einops.rearrange(x, "a b c -> c (b a)"),
        lambda x: einops.rearrange([x[0], x[1]], "n b c -> b (n c)"),
        lambda x: einops.repeat(x, "a b c -> a n b c", n=2),
        lambda x: einops.reduce(x, "a b (c d) -> a d", "max", d=2),
        lambda x: einops.reduce(x, "a b c -> b", "mean"),
        lambda x: einops.pack([x, x[:, 0]], "a * c")[0],
        lambda x: einops.einsum(x, x, "a b c, a d c -> b d"),
    ]
    for call in calls:
        found = call(x)
        assert found.device == pm.current_device()
        np.testing.assert_allclose(pm.to_numpy(found), call(host), rtol=1e-12)
    np.testing.assert_array_equal(einops.asnumpy(x), host)
    gradient = pm.grad(lambda x: pm.sum(einops.reduce(x, "a b c -> b", "mean") * pm.sum(x)))(x)
    expected = np.sum(host) / 8 + np.sum(np.mean(host, axis=(0, 2)))
    np.testing.assert_allclose(pm.to_numpy(gradient), np.full(host.shape, expected), rtol=1e-12)
