"""The CuPy plugin's random numbers: the bits that `philox` defines, without the host."""

from __future__ import annotations

import numpy as np
import pytest
from cupy_alone import alone

import polymod as pm
from polymod import philox
from polymod.backend import load_backend
from polymod.nn import functional as F

pytestmark = pytest.mark.engine("cupy")
SHAPES = [(), (0,), (1,), (7, 33), (5000,), (3, 2, 1025)]
SEEDS = [(0, 0), (3, 4), (2**63 + 7, 2**40 + 1), (2**64 - 1, 2**64 - 1)]


@pytest.fixture(scope="module")
def xp():
    return load_backend("cupy").namespace


@pytest.fixture
def device():
    return load_backend("cupy").devices()[0]


def same(found, expected):
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found.get(), expected)


@pytest.mark.parametrize("place", SEEDS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-3.0, 2.0), (1.0, 1.0 + 2.0**-23 * 1.75), (5.0, 5.0), (0.0, 1e-30)])
def test_uniform(xp, device, place, dtype, bounds):
    for shape in SHAPES:
        expected = philox.uniform(*place, shape, dtype, *bounds)
        same(xp.uniform_draw(*place, shape, np.dtype(dtype), *bounds, device=device), expected)


@pytest.mark.parametrize("place", SEEDS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_normal(xp, device, place, dtype):
    """To the last digits of float64, rounded."""
    for shape in SHAPES:
        expected = philox.normal(*place, shape, dtype, 0.5, 3.0)
        found = xp.normal_draw(*place, shape, np.dtype(dtype), 0.5, 3.0, device=device)
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        np.testing.assert_allclose(found.get(), expected, rtol=2 * np.finfo(dtype).eps, atol=1e-14)
        assert expected.size < 1000 or (found.get() == expected).mean() > 0.5


@pytest.mark.parametrize("place", SEEDS)
@pytest.mark.parametrize(
    ("low", "high", "dtype"),
    [
        *((0, 10, "int64"), (-5, 2**31, "int64"), (-(2**63), 2**63, "int64"), (0, 2**64, "uint64")),
        *((-128, 128, "int8"), (0, 2**40, "uint64"), (0, 2**32, "uint32"), (0, 2**32 + 1, "int64"), (3, 4, "uint8")),
    ],
)
def test_integers(xp, device, place, low, high, dtype):
    for shape in SHAPES:
        expected = philox.integers(*place, low, high, shape, np.dtype(dtype))
        same(xp.integers_draw(*place, low, high, shape, np.dtype(dtype), device=device), expected)


@pytest.mark.parametrize("place", SEEDS)
@pytest.mark.parametrize("p", [0.0, 1.0, 0.5, 0.3, 2.0**-20, 1 - 2.0**-31])
def test_bernoulli(xp, device, place, p):
    for shape in SHAPES:
        same(xp.bernoulli_draw(*place, shape, p, device=device), philox.bernoulli_mask(*place, shape, p))


def test_bernoulli_compares_further_bits(xp, device):
    """Among a million elements some have the upper 16 bits of the threshold."""
    p = 0x80008000 / 2**32
    expected = philox.bernoulli_mask(13, 0, (1 << 20,), p)
    assert (expected != philox.bernoulli_mask(13, 0, (1 << 20,), 0.5)).any()
    same(xp.bernoulli_draw(13, 0, (1 << 20,), p, device=device), expected)


@pytest.mark.parametrize("n", [0, 1, 2, 50, 2048, 2049, 9000])
def test_permutation(xp, device, n):
    same(xp.permutation_draw(1, 2, n, device=device), philox.permutation(1, 2, n))


def test_an_offset_moves_the_draw_on(xp, device):
    """It is read on the GPU, when the numbers are made."""
    import cupy

    offset = cupy.asarray([5], np.uint64)
    how = {"device": device, "offset": offset}
    f4 = np.dtype(np.float32)
    for _ in range(2):
        n = 2 + int(offset[0])
        same(xp.uniform_draw(1, 2, (9,), f4, 0.0, 1.0, **how), philox.uniform(1, n, (9,)))
        same(xp.uniform_draw(1, 2, (9,), f4, 0.0, 2.0, **how), philox.uniform(1, n, (9,), f4, 0.0, 2.0))
        np.testing.assert_allclose(
            xp.normal_draw(1, 2, (9,), f4, 0.0, 1.0, **how).get(), philox.normal(1, n, (9,)), rtol=1e-6
        )
        same(xp.integers_draw(1, 2, 0, 9, (9,), np.dtype("i8"), **how), philox.integers(1, n, 0, 9, (9,)))
        same(xp.integers_draw(1, 2, 0, 2**50, (9,), np.dtype("i8"), **how), philox.integers(1, n, 0, 2**50, (9,)))
        same(xp.bernoulli_draw(1, 2, (90,), 0.5, **how), philox.bernoulli_mask(1, n, (90,), 0.5))
        same(xp.permutation_draw(1, 2, 90, **how), philox.permutation(1, n, 90))
        kept = xp.random_dropout(cupy.ones(90), seed=1, draw=2, p=0.5, axes=1, scale=1.0, offset=offset)
        same(kept > 0, philox.bernoulli_mask(1, n, (90,), 0.5))
        offset += np.uint64(2**33)


def test_an_offset_for_what_the_host_draws_is_an_error(xp, device):
    import cupy

    with pytest.raises(pm.BackendError, match="draws these random numbers on the host"):
        xp.uniform_draw(1, 2, (3,), np.dtype("f4"), 0.0, 1e-30, device=device, offset=cupy.zeros(1, np.uint64))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (0, 3), (1,), (9,), (64, 130), (5, 3, 411)])
