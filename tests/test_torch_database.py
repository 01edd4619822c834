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

pytestmark = pytest.mark.filterwarnings("ignore")
kinds = "value", "vjp", "gradgrad", "jvp"
first_order = ("chunked", "chunked_none")  # torch's second derivative of these is 0, which its documentation says
LARGE = 1000  # elements of a sample that is left out
left_out = "_copy", "_with_dtype", "slice_scatter"  # the same function once more; large samples only
operators = {n: o for n, o in database.operators().items() if not n.endswith(left_out) and "unsafe" not in n}


layers = [n for n in operators if n.startswith("nn.functional.")]


@pytest.mark.any_engine
@pytest.mark.parametrize("name", [n for n in operators if n not in layers])
def test_as_torch(name: str, every_sample: bool):
    """A small sample of a function, complex where it can be, agrees in everything that torch can compute."""
    check(name, every_sample)


@pytest.mark.parametrize("name", layers)
def test_functions_of_layers_as_torch(name: str, every_sample: bool):
    """Likewise for the functions behind layers, on every engine."""
    check(name, every_sample)


def check(name: str, every_sample: bool) -> None:
    compared: set[str] = set()
    whole = [torch.int64] if name in layers else []  # the standard leaves other functions of integers to engines
    for dtype in [torch.complex128, torch.float64, *whole]:
        if dtype in operators[name].dtypes and (every_sample or not compared):
            calls = list(database.calls(operators[name], name, dtype))
            if not every_sample:
                calls = [c for c in calls[:8] if sum(x.size for x in c.primals) <= LARGE][::-1] or calls[:1]
            for call in islice(expressible(calls), None if every_sample else 1):
                compared |= set(agree(call))
    assert "value" in compared
    if operators[name].supports_autograd and torch.float64 in operators[name].dtypes:
        assert {"value", "vjp"} <= compared


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
    wanted = kinds[:2] if call.name.endswith(first_order) else kinds
    expected, asked = database.by_torch(call, np.random.default_rng(1), wanted)
    expected = {kind: arrays for kind, arrays in expected.items() if kind in wanted}
    if "vjp" in expected:
        found = database.by_polymod(call, asked, kinds)
    else:
        found = {"value": [pm.to_numpy(y) for y in call.polymod(*map(pm.tensor, call.primals))]}
    for kind, arrays in expected.items():
        error = database.difference(found[kind], arrays, database.TOLERANCE[kind])
        assert error is None, f"{kind} of {call}: {error}"
    return list(expected)
