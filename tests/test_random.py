"""The counter-based generator: its bits against published vectors, its numbers against statistics.

Every seed is fixed, so a test either always passes or always fails. Bounds are 5 standard deviations.
"""

from __future__ import annotations

import copy
import math
import pickle
import threading

import numpy as np
import pytest
from places import find

import polymod as pm
from polymod import dtypes, philox, random
from polymod.random import Generator
from polymod.tensor import to_numpy

# Random123's kat_vectors, "philox4x32 10": counter, key, result.
KNOWN_ANSWERS = [
    "00000000 00000000 00000000 00000000 00000000 00000000 6627e8d5 e169c58d bc57ac4c 9b00dbd8",
    "ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff 408f276d 41c83b0e a20bc7c6 6d5451fd",
    "243f6a88 85a308d3 13198a2e 03707344 a4093822 299f31d0 d16cfe09 94fdcceb 5001e420 24126ea1",
]


def plain_block(block: int, seed: int, draw: int) -> list[int]:
    """One block of Philox 4x32-10, word by word as the paper writes it."""
    low = 0xFFFFFFFF
    c = [block & low, block >> 32, draw & low, draw >> 32]
    k0, k1 = seed & low, seed >> 32
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k0, p1 & low, (p0 >> 32) ^ c[3] ^ k1, p0 & low]
        k0, k1 = (k0 + 0x9E3779B9) & low, (k1 + 0xBB67AE85) & low
    return c


