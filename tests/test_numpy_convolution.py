"""NumPy's methods of convolution against the portable definition in float64, each where it is used; their memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from polymod.backend import load_backend, portable

pytestmark = pytest.mark.any_engine

numpy = load_backend("numpy")
winograd = pytest.importorskip("polymod_numpy.winograd")
depthwise = pytest.importorskip("polymod_numpy.depthwise")
convolution = pytest.importorskip("polymod_numpy.convolution")

# input, weight, groups, stride, padding, dilation; with the method that is to be used
cases = {
    "winograd": ((4, 128, 30, 27), (136, 128, 3, 3), 1, (1, 1), ((1, 1), (0, 2)), (1, 1)),
    "winograd, many small images": ((20, 128, 8, 8), (128, 128, 3, 3), 1, (1, 1), ((1, 1), (1, 1)), (1, 1)),
    "winograd, wide frame": ((5, 128, 14, 14), (128, 128, 3, 3), 1, (1, 1), ((9, 0), (3, 7)), (1, 1)),
    "depthwise": ((3, 40, 30, 28), (40, 1, 3, 3), 40, (1, 1), ((1, 1), (1, 1)), (1, 1)),
    "depthwise, strided": ((2, 6, 11, 12), (12, 1, 3, 5), 6, (2, 3), ((1, 2), (0, 4)), (1, 1)),
    "depthwise, dilated": ((2, 5, 11, 12), (5, 1, 3, 2), 5, (2, 1), ((1, 2), (0, 4)), (3, 2)),
    "depthwise, strides beyond the kernel": ((2, 5, 11, 12), (5, 1, 1, 2), 5, (3, 4), ((0, 0), (0, 0)), (1, 1)),
    "depthwise, 1 axis": ((2, 5, 40), (15, 1, 4), 5, (2,), ((3, 1),), (2,)),
    "depthwise, 3 axes": ((2, 4, 5, 6, 7), (4, 1, 3, 2, 3), 4, (2, 1, 2), ((1, 1), (0, 1), (2, 0)), (1, 2, 1)),
    "rows": ((3, 16, 20, 34), (12, 16, 3, 3), 1, (1, 1), ((1, 1), (1, 1)), (1, 1)),
    "rows, groups, strided": ((2, 24, 23, 80), (42, 8, 5, 3), 3, (2, 2), ((2, 1), (0, 1)), (1, 2)),
    "rows, 3 axes": ((2, 8, 9, 7, 8), (16, 8, 3, 2, 3), 1, (1, 1, 1), ((1, 1), (0, 1), (1, 1)), (1, 1, 2)),
    "rows, parts": ((1, 32, 70, 70), (16, 32, 7, 7), 1, (1, 1), ((3, 3), (3, 3)), (1, 1)),
    "blocks": ((9, 20, 9, 9), (64, 20, 3, 3), 1, (2, 1), ((1, 1), (1, 1)), (1, 2)),
    "blocks, parts": ((2, 64, 40, 40), (64, 64, 3, 3), 1, (2, 2), ((1, 0), (1, 1)), (2, 2)),
    "blocks, 1 axis": ((2, 64, 3000), (64, 64, 5), 1, (1,), ((2, 2),), (1,)),
}


def method(shape, weight, groups, stride, padding, dilation) -> str:
    x, w = np.zeros(shape, np.float32), np.zeros(weight, np.float32)
    outputs = convolution.output_size(shape[2:], weight[2:], stride, padding, dilation)
    if convolution.separate(weight[1], weight[0] // groups, groups, x.dtype):
        return "depthwise"
    if groups == 1 and winograd.serves(x, weight[0], weight[2:], outputs, stride, dilation):
        return "winograd"
    return "rows" if convolution.by_rows(w, outputs, stride, dilation, groups) else "blocks"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", list(cases))
def test_values_and_transposes_are_those_of_the_portable_definition(case, dtype, rng):
    shape, weight, groups, stride, padding, dilation = cases[case]
    assert case.startswith(method(*cases[case]))
    how = {"groups": groups, "stride": stride, "padding": padding, "dilation": dilation}
    x, w = rng.normal(size=shape), rng.normal(size=weight)
    g = rng.normal(size=portable["conv"](numpy.namespace, x, w, **how).shape)
    for name, a, b, more in (
        ("conv", x, w, {}),
        ("conv_input_back", g, w, {"size": shape[2:]}),
        ("conv_weight_back", x, g, {"size": weight[2:]}),
    ):
        found = getattr(convolution, name)(a.astype(dtype), b.astype(dtype), **more, **how)
        expected = portable[name](numpy.namespace, a, b, **more, **how)
        assert found.shape == expected.shape
        assert found.dtype == dtype
        error = np.abs(found - expected).max() / np.abs(expected).max()
        assert error < (5e-6 if dtype == "float32" else 1e-13), name


def test_columns_take_bounded_memory(rng):
    """Beside the result, and working memory of a block that stays for the next call, nothing is taken."""
    x = rng.normal(size=(2, 32, 200, 200)).astype(np.float32)
    for weight, groups in (((8, 32, 5, 5), 1), ((64, 32, 5, 5), 1), ((32, 1, 5, 5), 32)):
        w = rng.normal(size=weight).astype(np.float32)
        how = {"groups": groups, "stride": (1, 1), "padding": ((2, 2), (2, 2)), "dilation": (1, 1)}
        tracemalloc.start()
        try:
            y = convolution.conv(x, w, **how)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        columns = x.nbytes * 25
        assert peak < y.nbytes + x.nbytes + 16 * 2**20 < columns
