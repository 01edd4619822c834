"""polymod.fft: values against NumPy, derivatives against torch and finite differences."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest
from helpers import examples
from hypothesis import given
from hypothesis import strategies as st
from test_linalg import complex_numbers, normal, same_numbers_every_time  # noqa: F401 a fixture
from test_rules import check_against_torch

import polymod as pm
from polymod import fft
from polymod.testing.differences import check
from polymod.testing.samples import Sample

one_axis = ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"]
several = ["fftn", "ifftn", "rfftn", "irfftn"]
of_real = ("rfft", "ihfft", "rfftn")
norms = ["backward", "ortho", "forward"]
few = examples(25, 2)


def numbers(name: str, *shape: int) -> np.ndarray:
    return normal(*shape) if name in of_real else complex_numbers(*shape)


@pytest.mark.any_engine
@pytest.mark.parametrize("name", fft.__all__)
def test_signatures_are_the_standards(name: str):
    strict = pytest.importorskip("array_api_strict").fft
    expected, found = (inspect.signature(getattr(m, name)).parameters.values() for m in (strict, fft))
    assert [(p.name, p.kind, p.default) for p in found] == [(p.name, p.kind, p.default) for p in expected]


def test_all_14_functions_are_found_by_their_namespace():
    assert len(fft.__all__) == 14 and all(callable(getattr(fft, name)) for name in fft.__all__)
    assert pm.fft is fft


# ------------------------------------------------------------------------------------------------------ values


@pytest.mark.parametrize("name", one_axis)
@pytest.mark.parametrize("n", [None, 1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("norm", norms)
@pytest.mark.parametrize("axis", [0, -1])
def test_values_along_one_axis(name: str, n: int | None, norm: Any, axis: int):
    x = numbers(name, 4, 3, 5)
    found = getattr(fft, name)(pm.tensor(x), n=n, axis=axis, norm=norm)
    expected = getattr(np.fft, name)(x, n=n, axis=axis, norm=norm)
    np.testing.assert_allclose(pm.to_numpy(found), expected, rtol=1e-12, atol=1e-12)
    assert found.dtype == expected.dtype.name


@pytest.mark.parametrize("name", several)
@pytest.mark.parametrize("norm", norms)
@pytest.mark.parametrize(("s", "axes"), [(None, None), (None, (2, 0)), ((3, 6), (1, 2)), ((2, 2, 7), (0, 2, 1))])
def test_values_over_several_axes(name: str, norm: Any, s: Any, axes: Any):
    x = numbers(name, 4, 3, 5)
    found = getattr(fft, name)(pm.tensor(x), s=s, axes=axes, norm=norm)
    expected = getattr(np.fft, name)(x, s=s, axes=axes, norm=norm)
    np.testing.assert_allclose(pm.to_numpy(found), expected, rtol=1e-12, atol=1e-12)
    assert found.dtype == expected.dtype.name


@pytest.mark.parametrize("name", several)
def test_lengths_without_axes_are_those_of_the_last_axes(name: str):
    x = pm.tensor(numbers(name, 4, 3, 5))
    f = getattr(fft, name)
    np.testing.assert_array_equal(pm.to_numpy(f(x, s=(2, 4))), pm.to_numpy(f(x, s=(2, 4), axes=(1, 2))))
    np.testing.assert_array_equal(pm.to_numpy(f(x, s=(-1, 4))), pm.to_numpy(f(x, s=(3, 4), axes=(1, 2))))


@pytest.mark.parametrize("name", [*one_axis, *several])
def test_dtypes(name: str):
    f = getattr(fft, name)
    to_real = name in ("irfft", "hfft", "irfftn")
    for x in (pm.tensor(normal(4).astype("float32")), pm.tensor([1, 2, 3])):
        assert f(x).dtype == (pm.float32 if to_real else pm.complex64)
    assert f(pm.tensor(normal(4))).dtype == (pm.float64 if to_real else pm.complex128)
    if name in of_real:
        with pytest.raises(TypeError, match="complex64"):
            f(pm.tensor(normal(4).astype("complex64")))
    else:
        assert f(pm.tensor(complex_numbers(4).astype("complex64"))).dtype == (pm.float32 if to_real else pm.complex64)


@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_frequencies(n: int, engine: pm.Device):
    for name in ("fftfreq", "rfftfreq"):
        found = getattr(fft, name)(n, d=0.3, dtype=pm.float64)
        np.testing.assert_allclose(pm.to_numpy(found), getattr(np.fft, name)(n, d=0.3), rtol=1e-15)
        assert found.device == engine
        assert getattr(fft, name)(n).dtype == pm.float32
        assert getattr(fft, name)(n, device="strict:device2").device == "strict:device2"


@pytest.mark.parametrize("axes", [None, 0, -1, (0, 2)])
def test_shifts(axes: Any, rng: np.random.Generator):
    x = complex_numbers(4, 3, 5)
    for name in ("fftshift", "ifftshift"):
        f = getattr(fft, name)
        np.testing.assert_array_equal(pm.to_numpy(f(pm.tensor(x), axes=axes)), getattr(np.fft, name)(x, axes=axes))
        check(name, Sample((x,), call=lambda t, f=f: f(t, axes=axes)), rng, second=False)
    whole = pm.arange(4)
    assert fft.fftshift(whole).dtype == whole.dtype


# -------------------------------------------------------------------------------------------------- derivatives


def both(name: str, x: np.ndarray, **attrs: Any) -> Sample:
    def theirs(t: Any) -> Any:
        import torch

        return getattr(torch.fft, name)(t, **{{"axis": "dim", "axes": "dim"}.get(k, k): v for k, v in attrs.items()})

    return Sample((x,), call=lambda t: getattr(fft, name)(t, **attrs), torch=theirs)


@pytest.mark.parametrize("name", one_axis)
@pytest.mark.parametrize("n", [None, 1, 4, 5, 8])
@pytest.mark.parametrize("norm", norms)
def test_derivatives_along_one_axis(name: str, n: int | None, norm: Any, rng: np.random.Generator):
    sample = both(name, numbers(name, 5, 2), n=n, axis=0, norm=norm)
    check(name, sample, rng)
    check_against_torch(name, sample, rng)


@pytest.mark.parametrize("name", several)
@pytest.mark.parametrize("norm", norms)
@pytest.mark.parametrize(("s", "axes"), [(None, (0, 1, 2)), (None, (2, 0)), ((3, 6), (1, 2)), ((2, 2, 7), (0, 2, 1))])
def test_derivatives_over_several_axes(name: str, norm: Any, s: Any, axes: Any, rng: np.random.Generator):
    sample = both(name, numbers(name, 4, 3, 5), s=s, axes=axes, norm=norm)
    check(name, sample, rng)
    check_against_torch(name, sample, rng)


@pytest.mark.parametrize("name", ["fft", "ifft", "irfft", "hfft", "fftn", "irfftn"])
def test_real_input_of_a_complex_transform_has_a_real_gradient(name: str, rng: np.random.Generator):
    check(name, Sample((normal(3, 5),), call=getattr(fft, name)), rng)


@few
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=3),
    st.sampled_from([*one_axis, *several]),
    st.sampled_from(norms),
    st.integers(0, 2**32 - 1),
    st.data(),
)
def test_transforms_of_any_shape(shape: list, name: str, norm: Any, seed: int, data: st.DataObject):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape) + (0 if name in of_real else 1j * rng.normal(size=shape))
    count = 1 if name in one_axis else data.draw(st.integers(1, len(shape)))
    axes = tuple(data.draw(st.permutations(range(len(shape))))[:count])
    s = tuple(data.draw(st.lists(st.integers(1, 6), min_size=count, max_size=count)))
    attrs = {"n": s[0], "axis": axes[0]} if name in one_axis else {"s": s, "axes": axes}
    f, numpys = getattr(fft, name), getattr(np.fft, name)
    expected = numpys(x, norm=norm, **attrs)
    np.testing.assert_allclose(pm.to_numpy(f(pm.tensor(x), norm=norm, **attrs)), expected, atol=1e-10)
    check(name, Sample((x,), call=lambda t: f(t, norm=norm, **attrs)), rng, second=False)


def test_a_spectrum_can_be_differentiated_with_respect_to_the_phase_of_a_wave():
    n = 16
    t = np.arange(n) / n
    phase = pm.tensor(np.asarray(0.3), requires_grad=True)
    wave = pm.cos(2 * math.pi * pm.tensor(t) + phase)
    (g,) = pm.autograd.grad(pm.real(fft.rfft(wave)[1]), phase)  # n/2 cos(phase)
    assert float(g) == pytest.approx(-n / 2 * math.sin(0.3))


# ------------------------------------------------------------------------------------------------------- errors


def test_errors_say_what_was_expected():
    x = pm.tensor(complex_numbers(3, 4))
    with pytest.raises(ValueError, match="norm must be"):
        fft.fft(x, norm="unit")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a length for each"):
        fft.fftn(x, s=(2, 2), axes=(0,))
    with pytest.raises(pm.ShapeError, match="at least one element"):
        fft.fft(x, n=0)
    with pytest.raises(pm.ShapeError, match="at least one element"):
        fft.irfft(x[:, :1])
    with pytest.raises(IndexError, match="axis 2"):
        fft.fft(x, axis=2)
    with pytest.raises(ValueError, match="named twice"):
        fft.fftn(x, axes=(0, -2))
    with pytest.raises(ValueError, match="n must be"):
        fft.fftfreq(0)
    for f in (fft.rfftn, fft.irfftn):
        with pytest.raises(pm.ShapeError, match="at least one axis"):
            f(pm.tensor(normal(3)), axes=())
