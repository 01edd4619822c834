"""The main namespace of the array API standard 2025.12: every name, every signature, and the values of what others do
not test: data types, searching, sorting, sets, running sums and the namespace's account of itself."""

from __future__ import annotations

import inspect
import math

import array_api_strict as strict
import numpy as np
import pytest

import polymod as pm

# The standard's functions by chapter, with their parameters; parameters that polymod adds come after these.
UNARY = """abs acos acosh asin asinh atan atanh bitwise_invert ceil conj cos cosh exp expm1 floor imag isfinite isinf
isnan log log10 log1p log2 logical_not negative positive real reciprocal round sign signbit sin sinh sqrt square tan
tanh trunc"""
BINARY = """add atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor copysign divide equal
floor_divide greater greater_equal hypot less less_equal logaddexp logical_and logical_or logical_xor maximum minimum
multiply nextafter not_equal pow remainder subtract"""
OTHERS = """
arange(start, /, stop=None, step=1, *, dtype=None, device=None)
asarray(obj, /, *, dtype=None, device=None, copy=None)
empty(shape, *, dtype=None, device=None)
empty_like(x, /, *, dtype=None, device=None)
eye(n_rows, n_cols=None, /, *, k=0, dtype=None, device=None)
from_dlpack(x, /, *, device=None, copy=None)
full(shape, fill_value, *, dtype=None, device=None)
full_like(x, /, fill_value, *, dtype=None, device=None)
linspace(start, stop, /, num, *, dtype=None, device=None, endpoint=True)
meshgrid(*arrays, indexing='xy')
ones(shape, *, dtype=None, device=None)
ones_like(x, /, *, dtype=None, device=None)
tril(x, /, *, k=0)
triu(x, /, *, k=0)
zeros(shape, *, dtype=None, device=None)
zeros_like(x, /, *, dtype=None, device=None)
astype(x, dtype, /, *, copy=True, device=None)
can_cast(from_, to, /)
finfo(type, /)
iinfo(type, /)
isdtype(dtype, kind)
result_type(*arrays_and_dtypes)
clip(x, /, min=None, max=None)
take(x, indices, /, *, axis=None)
take_along_axis(x, indices, /, *, axis=-1)
matmul(x1, x2, /)
matrix_transpose(x, /)
tensordot(x1, x2, /, *, axes=2)
vecdot(x1, x2, /, *, axis=-1)
broadcast_arrays(*arrays)
broadcast_shapes(*shapes)
broadcast_to(x, /, shape)
concat(arrays, /, *, axis=0)
expand_dims(x, /, axis)
flip(x, /, *, axis=None)
moveaxis(x, source, destination, /)
permute_dims(x, /, axes)
repeat(x, repeats, /, *, axis=None)
reshape(x, /, shape, *, copy=None)
roll(x, /, shift, *, axis=None)
squeeze(x, /, axis)
stack(arrays, /, *, axis=0)
tile(x, repetitions, /)
unstack(x, /, *, axis=0)
argmax(x, /, *, axis=None, keepdims=False)
argmin(x, /, *, axis=None, keepdims=False)
count_nonzero(x, /, *, axis=None, keepdims=False)
nonzero(x, /)
searchsorted(x1, x2, /, *, side='left', sorter=None)
where(condition, x1, x2, /)
isin(x1, x2, /, *, invert=False)
unique_all(x, /)
unique_counts(x, /)
unique_inverse(x, /)
unique_values(x, /)
argsort(x, /, *, axis=-1, descending=False, stable=True)
sort(x, /, *, axis=-1, descending=False, stable=True)
cumulative_sum(x, /, *, axis=None, dtype=None, include_initial=False)
cumulative_prod(x, /, *, axis=None, dtype=None, include_initial=False)
max(x, /, *, axis=None, keepdims=False)
mean(x, /, *, axis=None, keepdims=False)
min(x, /, *, axis=None, keepdims=False)
prod(x, /, *, axis=None, dtype=None, keepdims=False)
std(x, /, *, axis=None, correction=0.0, keepdims=False)
sum(x, /, *, axis=None, dtype=None, keepdims=False)
var(x, /, *, axis=None, correction=0.0, keepdims=False)
all(x, /, *, axis=None, keepdims=False)
any(x, /, *, axis=None, keepdims=False)
diff(x, /, *, axis=-1, n=1, prepend=None, append=None)
"""
standard = [
    *(f"{name}(x, /)" for name in UNARY.split()),
    *(f"{name}(x1, x2, /)" for name in BINARY.split()),
    *OTHERS.strip().splitlines(),
]
METHODS = """abs add and bool complex eq float floordiv ge getitem gt index int invert le lshift lt matmul mod mul ne
neg or pos pow rshift setitem sub truediv xor radd rand rfloordiv rlshift rmatmul rmod rmul ror rpow rrshift rsub
rtruediv rxor iadd iand ifloordiv ilshift imatmul imod imul ior ipow irshift isub itruediv ixor dlpack dlpack_device
array_namespace"""

