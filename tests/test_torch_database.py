"""Values, cotangents, second derivatives and tangents on samples of torch's own operator database."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest

import polymod as pm

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="torch's operator database imports the package expecttest")
database = pytest.importorskip("torch_database", exc_type=ImportError)

pytestmark = [pytest.mark.any_engine, pytest.mark.filterwarnings("ignore")]
kinds = "value", "vjp", "gradgrad", "jvp"
LARGE = 1000  # elements of a sample that is left out
left_out = "_copy", "_with_dtype", "slice_scatter"  # the same function once more; large samples only
operators = {n: o for n, o in database.operators().items() if not n.endswith(left_out) and "unsafe" not in n}


@pytest.mark.parametrize("name", operators)
def test_as_torch(name: str):
    """A small sample of a function, complex where it can be, agrees in everything that torch can compute."""
    compared: list[str] = []
    for dtype in (torch.complex128, torch.float64):
        if dtype in operators[name].dtypes and not compared:
            first = islice(database.calls(operators[name], name, dtype), 8)
            calls = [c for c in first if sum(x.size for x in c.primals) <= LARGE]
            for call in islice(expressible(reversed(calls)), 1):
                compared = agree(call)
    assert "value" in compared
    if operators[name].supports_autograd:
        assert set(kinds) <= set(compared)


def expressible(calls: Any) -> Any:
    """The calls that the standard's function can express."""
    for call in calls:
        try:
            call.polymod(*map(pm.tensor, call.primals))
        except database.Unmapped:
            continue
        yield call


def agree(call: Any) -> list[str]:
    """Compare by kind; returns the kinds that torch has an answer for."""
    expected, asked = database.by_torch(call, np.random.default_rng(1), kinds)
    if "vjp" in expected:
        found = database.by_polymod(call, asked, kinds)
    else:
        found = {"value": [pm.to_numpy(y) for y in call.polymod(*map(pm.tensor, call.primals))]}
    for kind, arrays in expected.items():
        error = database.difference(found[kind], arrays, database.TOLERANCE[kind])
        assert error is None, f"{kind} of {call}: {error}"
    return list(expected)
