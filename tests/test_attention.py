"""Attention: as torch's, for every kind of mask; nothing to attend to gives zeros and no NaN."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from parity import close, compare, compare_layers

import polymod as pm
from polymod import nn
from polymod.nn import functional as F
from polymod.rules import attention as blocks


def torch_attention(**how: Any) -> Callable[..., Any]:
    """torch's own, in the form that has second derivatives."""
    torch = pytest.importorskip("torch")

    def call(q: Any, k: Any, v: Any, mask: Any = None) -> Any:
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, **how)

    return call


def qkv(rng: np.random.Generator, *batch: int, queries: int = 3, keys: int = 5, width: int = 4) -> list[np.ndarray]:
    return [rng.normal(size=(*batch, n, d)) for n, d in ((queries, width), (keys, width), (keys, width + 2))]


@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
@pytest.mark.parametrize("how", [{}, {"is_causal": True}, {"scale": 0.3}])
def test_as_torch(batch: tuple, how: dict, rng: np.random.Generator):
    compare(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, **how), torch_attention(**how), *qkv(rng, *batch))


@pytest.mark.parametrize("shape", [(3, 5), (1, 5), (2, 1, 3, 5), (3, 3, 5), (2, 3, 1, 5)])
@pytest.mark.parametrize("kind", ["boolean", "floating"])
def test_masks_as_torch(shape: tuple, kind: str, rng: np.random.Generator):
    mask = rng.uniform(size=shape) < 0.6 if kind == "boolean" else rng.normal(size=shape)
    compare(lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, m), torch_attention(), *qkv(rng, 2, 3), mask)


@pytest.mark.parametrize("kind", ["boolean", "floating"])
def test_a_query_with_nothing_to_attend_to_gives_zeros_as_torch(kind: str, rng: np.random.Generator):
    allowed = rng.uniform(size=(3, 5)) < 0.7
    allowed[0, 0] = allowed[2, 0] = True
    allowed[1] = False
    mask = allowed if kind == "boolean" else np.where(allowed, 0.0, -math.inf)
    hosts = qkv(rng, 2)
    compare(
        lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, m), torch_attention(), *hosts, mask, constant=(3,)
    )
    xs = [pm.tensor(h, requires_grad=True) for h in hosts]
    y = F.scaled_dot_product_attention(*xs, pm.tensor(mask))
    assert (pm.to_numpy(y)[:, 1] == 0).all()
    y.sum().backward()
    assert all(np.isfinite(pm.to_numpy(x.grad)).all() for x in xs)
    assert (pm.to_numpy(xs[0].grad)[:, 1] == 0).all()


def test_grouped_queries_as_torch(rng: np.random.Generator):
    q, k, v = rng.normal(size=(2, 6, 3, 4)), rng.normal(size=(2, 2, 5, 4)), rng.normal(size=(2, 2, 5, 4))
    compare(
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, enable_gqa=True),
        torch_attention(enable_gqa=True),
        q,
        k,
        v,
    )
    with pytest.raises(pm.ShapeError, match="divides the query's 6"):
        F.scaled_dot_product_attention(pm.tensor(q), pm.zeros((2, 4, 5, 4)), pm.zeros((2, 4, 5, 4)), enable_gqa=True)


def test_large_scores(rng: np.random.Generator):
    q = pm.tensor(1e4 * rng.normal(size=(3, 4)), dtype=pm.float32, requires_grad=True)
    F.scaled_dot_product_attention(q, q, q, is_causal=True).sum().backward()
    assert np.isfinite(pm.to_numpy(q.grad)).all()


