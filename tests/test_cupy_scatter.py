"""The CuPy plugin's sums at indices: against NumPy's, always in the same order, and without the host."""

from __future__ import annotations

import numpy as np
import pytest
from cupy_alone import alone

import polymod as pm
from polymod.backend import load_backend, portable

pytestmark = pytest.mark.engine("cupy")
FLOATS = ["float16", "bfloat16", "float32", "float64"]
OTHERS = ["bool", "int8", "uint8", "int16", "int32", "uint32", "int64", "uint64", "complex64", "complex128"]
CLOSE = {"float16": 4e-3, "bfloat16": 3e-2, "float32": 1e-5, "float64": 1e-12, "complex64": 1e-5, "complex128": 1e-12}


@pytest.fixture(scope="module")
def xp():
    return load_backend("cupy").namespace


def on_gpu(x, dtype=None):
    import cupy

    if dtype == "bfloat16":
        dtype = pytest.importorskip("ml_dtypes").bfloat16
    x = np.asarray(x)
    return cupy.asarray(x).astype(dtype or x.dtype)


def moved(key, change):
    """`key` with its arrays changed."""
    if isinstance(key, tuple):
        return tuple(moved(k, change) for k in key)
    return change(key) if hasattr(key, "dtype") and not np.isscalar(key) else key


def expected_sum(x, key, values):
    """By NumPy, in the widest type of the kind."""
    wide = {"f": np.float64, "c": np.complex128, "b": np.bool_, "u": np.uint64, "i": np.int64}
    kind = "f" if x.dtype.kind == "V" else x.dtype.kind
    total = x.get().astype(wide[kind])
    values = values.get() if hasattr(values, "get") else np.asarray(values)
    np.add.at(total, moved(key, lambda k: k.get()), values.astype(wide[kind]))
    return total


def agree(found, expected, dtype):
    assert found.dtype.name == dtype
    assert found.shape == expected.shape
    if dtype in CLOSE:
        wide = "complex128" if dtype.startswith("c") else "float64"
        tolerance = CLOSE[dtype] * max(1, np.abs(expected).max(initial=0))
        np.testing.assert_allclose(found.astype(wide).get(), expected, rtol=CLOSE[dtype], atol=tolerance)
    else:
        np.testing.assert_array_equal(found.get(), expected.astype(dtype))


# ------------------------------------------------------------------------------------------------------ sorting


@pytest.mark.parametrize("count", [0, 1, 31, 2048, 2049, 70000])
@pytest.mark.parametrize(("limit", "dtype"), [(1, "uint32"), (7, "uint32"), (50257, "uint32"), (1 << 64, "uint64")])
def test_sorted_order(count, limit, dtype, rng):
    from polymod_cupy.scatter import sorted_order

    keys = rng.integers(0, limit, count, dtype=dtype)
    order = np.argsort(keys, kind="stable")
    found_keys, found_order = sorted_order(on_gpu(keys), limit)
    np.testing.assert_array_equal(found_order.get(), order)
    np.testing.assert_array_equal(found_keys.get(), keys[order])


# --------------------------------------------------------------------------------------------------- expressions

KEYS = {  # for an array of shape (6, 5, 4, 3)
    "rows": lambda i: i(6, 200),
    "few rows": lambda i: i(6, 3),
    "many of one": lambda i: i(1, 1000),
    "no rows": lambda i: i(6, 0),
    "one row": lambda i: i(6),
    "rows of a grid": lambda i: i(6, 4, 5),
    "second axis": lambda i: (slice(None), i(5, 7)),
    "last axis": lambda i: (Ellipsis, i(3, 100)),
    "last axis by slices": lambda i: (slice(None), slice(1, 4), slice(None, None, -2), i(3, 8)),
    "two axes": lambda i: (i(6, 40), i(5, 40)),
    "two in the middle": lambda i: (slice(None), i(5, 40), i(4, 40)),
    "two that broadcast": lambda i: (i(6, 4, 1), i(5, 7)),
    "two that are apart": lambda i: (i(6, 9), slice(None), i(4, 9)),
    "apart at the end": lambda i: (slice(2, 5), i(5, 9), slice(None), i(3, 9)),
    "all axes": lambda i: (i(6, 50), i(5, 50), i(4, 50), i(3, 50)),
    "with a number": lambda i: (2, i(5, 9)),
    "with a number behind": lambda i: (i(6, 9), slice(None), -1),
    "with a new axis": lambda i: (None, i(6, 9), None, slice(None), 1),
    "with slices and Ellipsis": lambda i: (slice(1, 3), Ellipsis, i(3, 9)),
    "narrow integers": lambda i: (i(6, 9).astype("int8"), i(5, 9).astype("uint8")),
    "basic": lambda i: (slice(1, None, 2), ..., 0),
    "nothing": lambda i: (slice(0, 0), i(5, 4)),
}


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("dtype", [*FLOATS, *OTHERS])
def test_index_add(name, dtype, xp, rng):
    """And index_back, which starts from zeros; negative indices count from the end."""
    key = KEYS[name](lambda n, *shape: on_gpu(np.asarray(rng.integers(-n, n, size=shape))))
    if name == "narrow integers":
        key = (key[0], key[1] % 5)
    x = on_gpu(rng.integers(0, 3, size=(6, 5, 4, 3)), dtype)
    shape = x.get()[moved(key, lambda k: k.get())].shape
    values = on_gpu(rng.integers(0, 3, size=shape) / (4 if dtype in CLOSE else 1), dtype)
    given = x.get().copy()
    agree(xp.index_add(x, key, values), expected_sum(x, key, values), dtype)
    np.testing.assert_array_equal(x.get(), given)
    agree(xp.index_back(values, key=key, shape=x.shape), expected_sum(x * x.dtype.type(0), key, values), dtype)


