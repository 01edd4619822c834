"""What every operation computes: NumPy's values, shapes and dtypes, in the engine's own arrays on its device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import polymod as pm
from polymod.testing.compare import close, on, precisions, rounded, same_kind
from polymod.testing.conformance.cases import each_call
from polymod.testing.function import Function
from polymod.testing.samples import Sample


@pytest.mark.parametrize("precision", ["float64", "float32"])
@each_call
def test_equals_numpy(name: str, sample: Sample, precision: str, engine: pm.Device) -> None:
    if precision not in precisions(engine, sample):
        pytest.skip(f"the engine says that it lacks dtypes that this needs in {precision}")
    inputs = [rounded(x, precision) for x in sample.inputs]
    found = computed(name, sample, inputs)
    with pm.use_backend("numpy"):
        alike = computed(name, sample, inputs)
        exact = computed(name, sample, sample.inputs)
    same_kind(found, alike)
    on(Function(name, sample).attrs["target"] if name == "move" else engine, *found)
    for i, (y, e) in enumerate(zip(found, exact, strict=True)):
        close(pm.to_numpy(y), pm.to_numpy(e), precision, f"result {i}")


def computed(name: str, sample: Sample, inputs: Sequence[Any]) -> tuple[pm.Tensor, ...]:
    return Function(name, sample).results(*(pm.tensor(x) if isinstance(x, np.ndarray) else x for x in inputs))
