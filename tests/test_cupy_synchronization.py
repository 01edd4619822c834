"""Nothing waits for the GPU: no operation reads from it on the host, forwards or backwards, unless its result's shape
or its errors depend on values."""

from __future__ import annotations

import contextlib
import warnings

import pytest
from test_cupy_training import cases, step_of

import polymod as pm
from polymod.testing.function import Function, floating
from polymod.testing.samples import table

pytestmark = pytest.mark.engine("cupy")

waits = {  # and why they must
    ("index", 5): "the shape of x[mask] is the number of True in the mask",
    ("index", 6): "the shape of x[mask] is the number of True in the mask",
    ("move", 1): "it moves to the host and back",
}


@pytest.fixture
def unsynchronized():
    """A context in which CuPy raises where it would wait for the GPU."""
    cupyx = pytest.importorskip("cupyx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated, and nothing takes its place yet
        yield lambda: cupyx.allow_synchronize(False)


@pytest.mark.parametrize(("name", "i"), [(name, i) for name in table for i in range(len(table[name]))])
def test_no_operation_waits(name: str, i: int, unsynchronized):
    sample = table[name][i]
    f, tracked = Function(name, sample), sample.tracked
    xs, _ = f.run(sample.inputs, tracked)  # kernels are compiled, and arrays on the GPU
    expected = pytest.raises(Exception, match="synchronization") if (name, i) in waits else contextlib.nullcontext()
    with unsynchronized(), expected:
        ys = floating(f.results(*xs))
        if tracked:
            pm.autograd.grad([pm.real(pm.sum(y)) for y in ys], [xs[k] for k in tracked], allow_unused=True)


@pytest.mark.every_engine
@pytest.mark.parametrize("case", cases)
def test_no_training_step_waits(case: str, unsynchronized):
    """On a GPU, too, whose runtime keeps no counts as those that `test_cupy_training` looks at."""
    step = step_of(case)
    for _ in range(3):  # kernels are compiled, the optimizer has its state
        step()
    with unsynchronized():
        step()