def test_values_that_broadcast(xp, rng):
    x, key = on_gpu(rng.normal(size=(6, 5))), on_gpu(rng.integers(0, 6, 9))
    for values in (1, 2.5, np.float64(3), on_gpu(2.0), on_gpu(rng.normal(size=5)), on_gpu(rng.normal(size=(9, 1)))):
        agree(xp.index_add(x, key, values), expected_sum(x, key, values), "float64")
    with pytest.raises(ValueError, match="broadcast"):
        xp.index_add(x, key, on_gpu(np.ones((3, 5))))
    with pytest.raises(TypeError, match=r"values must be a cupy\.ndarray"):
        xp.index_add(x, key, np.ones(5))
    with pytest.raises(IndexError, match="too many indices"):
        xp.index_add(x, (key, key, key), 1.0)
    with pytest.raises(IndexError, match="out of bounds"):
        xp.index_add(x, (key, 5), 1.0)


def test_arrays_that_are_not_contiguous(xp, rng):
    x, key = on_gpu(rng.normal(size=(5, 6))).T, on_gpu(rng.integers(0, 6, (9, 2))).T
    values = on_gpu(rng.normal(size=(5, 9, 2))).T
    agree(xp.index_add(x, key, values), expected_sum(x, key, values), "float64")


@pytest.mark.parametrize("dtype", ["float32", "int64", "complex64", "bool"])
def test_masks(dtype, xp, rng):
    x = on_gpu(rng.integers(0, 3, size=(6, 5)), dtype)
    for axes in (1, 2):
        for share in (0.0, 0.5, 1.0):
            mask = on_gpu(rng.random(x.shape[:axes]) < share)
            count = int(mask.sum())
            for shape in ((count, *x.shape[axes:]), x.shape[axes:]):
                values = on_gpu(rng.integers(0, 3, size=shape), dtype)
                agree(xp.index_add(x, mask, values), expected_sum(x, mask, values), dtype)
    mask = on_gpu(np.asarray([True, False, True, True, False]))
    values = on_gpu(rng.integers(0, 3, size=(6, 3)), dtype)
    agree(xp.index_add(x, (slice(None), mask), values), expected_sum(x, (slice(None), mask), values), dtype)


def test_lists(xp):
    import cupy

    x = cupy.zeros((4, 3))
    for _ in range(2):
        found = xp.index_add(x, ([0, 0, 2],), 1.0).get()
        np.testing.assert_array_equal(found, np.asarray([[2.0] * 3, [0] * 3, [1] * 3, [0] * 3]))


# ---------------------------------------------------------------------------------------------------- embeddings


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("by_frequency", [False, True])
@pytest.mark.parametrize("padding_idx", [None, 2, -1])
def test_embedding_back(dtype, by_frequency, padding_idx, xp, rng):
    reference = load_backend("numpy").namespace
    for rows, width, shape in ((7, 5, (400,)), (50257, 3, (4, 300)), (1, 1, (1,)), (5, 4, ()), (9, 33, (0, 2))):
        indices, g = rng.integers(0, rows, size=shape), on_gpu(rng.normal(size=(*shape, width)), dtype)
        padding = padding_idx if padding_idx is None or padding_idx < rows else 0
        padding = padding % rows if padding is not None else None
        how = {"padding_idx": padding, "by_frequency": by_frequency, "shape": (rows, width)}
        found = xp.embedding_back(g, indices=on_gpu(indices), **how)
        wide = g.astype("float64").get()
        agree(found, portable["embedding_back"](reference, wide, indices=indices, **how), dtype)


