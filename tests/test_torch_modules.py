"""Every class of torch.nn with the same arguments in torch and here: keys, results, derivatives, buffers."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest

import polymod as pm

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="torch's module database imports the package expecttest")
database = pytest.importorskip("torch_database", exc_type=ImportError)
modules = pytest.importorskip("torch_modules", exc_type=ImportError)

pytestmark = pytest.mark.filterwarnings("ignore")
kinds = "value", "vjp", "gradgrad", "jvp"
SAMPLES = 3  # of each class and mode, unless all are wanted
LARGE = 2000  # elements
OURS = {"Container", "DataParallel", "Module", "Sequential", "ModuleList", "ModuleDict", "ParameterList"}
OURS |= {"ParameterDict", "RNNBase", "RNNCellBase", "SyncBatchNorm", "NLLLoss2d"}  # containers, bases, other names
entries = modules.entries()
WRONG = {"CrossMapLRN2d"}  # torch's own gradient is not what finite differences of its values are


@pytest.mark.any_engine
def test_every_class_of_torch_has_samples():
    kinds = [k for k in vars(torch.nn).values() if isinstance(k, type) and issubclass(k, torch.nn.Module)]
    assert {k.__name__ for k in kinds} - OURS == entries.keys() - OURS


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", sorted(entries))
def test_as_torch(name: str, training: bool, every_sample: bool):
    """State dict, results, gradients of inputs and parameters, second derivatives, tangents and buffers agree."""
    calls = list(modules.calls(entries[name], torch.float64, training))
    for call in calls if every_sample else spread_out(calls):
        same_state_dict(call)
        expected, asked = database.by_torch(call, np.random.default_rng(1), kinds)
        if name in WRONG:
            expected = {"value": expected["value"]}
        if call.made_with("options"):  # torch's second derivative of a loss in chunks is 0, as its documentation says
            expected = {kind: expected[kind] for kind in ("value", "vjp")}
        if "vjp" in expected:
            found = database.by_polymod(call, asked, kinds)
        else:
            found = {"value": [pm.to_numpy(y) for y in call.polymod(*map(pm.tensor, call.primals))]}
        for kind, arrays in expected.items():
            error = database.difference(found[kind], arrays, database.TOLERANCE[kind])
            assert error is None, f"{kind} of {call}: {error}"
        same_arrays(*call.states_after_a_call(), 1e-9)


@pytest.mark.parametrize("name", sorted(entries))
def test_single_precision(name: str):
    """In float32 the results have torch's dtype and values."""
    for call in islice(modules.calls(entries[name], torch.float32, True), 1):
        same_state_dict(call)
        expected = [y.numpy(force=True) for y in call.torch(*map(torch.tensor, call.primals))]
        found = [pm.to_numpy(y) for y in call.polymod(*map(pm.tensor, call.primals))]
        error = database.difference(found, expected, 1e-5)
        assert error is None, f"{call}: {error}"


def spread_out(calls: list[Any]) -> list[Any]:
    """A few of the calls that are not large; where all are, one."""
    small = [c for c in calls if sum(x.size for x in c.primals) <= LARGE] or calls[:1]
    return small[:: max(1, len(small) // SAMPLES)][:SAMPLES]


def same_state_dict(call: Any) -> None:
    """Before and after our module takes torch's state, the keys, their order, the shapes and the dtypes are torch's."""

    def outline(state: Any) -> list[Any]:
        return [(k, tuple(v.shape), str(v.dtype).rpartition(".")[2]) for k, v in state.items()]

    if not call.operator.is_lazy:
        assert outline(call.ours.to(modules.dtype_of(call.dtype)).state_dict()) == outline(call.started)
    call.take_state()
    assert outline(call.ours.state_dict()) == outline(call.theirs.state_dict())
    assert [n for n, _ in call.ours.named_parameters()] == call.names


def same_arrays(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], tolerance: float) -> None:
    assert found.keys() == expected.keys()
    for name in expected:
        error = database.difference([found[name]], [expected[name]], tolerance)
        assert error is None, f"{name} after a call: {error}"
