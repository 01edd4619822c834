"""CuPy's optimizer kernels: many tensors in a launch, the portable definitions' results, no host and no order."""

from __future__ import annotations

import numpy as np
import pytest

import polymod as pm
from polymod import nn, optim
from polymod.backend import load_backend, portable

cupy = pytest.importorskip("cupy")
pytest.importorskip("ml_dtypes")  # gives NumPy its bfloat16
pytestmark = pytest.mark.engine("cupy")

# 0-d, empty, odd, one that ends a chunk, ones that end inside and beyond one, and more than a small table holds
SHAPES = [(), (0,), (1,), (7,), (8192,), (91, 97), (2, 3, 4099), *[(3,)] * 70]
TOLERANCE = {"float16": 4e-3, "bfloat16": 3e-2, "float32": 2e-6, "float64": 1e-13}
ADAM = {"lr": 0.05, "beta1": 0.8, "beta2": 0.9, "eps": 1e-3}


@pytest.fixture
def xp():
    return load_backend("cupy").namespace


def arrays(rng, dtype, shapes=SHAPES):
    """Positive numbers, as second moments are, in exact multiples of 1/64."""
    return [cupy.asarray(rng.integers(1, 64, size=s) / 64).astype(dtype) for s in shapes]


def host(array):
    return array.astype("float64").get()


def assert_alike(found, expected, dtype):
    for a, b in zip(found, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert (
                a.dtype.name in (b.dtype.name, "bfloat16") and a.shape == b.shape
            )  # portably, 16 bits times a number are more
            np.testing.assert_allclose(host(a), host(b), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def copies(lists):
    return [[None if x is None else x.copy() for x in column] for column in lists]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.1}, {"weight_decay": 0.1, "decoupled": True}], ids=str)
@pytest.mark.parametrize(("amsgrad", "maximize", "scaled"), [(False, False, False), (True, True, True)])
def test_adam_is_the_portable_one(dtype, options, amsgrad, maximize, scaled, xp, rng):
    lists = [arrays(rng, dtype) for _ in range(5 if amsgrad else 4)]
    steps = [3 + (i == 2) for i in range(len(SHAPES))]
    options = {**ADAM, **options, "maximize": maximize, "steps": steps}
    if scaled:
        options["scale"] = pm.tensor(0.25, dtype="float64" if dtype == "float64" else "float32").array
    expected = portable["adam_steps"](xp, *copies(lists), **options)
    gradients = copies([lists[1]])[0]
    found = xp.adam_steps(*lists, **options)
    for ours, theirs, p in zip(found, expected, lists[0], strict=True):
        assert ours[0] is p  # in place
        assert_alike(ours, [*theirs, None] if len(theirs) < len(ours) else theirs, dtype)
    assert all((a == b).all() for a, b in zip(lists[1], gradients, strict=True))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("momentum", [None, "first", "later", "both"])
@pytest.mark.parametrize(
    "options", [{}, {"weight_decay": 0.1, "dampening": 0.3, "maximize": True}, {"nesterov": True}], ids=str
)
def test_sgd_is_the_portable_one(dtype, momentum, options, xp, rng):
    options = {**options, "lr": 0.05, "momentum": 0.9 if momentum else 0.0}
    lists = [arrays(rng, dtype) for _ in range(3 if momentum else 2)]
    if momentum:
        lists[2] = [
            None if momentum == "first" or (momentum == "both" and i % 2) else b for i, b in enumerate(lists[2])
        ]
    expected = portable["sgd_steps"](xp, *copies(lists), **options)
    for ours, theirs in zip(xp.sgd_steps(*lists, **options), expected, strict=True):
        assert_alike(ours, theirs, dtype)


def test_arrays_of_several_dtypes_and_layouts(xp, rng):
    lists = [arrays(rng, "float32", [(30, 40)] * 4) for _ in range(4)]
    for column in lists:
        column[1] = column[1].astype("float64")
    lists[1][2] = lists[1][2].T.copy().T  # a gradient that lies in memory column by column
    odd = pm.tensor(np.ones(2000)).array.astype("float32")[1:1201].reshape(30, 40)  # no multiple of 16 bytes
    lists[0][3] = odd
    expected = portable["adam_steps"](xp, *copies(lists), steps=[1] * 4, **ADAM)
    for ours, theirs in zip(xp.adam_steps(*lists, steps=[1] * 4, **ADAM), expected, strict=True):
        assert_alike(ours, (*theirs[:3], None), "float32")
    column_by_column = [[x.T.copy().T for x in column[:1]] for column in lists]
    expected = portable["adam_steps"](xp, *copies(column_by_column), steps=[1], **ADAM)
    found = xp.adam_steps(*column_by_column, steps=[1], **ADAM)
    assert_alike(found[0], expected[0], "float32")