def test_dropout_drops_weights(rng: np.random.Generator):
    q, k, _ = (pm.tensor(h) for h in qkv(rng, 2, keys=50, queries=40))
    v = pm.tensor(np.broadcast_to(np.eye(50), (2, 50, 50)))  # so that the result is the weights
    full = pm.to_numpy(F.scaled_dot_product_attention(q, k, v))
    pm.random.manual_seed(3)
    dropped = pm.to_numpy(F.scaled_dot_product_attention(q, k, v, dropout_p=0.25))
    kept = dropped != 0
    assert 0.7 < kept.mean() < 0.8
    np.testing.assert_allclose(dropped[kept], full[kept] / 0.75, rtol=1e-12)
    np.testing.assert_array_equal(pm.to_numpy(F.scaled_dot_product_attention(q, k, v, dropout_p=1.0)), 0)


def test_errors(rng: np.random.Generator):
    q, k, v = (pm.tensor(h) for h in qkv(rng, 2))
    for args, message in (
        ((q, k[..., :3], v), "one width, received 4 and 3"),
        ((q, k, v[:, :4]), "one length, received 5 and 4"),
        ((q, pm.zeros((3, 5, 4)), v), "leading axes"),
        ((q, k, v, pm.zeros((4, 5)) > 0), r"broadcasts to \(2, 3, 5\) is expected, received shape \(4, 5\)"),
        ((q[0, 0], k, v), "two axes"),
    ):
        with pytest.raises(pm.ShapeError, match=message):
            F.scaled_dot_product_attention(*args)
    with pytest.raises(TypeError, match=r"boolean or floating, received polymod\.int64"):
        F.scaled_dot_product_attention(q, k, v, pm.tensor(np.ones((3, 5), int)))
    with pytest.raises(ValueError, match="not both"):
        F.scaled_dot_product_attention(q, k, v, pm.zeros((3, 5)), is_causal=True)
    with pytest.raises(ValueError, match="probability"):
        F.scaled_dot_product_attention(q, k, v, dropout_p=1.5)