any_engine = pytest.mark.any_engine


def plain(signature: inspect.Signature) -> list[tuple]:
    return [(p.name, p.kind, p.default) for p in signature.parameters.values()]


@any_engine
def test_the_standard_has_135_functions() -> None:
    assert len({s.partition("(")[0] for s in standard}) == len(standard) == 135


@any_engine
@pytest.mark.parametrize("text", standard, ids=[s.partition("(")[0] for s in standard])
def test_signature(text: str) -> None:
    """Names, kinds and defaults are the standard's; what polymod adds is optional and by keyword."""
    name, _, parameters = text.partition("(")
    scope: dict = {}
    exec(f"def expected({parameters}: pass", scope)
    given = plain(inspect.signature(getattr(pm, name)))
    for parameter in plain(inspect.signature(scope["expected"])):
        assert any(p[:2] == parameter[:2] for p in given), f"{name} lacks {parameter[0]}"
        found = next(p for p in given if p[0] == parameter[0])
        if parameter[2] is not inspect.Parameter.empty:
            assert found[2] == parameter[2]
        given.remove(found)
    for _, kind, default in given:
        assert kind is inspect.Parameter.KEYWORD_ONLY and default is not inspect.Parameter.empty


@any_engine
def test_constants_dtypes_and_version() -> None:
    assert (pm.e, pm.pi, pm.inf) == (math.e, math.pi, math.inf) and math.isnan(pm.nan) and pm.newaxis is None
    for name in "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128".split():
        assert getattr(pm, name) == np.dtype(name)
    assert pm.__array_api_version__ == "2025.12"


def test_tensor_has_every_attribute_and_operator() -> None:
    x = pm.ones((2, 2))
    for name in ("dtype", "device", "mT", "ndim", "shape", "size", "T", "to_device"):
        assert hasattr(x, name)
    for name in METHODS.split():
        assert callable(getattr(x, f"__{name}__")), name
    assert x.__array_namespace__() is pm and x.__array_namespace__(api_version="2023.12") is pm
    with pytest.raises(ValueError, match="2019"):
        x.__array_namespace__(api_version="2019.12")
    explicit = inspect.signature(pm.Tensor.__dlpack__).parameters
    assert list(explicit) == ["self", "stream", "max_version", "dl_device", "copy"]


def test_namespace_info(engine: pm.Device) -> None:
    info = pm.__array_namespace_info__()
    assert set(info.capabilities()) == {"boolean indexing", "data-dependent shapes", "max dimensions"}
    assert info.default_device() == engine and engine in info.devices() and isinstance(info.devices(), tuple)
    assert info.default_dtypes() == {
        "real floating": pm.float32,
        "complex floating": pm.complex64,
        "integral": pm.int64,
        "indexing": pm.int64,
    }
    assert info.dtypes()["bool"] is pm.bool and "float16" not in info.dtypes()
    assert len(info.dtypes()) == (10 if engine.backend.name == "torch" else 13)  # torch's unsigned ones lack functions
    assert set(info.dtypes(kind="real floating")) == {"float32", "float64"}
    assert set(info.dtypes(kind=("bool", "complex floating"))) == {"bool", "complex64", "complex128"}
    for d in info.dtypes(device=engine).values():
        assert pm.zeros(1, dtype=d, device=engine).dtype is d


# ------------------------------------------------------------------------------------------------------ data types


@any_engine
@pytest.mark.parametrize("name", ["float16", "float32", "float64", "complex64", "complex128"])
def test_finfo_gives_python_numbers(name: str) -> None:
    ours, theirs = pm.finfo(getattr(pm, name)), np.finfo(name)
    assert ours.bits == theirs.bits and type(ours.bits) is int
    for field in ("eps", "max", "min", "smallest_normal"):
        assert type(getattr(ours, field)) is float and getattr(ours, field) == float(getattr(theirs, field))
    assert ours.dtype.kind == "f" and ours.dtype.bits == ours.bits