def test_a_sum_of_many_keeps_its_digits(xp):
    """Narrow types are summed in float: 1 + 1 + ... in half precision would stay at 2048."""
    g = on_gpu(np.ones((20000, 2)), "float16")
    how = {"padding_idx": None, "by_frequency": False, "shape": (3, 2)}
    found = xp.embedding_back(g, indices=on_gpu(np.full(20000, 1)), **how)
    np.testing.assert_array_equal(found.get(), [[0, 0], [20000, 20000], [0, 0]])


def test_the_order_of_sums_is_always_the_same(xp, rng):
    """Also when blocks run in another order, which CUPY_CPU_REVERSE=1 tests where it is set."""
    values, indices = rng.normal(size=(3000, 4)).astype("float32"), rng.integers(0, 5, 3000)
    found = xp.index_back(on_gpu(values), key=on_gpu(indices), shape=(5, 4)).get()
    runs = np.zeros((5, 4), "float32")
    order = np.argsort(indices, kind="stable")
    sums = {}  # each run of equal keys within 32, then those within 32 of these, ...
    entries = [(int(indices[i]), values[i]) for i in order]
    while entries:
        more = []
        for start in range(0, len(entries), 32):
            part = entries[start : start + 32]
            for key in dict.fromkeys(k for k, _ in part):
                total = np.zeros(4, "float32")
                for k, v in part:
                    total = total + v if k == key else total
                before = start > 0 and entries[start - 1][0] == key
                behind = start + 32 < len(entries) and entries[start + 32][0] == key
                (more.append((key, total)) if before or behind else sums.__setitem__(key, total))
        entries = more
    for key, total in sums.items():
        runs[key] = total
    np.testing.assert_allclose(found, runs, rtol=1e-6)
    assert (found == xp.index_back(on_gpu(values), key=on_gpu(indices), shape=(5, 4)).get()).all()


def test_gradients_of_a_lookup(rng):
    """Through polymod: first and second derivatives of a table that is looked up and squared."""
    weight, indices = rng.normal(size=(5, 3)), rng.integers(0, 5, 20)
    w = pm.tensor(weight, requires_grad=True)
    y = (pm.nn.functional.embedding(pm.tensor(indices), w) ** 3).sum()
    (g,) = pm.autograd.grad(y, [w], create_graph=True)
    counts = np.bincount(indices, minlength=5)[:, None]
    np.testing.assert_allclose(pm.to_numpy(g), counts * 3 * weight**2)
    (h,) = pm.autograd.grad(g.sum(), [w])
    np.testing.assert_allclose(pm.to_numpy(h), counts * 6 * weight)


# ----------------------------------------------------------------------------------- what goes to and from the host


@pytest.mark.filterwarnings("ignore")  # allow_synchronize is deprecated, and nothing takes its place yet
def test_nothing_is_copied_or_waited_for(xp, rng):
    x, g = on_gpu(rng.normal(size=(6, 5, 4))), on_gpu(rng.normal(size=(9, 5, 4)))
    key, flat = on_gpu(rng.integers(0, 6, 9)), on_gpu(rng.normal(size=(9, 4)))
    mask = x > 0
    many, rows = on_gpu(rng.integers(0, 6, 9000)), on_gpu(rng.normal(size=(9000, 4)))

    def run():
        xp.index_back(g, key=key, shape=x.shape)
        xp.index_back(rows, key=many, shape=(6, 4))
        xp.index_add(x, key, 1.0)
        xp.index_add(x, (key, 2), flat)
        xp.index_add(x, (key, [2]), flat)
        for taken in ([0, 2], (key, [2, 1, 0] * 3), (2, key % 4), (key, 1)):
            xp.index_set(x, xp.index(x, key=taken), key=taken)
        xp.index_add(x, (slice(None), 2, slice(0, 2)), 1.0)
        xp.index_add(x, mask, 1.0)
        xp.index_add(x, mask, x.ravel())
        xp.embedding_back(flat, indices=key, padding_idx=2, by_frequency=True, shape=(6, 4))

    run()  # kernels are compiled, and a list of indices goes to the GPU once
    with alone():
        run()