# --------------------------------------------------------------------------------------------- long sequences


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few rows, so that short sequences are long ones."""
    monkeypatch.setattr(blocks, "BLOCK", 40)
    monkeypatch.setattr(blocks, "ROWS", 2)
    for name, number in (("TILE", 12), ("COLUMNS", 3)):
        monkeypatch.setattr(f"polymod_numpy.attention.{name}", number)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("shape", [(9, 7), (2, 9, 7), (2, 2, 5, 9), (3, 4, 3, 3)])
@pytest.mark.parametrize("how", [{}, {"is_causal": True}])
def test_blocks_as_torch(shape: tuple, how: dict, rng: np.random.Generator):
    hosts = qkv(rng, *shape[:-2], queries=shape[-2], keys=shape[-1])
    compare(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, **how), torch_attention(**how), *hosts)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("shape", [(5, 9), (1, 9), (2, 1, 5, 9), (2, 5, 9), (2, 2, 5, 1), (2, 1, 1, 9)])
@pytest.mark.parametrize("kind", ["boolean", "floating"])
def test_blocks_with_masks_as_torch(shape: tuple, kind: str, rng: np.random.Generator):
    mask = rng.uniform(size=shape) < 0.6 if kind == "boolean" else rng.normal(size=shape)
    hosts = qkv(rng, 2, 2, queries=5, keys=9)
    attend = F.scaled_dot_product_attention
    for constant in ((3,), ()) if kind == "floating" else ((3,),):
        compare(lambda q, k, v, m: attend(q, k, v, m), torch_attention(), *hosts, mask, constant=constant)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    "batches", [((2, 1), (1, 3), (3,)), ((), (2, 2), ()), ((2, 3), (2, 1), (2, 1)), ((), (), (3,))]
)
def test_blocks_of_axes_that_broadcast(batches: tuple, rng: np.random.Generator):
    hosts = [rng.normal(size=(*b, n, 4)) for b, n in zip(batches, (5, 7, 7), strict=True)]
    compare(lambda q, k, v: F.scaled_dot_product_attention(q, k, v), torch_attention(), *hosts)


def test_blocks_drop_the_same_weights_in_the_backward_pass(small_blocks: None, rng: np.random.Generator):
    q, k, v = (pm.tensor(h, requires_grad=True) for h in qkv(rng, 3, queries=40, keys=50, width=3))
    identity = pm.tensor(np.broadcast_to(np.eye(50), (3, 50, 50)))  # so that the result is the weights
    full = pm.to_numpy(F.scaled_dot_product_attention(q, k, identity))
    pm.random.manual_seed(3)
    dropped = pm.to_numpy(F.scaled_dot_product_attention(q, k, identity, dropout_p=0.25))
    kept = dropped != 0
    assert 0.7 < kept.mean() < 0.8
    np.testing.assert_allclose(dropped[kept], full[kept] / 0.75, rtol=1e-12)
    pm.random.manual_seed(3)
    y = F.scaled_dot_product_attention(q, k, v, dropout_p=0.25)
    np.testing.assert_allclose(pm.to_numpy(y), dropped @ pm.to_numpy(v), rtol=1e-9, atol=1e-12)
    g = rng.normal(size=y.shape)
    (found,) = pm.autograd.grad(y, v, pm.tensor(g))
    np.testing.assert_allclose(pm.to_numpy(found), dropped.mT @ g, rtol=1e-9, atol=1e-12)
    assert (pm.to_numpy(F.scaled_dot_product_attention(q, k, v, dropout_p=1.0)) == 0).all()


def peak(run: Callable[[], Any]) -> int:
    """The most memory that NumPy's arrays take while `run` runs for the second time."""
    run()
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.any_engine
@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"dropout_p": 0.1}], ids=lambda o: ",".join(o) or "plain")
def test_memory_is_linear_in_the_length(options: dict, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(blocks, "BLOCK", 2**15)

    def run(length: int) -> None:
        q, k, v = (pm.zeros((1, 2, length, 8), requires_grad=True) for _ in range(3))
        F.scaled_dot_product_attention(q, k, v, **options).sum().backward()

    short, long = peak(lambda: run(1024)), peak(lambda: run(4096))
    assert long < 4 * short  # four times the length
    assert long < 2**23  # the weights alone are 2**27 bytes


@pytest.mark.any_engine
def test_memory_of_a_layer_is_linear_in_the_length():
    layer = nn.TransformerEncoderLayer(16, 1, 16, 0.1, batch_first=True)
    x = pm.zeros((1, 4096, 16), requires_grad=True)
    padding = pm.tensor(np.arange(4096)[None] > 4000)
    most = peak(lambda: layer(x, src_key_padding_mask=padding, is_causal=True).sum().backward())
    assert most < 2**24 + 2**23  # the weights alone are 2**26 bytes


def test_nothing_to_attend_to(rng: np.random.Generator):
    q, k, v = (pm.tensor(h, requires_grad=True) for h in qkv(rng, 2, keys=0))
    y = F.scaled_dot_product_attention(q, k, v)
    assert y.shape == (2, 3, 6) and (pm.to_numpy(y) == 0).all()
    y.sum().backward()
    assert (pm.to_numpy(q.grad) == 0).all() and k.grad.shape == (2, 0, 4)


# ------------------------------------------------------------------------------------------ MultiheadAttention


def both(*args: Any, **kwargs: Any) -> tuple[nn.MultiheadAttention, Any]:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs = torch.nn.MultiheadAttention(*args, **kwargs)
    for p in theirs.parameters():  # biases start from 0, which would hide mistakes
        torch.nn.init.normal_(p, std=0.5)
    return nn.MultiheadAttention(*args, **kwargs), theirs


OPTIONS = [
    {},
    {"batch_first": True},
    {"bias": False},
    {"add_bias_kv": True},
    {"add_zero_attn": True},
    {"add_bias_kv": True, "add_zero_attn": True, "batch_first": True},
    {"kdim": 6},
    {"kdim": 6, "vdim": 4, "bias": False},
    {"vdim": 4, "add_bias_kv": True},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: ",".join(o) or "plain")
@pytest.mark.parametrize("single", [False, True])
def test_multihead_attention_as_torch(options: dict, single: bool, rng: np.random.Generator):
    def host(length: int, width: int) -> np.ndarray:
        shape = (length, width) if single else (3, length, width) if options.get("batch_first") else (length, 3, width)
        return rng.normal(size=shape)

    hosts = host(4, 8), host(5, options.get("kdim", 8)), host(5, options.get("vdim", 8))
    for need in (True, False):
        compare_layers(*both(8, 2, **options), *hosts, call=lambda m, *x, need=need: m(*x, need_weights=need))
    compare_layers(*both(8, 2, **options), *hosts, call=lambda m, *x: m(*x, average_attn_weights=False))


@pytest.mark.parametrize("batch_first", [False, True])
def test_self_attention_as_torch(batch_first: bool, rng: np.random.Generator):
    compare_layers(*both(8, 4, batch_first=batch_first), rng.normal(size=(3, 5, 8)), call=lambda m, x: m(x, x, x))


@pytest.mark.parametrize("options", [{}, {"add_bias_kv": True, "add_zero_attn": True}], ids=["plain", "extended"])
@pytest.mark.parametrize("attn", [None, "boolean", "floating", "boolean per head"])
@pytest.mark.parametrize("padding", [None, "boolean", "floating"])
def test_multihead_masks_as_torch(options: dict, attn: str | None, padding: str | None, rng: np.random.Generator):
    masks = {}
    if attn:
        shape = (6, 4, 5) if attn.endswith("head") else (4, 5)
        blocked = rng.uniform(size=shape) < 0.3
        blocked[..., 0] = False
        masks["attn_mask"] = blocked if attn.startswith("boolean") else rng.normal(size=shape)
    if padding:
        blocked = np.asarray([[False] * 5, [False, False, True, True, True], [False, True, False, False, True]])
        masks["key_padding_mask"] = blocked if padding == "boolean" else np.where(blocked, -math.inf, 0.0)
    if {m.dtype.kind for m in masks.values()} == {"b", "f"}:
        masks = {n: np.where(m, -math.inf, 0.0) if m.dtype.kind == "b" else m for n, m in masks.items()}  # torch's wish
    names = list(masks)

    def call(m: Any, q: Any, k: Any, *given: Any) -> Any:
        return m(q, k, k, **{n: g.detach() for n, g in zip(names, given, strict=True)})

    torch = pytest.importorskip("torch")
    ours, theirs = both(8, 2, batch_first=True, **options)
    hosts = rng.normal(size=(3, 4, 8)), rng.normal(size=(3, 5, 8))
    compare_layers(
        ours,
        theirs,
        *hosts,
        call=lambda m, q, k: call(m, q, k, *((pm.tensor if m is ours else torch.tensor)(v) for v in masks.values())),
    )


def test_boolean_and_floating_masks_together(rng: np.random.Generator):
    layer = nn.MultiheadAttention(8, 2, batch_first=True, dtype=pm.float64)
    x = pm.tensor(rng.normal(size=(2, 3, 8)))
    padding = np.asarray([[False, False, True], [False, True, False]])
    scores = rng.normal(size=(3, 3))
    mixed, _ = layer(x, x, x, key_padding_mask=pm.tensor(padding), attn_mask=pm.tensor(scores))
    added, _ = layer(
        x, x, x, key_padding_mask=pm.tensor(np.where(padding, -math.inf, 0.0)), attn_mask=pm.tensor(scores)
    )
    np.testing.assert_array_equal(pm.to_numpy(mixed), pm.to_numpy(added))


def test_a_sequence_of_padding_gives_the_output_bias_and_no_nan(rng: np.random.Generator):
    layer = nn.MultiheadAttention(8, 2, batch_first=True, dtype=pm.float64)
    nn.init.normal_(layer.out_proj.bias)
    x = pm.tensor(rng.normal(size=(2, 3, 8)), requires_grad=True)
    padding = pm.tensor([[False, False, True], [True, True, True]])
    for need in (True, False):
        y, weights = layer(x, x, x, key_padding_mask=padding, need_weights=need)
        expected = np.broadcast_to(pm.to_numpy(layer.out_proj.bias), (3, 8))
        np.testing.assert_allclose(pm.to_numpy(y)[1], expected, rtol=1e-12)
        (g,) = pm.autograd.grad(y.sum(), x)
        assert np.isfinite(pm.to_numpy(g)).all() and (pm.to_numpy(g)[1] == 0).all()
        assert weights is None or (pm.to_numpy(weights)[1] == 0).all()


def test_causal_hint(rng: np.random.Generator):
    layer = nn.MultiheadAttention(8, 2, batch_first=True)
    x = pm.tensor(rng.normal(size=(2, 4, 8)), dtype=pm.float32)
    future = pm.tensor(np.triu(np.ones((4, 4), bool), 1))
    masked, weights = layer(x, x, x, attn_mask=future)
    np.testing.assert_array_equal(pm.to_numpy(weights)[:, 0], np.broadcast_to([1.0, 0, 0, 0], (2, 4)))
    for hinted in (layer(x, x, x, is_causal=True)[0], layer(x, x, x, attn_mask=future, is_causal=True)[0]):
        np.testing.assert_array_equal(pm.to_numpy(hinted), pm.to_numpy(masked))


def test_dropout_only_in_training(rng: np.random.Generator):
    layer = nn.MultiheadAttention(8, 2, dropout=0.5)
    x = pm.tensor(rng.normal(size=(6, 2, 8)), dtype=pm.float32)
    a, b = (pm.to_numpy(layer(x, x, x)[0]) for _ in range(2))
    assert (a != b).any()
    layer.eval()
    a, b = (pm.to_numpy(layer(x, x, x)[0]) for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_initial_values():
    pm.random.manual_seed(0)
    layer = nn.MultiheadAttention(64, 4, add_bias_kv=True)
    bound = math.sqrt(6 / (64 + 3 * 64))
    w = pm.to_numpy(layer.in_proj_weight)
    assert 0.98 * bound < np.abs(w).max() <= bound and abs(w.std() - bound / math.sqrt(3)) < 0.02 * bound
    w = pm.to_numpy(layer.out_proj.weight)
    assert 0.95 / 8 < np.abs(w).max() <= 1 / 8
    assert (pm.to_numpy(layer.in_proj_bias) == 0).all() and (pm.to_numpy(layer.out_proj.bias) == 0).all()
    assert 0 < pm.to_numpy(layer.bias_k).std() < 0.5


def test_multihead_errors(rng: np.random.Generator):
    with pytest.raises(ValueError, match="num_heads must divide embed_dim, received embed_dim=8, num_heads=3"):
        nn.MultiheadAttention(8, 3)
    with pytest.raises(ValueError, match="at least 1, received 0"):
        nn.MultiheadAttention(8, 0)
    with pytest.raises(ValueError, match="probability"):
        nn.MultiheadAttention(8, 2, dropout=2)
    layer = nn.MultiheadAttention(8, 2, batch_first=True)
    x = pm.zeros((2, 3, 8))
    with pytest.raises(pm.ShapeError, match=r"query .*8\) is expected, received \(2, 3, 7\); .*received \(2, 3, 6\)"):
        layer(x[..., :7], x[..., :6], x)
    with pytest.raises(
        pm.ShapeError, match=r"attn_mask \(3, 3\) or \(4, 3, 3\) .*received \(3, 2\); key_padding_mask \(2, 3\)"
    ):
        layer(x, x, x, attn_mask=pm.zeros((3, 2)), key_padding_mask=pm.zeros((3, 2)))
    with pytest.raises(TypeError, match="True: do not attend"):
        layer(x, x, x, key_padding_mask=pm.tensor(np.zeros((2, 3), int)))


def test_second_derivative_of_a_layer(rng: np.random.Generator):
    torch = pytest.importorskip("torch")
    ours, theirs = both(8, 2, batch_first=True)
    theirs.double()
    ours.to(pm.float64).load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    host = rng.normal(size=(2, 3, 8))
    x, t = pm.tensor(host, requires_grad=True), torch.tensor(host, requires_grad=True)
    (g,) = pm.autograd.grad((ours(x, x, x)[0] ** 2).sum(), x, create_graph=True)
    (e,) = torch.autograd.grad((theirs(t, t, t)[0] ** 2).sum(), t, create_graph=True)
    g2 = pm.autograd.grad((g * g).sum(), [x, *ours.parameters()])
    e2 = torch.autograd.grad((e * e).sum(), [t, *theirs.parameters()])
    for a, b in zip(g2, e2, strict=True):
        close(a, b, "float64")


@pytest.mark.parametrize("how", ["packed", "separate", "static", "causal"])
@pytest.mark.parametrize("need_weights", [False, True])
def test_the_function_as_torch(how: str, need_weights: bool, rng: np.random.Generator):
    torch = pytest.importorskip("torch")
    weights, biases = rng.normal(size=(12, 4)), rng.normal(size=(5, 4))
    fixed = [rng.normal(size=(6, 5, 2)) for _ in range(2)] if how == "static" else []

    def on(f: Any, *x: Any) -> Any:
        q, k, v, w, b, *static = x
        options: dict[str, Any] = {"need_weights": need_weights, "training": False}
        if how == "separate":
            parts = w[:4], w[4:8], w[8:]
            names = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
            options |= {"use_separate_proj_weight": True, **dict(zip(names, parts, strict=True))}
        elif how == "static":
            options |= {"static_k": static[0], "static_v": static[1]}
        elif how == "causal":
            future = np.triu(np.ones((4, 5), bool), 1)
            make = pm.tensor if isinstance(q, pm.Tensor) else torch.tensor
            options |= {"is_causal": True, "attn_mask": make(future)}
        added = (None, None) if how == "static" else (b[3], b[4])
        packed = None if how == "separate" else w
        y = f(q, k, v, 4, 2, packed, b[:3].reshape((12,)), *added, False, 0.3, w[:4], b[0], **options)
        return y[0] if y[1] is None else y[0].sum() * y[1]

    compare(
        lambda *x: on(F.multi_head_attention_forward, *x),
        lambda *x: on(torch.nn.functional.multi_head_attention_forward, *x),
        *(rng.normal(size=(n, 3, 4)) for n in (4, 5, 5)),
        weights,
        biases,
        *fixed,
        constant=(1, 2) if fixed else (),  # which are not looked at
        second=need_weights,
    )


def test_errors_of_the_function():
    q, w, b = pm.zeros((3, 2, 4)), pm.zeros((12, 4)), pm.zeros(4)
    rest = (False, 0.0, w[:4], b)
    for args, kwargs, message in (
        ((q, q, q, 4, 3, w, None, None, None, *rest), {}, "must divide the width 4, received 3"),
        ((q, q, q, 4, 2, None, None, None, None, *rest), {}, "give in_proj_weight"),
        ((q, q, q, 4, 2, w, None, b, None, *rest), {}, "belong together"),
        ((q, q, q, 4, 2, w, None, b, b, *rest), {"static_k": q}, "can't be added"),
        ((q, q, q, 4, 2, w, None, None, None, *rest), {"static_k": q}, r"static_k of shape \(4, S, 2\)"),
        ((q, q, q, 6, 2, w, None, None, None, *rest), {}, r"\(length, N, 6\)"),
    ):
        with pytest.raises(ValueError, match=message):
            F.multi_head_attention_forward(*args, **kwargs)