@any_engine
def test_finfo_and_iinfo_of_arrays() -> None:
    assert pm.finfo(pm.ones(2)) == pm.finfo(pm.float32) and pm.finfo(float).dtype is pm.float32
    assert pm.finfo(pm.bfloat16).eps == 2.0**-7 and pm.finfo(pm.bfloat16).max == 3.3895313892515355e38
    for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        ours, theirs = pm.iinfo(getattr(pm, name)), np.iinfo(name)
        assert (ours.bits, ours.min, ours.max) == (theirs.bits, theirs.min, theirs.max)
    with pytest.raises(TypeError, match="iinfo"):
        pm.finfo(pm.int32)
    with pytest.raises(TypeError, match="finfo"):
        pm.iinfo(pm.ones(2))


@any_engine
def test_promotion_follows_the_standard() -> None:
    names = [name for name in pm.dtypes.every if hasattr(strict, name)]
    for a in names:
        for b in names:
            try:
                expected = strict.result_type(getattr(strict, a), getattr(strict, b))
            except TypeError:  # the standard says nothing
                continue
            assert pm.result_type(getattr(pm, a), getattr(pm, b)) == pm.dtypes.dtype(str(expected).rpartition(".")[2])
            assert pm.can_cast(getattr(pm, a), getattr(pm, b)) or expected != getattr(strict, b)


def test_python_numbers_promote_by_kind_only() -> None:
    x = pm.ones(2, dtype=pm.float64)
    cases = [
        ((pm.float32, 2.0), pm.float32),
        ((pm.int8, 300), pm.int8),
        ((pm.int8, 0.5), pm.float32),
        ((pm.bool, 1), pm.int64),
        ((pm.float64, 1j), pm.complex128),
        ((pm.int32, 1j), pm.complex64),
        ((x, pm.float32, 1), pm.float64),
        ((x.astype(pm.float32), np.float64(3)), pm.float32),
        ((1, 2.0), pm.float32),
        ((pm.bfloat16, pm.float16), pm.float32),
    ]
    for operands, expected in cases:
        assert pm.result_type(*operands) is expected, operands
    assert pm.can_cast(pm.ones(2), pm.float64) and not pm.can_cast(pm.float64, pm.float32)


# ---------------------------------------------------------------------------------- searching, sorting, sets, running


def check(ours: pm.Tensor, theirs: np.ndarray) -> None:
    np.testing.assert_array_equal(pm.to_numpy(ours), theirs)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("axis", [0, -1])
def test_sort_and_argsort(axis: int, descending: bool, rng: np.random.Generator) -> None:
    x = rng.integers(0, 5, (4, 6)).astype(np.float32)
    key = -x if descending else x
    order = np.argsort(key, axis=axis, stable=True)
    check(pm.sort(pm.tensor(x), axis=axis, descending=descending), np.take_along_axis(x, order, axis=axis))
    check(pm.argsort(pm.tensor(x), axis=axis, descending=descending), order)


