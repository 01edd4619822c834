"""One seed, the same random numbers as on NumPy: bit for bit, but for the last digits of normal ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import polymod as pm
from polymod.testing.compare import has, on

DRAWS: dict[str, Callable[[], pm.Tensor]] = {
    "rand": lambda: pm.rand(3, 5),
    "uniform": lambda: pm.random.uniform(-2.0, 3.0, (7,), dtype=pm.float32),
    "randint": lambda: pm.randint(-5, 100, (11,)),
    "randperm": lambda: pm.randperm(37),
    "bernoulli": lambda: pm.random.bernoulli(0.3, (4, 5)),
    "bernoulli as float": lambda: pm.random.bernoulli(0.3, (4, 5), dtype=pm.float32),
    "dropout": lambda: pm.nn.functional.dropout(pm.ones((8, 9)), 0.4),
    "dropout of channels": lambda: pm.nn.functional.dropout2d(pm.ones((4, 6, 2, 2)), 0.5),
    "nothing": lambda: pm.rand(0, 3),
    "a number": lambda: pm.rand(()),
}


def drawn(draw: Callable[[], pm.Tensor]) -> list[pm.Tensor]:
    """Two draws after one seed, which leave the default generator as it was."""
    with pm.random.fork(2026):
        return [draw(), draw()]


@pytest.mark.parametrize("draw", DRAWS.values(), ids=[name.replace(" ", "_") for name in DRAWS])
def test_numbers_are_numpys(draw: Callable[[], pm.Tensor], engine: pm.Device) -> None:
    found = drawn(draw)
    with pm.use_backend("numpy"):
        expected = drawn(draw)
    on(engine, *found)
    for y, e in zip(found, expected, strict=True):
        np.testing.assert_array_equal(pm.to_numpy(y), pm.to_numpy(e), strict=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_numbers_are_numpys(dtype: str, engine: pm.Device) -> None:
    if not has(engine, dtype):
        pytest.skip(f"the engine says that it has no {dtype}")
    found = drawn(lambda: pm.randn(13, 5, dtype=dtype))
    with pm.use_backend("numpy"):
        expected = drawn(lambda: pm.randn(13, 5, dtype=dtype))
    on(engine, *found)
    for y, e in zip(found, expected, strict=True):
        tolerance = 4 * float(np.finfo(dtype).eps)
        np.testing.assert_allclose(pm.to_numpy(y), pm.to_numpy(e), rtol=tolerance, atol=tolerance, strict=True)


def test_the_state_moves_on_as_on_numpy(engine: pm.Device) -> None:
    states = []
    for place in (engine, "numpy"):
        with pm.use_backend(place), pm.random.fork(5):
            for draw in DRAWS.values():
                draw()
            states.append(pm.random.get_state())
    assert states[0] == states[1]


def test_weights_begin_as_on_numpy(engine: pm.Device) -> None:
    models = []
    for place in (engine, "numpy"):
        with pm.use_backend(place), pm.random.fork(6):
            models.append(pm.nn.Sequential(pm.nn.Linear(3, 4), pm.nn.Conv1d(1, 2, 3), pm.nn.Embedding(5, 2)))
    states = [{k: pm.to_numpy(v) for k, v in m.state_dict().items()} for m in models]
    assert states[0].keys() == states[1].keys()
    for name, values in states[0].items():
        np.testing.assert_allclose(values, states[1][name], rtol=1e-6, atol=1e-6, err_msg=name)