@pytest.mark.parametrize("dtype", [*TOLERANCE, "complex64"])
def test_norm_and_scaling_are_the_portable_ones(dtype, xp, rng):
    given = arrays(rng, dtype)
    given.append(given[6].transpose(2, 0, 1))
    norm, factor = xp.clip_factor(given, max_norm=2.0)
    expected = portable["clip_factor"](xp, given, max_norm=2.0)
    tolerance = 1e-13 if dtype == "float64" else 1e-5
    for ours, theirs in zip((norm, factor), expected, strict=True):
        assert ours.dtype == theirs.dtype and ours.shape == ()
        np.testing.assert_allclose(host(ours), host(theirs), rtol=tolerance)
    close = dtype if dtype in TOLERANCE else "float32"
    for ours, theirs in zip(xp.scale_all(given, factor), portable["scale_all"](xp, given, factor), strict=True):
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        np.testing.assert_allclose(host(abs(ours - theirs)), 0, atol=TOLERANCE[close])


def test_norm_of_several_dtypes_of_nothing_and_of_nan(xp, rng):
    given = [*arrays(rng, "float32", [(5,), (9000,)]), *arrays(rng, "float64", [(3,)]), *arrays(rng, "float16", [(8,)])]
    norm, factor = xp.clip_factor(given, max_norm=1e9)
    assert norm.dtype == np.float64 and float(factor) == 1
    np.testing.assert_allclose(float(norm), np.sqrt(sum((host(x) ** 2).sum() for x in given)), rtol=1e-6)
    norm, factor = xp.clip_factor(arrays(rng, "float32", [(0,), (0, 3)]), max_norm=1.0)
    assert (float(norm), float(factor)) == (0, 1)
    given[1][17] = np.nan
    assert all(np.isnan(float(x)) for x in xp.clip_factor(given, max_norm=1.0))
    given[1][17] = np.inf
    norm, factor = xp.clip_factor(given, max_norm=1.0)
    assert (float(norm), float(factor)) == (np.inf, 0)
    sixteen = [pm.full((10,), 300.0, dtype=pm.float16).array]  # whose squares float16 does not hold
    np.testing.assert_allclose(float(xp.clip_factor(sixteen, max_norm=1.0)[0]), 300 * 10**0.5, rtol=1e-6)


def test_norm_has_the_same_bits_each_time(xp, rng):
    given = [pm.tensor(rng.normal(size=s), dtype="float32").array for s in SHAPES]
    assert len({xp.clip_factor(given, max_norm=1.0)[0].get().tobytes() for _ in range(3)}) == 1


@pytest.mark.parametrize("large", [False, True])
def test_more_tensors_than_a_table_holds(large, xp, rng, monkeypatch):
    import polymod_cupy.tables as tables

    monkeypatch.setattr(tables, "_capacities", lambda: (4, 9) if large else (4,))
    given = arrays(rng, "float32", [(i % 5,) for i in range(23)])
    norm, _ = xp.clip_factor(given, max_norm=1.0)
    np.testing.assert_allclose(float(norm), np.sqrt(sum((host(x) ** 2).sum() for x in given)), rtol=1e-6)
    expected = portable["sgd_steps"](xp, *copies([given, given]), lr=0.1)
    for ours, theirs in zip(xp.sgd_steps(given, [x.copy() for x in given], lr=0.1), expected, strict=True):
        assert_alike(ours, theirs, "float32")


def launches(monkeypatch):
    """The names of the kernels of cuda/optim.cu that are launched from now on."""
    import polymod_cupy.optim as steps
    import polymod_cupy.tables as tables

    counted, kernel = [], tables.kernel
    for module in (steps, tables):
        monkeypatch.setattr(
            module, "kernel", lambda file, name, *types: (counted.append(name), kernel(file, name, *types))[1]
        )
    return counted


def test_a_clipped_step_of_a_model_is_two_launches(rng, monkeypatch):
    model = nn.Sequential(*(nn.Linear(5, 5) for _ in range(80)))
    optimizer = optim.AdamW(model.parameters())
    x = pm.tensor(rng.normal(size=(3, 5)), dtype="float32")

    def gradients():
        optimizer.zero_grad()
        (model(x) ** 2).sum().backward()

    gradients()
    optimizer.step()
    gradients()
    counted = launches(monkeypatch)
    optimizer.step(max_norm=0.1)
    assert counted == ["norm", "adam"]
    counted.clear()
    nn.utils.clip_grad_norm_(model.parameters(), 0.1)
    assert counted == ["norm", "scale"]
