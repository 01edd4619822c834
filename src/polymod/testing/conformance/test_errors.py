"""Errors say what was received, what was expected and what to do, whichever engine is at work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import polymod as pm
from polymod.testing.arrays import elsewhere, there

ones = np.ones((2, 3), np.float32)


def another(engine: pm.Device) -> pm.Device:
    """A device that the engine's arrays are not on."""
    other = elsewhere(engine)
    if other == engine:
        pytest.skip("the only device that there is to be sure of, the host's, is this one")
    return other


@pytest.mark.parametrize("operation", ["add", "matmul", "where", "concat"])
def test_mixing_devices_names_both(operation: str, engine: pm.Device) -> None:
    other = another(engine)
    x, y = pm.tensor(ones), pm.tensor(ones, device=other)
    calls = {
        "add": lambda: x + y,
        "matmul": lambda: pm.matmul(x, pm.matrix_transpose(y)),
        "where": lambda: pm.where(x > 0, x, y),
        "concat": lambda: pm.concat([x, y]),
    }
    with pytest.raises(pm.MixedDevicesError) as caught:
        calls[operation]()
    text = str(caught.value)
    assert str(engine) in text and str(other) in text, text
    assert ".to(" in text, text


def test_mixing_engines_names_both(engine: pm.Device) -> None:
    host = pm.device("numpy")
    if host.backend is engine.backend:
        pytest.skip("the only engine that there is to be sure of, the host's, is this one")
    x, y = pm.tensor(ones), pm.tensor(ones, device=host)
    calls: list[Callable[[], Any]] = [lambda: x * y, lambda: pm.ops.linear(x, y)]
    for call in calls:
        with pytest.raises(pm.MixedDevicesError) as caught:
            call()
        assert str(engine) in str(caught.value) and str(host) in str(caught.value)


def test_values_of_another_engine_are_refused(engine: pm.Device) -> None:
    """Nothing is copied from the host unasked, also where the engine's own library would."""
    if isinstance(ones, engine.backend.array_types):
        pytest.skip("the host's arrays are the engine's own")
    with pytest.raises((pm.MixedDevicesError, TypeError)):
        pm.index_add(pm.tensor(ones), 0, pm.asarray(ones[0]))


def test_a_model_on_another_device_is_named(engine: pm.Device) -> None:
    other = another(engine)
    model = pm.nn.Sequential(pm.nn.Linear(3, 2, device=other))
    with pytest.raises(pm.MixedDevicesError) as caught:
        model(pm.tensor(ones))
    assert str(engine) in str(caught.value) and str(other) in str(caught.value)


def test_shapes_that_do_not_fit(engine: pm.Device) -> None:
    """Whatever the engine raises says which operation got which shapes; the operands are as they were."""
    x, y = pm.tensor(ones), pm.tensor(np.ones((4, 3), np.float32))
    with pytest.raises(Exception, match=r".") as caught:
        x + y
    text = str(caught.value) + "".join(getattr(caught.value, "__notes__", ()))
    assert "(2, 3)" in text and "(4, 3)" in text, text
    np.testing.assert_array_equal(pm.to_numpy(x), ones)


def test_a_dtype_that_the_engine_lacks(engine: pm.Device) -> None:
    with pytest.raises(TypeError, match="float128"):
        engine.backend.dtype("float128")


def test_a_failing_model_names_its_module(engine: pm.Device) -> None:
    model = pm.nn.Sequential(pm.nn.Linear(3, 2), pm.nn.Linear(5, 2))
    with pytest.raises(pm.ShapeError, match=r"1"):
        model(pm.tensor(ones))


def test_an_array_tells_its_engine(engine: pm.Device) -> None:
    assert engine.backend.name in repr(engine.backend)
    assert pm.asarray(there(ones, engine)).device == engine