@pytest.mark.parametrize("p", [0.1, 0.5, 1.0])
def test_dropout_is_that_of_a_mask(xp, device, dtype, shape, p, rng):
    import cupy

    native = pytest.importorskip("ml_dtypes").bfloat16 if dtype == "bfloat16" else dtype
    x = cupy.asarray(rng.normal(size=shape)).astype(native)
    for axes in range(x.ndim + 1):
        keep = xp.bernoulli_draw(3, 4, (*shape[:axes], *(1,) * (len(shape) - axes)), 1 - p, device=device)
        for given in (x, x.T.copy().T) if axes == x.ndim else (x,):
            found = xp.random_dropout(given, seed=3, draw=4, p=p, axes=axes, scale=1.25)
            assert found.dtype == x.dtype
            expected = np.where(keep.get(), x.get().astype(np.float64) * 1.25, 0)
            np.testing.assert_allclose(found.astype("float64").get(), expected, rtol=1e-2 if "16" in dtype else 1e-6)


def test_dropout_of_what_is_not_aligned(xp):
    import cupy

    x = cupy.arange(100, dtype=np.float32)
    found = xp.random_dropout(x[1:], seed=3, draw=4, p=0.5, axes=1, scale=2.0).get()
    np.testing.assert_array_equal(found, np.where(philox.bernoulli_mask(3, 4, (99,), 0.5), 2 * x[1:].get(), 0))


def test_dropout_keeps_nan_out_of_what_it_drops(xp):
    import cupy

    x = cupy.full(1000, np.inf, np.float32)
    found = xp.random_dropout(x, seed=3, draw=4, p=0.5, axes=1, scale=2.0).get()
    assert set(found.tolist()) == {0.0, np.inf}


