"""The CuPy plugin's attention against the portable definitions in float64 on NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from polymod.backend import load_backend, portable
from polymod.rules import attention as rules

pytestmark = pytest.mark.engine("cupy")
CLOSE = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 5e-6, "float64": 1e-13}
HALF = ["float16", "float16_in_tiles", "float16_in_small_blocks"]
DTYPES = [*HALF, "bfloat16", "bfloat16_in_tiles", "float32", "float64"]

# leading axes of query, key and value; queries, keys; sizes of a head
SHAPES = {
    "one": ((), (), (), 1, 1, 1, 1),
    "vectors_of_one": ((2,), (2,), (2,), 3, 5, 1, 2),
    "odd": ((2, 3), (2, 3), (2, 3), 70, 33, 16, 24),
    "several_tiles": ((2,), (2,), (2,), 130, 150, 64, 64),
    "large_heads": ((1, 2), (1, 2), (1, 2), 65, 40, 128, 100),
    "broadcast": ((2, 3), (3,), (2, 1), 20, 30, 8, 8),
    "many_axes": ((2, 1, 2, 2), (2, 1, 2, 2), (2, 3, 2, 2), 9, 17, 4, 4),
    "more_keys": ((3,), (3,), (3,), 1, 300, 32, 32),
    "more_queries": ((3,), (3,), (3,), 300, 2, 32, 32),
}


def moved(x, dtype):
    import cupy

    if dtype == "bfloat16":
        import ml_dtypes

        dtype = ml_dtypes.bfloat16
    return cupy.asarray(x).astype(dtype)


def exact(x):
    return None if x is None else x.get() if x.dtype == bool else x.astype("float64").get()


def made(rng, dtype, shape, mask=None):
    a, b, c, queries, keys, width, values = shape
    sizes = (*a, queries, width), (*b, keys, width), (*c, keys, values)
    found = [moved(rng.normal(size=s), dtype) for s in sizes]
    batch = np.broadcast_shapes(a, b, c)
    if mask == "bool":
        found.append(moved(rng.random((queries, keys)) < 0.6, "bool"))
    elif mask == "each":
        found.append(moved(rng.random((*batch, queries, keys)) < 0.6, "bool"))
    elif mask == "float":
        found.append(moved(rng.normal(size=(*batch[1:], 1, keys)), dtype))
    else:
        found.append(None)
    return found


def check(rng, dtype, arrays, **how):
    how = {"scale": 0.3, "causal": False, "dropout": None, **how}
    xp, numpy = load_backend("cupy").namespace, load_backend("numpy").namespace
    known = [exact(a) for a in arrays]
    y, sums = portable["long_attention"](numpy, *known, **how)
    found = xp.long_attention(*arrays, **how)
    agree(found, (y, sums), dtype)
    g = moved(rng.normal(size=y.shape), dtype)
    shift = (exact(g) * y).sum(-1)
    expected = portable["long_attention_back"](numpy, exact(g), shift, sums, *known, **how)
    back = xp.long_attention_back(g, moved(shift, dtype), found[1], *arrays, **how)
    agree(back, expected, dtype)
    return found


def agree(found, expected, dtype):
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert a.dtype.name == dtype
        size = max(1, np.abs(b).max(initial=0))
        np.testing.assert_allclose(exact(a) / size, b / size, rtol=0, atol=CLOSE[dtype])


@pytest.fixture
def dtype(request, monkeypatch):
    from polymod_cupy import attention, attention_blocks

    name, _, way = request.param.partition("_in_")
    if way == "tiles":
        monkeypatch.setattr(attention, "by_blocks", lambda p: False)
    if way == "small_blocks":
        monkeypatch.setattr(attention_blocks, "BLOCK", 3000)
    return name


@pytest.fixture(autouse=True)
def own_kernels(monkeypatch):
    """What goes to the portable definition fails, but for the tests that want it."""
    from polymod_cupy import attention

    def fail(*args, **how):
        raise AssertionError("the portable definition was called")

    monkeypatch.setattr(attention, "textbook", fail)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", [*HALF, "float32"], indirect=True)
def test_shapes(rng, dtype, shape, causal):
    check(rng, dtype, made(rng, dtype, shape), causal=causal)


@pytest.mark.parametrize("mask", ["bool", "each", "float"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", DTYPES, indirect=True)
def test_masks(rng, dtype, mask, causal):
    check(rng, dtype, made(rng, dtype, SHAPES["odd"], mask), causal=causal)
    check(rng, dtype, made(rng, dtype, SHAPES["broadcast"], mask), causal=causal)


@pytest.mark.parametrize("width", [32, 64, 128])
@pytest.mark.parametrize("dtype", ["bfloat16_in_tiles", "bfloat16", "float64"], indirect=True)
def test_every_tile(rng, dtype, width):
    check(rng, dtype, made(rng, dtype, ((2,), (2,), (2,), 70, 80, width, width)), causal=True)


@pytest.mark.parametrize("dtype", [*HALF, "float32"], indirect=True)
def test_arrays_that_are_not_contiguous(rng, dtype):
    arrays = made(rng, dtype, SHAPES["odd"], "float")
    other = [x if x is None else x.transpose().copy().transpose() for x in arrays]
    assert not any(x.flags.c_contiguous for x in other[:3])
    check(rng, dtype, other)
    heads = moved(rng.normal(size=(2, 9, 3, 5)), dtype).swapaxes(1, 2)  # as `split_heads` gives them
    check(rng, dtype, [heads, heads, heads, None], causal=True)


@pytest.mark.parametrize("dtype", [*HALF, "float32"], indirect=True)
def test_rows_that_attend_to_nothing(rng, dtype):
    q, k, v, _ = made(rng, dtype, SHAPES["odd"])
    mask = moved(np.ones((70, 33)), "bool")
    mask[3:5] = False
    y, sums = check(rng, dtype, [q, k, v, mask])
    assert not y[..., 3:5, :].any()
    assert not sums[..., 3:5].any()


def test_large_scores(rng):
    q, k, v, _ = made(rng, "float64", SHAPES["odd"])
    y, sums = load_backend("cupy").namespace.long_attention(1000 * q, k, v, None, scale=1.0)
    assert sums.max() > 1000  # whose exponential is infinite
    expected = portable["long_attention"](load_backend("numpy").namespace, *map(exact, (1000 * q, k, v)), scale=1.0)
    np.testing.assert_allclose(exact(y), expected[0], atol=1e-9)
    np.testing.assert_allclose(exact(sums), expected[1], rtol=1e-12)


@pytest.mark.parametrize("dtype", [*HALF, "float32"], indirect=True)
def test_nan_stays_in_its_row(rng, dtype):
    q, k, v, _ = made(rng, dtype, SHAPES["odd"])
    q[0, 0, 7, 0] = float("nan")
    y, sums = load_backend("cupy").namespace.long_attention(q, k, v, None, scale=1.0)
    nan = np.isnan(y.get()).all(-1)
    assert nan.sum() == 1
    assert nan[0, 0, 7]
    assert np.isnan(sums[0, 0, 7].get())


BATCHES = [(), (1,), (5,), (4, 1), (1, 3), (2, 3), (2, 2, 3)]


@pytest.mark.parametrize("batch", BATCHES, ids=str)
@pytest.mark.parametrize("block", [20, 700, 1500, 5000, 10**6])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", ["float16_in_small_blocks", "float32"], indirect=True)
def test_dropout_draws_what_the_host_draws(rng, dtype, batch, block, causal, monkeypatch):
    monkeypatch.setattr(rules, "BLOCK", block)
    monkeypatch.setattr(rules, "ROWS", 7)
    arrays = made(rng, dtype, (batch, batch, batch, 20, 33, 8, 8))
    check(rng, dtype, arrays, causal=causal, dropout=(0.3, 2**63 + 12345))


@pytest.mark.parametrize("p", [0.0, 0.5, 2**-20, 1 - 2**-18, 1.0])
def test_probabilities(rng, p):
    check(rng, "float64", made(rng, "float64", SHAPES["odd"]), dropout=(p, 7))


def test_cotangents_are_the_same_every_time(rng):
    xp = load_backend("cupy").namespace
    q, k, v, _ = made(rng, "float32", SHAPES["several_tiles"])
    how = {"scale": 0.1, "causal": False, "dropout": None}
    y, sums = xp.long_attention(q, k, v, **how)
    first, second = (xp.long_attention_back(y, (y * y).sum(-1), sums, q, k, v, **how) for _ in range(2))
    assert all((a == b).all() for a, b in zip(first, second, strict=True))


def test_heads_of_any_size_in_half_precision(rng):
    check(rng, "float16", made(rng, "float16", ((2,), (2,), (2,), 40, 50, 200, 150)), causal=True)


@pytest.mark.parametrize(("queries", "keys"), [(700, 100), (513, 2000), (5, 70000), (1, 1)])
@pytest.mark.parametrize("causal", [False, True])
def test_blocks_cover_everything_once(queries, keys, causal, monkeypatch):
    from polymod_cupy import attention_blocks

    monkeypatch.setattr(attention_blocks, "BLOCK", 60_000)
    seen = np.zeros((3, queries), int)
    for lead, rows, columns in attention_blocks.blocks(3, queries, keys, causal):
        seen[lead, rows] += 1
        assert columns == (min(rows.stop, keys) if causal else keys)
        one = (lead.stop - lead.start) * (rows.stop - rows.start) == 1
        assert (lead.stop - lead.start) * (rows.stop - rows.start) * columns <= 60_000 or one
    assert (seen == 1).all()


def test_what_the_kernels_are_not_made_for(rng, monkeypatch):
    from polymod_cupy import attention, launch

    monkeypatch.setattr(attention, "textbook", launch.textbook)
    check(rng, "float32", made(rng, "float32", ((2,), (2,), (2,), 5, 6, 130, 4)))  # heads beyond 128
    check(rng, "float32", made(rng, "float32", ((2,), (2,), (2,), 0, 6, 3, 4)))
    five = (2, 2, 2, 2, 2)
    arrays = made(rng, "float32", (five, five, five, 3, 4, 2, 2))
    turned = [arrays[0].transpose(4, 2, 0, 3, 1, 5, 6), *arrays[1:]]
    check(rng, "float32", turned)
    q, k, v, _ = made(rng, "float64", SHAPES["odd"])
    y, _ = load_backend("cupy").namespace.long_attention(q.astype("float32"), k, v, scale=0.3)
    expected = portable["long_attention"](load_backend("numpy").namespace, *map(exact, (q, k, v)), scale=0.3)
    assert y.dtype == np.float64
    np.testing.assert_allclose(exact(y), expected[0], atol=1e-6)
