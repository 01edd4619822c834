"""GPUs and streams in CuPy's plugin, as far as one device shows them."""

from __future__ import annotations

import numpy as np
import pytest

import polymod as pm

cupy = pytest.importorskip("cupy")
pytestmark = pytest.mark.engine("cupy")


def test_functions_run_on_the_device_of_their_first_array(monkeypatch):
    from polymod_cupy import gpu

    entered = []

    class Device:
        id = 3

        def __enter__(self):
            entered.append("in")

        def __exit__(self, *exc):
            entered.append("out")

    class Array:
        device = Device()

    monkeypatch.setattr(gpu.cupy, "ndarray", Array)
    monkeypatch.setattr(gpu, "getDevice", lambda: 0)
    follow = gpu.following(lambda *args, **attrs: (*entered, *args))
    assert follow(1.0, [None, {"x": Array()}])[0] == "in"
    assert entered == ["in", "out"]
    monkeypatch.setattr(gpu, "getDevice", lambda: 3)
    follow(Array())
    assert follow(2, 3) and entered == ["in", "out"]  # there already; no array at all


def test_moves_and_copies_go_to_the_current_stream():
    from polymod_cupy.gpu import to_device

    x = pm.tensor(np.arange(6.0).reshape(2, 3)).array
    assert to_device(x, x.device) is x
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        y = pm.tensor(np.arange(4.0)) * 2
        assert pm.to_numpy(y).tolist() == [0, 2, 4, 6]


def test_nothing_global_is_set():
    assert cupy.cuda.get_allocator().__self__ is cupy.get_default_memory_pool()
    assert cupy.get_default_memory_pool().get_limit() == 0
    assert cupy.cuda.get_current_stream() == cupy.cuda.Stream.null