def words_of(count: int, seed: int, draw: int) -> list[int]:
    return [w for block in range(-(-count // 4)) for w in plain_block(block, seed, draw)][:count]


def pairs_of(count: int, seed: int, draw: int) -> list[int]:
    words = words_of(2 * count, seed, draw)
    return [a | b << 32 for a, b in zip(words[::2], words[1::2], strict=True)]


def distance_from_uniform(u: np.ndarray) -> float:
    """Kolmogorov and Smirnov's statistic, times sqrt(n): above 1.95 once in 1,000 samples."""
    u = np.sort(u.astype(np.float64))
    n = u.size
    return math.sqrt(n) * max(np.max(np.arange(1, n + 1) / n - u), np.max(u - np.arange(n) / n))


def assert_even(counts: np.ndarray, total: int) -> None:
    """Pearson's chi-squared, whose mean is the degrees of freedom and whose variance is twice that."""
    expected = total / counts.size
    chi2, freedom = float(((counts - expected) ** 2 / expected).sum()), counts.size - 1
    assert abs(chi2 - freedom) < 5 * math.sqrt(2 * freedom) + 5, (chi2, freedom)


# --------------------------------------------------------------------------------------------------- the bits


@pytest.mark.parametrize("line", KNOWN_ANSWERS)
def test_known_answers(line):
    words = [int(x, 16) for x in line.split()]
    index = np.array([words[0] | words[1] << 32], np.uint64)
    result = philox.blocks_at(index, seed=words[4] | words[5] << 32, draw=words[2] | words[3] << 32)
    assert result.tolist() == [words[6:]]
    assert plain_block(int(index[0]), words[4] | words[5] << 32, words[2] | words[3] << 32) == words[6:]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 63, 1000])
def test_bits_are_the_blocks_in_order(count):
    seed, draw = 0xFEDCBA9876543210, 0x0123456789ABCDEF
    result = philox.bits(seed, draw, count)
    assert result.dtype == np.uint32 and result.shape == (count,)
    assert result.tolist() == words_of(count, seed, draw)


def test_bits_across_chunks():
    count = 4 * (2 * philox.CHUNK + 7)
    whole = philox.bits(5, 6, count)
    for block in (0, philox.CHUNK - 1, philox.CHUNK, 2 * philox.CHUNK, 2 * philox.CHUNK + 6):
        assert whole[4 * block : 4 * block + 4].tolist() == plain_block(block, 5, 6)
    for fewer in (1, 4 * philox.CHUNK - 1, 4 * philox.CHUNK + 1):
        assert np.array_equal(philox.bits(5, 6, fewer), whole[:fewer])


def test_blocks_beyond_32_bits():
    index = [0, 2**32 - 1, 2**32, 2**63 + 12345, 2**64 - 1]
    result = philox.blocks_at(np.array(index, np.uint64), 3, 4)
    assert result.tolist() == [plain_block(i, 3, 4) for i in index]


def test_draws_and_seeds_share_no_block():
    places = [(7, 0), (7, 1), (7, 2**32), (8, 0), (7 << 32, 0), (2**64 - 1, 2**64 - 1)]
    blocks = np.concatenate([philox.bits(*place, 4 * 20_000).reshape(-1, 4) for place in places])
    assert len(np.unique(blocks, axis=0)) == len(blocks)


def test_every_bit_is_fair_and_neighbours_are_independent():
    words = philox.bits(11, 0, 200_000)
    bits = np.unpackbits(words.view(np.uint8)).reshape(-1, 32).astype(np.float64) - 0.5
    bound = 5 * 0.5 / math.sqrt(len(bits))
    assert np.abs(bits.mean(axis=0)).max() < bound
    following = philox.bits(11, 1, 200_000)  # the same places of the next draw
    other = np.unpackbits(following.view(np.uint8)).reshape(-1, 32).astype(np.float64) - 0.5
    assert np.abs((bits * other).mean(axis=0)).max() < bound / 2
    assert np.abs((bits[1:] * bits[:-1]).mean(axis=0)).max() < bound / 2


# ------------------------------------------------------------------------------------------------ the numbers


def test_uniform_is_made_of_the_bits_it_says():
    words, pairs = words_of(33, 9, 2), pairs_of(33, 9, 2)
    assert philox.uniform(9, 2, (33,), np.float32).tolist() == [(w >> 8) / 2**24 for w in words]
    assert philox.uniform(9, 2, (33,), np.float16).tolist() == [(w >> 21) / 2**11 for w in words]
    assert philox.uniform(9, 2, (33,), np.float64).tolist() == [(p >> 11) / 2**53 for p in pairs]
    scaled = [np.float32(-3.0 + 5.0 * ((w >> 8) / 2**24)) for w in words]
    assert philox.uniform(9, 2, (33,), np.float32, -3.0, 2.0).tolist() == scaled


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_uniform_statistics(dtype):
    n = 100_000
    u = philox.uniform(1, 2, (n // 100, 100), dtype)
    assert u.dtype == dtype and u.shape == (n // 100, 100)
    u = u.astype(np.float64).ravel()
    assert u.min() >= 0 and u.max() < 1
    u += 2.0**-12 if dtype == np.float16 else 0  # the middle of a float16's cell
    assert abs(u.mean() - 1 / 2) < 5 * math.sqrt(1 / 12 / n)
    assert abs(u.var() - 1 / 12) < 5 * math.sqrt(1 / 180 / n)
    assert distance_from_uniform(u) < 1.95


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("ulps", [1, 2, 3])
def test_uniform_never_reaches_its_upper_bound(dtype, ulps):
    """Between bounds a few numbers apart, rounding alone would give `high` often."""
    low = high = dtype(1)
    for _ in range(ulps):
        high = np.nextafter(high, dtype(2))
    values = philox.uniform(3, 0, (5000,), dtype, float(low), float(high))
    assert values.dtype == dtype
    assert values.min() == low and values.max() == np.nextafter(high, dtype(0))


def test_uniform_with_a_bound_the_dtype_lacks():
    values = philox.uniform(3, 0, (5000,), np.float32, 1.0, 1.0 + 2.0**-23 * 1.75)  # float32(high) is above high
    assert set(values.tolist()) == {1.0, 1.0 + 2.0**-23}
    values = philox.uniform(3, 0, (5000,), np.float32, 1.0, 1.0 + 2.0**-23 * 1.25)  # and here below it
    assert set(values.tolist()) == {1.0, 1.0 + 2.0**-23}


def test_normal_is_made_of_the_bits_it_says():
    for dtype, source, scale in ((np.float32, words_of(40, 4, 5), 2.0**-32), (np.float64, None, None)):
        if source is None:
            source, scale = [p >> 11 for p in pairs_of(40, 4, 5)], 2.0**-53
        expected = []
        for a, b in zip(source[::2], source[1::2], strict=True):
            radius, angle = math.sqrt(-2 * math.log(1 - a * scale)), 2 * math.pi * (b * scale)
            expected += [0.5 + 3 * radius * math.cos(angle), 0.5 + 3 * radius * math.sin(angle)]
        result = philox.normal(4, 5, (39,), dtype, 0.5, 3.0)  # an odd number leaves the last one out
        assert result.dtype == dtype
        np.testing.assert_allclose(result, expected[:39], rtol=4 * np.finfo(dtype).eps, atol=4e-15)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_normal_statistics(dtype):
    n = 200_001
    z = philox.normal(6, 7, (n,), dtype).astype(np.float64)
    assert abs(z.mean()) < 5 / math.sqrt(n)
    assert abs(z.var() - 1) < 5 * math.sqrt(2 / n)
    assert abs((z**3).mean()) < 5 * math.sqrt(15 / n)
    assert abs((z**4).mean() - 3) < 5 * math.sqrt(96 / n)
    assert abs((z[1:] * z[:-1]).mean()) < 5 / math.sqrt(n)
    pair = z[: n - 1].reshape(-1, 2)  # both come of one radius: their squares must not be correlated
    assert abs(((pair[:, 0] ** 2 - 1) * (pair[:, 1] ** 2 - 1)).mean()) < 5 * 2 / math.sqrt(len(pair))
    erf = np.array([math.erf(x / math.sqrt(2)) for x in z[:50_000]])
    assert distance_from_uniform((1 + erf) / 2) < 1.95


@pytest.mark.parametrize("word", [0, 0xFFFFFFFF])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_extreme_bits_give_finite_numbers(monkeypatch, word, dtype):
    monkeypatch.setattr(philox, "bits", lambda _seed, _draw, count: np.full(count, word, np.uint32))
    u = philox.uniform(0, 0, (4,), dtype)
    assert (u >= 0).all() and (u < 1).all()
    assert np.isfinite(philox.normal(0, 0, (4,), dtype)).all()
    for low, high in ((0, 10), (0, 2**32), (-(2**63), 2**63), (-5, 2**62)):
        values = philox.integers(0, 0, low, high, (4,))
        assert (values >= low).all() and (values <= high - 1).all()


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (0, 1),
        (0, 10),
        (-7, 3),
        (5, 4 + 2**32),
        (5, 5 + 2**32),
        (0, 2**32 + 1),
        (-(2**62), 2**61),
        (-(2**63), 2**63),
    ],
)
def test_integers_are_the_products_they_say(low, high):
    n, pairs = high - low, pairs_of(200, 12, 3)
    if n <= 2**32:
        expected = [low + (p * n >> 64) for p in pairs[:100]]
    else:
        expected = [low + ((a | b << 64) * n >> 128) for a, b in zip(pairs[::2], pairs[1::2], strict=True)]
    assert philox.integers(12, 3, low, high, (100,)).tolist() == expected


def test_integers_carry():
    """Values whose lower product carries into the upper: found by search, since they are rare."""
    n = np.uint64(2**63 + 12345)
    x = np.array([2**64 - 1, 2**63, 3, 0x123456789ABCDEF0], np.uint64)
    assert philox._multiply_high(x, n).tolist() == [int(v) * int(n) >> 64 for v in x]
    values = philox.integers(1, 1, 0, int(n), (4000,), np.uint64)
    pairs = philox.bits(1, 1, 16_000).view(np.uint64).tolist()
    expected = [(a | b << 64) * int(n) >> 128 for a, b in zip(pairs[::2], pairs[1::2], strict=True)]
    assert values.tolist() == expected
    carried = [((b * int(n)) >> 64) != e for b, e in zip(pairs[1::2], expected, strict=True)]
    assert any(carried) and not all(carried)


@pytest.mark.parametrize("name", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_integers_of_every_dtype(name):
    limits = np.iinfo(name)
    values = Generator(1).integers(limits.min, limits.max + 1, (2000,), name)
    assert values.dtype == name
    quarter = (limits.max - limits.min) // 4
    assert values.min() < limits.min + quarter and values.max() > limits.max - quarter
    with pytest.raises(ValueError, match="does not hold all of"):
        Generator(1).integers(0, limits.max + 2, (3,), name)


def test_integers_are_even():
    counts = np.bincount(philox.integers(2, 0, 0, 10, (100_000,)), minlength=10)
    assert_even(counts, 100_000)


def test_permutation():
    order = philox.permutation(1, 0, 1000)
    assert order.dtype == np.int64 and np.array_equal(np.sort(order), np.arange(1000))
    pairs = pairs_of(50, 1, 0)
    assert philox.permutation(1, 0, 50).tolist() == sorted(range(50), key=pairs.__getitem__)
    assert philox.permutation(1, 0, 0).shape == (0,) and philox.permutation(1, 0, 1).tolist() == [0]
    codes = [int(philox.permutation(1, d, 4) @ [64, 16, 4, 1]) for d in range(4800)]
    orders, counts = np.unique(codes, return_counts=True)
    assert len(orders) == 24
    assert_even(counts, 4800)


@pytest.mark.parametrize("p", [1e-4, 0.1, 0.5, 2 / 3, 0.999])
def test_bernoulli_frequency(p):
    n = 400_000
    mask = philox.bernoulli_mask(8, 1, (n // 1000, 1000), p)
    assert mask.dtype == np.bool_ and mask.shape == (n // 1000, 1000)
    assert abs(mask.mean() - p) < 5 * math.sqrt(p * (1 - p) / n)


@pytest.mark.parametrize("t", [0x80000000, 0x80008000, 0x1999999A, 0x00000001, 0x0000FFFF, 0xFFFFFFFF])
def test_bernoulli_compares_32_bits(t):
    """Ties of the first 16 bits, one in 65,536, are decided by the further 16 bits."""
    n = 300_000
    halves = philox.bits(13, 0, n // 2).view(np.uint16)
    further = {i: plain_block(2**63 + int(i), 13, 0)[0] & 0xFFFF for i in np.flatnonzero(halves == t >> 16)}
    expected = halves < t >> 16
    for i, low in further.items():
        expected[i] = low < t & 0xFFFF
    assert len(further) > 0
    assert np.array_equal(philox.bernoulli_mask(13, 0, (n,), t / 2**32), expected)


def test_bernoulli_threshold_itself_is_false():
    n = 300_000
    halves = philox.bits(13, 0, n // 2).view(np.uint16)
    i = int(np.flatnonzero(halves == 0x8000)[0])
    low = plain_block(2**63 + i, 13, 0)[0] & 0xFFFF
    assert not philox.bernoulli_mask(13, 0, (n,), (0x80000000 + low) / 2**32)[i]
    assert philox.bernoulli_mask(13, 0, (n,), (0x80000000 + low + 1) / 2**32)[i]


def test_bernoulli_certainties():
    assert philox.bernoulli_mask(1, 1, (3, 2), 1.0).all() and not philox.bernoulli_mask(1, 1, (3, 2), 0.0).any()
    assert philox.bernoulli_mask(1, 1, (0, 2), 0.5).shape == (0, 2)
    assert philox.bernoulli_mask(1, 1, (), 0.5).shape == ()


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), (2, 3)])
def test_shapes(shape):
    g = Generator(0)
    for array in (g.uniform(shape), g.normal(shape), g.integers(0, 5, shape), g.bernoulli(0.5, shape)):
        assert isinstance(array, np.ndarray) and array.shape == shape


# ---------------------------------------------------------------------------------------------- the generator


def test_generator_counts_draws():
    g = Generator(42)
    first, second = g.uniform((5,)), g.uniform((5,))
    assert g.get_state() == (42, 2)
    assert np.array_equal(first, philox.uniform(42, 0, (5,)))
    assert np.array_equal(second, philox.uniform(42, 1, (5,)))
    assert g.manual_seed(42) is g and np.array_equal(g.uniform((5,)), first)
    assert g.next_draw() == (42, 1) and g.initial_seed() == 42


def test_generator_state_goes_on_where_it_was():
    g = Generator(5)
    g.normal((3,))
    state = g.get_state()
    expected = g.normal((3,))
    other = Generator(6)
    other.set_state(state)
    for twin in (other, copy.deepcopy(other), pickle.loads(pickle.dumps(other))):
        assert np.array_equal(twin.normal((3,)), expected)


@pytest.mark.parametrize("state", [None, 3, (1,), (1, 2, 3), (1, -1), (1 << 64, 0), ("1", 0), (1.5, 0)])
def test_bad_state_changes_nothing(state):
    g = Generator(5)
    with pytest.raises(ValueError, match="seed"):
        g.set_state(state)
    assert g.get_state() == (5, 0)


def test_seeds():
    assert Generator(-1).initial_seed() == 2**64 - 1
    assert Generator(np.int64(7)).initial_seed() == 7
    for bad in (2**64, -(2**63) - 1):
        with pytest.raises(ValueError, match="seed"):
            Generator(bad)
    with pytest.raises(TypeError):
        Generator(1.5)  # type: ignore[arg-type]
    g = Generator(1)
    fresh = g.seed()
    assert g.get_state() == (fresh, 0) and fresh != 1
    assert Generator().initial_seed() != Generator().initial_seed()


def test_fork_restores_the_state():
    g = Generator(3)
    g.uniform((2,))
    with g.fork(99) as inside:
        assert inside is g and g.get_state() == (99, 0)
        g.uniform((2,))
    assert g.get_state() == (3, 1)
    with g.fork():
        expected = g.uniform((2,))
    assert np.array_equal(g.uniform((2,)), expected)
    with pytest.raises(KeyError), g.fork(1):
        raise KeyError
    assert g.get_state() == (3, 2)


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (ValueError, lambda g: g.uniform((2,), None, 2.0, 1.0)),
        (ValueError, lambda g: g.uniform((2,), None, 0.0, math.inf)),
        (ValueError, lambda g: g.uniform((2,), None, -1e308, 1e308)),
        (ValueError, lambda g: g.uniform((-2,))),
        (TypeError, lambda g: g.uniform((2,), "int64")),
        (TypeError, lambda g: g.uniform((2,), "bfloat16")),
        (TypeError, lambda g: g.uniform((2.5,))),
        (ValueError, lambda g: g.normal((2,), None, 0.0, -1.0)),
        (ValueError, lambda g: g.normal((2,), None, math.nan, 1.0)),
        (ValueError, lambda g: g.integers(3, 3, (2,))),
        (ValueError, lambda g: g.integers(0, 300, (2,), "uint8")),
        (TypeError, lambda g: g.integers(0, 3, (2,), "float32")),
        (TypeError, lambda g: g.integers(0, 2.5, (2,))),
        (ValueError, lambda g: g.permutation(-1)),
        (ValueError, lambda g: g.bernoulli(1.5, (2,))),
        (ValueError, lambda g: g.bernoulli(math.nan, (2,))),
    ],
)
def test_a_failed_call_takes_no_draw(error, call):
    g = Generator(1)
    with pytest.raises(error):
        call(g)
    assert g.get_state() == (1, 0)


def test_uniform_with_equal_bounds():
    assert (Generator(1).uniform((10,), "float32", 0.5, 0.5) == 0.5).all()


def test_threads_share_no_draw():
    g, draws = Generator(1), []

    def work():
        mine = [g.next_draw()[1] for _ in range(2000)]
        draws.append(mine)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(d for mine in draws for d in mine) == list(range(16_000))


def test_bits_do_not_depend_on_threads():
    results = {}
    threads = [threading.Thread(target=lambda d=d: results.update({d: philox.bits(3, d, 100_000)})) for d in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for d in range(6):
        assert np.array_equal(results[d], philox.bits(3, d, 100_000))


# ------------------------------------------------------------------------------------------------- as Tensors


def test_tensors_hold_the_same_numbers_on_this_engine(engine):
    random.manual_seed(17)
    host = Generator(17)
    pairs = [
        (random.rand(2, 3), host.uniform((2, 3))),
        (random.rand((2, 3)), host.uniform((2, 3))),
        (random.rand([4]), host.uniform((4,))),
        (random.randn(5), host.normal((5,))),
        (random.uniform(-2, 3, (4,)), host.uniform((4,), None, -2, 3)),
        (random.normal(1, 2, (2, 2)), host.normal((2, 2), None, 1, 2)),
        (random.randint(3, 9, (6,)), host.integers(3, 9, (6,))),
        (random.randint(9, (6,)), host.integers(0, 9, (6,))),
        (random.randint(0, 9, (6,), dtype="int32"), host.integers(0, 9, (6,), "int32")),
        (random.randperm(7), host.permutation(7)),
        (random.bernoulli(0.3, (8,)), host.bernoulli(0.3, (8,))),
        (random.bernoulli(0.3, (8,), dtype="float32"), host.bernoulli(0.3, (8,)).astype(np.float32)),
    ]
    for tensor, expected in pairs:
        assert tensor.device == engine
        values = to_numpy(tensor)
        assert values.dtype == expected.dtype and values.shape == expected.shape
        assert np.array_equal(values, expected)
    assert random.get_state() == host.get_state() == (17, len(pairs))


def test_tensors_of_another_dtype_generator_and_device():
    state = random.get_state()
    g = Generator(4)
    x = random.randn(3, dtype="float64", generator=g, device=find("strict:device1"), requires_grad=True)
    assert str(x.device) == "strict:device1" and x.requires_grad and x.dtype == dtypes.float64
    assert np.array_equal(to_numpy(x), philox.normal(4, 0, (3,), np.float64))
    assert g.get_state() == (4, 1) and random.get_state() == state


def test_default_dtype_is_followed():
    before = dtypes.default_float()
    try:
        dtypes.set_default_dtype("float64")
        assert random.rand(2).dtype == dtypes.float64 and Generator(1).normal((2,)).dtype == np.float64
    finally:
        dtypes.set_default_dtype(before)
    assert random.rand(2).dtype == before


def test_bfloat16_is_rounded_from_float32():
    x = random.randn(64, dtype="bfloat16", generator=Generator(2), device=find("torch"))
    assert x.dtype == dtypes.bfloat16
    np.testing.assert_allclose(to_numpy(x.astype("float32")), philox.normal(2, 0, (64,)), rtol=2.0**-8, atol=0)


def test_module_state():
    random.manual_seed(1)
    with random.fork(2):
        assert random.initial_seed() == 2
        random.rand(1)
    assert random.get_state() == (1, 0)
    state = random.get_state()
    first = to_numpy(random.rand(3))
    random.set_state(state)
    assert np.array_equal(to_numpy(random.rand(3)), first)


def test_randint_without_a_shape():
    with pytest.raises(TypeError, match=r"\(low, high, shape\)"):
        random.randint(5)
    with pytest.raises(TypeError):
        random.rand(2, devise="cpu")  # type: ignore[call-arg]


def test_public_names():
    pm.manual_seed(3)
    assert random.get_state() == (3, 0)
    assert pm.rand(2, 2).shape == (2, 2)