def test_derivatives_of_dropout_have_the_same_mask(rng):
    """First and second, forward and backward, of one example and of many."""
    x = pm.tensor(rng.normal(size=(6, 5)), requires_grad=True)

    def f(x):
        return F.dropout(x, 0.4, generator=pm.random.Generator(5)) ** 3

    y = pm.to_numpy(f(x))
    mask = y != 0
    scale = np.where(mask, 1 / 0.6, 0)
    (g,) = pm.autograd.grad(f(x).sum(), [x], create_graph=True)
    np.testing.assert_allclose(pm.to_numpy(g), 3 * scale**3 * pm.to_numpy(x) ** 2)
    (h,) = pm.autograd.grad(g.sum(), [x])
    np.testing.assert_allclose(pm.to_numpy(h), 6 * scale**3 * pm.to_numpy(x))
    _, pushed = pm.jvp(f, (x.detach(),), (pm.ones_like(x.detach()),))
    np.testing.assert_allclose(pm.to_numpy(pushed), pm.to_numpy(g))
    per_example = pm.to_numpy(pm.vmap(f)(x.detach()))
    one = pm.to_numpy(f(x[0].detach())) != 0
    assert ((per_example != 0) == one).all()
    jacobian = pm.to_numpy(pm.jacobian(lambda x: f(x).sum(axis=0))(x.detach()))
    np.testing.assert_allclose(jacobian.sum(0), pm.to_numpy(g))


def test_module_functions_give_what_generators_give():
    """On the GPU and on the host, one draw after the other."""

    def both(make, host):
        pm.manual_seed(7)
        found = [pm.to_numpy(make()) for _ in range(3)]
        generator = pm.random.Generator(7)
        for a in found:
            np.testing.assert_allclose(a, host(generator), rtol=1e-6)
        assert pm.random.get_state() == generator.get_state() == (7, 3)

    both(lambda: pm.random.rand(3, 5), lambda g: g.uniform((3, 5)))
    both(lambda: pm.random.randn((3, 5)), lambda g: g.normal((3, 5)))
    both(lambda: pm.random.uniform(-1, 2, 8, dtype="float64"), lambda g: g.uniform(8, "float64", -1, 2))
    both(lambda: pm.random.randint(-5, 9, (4,)), lambda g: g.integers(-5, 9, (4,)))
    both(lambda: pm.random.randperm(40), lambda g: g.permutation(40))
    both(lambda: pm.random.bernoulli(0.3, (40,)), lambda g: g.bernoulli(0.3, (40,)))
    both(lambda: pm.random.bernoulli(0.3, (40,), dtype="float32"), lambda g: g.bernoulli(0.3, (40,)))


def test_what_records_draws_is_asked_for_an_offset():
    """For the generator and the device of each draw on a device, once."""
    import cupy

    asked = []

    def offset_of(generator, device):
        asked.append((generator, str(device)))
        return cupy.asarray([10], np.uint64)

    generator = pm.random.Generator(3)
    token = pm.random.offsets.set(offset_of)
    try:
        u = pm.random.rand(5, generator=generator)
        y = F.dropout(pm.ones(50), 0.5, generator=generator)
    finally:
        pm.random.offsets.reset(token)
    assert generator.get_state() == (3, 2)
    assert asked == [(generator, str(u.device))] * 2
    np.testing.assert_array_equal(pm.to_numpy(u), philox.uniform(3, 10, (5,)))
    np.testing.assert_array_equal(pm.to_numpy(y) > 0, philox.bernoulli_mask(3, 11, (50,), 0.5))


@pytest.mark.filterwarnings("ignore")  # allow_synchronize is deprecated, and nothing takes its place yet
def test_nothing_is_copied_or_waited_for():
    """Neither by the module's functions nor by a layer's dropout, forwards and backwards."""
    x = pm.ones((40, 30), requires_grad=True)

    def run():
        for dtype in ("float16", "float32", "float64"):
            pm.random.rand(50, dtype=dtype)
            pm.random.randn(50, dtype=dtype)
        pm.random.uniform(-1, 1, 50)
        pm.random.randint(0, 9, (50,))
        pm.random.bernoulli(0.5, (50,), dtype="float32")
        pm.random.randperm(5000)
        y = F.dropout(x) + F.dropout1d(x, training=True) + F.alpha_dropout(x, training=True)
        pm.autograd.grad(y, [x], y.detach())

    run()
    with alone():
        run()
