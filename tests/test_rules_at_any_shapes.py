"""Rules at shapes, axes, keys and sizes of every kind, drawn by hypothesis: finite differences, to second order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from helpers import examples
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import polymod as pm
import polymod.nn.functional as F
from polymod.autograd.families import Elementwise
from polymod.rules import primitives
from polymod.testing.differences import check
from polymod.testing.function import here
from polymod.testing.samples import Sample, table
from polymod.testing.samples.decompositions import complete_qr, plain_eig, plain_eigh, plain_full_svd, plain_svd

few = examples(15, 2)
seeds = st.integers(0, 2**32 - 1)
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)


@few
@given(hnp.mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_dims=3, max_side=3), seeds, st.data())
def test_broadcasting(shapes: Any, seed: int, data: st.DataObject):
    rng = np.random.default_rng(seed)
    a, b = (rng.uniform(0.5, 2, s) for s in shapes.input_shapes)
    name = data.draw(st.sampled_from(["add", "multiply", "divide", "pow", "logaddexp"]))
    check(name, Sample((a, b)), rng)


# pairs whose kinks depend on both: they keep the values that their samples put together
PAIRED = {"maximum", "minimum", "remainder", "floor_divide", "nextafter", "copysign"}
of_two_and_three = {"gammainc", "gammaincc", "betainc", "beta_term", "betaln", "stdtr"}  # elementwise as well
elementwise = sorted(
    name
    for name, p in primitives.items()
    if name in of_two_and_three
    or (isinstance(p, Elementwise) and all(isinstance(x, np.ndarray) for x in table[name][0].inputs))
)


@pytest.mark.parametrize("name", elementwise)
def test_elementwise_rules_at_any_shapes(name: str):
    """Values of the first sample, drawn anew, in shapes that broadcast against each other; 0-d and empty ones too."""
    sample = table[name][0]
    count = len(sample.inputs)

    @examples(4, 1)
    @given(hnp.mutually_broadcastable_shapes(num_shapes=count, min_side=0, max_dims=3, max_side=3), seeds)
    def at_any_shapes(shapes: Any, seed: int) -> None:
        rng = np.random.default_rng(seed)
        whole = np.broadcast_arrays(*sample.inputs)
        if name in PAIRED:
            where = rng.integers(whole[0].size, size=shapes.result_shape)
            inputs = [np.asarray(x.reshape(-1)[where]) for x in whole]
        else:
            inputs = [
                np.asarray(rng.choice(x.reshape(-1), size=s))
                for x, s in zip(sample.inputs, shapes.input_shapes, strict=True)
            ]
        check(name, Sample(tuple(inputs), sample.attrs, sample.constant, sample.call), rng)

    at_any_shapes()


@few
@given(hnp.mutually_broadcastable_shapes(num_shapes=3, min_side=0, max_dims=3, max_side=3), seeds)
def test_where_of_any_shapes(shapes: Any, seed: int):
    rng = np.random.default_rng(seed)
    c, a, b = (rng.normal(size=s) for s in shapes.input_shapes)
    check("where", Sample((np.asarray(c > 0), a, b)), rng)


@few
@given(shapes, seeds, st.booleans(), st.data())
def test_reductions_over_any_axes(shape: tuple, seed: int, keepdims: bool, data: st.DataObject):
    rng = np.random.default_rng(seed)
    name = data.draw(st.sampled_from(["sum", "mean", "prod", "max", "min", "logsumexp"]))
    axes = (
        st.lists(st.integers(-len(shape), len(shape) - 1), unique_by=lambda a: a % len(shape)) if shape else st.just([])
    )
    axis = data.draw(
        st.one_of(st.none(), axes.map(tuple), st.integers(-len(shape), len(shape) - 1) if shape else st.none())
    )
    reduced = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    count = math.prod(shape[a] for a in reduced)
    if count == 0 and name not in ("sum", "prod"):
        return  # the mean or the largest of nothing
    x = np.asarray(rng.permutation(math.prod(shape)) * 0.1 + 0.5).reshape(shape)
    f = getattr(pm, name)
    assert f(pm.tensor(x), axis=axis, keepdims=keepdims).shape == np.sum(x, axis=axis, keepdims=keepdims).shape
    check(name, Sample((x,), {"axis": axis, "keepdims": keepdims}, call=f), rng)


@few
@given(st.integers(1, 3), st.integers(0, 3), st.integers(1, 3), seeds, st.data())
def test_products_of_any_matrices(n: int, k: int, m: int, seed: int, data: st.DataObject):
    rng = np.random.default_rng(seed)
    batch = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=2, min_dims=0, max_dims=2, min_side=1, max_side=2))
    left, right = data.draw(st.sampled_from([((n, k), (k, m)), ((k,), (k, m)), ((n, k), (k,)), ((k,), (k,))]))
    a = (*batch.input_shapes[0], *left) if len(left) == 2 else left
    b = (*batch.input_shapes[1], *right) if len(right) == 2 else right
    check("matmul", Sample((rng.normal(size=a), rng.normal(size=b))), rng)


@few
@given(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4), seeds, st.data())
def test_keys_of_every_kind(shape: tuple, seed: int, data: st.DataObject):
    rng = np.random.default_rng(seed)
    key = data.draw(
        st.one_of(
            hnp.basic_indices(shape, allow_newaxis=True),
            hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, max_side=3)),
            hnp.arrays(bool, shape),
            st.integers(0, shape[0] - 1).map(lambda n: (np.arange(shape[0]) != n, ...)),
        )
    )
    x = rng.normal(size=shape)

    def read(t: pm.Tensor) -> pm.Tensor:
        return t[here(key)]

    def write(t: pm.Tensor, v: pm.Tensor) -> pm.Tensor:
        t = t.copy()
        t[here(key)] = v
        return t

    np.testing.assert_array_equal(pm.to_numpy(read(pm.tensor(x))), x[key])
    check("index", Sample((x,), call=read), rng)
    if not isinstance(key, tuple) or not any(isinstance(k, np.ndarray) and k.dtype != bool for k in key):
        check("index_set", Sample((x, rng.normal(size=x[key].shape)), call=write), rng)  # which duplicate wins is open


@few
@given(shapes, seeds, st.data())
def test_rearrangements(shape: tuple, seed: int, data: st.DataObject):
    rng = np.random.default_rng(seed)
    x = np.asarray(rng.normal(size=shape))
    y = np.asarray(rng.normal(size=shape))
    order = tuple(data.draw(st.permutations(range(len(shape)))))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1)) if shape else None
    check("permute_dims", Sample((x,), call=lambda t: pm.permute_dims(t, order)), rng, second=False)
    check("reshape", Sample((x,), call=lambda t: pm.reshape(t, (x.size,))), rng, second=False)
    check("broadcast_to", Sample((x,), call=lambda t: pm.broadcast_to(t, (2, *shape))), rng, second=False)
    check("flip", Sample((x,), call=lambda t: pm.flip(t, axis=axis)), rng, second=False)
    check("roll", Sample((x,), call=lambda t: pm.roll(t, 2, axis=axis)), rng, second=False)
    if axis is not None:
        check("cumulative_sum", Sample((x,), call=lambda t: pm.cumulative_sum(t, axis=axis)), rng, second=False)
        check("join", Sample((x, y), call=lambda a, b: pm.concat([a, b], axis=axis)), rng, second=False)
        check("take", Sample((x,), call=lambda t: pm.repeat(t, 2, axis=axis)), rng, second=False)
    check("pile", Sample((x, y), call=lambda a, b: pm.stack([a, b], axis=-1)), rng, second=False)
    check("broadcast_to", Sample((x,), call=lambda t: pm.tile(t, (2, 1, 2, 1))), rng, second=False)


@few
@given(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4), seeds, st.data())
def test_running_along_any_axis(shape: tuple, seed: int, data: st.DataObject):
    rng = np.random.default_rng(seed)
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    x = (rng.permutation(math.prod(shape)) * 0.1 + 0.55).reshape(shape)
    turned, initial = data.draw(st.booleans()), data.draw(st.booleans())
    names = ["cumulative_sum", "cumulative_prod", "sort", "diff"] + ["softmax", "log_softmax"] * (0 not in shape)
    name = data.draw(st.sampled_from(names))
    f = {
        "cumulative_sum": lambda t: pm.cumulative_sum(t, axis=axis, include_initial=initial),
        "cumulative_prod": lambda t: pm.cumulative_prod(t, axis=axis, include_initial=initial),
        "sort": lambda t: pm.sort(t, axis=axis, descending=turned),
        "diff": lambda t: pm.diff(t, axis=axis, n=2 if turned and shape[axis] > 1 else 1),
        "softmax": lambda t: pm.special.softmax(t, axis=axis),
        "log_softmax": lambda t: pm.special.log_softmax(t, axis=axis),
    }
    if name == "diff" and shape[axis] == 0:
        return
    check(name, Sample((x,), call=f[name]), rng)


def spread_matrix(rng: np.random.Generator, shape: tuple[int, ...], complex_: bool) -> np.ndarray:
    """Matrices whose singular values and eigenvalues are apart from each other and from 0."""
    x = rng.uniform(-0.2, 0.2, shape) + (1j * rng.uniform(-0.2, 0.2, shape) if complex_ else 0)
    return x + np.eye(*shape[-2:]) * np.arange(1, shape[-1] + 1)


square = {
    "inv": pm.linalg.inv,
    "det": pm.linalg.det,
    "slogdet": pm.linalg.slogdet,
    "cholesky": lambda x: pm.linalg.cholesky(x @ pm.conj(x.mT)),
    "eigh": plain_eigh,
    "eigvalsh": pm.linalg.eigvalsh,
    "eig": plain_eig,
    "trace": pm.linalg.trace,
}
rectangular = {
    "svd": plain_svd,
    "full svd": plain_full_svd,
    "svdvals": pm.linalg.svdvals,
    "pinv": lambda x: pm.linalg.pinv(x, rtol=1e-12),
    "diagonal": pm.linalg.diagonal,
    "qr": pm.linalg.qr,
}


@pytest.mark.parametrize("name", [*square, *rectangular, "complete qr", "solve"])
def test_decompositions_of_any_size(name: str):
    """Square or not, in batches or alone, real or complex, of one row as well."""

    @examples(4, 1)
    @given(hnp.array_shapes(min_dims=0, max_dims=2, min_side=1, max_side=2), st.integers(1, 4), st.data(), seeds)
    def of_any_size(batch: tuple, n: int, data: st.DataObject, seed: int) -> None:
        rng = np.random.default_rng(seed)
        complex_ = data.draw(st.booleans())
        m = n if name in square or name == "solve" else data.draw(st.integers(1, 4))
        if name == "complete qr":
            n, m = max(n, m), min(n, m)
        x = spread_matrix(rng, (*batch, n, m), complex_)
        if name == "solve":
            y = rng.normal(size=data.draw(st.sampled_from([(n,), (n, 2), (*batch, n, 1)])))
            check(name, Sample((x, y), call=pm.linalg.solve), rng)
            return
        call = square.get(name) or rectangular.get(name) or complete_qr
        check(name, Sample((x,), call=call), rng)

    of_any_size()


@few
@given(st.integers(1, 2), st.integers(1, 2), seeds, st.data())
def test_windows_of_any_kind(axes: int, batch: int, seed: int, data: st.DataObject):
    """Convolution and pooling: sizes, strides, padding, dilation and groups."""
    rng = np.random.default_rng(seed)

    def drawn(low: int, high: int) -> tuple[int, ...]:
        return tuple(data.draw(st.integers(low, high)) for _ in range(axes))

    kernel, stride, dilation, groups = drawn(1, 3), drawn(1, 3), drawn(1, 2), data.draw(st.integers(1, 2))
    spatial = tuple(d * (k - 1) + 1 + data.draw(st.integers(0, 2)) for k, d in zip(kernel, dilation, strict=True))
    padding = tuple(data.draw(st.integers(0, k // 2)) for k in kernel)
    x = (rng.permutation(batch * 4 * math.prod(spatial)) * 0.1).reshape((batch, 4, *spatial))
    weight = rng.normal(size=(2 * groups, 4 // groups, *kernel))
    name = data.draw(st.sampled_from(["conv", "max_pool", "avg_pool"]))
    if name == "conv":
        convolve, bias = getattr(F, f"conv{axes}d"), rng.normal(size=2 * groups)
        check(name, Sample((x, weight, bias), call=lambda *a: convolve(*a, stride, padding, dilation, groups)), rng)
    elif name == "max_pool":
        pool = getattr(F, f"max_pool{axes}d")
        check(name, Sample((x,), call=lambda t: pool(t, kernel, stride, padding, dilation)), rng)
    else:
        pool, counted = getattr(F, f"avg_pool{axes}d"), data.draw(st.booleans())
        check(name, Sample((x,), call=lambda t: pool(t, kernel, stride, padding, False, counted)), rng)


@few
@given(hnp.array_shapes(min_dims=2, max_dims=4, min_side=2, max_side=3), seeds, st.data())
def test_normalization_over_any_axes(shape: tuple, seed: int, data: st.DataObject):
    rng = np.random.default_rng(seed)
    x = (rng.permutation(math.prod(shape)) * 0.5).reshape(shape) + rng.uniform(-0.1, 0.1, shape)
    if data.draw(st.booleans()):
        inner = shape[data.draw(st.integers(1, len(shape) - 1)) :]
        w, b = rng.normal(size=inner), rng.normal(size=inner)
        check("layer_norm", Sample((x, w, b), call=lambda t, w, b: F.layer_norm(t, inner, w, b)), rng)
    else:
        w, b = rng.normal(size=shape[1]), rng.normal(size=shape[1])
        check("batch_norm", Sample((x, w, b), call=lambda t, w, b: F.batch_norm(t, None, None, w, b, True)), rng)


@few
@given(hnp.array_shapes(min_dims=0, max_dims=2, min_side=1, max_side=2), st.integers(1, 3), seeds, st.data())
def test_attention_of_any_lengths(batch: tuple, width: int, seed: int, data: st.DataObject):
    rng = np.random.default_rng(seed)
    asked, stored, out = (data.draw(st.integers(1, 3)) for _ in range(3))
    q, k, v = (rng.normal(size=(*batch, *s)) for s in ((asked, width), (stored, width), (stored, out)))
    causal = data.draw(st.booleans())
    check(
        "attention",
        Sample((q, k, v), call=lambda *a: F.scaled_dot_product_attention(*a, is_causal=causal)),
        rng,
    )


@few
@given(st.integers(1, 3), st.integers(2, 4), hnp.array_shapes(min_dims=0, max_dims=2, max_side=2), seeds, st.data())
def test_losses_of_any_shape(n: int, classes: int, inner: tuple, seed: int, data: st.DataObject):
    rng = np.random.default_rng(seed)
    reduction = data.draw(st.sampled_from(["mean", "sum", "none"]))
    x = rng.normal(size=(n, classes, *inner))
    name = data.draw(st.sampled_from(["cross_entropy", "nll_loss", "mse_loss", "bce_with_logits"]))
    if name in ("cross_entropy", "nll_loss"):
        target = pm.tensor(rng.integers(0, classes, (n, *inner)))
        check(name, Sample((x,), call=lambda t: getattr(F, name)(t, target, reduction=reduction)), rng)
    else:
        y = rng.uniform(size=x.shape)
        f = F.mse_loss if name == "mse_loss" else F.binary_cross_entropy_with_logits
        check(name, Sample((x, y), call=lambda a, b: f(a, b, reduction=reduction)), rng)


@few
@given(st.integers(1, 4), hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3), seeds)
def test_embedding_of_any_positions(rows: int, shape: tuple, seed: int):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(rows, 2))
    positions = pm.tensor(rng.integers(0, rows, shape))
    check("embedding", Sample((table,), call=lambda t: F.embedding(positions, t)), rng)
