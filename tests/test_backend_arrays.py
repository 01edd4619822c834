"""The engines' own functions, held to NumPy's: copies in and out, moves, and every kind of index."""

from __future__ import annotations

import numpy as np
import pytest
from places import find

from polymod.backend import Device, backend_of, device, move

PLACES = ("cpu", "torch:cpu", "jax:cpu", "strict:CPU_DEVICE", "strict:device1", "strict:device2", "cuda")
DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float32", "float64", "complex64", "complex128"),
)
X = np.arange(120.0).reshape(2, 3, 4, 5)
MASK = X[:, :, 0, 0] % 40 != 20

KEYS = {
    "integer": 0,
    "negative integer": (-1, -2),
    "slice": slice(1, None),
    "slices": (slice(None), slice(0, 99), slice(None, None, 2), slice(3, 1)),
    "negative steps": (slice(None, None, -1), slice(5, None, -2), ..., slice(3, 0, -1)),
    "ellipsis": (..., -1),
    "everything": ...,
    "nothing": (),
    "newaxis": (None, slice(None), None, 1),
    "one array": np.array([0, 1, 0, 0]),
    "negative indices": np.array([-1, 0, -2]),
    "uint8 array": np.array([0, 1, 1], np.uint8),
    "int16 array": np.array([[1], [0]], np.int16),
    "array of two axes": np.array([[0, 1], [1, 1]]),
    "0-d array": np.array(1),
    "empty array": np.array([], np.int64),
    "two arrays": (np.array([0, 1, 0]), np.array([2, 2, 2])),
    "broadcast arrays": (np.array([[0], [1]]), np.array([0, 2, 0])),
    "array after slice": (slice(None), np.array([0, 2, 2])),
    "arrays apart": (slice(None), np.array([0, 2, 0]), slice(None), np.array([1, 1, 1])),
    "arrays around newaxis": (np.array([1, 0]), None, np.array([1, 0])),
    "integer, slice, array": (0, slice(None), np.array([0, 1, 1])),
    "0-d array, slice, array": (np.array(1), slice(None), np.array([0, 1])),
    "array and integer": (np.array([1, 1]), 0, slice(None, None, -2)),
    "array, ellipsis, array": (np.array([1, 1]), ..., np.array([4, 4])),
    "negative step and array": (slice(None, None, -1), slice(None), np.array([1, 0, 1])),
    "mask": MASK,
    "mask of all axes": X % 7 == 3,
    "mask of nothing": X < 0,
    "mask and integer": (MASK, 0),
    "mask after slice": (slice(None), np.array([True, False, True])),
    "mask and array": (np.array([1, 0]), np.array([True, False, True])),
    "mask, ellipsis, array": (np.array([True, False]), ..., np.array([1, 1, 1])),
    "True": True,
    "0-d mask": np.array(False),
}


@pytest.fixture
def place(engine: Device) -> Device:
    return engine


def there(part, place: Device):
    """A key, or values, with arrays of the engine for NumPy's."""
    if isinstance(part, tuple):
        return tuple(there(p, place) for p in part)
    return place.backend.from_numpy(part, place.native) if isinstance(part, np.ndarray) else part


def read(x, *, key):
    return x[key]


def assigned(x, values, *, key):
    result = backend_of(x).xp.asarray(x, copy=True)
    result[key] = values
    return result


def same(array, expected: np.ndarray, place: Device) -> None:
    assert isinstance(array, place.backend.array_types)
    assert place.backend.device_of(array) == place.native
    host = place.backend.to_numpy(array)
    assert host.dtype == expected.dtype
    np.testing.assert_array_equal(host, expected, strict=True)


