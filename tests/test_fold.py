"""Windows side by side and back: functions and layers against torch."""

from __future__ import annotations

import numpy as np
import pytest
from parity import compare

import polymod as pm
from polymod import nn
from polymod.nn import functional as F

# kernel_size, dilation, padding, stride
cases = [
    (2,),
    (3, 1, 1),
    ((3, 2), (1, 2), (1, 0), (2, 1)),
    (2, 2, 2, 3),
    (1, 1, 0, 2),
    ([2, 3], [1, 1], [2, 0], [1, 2]),
]


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("case", cases, ids=str)
def test_as_torch(case, batched, rng):
    torch = pytest.importorskip("torch")
    layer, reference = nn.Unfold(*case), torch.nn.Unfold(*case)
    assert repr(layer) == repr(reference)
    x = rng.normal(size=(2, 3, 5, 6) if batched else (3, 5, 6))
    compare(lambda x: layer(x) ** 2, lambda x: reference(x) ** 2, x)
    columns = reference(torch.tensor(x)).numpy()
    assert layer.output_shape(x.shape) == columns.shape
    layer, reference = nn.Fold((5, 6), *case), torch.nn.Fold((5, 6), *case)
    assert repr(layer) == repr(reference)
    compare(lambda y: layer(y) ** 2, lambda y: reference(y) ** 2, rng.normal(size=columns.shape))
    assert layer.output_shape(columns.shape) == x.shape


def test_one_is_the_transpose_of_the_other(rng):
    x = pm.tensor(rng.normal(size=(2, 3, 7, 5)))
    y = F.unfold(x, (3, 2), dilation=2, padding=1, stride=(1, 2))
    g = pm.tensor(rng.normal(size=y.shape))
    back = F.fold(g, (7, 5), (3, 2), dilation=2, padding=1, stride=(1, 2))
    assert float((back * x).sum()) == pytest.approx(float((y * g).sum()), rel=1e-12)


def test_windows_that_do_not_overlap_are_put_back(rng):
    x = pm.tensor(rng.normal(size=(2, 3, 6, 4)))
    np.testing.assert_array_equal(pm.to_numpy(F.fold(F.unfold(x, 2, stride=2), (6, 4), 2, stride=2)), pm.to_numpy(x))


def test_each_example_by_itself(rng):
    x = pm.tensor(rng.normal(size=(3, 2, 2, 4, 4)))
    y = pm.vmap(lambda v: F.unfold(v, 2))(x)
    for i in range(3):
        np.testing.assert_array_equal(pm.to_numpy(y[i]), pm.to_numpy(F.unfold(x[i], 2)))


def test_shapes_that_do_not_fit():
    with pytest.raises(pm.ShapeError, match=r"\(5, 5\)"):
        F.unfold(pm.zeros((5, 5)), 2)
    with pytest.raises(pm.ShapeError, match="no window"):
        F.unfold(pm.zeros((1, 1, 2, 2)), 3)
    with pytest.raises(pm.ShapeError, match=r"\(4, 4\) windows.*\(1, 4, 15\)"):
        F.fold(pm.zeros((1, 4, 15)), 5, 2)
    with pytest.raises(pm.ShapeError, match="6 elements are no multiple"):
        F.fold(pm.zeros((1, 6, 16)), 5, 2)
    with pytest.raises(pm.ShapeError, match=r"\(16,\)"):
        F.fold(pm.zeros(16), 5, 2)


@pytest.mark.parametrize(
    ("args", "error"), [((0,), ValueError), ((2.0,), TypeError), (((2, 2, 2),), ValueError), ((2, 0), ValueError)]
)
def test_wrong_arguments_fail_at_construction(args, error):
    with pytest.raises(error):
        nn.Unfold(*args)
    with pytest.raises(error):
        nn.Fold(4, *args)
    with pytest.raises(error):
        nn.Fold(args[0], 1, 1, 0, args[-1])
