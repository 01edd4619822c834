"""The engines' own arrays: moves between all of them, and what single engines refuse. What every engine has to prove
of its arrays and keys is in the conformance kit (`polymod.testing.conformance`)."""

from __future__ import annotations

import numpy as np
import pytest
from places import find

from polymod.backend import Device, device, move
from polymod.testing.arrays import DTYPES, numbers, same, there
from polymod.testing.samples.keys import X

PLACES = ("cpu", "torch:cpu", "jax:cpu", "strict:CPU_DEVICE", "strict:device1", "strict:device2", "cuda")


@pytest.fixture
def place(engine: Device) -> Device:
    return engine


@pytest.mark.parametrize("target", PLACES)
def test_move_between_all_engines_keeps_bits_and_dtypes(place, target):
    target = find(target)
    for dtype in DTYPES:
        host = numbers(dtype, (3, 4))
        if host.dtype.kind in "fc":
            host.reshape(-1)[:3] = np.nan, -0.0, np.inf
        array = place.backend.from_numpy(host, place.native)
        moved = move(array, target)
        same(moved, host, target)
        assert target.backend.to_numpy(moved).tobytes() == host.tobytes()
        assert (moved is array) == (place == target)
        same(array, host, place)


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [("strict:device1", RuntimeError, "device1"), ("cuda", TypeError, "Implicit conversion")],
)
def test_no_copy_to_the_host_unasked(spec, error, message):
    place = find(spec)
    with pytest.raises(error, match=message):
        np.asarray(place.backend.from_numpy(np.ones(3), place.native))


def test_torch_records_nothing():
    place = find("torch:cpu")
    import torch

    leaf = torch.ones(3, requires_grad=True)
    kernels = place.backend.kernels
    for made in (
        place.backend.to_device(leaf, place.native),
        place.backend.index_add(leaf, 0, leaf[0]),
        kernels["index"](leaf, key=0),
        kernels["index"](leaf, key=slice(None, None, -1)),
        kernels["index_set"](leaf, leaf[0], key=0),
    ):
        assert not made.requires_grad
    np.testing.assert_array_equal(place.backend.to_numpy(leaf * 2), [2.0, 2.0, 2.0])


# ----------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ((0,) * 5, "too many indices"),
        ((..., ...), "only one Ellipsis"),
        ((0,) * 4 + (np.array([0]),), "has 4 axes, the key 5"),
        (np.array([0.5]), "integers or bool, received torch.float64"),
        ("a", "str is no index"),
        (1.5, "float is no index"),
    ],
)
def test_torch_refuses_what_is_no_key(key, message):
    place = find("torch:cpu")
    with pytest.raises(IndexError, match=message):
        place.backend.kernels["index"](there(X, place), key=there(key, place))


@pytest.mark.parametrize("spec", ["torch:cpu", "strict:device1", "cuda"])
def test_values_of_another_engine_are_refused(spec):
    place = find(spec)
    with pytest.raises(TypeError, match=r"not ndarray|NumPy array"):
        place.backend.index_add(there(X, place), 0, X[0])


def test_strict_refuses_to_mix_devices():
    strict = find("strict").backend
    one, two = (device(f"strict:{name}") for name in ("device1", "device2"))
    x, elsewhere = there(X, one), there(np.array([0]), two)
    for call in (
        lambda: strict.kernels["index"](x, key=elsewhere),
        lambda: strict.kernels["index_set"](x, there(X[0], two), key=0),
        lambda: strict.index_add(x, (0, elsewhere), 1.0),
    ):
        with pytest.raises(ValueError, match=r"device1.*device2"):
            call()