def samples(dtype: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    numbers = np.random.default_rng(seed).integers(0, 2**64, size=(*shape, 2), dtype=np.uint64)
    if dtype == "bool":
        return numbers[..., 0] % 3 == 0
    if np.dtype(dtype).kind in "iu":  # every bit is used, so that sums wrap
        return numbers[..., 0].astype(dtype)
    small = (numbers % np.uint64(1000)).astype(np.float64) - 500  # whole, so that sums are exact in any order
    return (small[..., 0] + 1j * small[..., 1] if dtype.startswith("c") else small[..., 0]).astype(dtype)


# ------------------------------------------------------------------------------ copies and moves


@pytest.mark.parametrize("dtype", DTYPES)
def test_host_round_trip(place, dtype):
    for host in (
        samples(dtype, (3, 4)),
        samples(dtype, ()),
        samples(dtype, (0, 2)),
        samples(dtype, (5, 6))[::-2].T,
    ):
        same(place.backend.from_numpy(host, place.native), host, place)


def test_from_and_to_numpy_copy(place):
    host = np.arange(64.0)
    array = place.backend.from_numpy(host, place.native)
    host[:] = -1
    out = place.backend.to_numpy(array)
    out[:] = -2
    same(array, np.arange(64.0), place)


def test_read_only_arrays_are_taken(place):
    host = np.broadcast_to(np.float32(3), (2, 2))
    same(place.backend.from_numpy(host, place.native), np.full((2, 2), 3, np.float32), place)


@pytest.mark.parametrize("target", PLACES)
def test_move_between_all_engines_keeps_bits_and_dtypes(place, target):
    target = find(target)
    for dtype in DTYPES:
        host = samples(dtype, (3, 4))
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


# ----------------------------------------------------------------------------------- every kind of index


@pytest.mark.parametrize("name", KEYS)
def test_index_add_counts_every_value(place, name):
    expected = X.copy()
    values = np.arange(1.0, 1 + X[KEYS[name]].size).reshape(X[KEYS[name]].shape)
    np.add.at(expected, KEYS[name], values)
    x, key = there(X, place), there(KEYS[name], place)
    same(place.backend.index_add(x, key, there(values, place)), expected, place)
    same(x, X, place)  # the argument is as it was


@pytest.mark.parametrize("name", KEYS)
def test_index_reads_as_numpy(place, name):
    kernel = place.backend.kernels.get("index", read)
    array = kernel(there(X, place), key=there(KEYS[name], place))
    np.testing.assert_array_equal(place.backend.to_numpy(array), X[KEYS[name]], strict=True)


@pytest.mark.parametrize("name", KEYS)
def test_index_set_writes_as_numpy(place, name):
    key = KEYS[name]
    slots = np.arange(X.size).reshape(X.shape)[key]  # with one value for each element, duplicates are no matter
    expected = X.copy()
    expected[key] = slots + 0.5
    x = there(X, place)
    kernel = place.backend.kernels.get("index_set", assigned)
    same(kernel(x, there(slots + 0.5, place), key=there(key, place)), expected, place)
    expected[key] = 7
    same(kernel(x, 7, key=there(key, place)), expected, place)
    same(x, X, place)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("key", [np.array([0, 3, 0, 0, -1]), (..., slice(1, 4)), (np.array([1, 1]), 0)])
def test_index_add_in_every_dtype(place, dtype, key):
    x = samples(dtype, (4, 5), seed=1)
    values = samples(dtype, x[key].shape, seed=2)
    expected = x.copy()
    np.add.at(expected, key, values)
    same(place.backend.index_add(there(x, place), there(key, place), there(values, place)), expected, place)


def test_index_add_broadcasts_values(place):
    x, key = np.zeros((4, 3), np.float32), np.array([1, 1, 3])
    for values in (np.full((), 2, np.float32), np.float32(2), np.array([1, 2, 3], np.float32), 5.0):
        expected = x.copy()
        np.add.at(expected, key, values)
        same(place.backend.index_add(there(x, place), there(key, place), there(values, place)), expected, place)


def test_random_keys(place):
    """Keys put together at random, from a fixed seed, read and added to as NumPy does."""
    rng = np.random.default_rng(20)
    kernel = place.backend.kernels.get("index", read)
    x = there(X, place)
    for _ in range(40):
        key = random_key(rng)
        try:
            picked = X[key]
        except IndexError:  # index arrays that don't broadcast together
            continue
        values = rng.integers(-9, 9, size=picked.shape).astype(np.float64)
        expected = X.copy()
        np.add.at(expected, key, values)
        native = there(key, place)
        np.testing.assert_array_equal(
            place.backend.to_numpy(kernel(x, key=native)), picked, strict=True, err_msg=f"{key}"
        )
        added = place.backend.to_numpy(place.backend.index_add(x, native, there(values, place)))
        np.testing.assert_array_equal(added, expected, strict=True, err_msg=f"{key}")


def random_key(rng: np.random.Generator) -> tuple:
    parts = []
    for n in X.shape[: rng.integers(0, 5)]:
        kind = rng.integers(0, 6)
        if kind == 0:
            parts.append(int(rng.integers(-n, n)))
        elif kind == 1:
            parts.append(rng.integers(-n, n, size=(3,)))
        elif kind == 2:
            parts.append(rng.integers(-n, n, size=(2, 1)))
        elif kind == 3:
            parts.append(rng.integers(0, 2, size=n) == 1)
        else:
            a, b = rng.integers(-n - 1, n + 2, size=2)
            parts.append(slice(int(a), int(b), int(rng.choice([-2, -1, 1, 2]))))
    for extra in (None, ...):
        if rng.random() < 0.3:
            parts.insert(int(rng.integers(0, len(parts) + 1)) if extra is None else len(parts), extra)
    return tuple(parts)


# ----------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("key", [2, -3, (0, 3), (..., 5), (None, 2), (MASK, 4), (slice(None), -4)])
def test_integers_out_of_range_are_refused(place, key):
    x, key = there(X, place), there(key, place)
    for call in (
        lambda: place.backend.kernels.get("index", read)(x, key=key),
        lambda: place.backend.index_add(x, key, 1.0),
    ):
        with pytest.raises(IndexError):
            call()


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
