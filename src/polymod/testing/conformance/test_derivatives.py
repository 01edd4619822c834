"""First and second derivatives of every operation that has them: those on NumPy, in the engine's arrays.

The rules are polymod's; what is proven is that the engine computes all that they need. That the rules are right is
proven by polymod's own tests, against finite differences.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import polymod as pm
from polymod.testing.compare import close, on, precisions, rounded
from polymod.testing.conformance.cases import each_rule
from polymod.testing.function import Function, like, on_host
from polymod.testing.samples import Sample


class Case:
    """A sample in the highest precision that the engine has, with cotangents of its results and directions of its
    inputs, and the same on NumPy."""

    def __init__(self, name: str, sample: Sample, engine: pm.Device, rng: np.random.Generator) -> None:
        known = precisions(engine, sample)
        if not known:
            pytest.skip("the engine says that it lacks dtypes that this needs")
        self.precision = known[0]
        self.inputs = [rounded(x, self.precision) for x in sample.inputs]
        self.tracked = sample.tracked
        self.wanted = [self.inputs[k] for k in self.tracked]
        self.f = Function(name, sample)
        with pm.use_backend("numpy"):
            self.reference = Function(name, sample)
            values = self.reference.values(self.inputs)
        self.weights = [np.asarray(w) for w in like(rng, values)]
        self.directions = like(rng, self.wanted)

    def compare(
        self, found: Sequence[Any], expected: Sequence[np.ndarray], like: Sequence[np.ndarray], what: str
    ) -> None:
        """Results on the engine, None for zeros, with those on NumPy; each has the dtype of its counterpart."""
        for i, (g, e, x) in enumerate(zip(found, expected, like, strict=True)):
            host = on_host(g, x)
            assert host.dtype == x.dtype, f"{what} {i} is {host.dtype}, not {x.dtype}"
            close(host, e, self.precision, f"{what} {i}")


@each_rule
def test_reverse(name: str, sample: Sample, engine: pm.Device, rng: np.random.Generator) -> None:
    case = Case(name, sample, engine, rng)
    found = case.f.pulled(case.inputs, case.tracked, case.weights)
    on(engine, *found)
    with pm.use_backend("numpy"):
        expected = case.reference.gradients(case.inputs, case.tracked, case.weights)
    case.compare(found, expected, case.wanted, "gradient")


@each_rule
def test_forward(name: str, sample: Sample, engine: pm.Device, rng: np.random.Generator) -> None:
    case = Case(name, sample, engine, rng)
    values, found = tangents(case, case.f)
    with pm.use_backend("numpy"):
        _, expected = tangents(case, case.reference)
    for y, t in zip(values, found, strict=True):
        on(y.device, t)
    case.compare(found, [pm.to_numpy(t) for t in expected], case.weights, "tangent")


def tangents(case: Case, f: Function) -> tuple[Sequence[pm.Tensor], Sequence[pm.Tensor]]:
    function = f.of_tracked(case.inputs, case.tracked)
    at, along = ([pm.tensor(x) for x in xs] for xs in (case.wanted, case.directions))
    return pm.jvp(function, at, along)


@each_rule
def test_second(name: str, sample: Sample, engine: pm.Device, rng: np.random.Generator) -> None:
    case = Case(name, sample, engine, rng)
    arguments = case.inputs, case.tracked, case.weights, case.directions
    at_inputs, at_weights = case.f.second(*arguments)
    with pm.use_backend("numpy"):
        expected, expected_at_weights = case.reference.second(*arguments)
    case.compare(at_inputs, expected, case.wanted, "second derivative")
    case.compare(at_weights, expected_at_weights, case.weights, "derivative by the cotangent")
