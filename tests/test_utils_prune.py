"""nn.utils.prune held to torch's."""

from __future__ import annotations

import copy
import pickle
from importlib import import_module

import numpy as np
import pytest
from parity import close

import polymod as pm
from polymod import nn
from polymod.nn.utils import prune


def values(tensor):
    return pm.to_numpy(tensor.detach())


def pair(rng, *args, name="Linear"):
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn, name)(*args).double()
    ours = getattr(nn, name)(*args).to(pm.float64)
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    return ours, theirs, import_module("torch.nn.utils.prune")


def hold(ours, theirs):
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for key, value in theirs.state_dict().items():
        close(ours.state_dict()[key], value, "float64", key)
    close(ours.weight, theirs.weight, "float64", "weight")


STEPS = {
    "identity": [("identity", {})],
    "share": [("l1_unstructured", {"amount": 0.3})],
    "number": [("l1_unstructured", {"amount": 5})],
    "none": [("l1_unstructured", {"amount": 0})],
    "all": [("l1_unstructured", {"amount": 1.0}), ("l1_unstructured", {"amount": 0.5})],
    "channels": [("ln_structured", {"amount": 0.5, "n": 2, "dim": 0})],
    "columns": [("ln_structured", {"amount": 2, "n": 1, "dim": -1})],
    "largest": [("ln_structured", {"amount": 1, "n": float("inf"), "dim": 1})],
    "twice": [("l1_unstructured", {"amount": 0.3}), ("l1_unstructured", {"amount": 0.5})],
    "rows, elements, columns": [
        ("ln_structured", {"amount": 1, "n": 2, "dim": 0}),
        ("l1_unstructured", {"amount": 0.5}),
        ("ln_structured", {"amount": 1, "n": 2, "dim": 1}),
    ],
}


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize(("name", "args"), [("Linear", (4, 6)), ("Conv1d", (4, 3, 2))])
def test_methods_are_those_of_torch(name, args, steps, rng):
    ours, theirs, reference = pair(rng, *args, name=name)
    for method, more in steps:
        assert getattr(prune, method)(ours, "weight", **more) is ours
        getattr(reference, method)(theirs, "weight", **more)
        hold(ours, theirs)
    assert prune.is_pruned(ours)
    original = ours.weight_orig
    prune.remove(ours, "weight")
    reference.remove(theirs, "weight")
    hold(ours, theirs)
    assert ours.weight is original
    assert not prune.is_pruned(ours)


def test_masks_and_scores(rng):
    import torch

    ours, theirs, reference = pair(rng, 3, 4)
    scores, mask = rng.normal(size=(4, 3)), rng.integers(0, 2, size=(4, 3)).astype(float)
    prune.l1_unstructured(ours, "weight", 0.5, importance_scores=pm.tensor(scores))
    reference.l1_unstructured(theirs, "weight", 0.5, importance_scores=torch.tensor(scores))
    hold(ours, theirs)
    prune.custom_from_mask(ours, "weight", pm.tensor(mask))
    reference.custom_from_mask(theirs, "weight", torch.tensor(mask))
    hold(ours, theirs)
    with pytest.raises(pm.ShapeError):
        prune.l1_unstructured(ours, "bias", 1, importance_scores=pm.tensor(scores))
    assert "bias" in ours.state_dict()


def test_globally(rng):
    import torch

    ours, theirs, reference = pair(rng, 3, 4)
    prune.l1_unstructured(ours, "weight", 0.25)
    reference.l1_unstructured(theirs, "weight", 0.25)
    for amount in (0.4, 3):
        both = {"pruning_method": prune.L1Unstructured, "amount": amount}
        prune.global_unstructured([(ours, "weight"), (ours, "bias")], **both)
        both["pruning_method"] = reference.L1Unstructured
        reference.global_unstructured([(theirs, "weight"), (theirs, "bias")], **both)
        hold(ours, theirs)
    assert isinstance(theirs, torch.nn.Linear)
    with pytest.raises(TypeError, match="unstructured"):
        prune.global_unstructured([(ours, "weight")], prune.LnStructured, amount=1, n=2)


def test_at_random():
    layer = nn.Linear(10, 8)
    prune.random_unstructured(layer, "weight", 0.25)
    assert values(layer.weight_mask).sum() == 60
    prune.random_structured(layer, "weight", 2, 0)
    rows = values(layer.weight_mask).any(1)
    assert rows.sum() == 6
    method = prune.RandomStructured(3, dim=-1)
    pruned = values(method.prune(pm.ones((4, 5))))
    assert (pruned.any(0).sum(), pruned.sum()) == (2, 8)


def test_gradients_pass_by_the_mask(rng):
    layer = nn.Linear(3, 2)
    prune.l1_unstructured(layer, "weight", 3)
    mask = values(layer.weight_mask)
    layer(pm.ones((1, 3))).sum().backward()
    np.testing.assert_array_equal(values(layer.weight_orig.grad), mask)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(values(twin.weight), values(layer.weight))
        prune.remove(twin, "weight")
    assert prune.is_pruned(nn.Sequential(layer))


def test_errors():
    layer = nn.Linear(3, 2)
    for amount, error in ((-1, ValueError), (1.5, ValueError), ("1", TypeError), (True, TypeError)):
        with pytest.raises(error):
            prune.l1_unstructured(layer, "weight", amount)
    with pytest.raises(ValueError, match="more than the 6"):
        prune.l1_unstructured(layer, "weight", 7)
    with pytest.raises(pm.ShapeError, match="two axes"):
        prune.random_structured(layer, "bias", 1, 0)
    with pytest.raises(IndexError):
        prune.ln_structured(layer, "weight", 1, 2, dim=2)
    with pytest.raises(ValueError, match="not pruned"):
        prune.remove(layer, "weight")
    with pytest.raises(ValueError, match="no parameter"):
        prune.identity(layer, "other")
    assert list(layer.state_dict()) == ["weight", "bias"]