def test_a_sorted_tie_sends_each_cotangent_to_one_element() -> None:
    x = pm.tensor([2.0, 1.0, 2.0, 1.0], requires_grad=True)
    (pm.sort(x) * pm.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    check(x.grad, np.asarray([3.0, 1.0, 4.0, 2.0], np.float32))
    x = pm.tensor([2.0, 1.0, 2.0], requires_grad=True)
    (pm.sort(x, descending=True) * pm.tensor([1.0, 2.0, 3.0])).sum().backward()
    check(x.grad, np.asarray([1.0, 3.0, 2.0], np.float32))


@pytest.mark.parametrize("side", ["left", "right"])
def test_searchsorted(side: str, rng: np.random.Generator) -> None:
    x, v = rng.integers(0, 9, 12).astype(np.float32), rng.integers(-1, 10, (2, 3)).astype(np.float32)
    sorter = pm.argsort(pm.tensor(x))
    found = pm.searchsorted(pm.tensor(x), pm.tensor(v), side=side, sorter=sorter)
    check(found, np.searchsorted(np.sort(x), v, side=side))
    assert found.dtype is pm.int64
    assert int(pm.searchsorted(pm.tensor([1.0, 2.0, 3.0]), 2, side=side)) == (1 if side == "left" else 2)


@pytest.mark.parametrize("kind", ["float", "int", "bool", "complex"])
def test_unique(kind: str, rng: np.random.Generator) -> None:
    x = rng.integers(0, 4, (3, 5))
    x = {"float": x / 2, "int": x, "bool": x > 1, "complex": x // 2 + 1j * (x % 2)}[kind]
    values, indices, inverse, counts = np.unique(x, return_index=True, return_inverse=True, return_counts=True)
    found = pm.unique_all(pm.tensor(x))
    for ours, theirs in zip(found, (values, indices, inverse.reshape(x.shape), counts), strict=True):
        check(ours, theirs)
    check(pm.unique_values(pm.tensor(x)), values)
    assert pm.unique_counts(pm.tensor(x))._fields == ("values", "counts")
    assert pm.unique_inverse(pm.tensor(x))._fields == ("values", "inverse_indices")
    assert found._fields == ("values", "indices", "inverse_indices", "counts")


def test_unique_of_nan_zeros_and_nothing() -> None:
    found = pm.unique_all(pm.tensor([math.nan, 0.0, -0.0, math.nan]))
    assert found.values.shape == (3,) and int(found.counts.sum()) == 4
    assert [t.shape for t in pm.unique_all(pm.zeros((0, 2)))] == [(0,), (0,), (0, 2), (0,)]
    assert float(pm.unique_values(pm.tensor(3.0))[0]) == 3.0


def test_unique_values_carry_their_derivative_to_an_occurrence() -> None:
    x = pm.tensor([3.0, 1.0, 3.0], requires_grad=True)
    (pm.unique_values(x) * pm.tensor([10.0, 20.0])).sum().backward()
    check(x.grad, np.asarray([20.0, 10.0, 0.0], np.float32))


def test_isin() -> None:
    x = pm.tensor(np.asarray([[1, 2], [3, 4]]))
    check(pm.isin(x, pm.tensor(np.asarray([2, 4, 7]))), np.asarray([[False, True], [False, True]]))
    check(pm.isin(x, 3, invert=True), np.asarray([[True, True], [False, True]]))
    assert bool(pm.isin(3, x))


def test_count_nonzero_and_nonzero(rng: np.random.Generator) -> None:
    x = rng.integers(0, 2, (3, 4))
    check(pm.count_nonzero(pm.tensor(x), axis=1, keepdims=True), np.count_nonzero(x, axis=1, keepdims=True))
    assert int(pm.count_nonzero(pm.tensor(x))) == np.count_nonzero(x)
    for ours, theirs in zip(pm.nonzero(pm.tensor(x)), np.nonzero(x), strict=True):
        check(ours, theirs)


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_diff(n: int, rng: np.random.Generator) -> None:
    x, before, behind = rng.normal(size=(3, 4)), rng.normal(size=(3, 1)), rng.normal(size=(3, 2))
    check(pm.diff(pm.tensor(x), axis=0, n=n), np.diff(x, axis=0, n=n))
    ours = pm.diff(pm.tensor(x), n=n, prepend=pm.tensor(before), append=pm.tensor(behind))
    check(ours, np.diff(x, n=n, prepend=before, append=behind))


@pytest.mark.parametrize("initial", [False, True])
@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
def test_running_sums_and_products(name: str, initial: bool, rng: np.random.Generator) -> None:
    x = rng.integers(1, 4, (3, 4))
    for axis in (0, -1):
        expected = getattr(np, name)(x, axis=axis, include_initial=initial)
        ours = getattr(pm, name)(pm.tensor(x), axis=axis, include_initial=initial)
        check(ours, expected)
        assert ours.dtype is pm.int64
    assert getattr(pm, name)(pm.tensor(x), axis=0, dtype=pm.int8).dtype is pm.int8
    with pytest.raises(ValueError, match="axis"):
        getattr(pm, name)(pm.tensor(x))


def test_small_integer_dtypes_of_sums_are_kept() -> None:
    x = pm.tensor(np.asarray([200, 100], np.uint8))
    assert pm.sum(x, dtype=pm.uint8).dtype is pm.uint8 and int(pm.sum(x, dtype=pm.uint8)) == 300 % 256
    assert pm.prod(x, dtype=pm.int16).dtype is pm.int16 and pm.sum(x).dtype is pm.uint64


# ----------------------------------------------------------------------------------------------- shapes and elements


def test_meshgrid_broadcast_shapes_and_expand_dims(rng: np.random.Generator) -> None:
    parts = [rng.normal(size=n) for n in (2, 3, 4)]
    for indexing in ("xy", "ij"):
        for count in range(4):
            ours = pm.meshgrid(*map(pm.tensor, parts[:count]), indexing=indexing)
            for a, b in zip(ours, np.meshgrid(*parts[:count], indexing=indexing), strict=True):
                check(a, b)
    assert pm.broadcast_shapes((2, 1), (3,), ()) == (2, 3) and pm.broadcast_shapes() == ()
    assert pm.broadcast_shapes((None, 1), (3,)) == (None, 3)
    with pytest.raises(ValueError, match="broadcast"):
        pm.broadcast_shapes((2,), (3,))
    assert pm.expand_dims(pm.ones((2, 3)), axis=(0, -1)).shape == (1, 2, 3, 1)


def test_repeat_by_a_number_and_by_an_array(rng: np.random.Generator) -> None:
    x, times = rng.normal(size=(3, 2)), np.asarray([2, 0, 3])
    check(pm.repeat(pm.tensor(x), 2, axis=1), np.repeat(x, 2, axis=1))
    check(pm.repeat(pm.tensor(x), 2), np.repeat(x, 2))
    check(pm.repeat(pm.tensor(x), pm.tensor(times), axis=0), np.repeat(x, times, axis=0))
    check(pm.repeat(pm.tensor(x), pm.tensor(np.asarray([2])), axis=0), np.repeat(x, 2, axis=0))
    leaf = pm.tensor(x, requires_grad=True)
    pm.repeat(leaf, pm.tensor(times), axis=0).sum().backward()
    check(leaf.grad, np.broadcast_to(times[:, None], (3, 2)).astype(x.dtype))


def test_special_values_that_engines_get_wrong() -> None:
    inf = math.inf
    x = pm.tensor([inf, -inf, 1.0, -1.0, 7.0])
    check(x // pm.tensor([2.0, 2.0, -inf, inf, 2.0]), np.asarray([inf, -inf, -0.0, -0.0, 3.0], np.float32))
    z = pm.to_numpy(pm.expm1(pm.tensor([complex(inf, 0), complex(-inf, inf), complex(1e-9, 0)], dtype=pm.complex128)))
    assert z[0] == complex(inf, 0) and z[1] == -1 and abs(z[2].real - 1e-9) < 1e-17
    far = np.asarray([0.3 + 2j, -1e-8 + 6.283185j, 3 - 1j, -40 + 9j, 1e-7 - 1e-9j])
    np.testing.assert_allclose(pm.to_numpy(pm.expm1(pm.tensor(far))), np.expm1(far), rtol=1e-12)
    t = pm.to_numpy(pm.tanh(pm.tensor([complex(inf, 2), complex(-inf, 2), 0.5j], dtype=pm.complex128)))
    assert t[0] == 1 and not np.signbit(t[0].imag) and t[1] == -1 and abs(t[2] - np.tanh(0.5j)) < 1e-15


def test_nextafter_moves_with_its_first_input() -> None:
    x, y = pm.tensor([1.0, 2.0], requires_grad=True), pm.tensor([2.0, 1.0], requires_grad=True)
    z = pm.nextafter(x, y)
    check(z, np.nextafter(np.asarray([1, 2], np.float32), np.asarray([2, 1], np.float32)))
    z.sum().backward()
    check(x.grad, np.ones(2, np.float32))
    check(y.grad, np.zeros(2, np.float32))


def test_values_that_fill_an_array_carry_a_gradient() -> None:
    x, y = pm.tensor(2.0, requires_grad=True), pm.tensor(4.0, requires_grad=True)
    filled = pm.full((2, 3), x) + pm.full_like(pm.ones((2, 3)), y)
    check(filled, np.full((2, 3), 6, np.float32))
    filled.sum().backward()
    assert float(x.grad) == 6 and float(y.grad) == 6
    line = pm.linspace(x, y, 5)
    np.testing.assert_allclose(pm.to_numpy(line.detach()), np.linspace(2, 4, 5), rtol=1e-6)
    x.grad = y.grad = None
    line[1].backward()
    assert (float(x.grad), float(y.grad)) == (0.75, 0.25)
    check(pm.linspace(x, 4.0, 4, endpoint=False).detach(), np.asarray([2, 2.5, 3, 3.5], np.float32))
    check(pm.full_like(pm.ones(2), pm.tensor(3.0)), np.asarray([3, 3], np.float32))
