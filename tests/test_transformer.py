"""Transformers: as torch's, for every order of norms and every kind of mask."""

from __future__ import annotations

import copy
import itertools
import math
from typing import Any

import numpy as np
import pytest
from parity import compare_layers

import polymod as pm
from polymod import nn
from polymod.nn import functional as F

pytestmark = pytest.mark.filterwarnings("ignore:enable_nested_tensor")  # torch's


def both(name: str, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Our layer and torch's, whose parameters are random: biases and norms start from 0 and 1, which would hide
    mistakes."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs = getattr(torch.nn, name)(*args, **kwargs)
    for p in theirs.parameters():
        torch.nn.init.normal_(p, std=0.5)
    return getattr(nn, name)(*args, **kwargs), theirs


def caller(ours: Any, masks: dict[str, Any]) -> Any:
    torch = pytest.importorskip("torch")

    def call(m: Any, *x: Any) -> Any:
        make = pm.tensor if m is ours else torch.tensor
        return m(*x, **{k: make(v) if isinstance(v, np.ndarray) else v for k, v in masks.items()})

    return call


ORDERS = list(itertools.product([False, True], [False, True], [False, True]))
FUTURE = np.triu(np.ones((4, 4), bool), 1)


def masks_of(kind: str, *names: str, batch: int = 3) -> dict[str, Any]:
    padding = np.asarray([[False] * 4, [False, False, True, True], [False, True, False, True]])[:batch]
    if kind == "floating":
        return {n: np.where(FUTURE if n.endswith("mask") and "padding" not in n else padding, -2.0, 0.5) for n in names}
    return {n: padding if "padding" in n else FUTURE for n in names} if kind == "boolean" else {}


@pytest.mark.parametrize(("norm_first", "batch_first", "bias"), ORDERS)
@pytest.mark.parametrize("kind", ["none", "boolean", "floating"])
def test_encoder_layer_as_torch(norm_first: bool, batch_first: bool, bias: bool, kind: str, rng: np.random.Generator):
    ours, theirs = both(
        "TransformerEncoderLayer",
        8,
        2,
        16,
        0.0,
        "gelu",
        1e-3,
        batch_first=batch_first,
        norm_first=norm_first,
        bias=bias,
    )
    x = rng.normal(size=(3, 4, 8) if batch_first else (4, 3, 8))
    compare_layers(ours, theirs, x, call=caller(ours, masks_of(kind, "src_mask", "src_key_padding_mask")))


@pytest.mark.parametrize(("norm_first", "batch_first", "bias"), ORDERS)
@pytest.mark.parametrize("kind", ["none", "boolean", "floating"])
def test_decoder_layer_as_torch(norm_first: bool, batch_first: bool, bias: bool, kind: str, rng: np.random.Generator):
    ours, theirs = both(
        "TransformerDecoderLayer", 8, 2, 16, 0.0, batch_first=batch_first, norm_first=norm_first, bias=bias
    )
    hosts = [rng.normal(size=(3, 4, 8) if batch_first else (4, 3, 8)) for _ in range(2)]
    names = ("tgt_mask", "memory_mask", "tgt_key_padding_mask", "memory_key_padding_mask")
    compare_layers(ours, theirs, *hosts, call=caller(ours, masks_of(kind, *names)))


@pytest.mark.parametrize("name", ["TransformerEncoderLayer", "TransformerDecoderLayer"])
def test_a_single_sequence_as_torch(name: str, rng: np.random.Generator):
    hosts = [rng.normal(size=(4, 8)) for _ in range(1 + name.endswith("DecoderLayer"))]
    compare_layers(*both(name, 8, 2, 16, 0.0), *hosts)


@pytest.mark.parametrize("activation", ["relu", "gelu", "silu", "SiLU"])
def test_activations(activation: str, rng: np.random.Generator):
    torch = pytest.importorskip("torch")

    def of(functions: Any, layers: Any) -> Any:
        if activation == "silu":
            return functions.silu
        return layers.SiLU() if activation == "SiLU" else activation

    theirs = torch.nn.TransformerEncoderLayer(8, 2, 16, 0.0, of(torch.nn.functional, torch.nn))
    ours = nn.TransformerEncoderLayer(8, 2, 16, 0.0, of(F, nn))
    compare_layers(ours, theirs, rng.normal(size=(4, 3, 8)))
    assert [n for n, _ in ours.named_modules()] == [n for n, _ in theirs.named_modules()]


@pytest.mark.parametrize("hint", [None, True, False])
@pytest.mark.parametrize("normed", [False, True])
def test_encoder_as_torch(hint: bool | None, normed: bool, rng: np.random.Generator):
    torch = pytest.importorskip("torch")
    layer, other = both("TransformerEncoderLayer", 8, 2, 16, 0.0, batch_first=True)
    theirs = torch.nn.TransformerEncoder(other, 3, torch.nn.LayerNorm(8) if normed else None)
    ours = nn.TransformerEncoder(layer, 3, nn.LayerNorm(8) if normed else None, enable_nested_tensor=False)
    call = caller(ours, {"mask": FUTURE, "is_causal": hint})
    compare_layers(ours, theirs, rng.normal(size=(3, 4, 8)), call=call)


def test_decoder_as_torch(rng: np.random.Generator):
    torch = pytest.importorskip("torch")
    layer, other = both("TransformerDecoderLayer", 8, 2, 16, 0.0)
    ours, theirs = (
        nn.TransformerDecoder(layer, 2, nn.LayerNorm(8)),
        torch.nn.TransformerDecoder(other, 2, torch.nn.LayerNorm(8)),
    )
    hosts = rng.normal(size=(4, 3, 8)), rng.normal(size=(6, 3, 8))
    call = caller(ours, {"tgt_mask": FUTURE, "tgt_is_causal": True, "memory_mask": rng.normal(size=(4, 6))})
    compare_layers(ours, theirs, *hosts, call=call)


@pytest.mark.parametrize(("norm_first", "batch_first", "bias"), ORDERS[::3])
def test_transformer_as_torch(norm_first: bool, batch_first: bool, bias: bool, rng: np.random.Generator):
    ours, theirs = both(
        "Transformer", 8, 2, 2, 1, 16, 0.0, "gelu", batch_first=batch_first, norm_first=norm_first, bias=bias
    )
    hosts = [rng.normal(size=(3, n, 8) if batch_first else (n, 3, 8)) for n in (5, 4)]
    padding = np.asarray([[False] * 5, [False, False, False, True, True], [False, True, False, False, True]])
    masks = {
        "tgt_mask": np.where(FUTURE, -math.inf, 0.0),
        "src_key_padding_mask": padding,
        "memory_key_padding_mask": padding,
        "tgt_is_causal": True,
    }
    compare_layers(ours, theirs, *hosts, call=caller(ours, masks))


def test_the_sequences_a_batch_leaves_empty_give_no_nan(rng: np.random.Generator):
    ours, theirs = both("TransformerEncoderLayer", 8, 2, 16, 0.0, batch_first=True)
    padding = np.asarray([[False] * 4, [True] * 4])
    call = caller(ours, {"src_key_padding_mask": padding})
    compare_layers(ours, theirs, rng.normal(size=(2, 4, 8)), call=call)


def test_causal_hint_without_a_mask(rng: np.random.Generator):
    layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True, dtype=pm.float64)
    x = pm.tensor(rng.normal(size=(3, 4, 8)))
    padding = pm.tensor(np.asarray([[False] * 4, [False, False, True, True], [False, True, False, True]]))
    for more in ({}, {"src_key_padding_mask": padding}):
        masked = layer(x, pm.tensor(FUTURE), **more)
        np.testing.assert_allclose(pm.to_numpy(layer(x, is_causal=True, **more)), pm.to_numpy(masked), rtol=1e-12)


def test_subsequent_mask():
    mask = nn.Transformer.generate_square_subsequent_mask(3, dtype=pm.float64)
    assert mask.dtype == pm.float64
    np.testing.assert_array_equal(pm.to_numpy(mask), np.triu(np.full((3, 3), -math.inf), 1))
    assert nn.Transformer.generate_square_subsequent_mask(2).dtype == pm.float32


def test_custom_parts(rng: np.random.Generator):
    class Twice(nn.Module):
        def forward(self, src: Any, mask: Any = None, src_key_padding_mask: Any = None, is_causal: Any = None) -> Any:
            return 2 * src

    class Sum(nn.Module):
        def forward(self, tgt: Any, memory: Any, **masks: Any) -> Any:
            return tgt + memory

    model = nn.Transformer(8, 2, custom_encoder=Twice(), custom_decoder=Sum())
    x = pm.tensor(rng.normal(size=(4, 3, 8)))
    np.testing.assert_allclose(pm.to_numpy(model(x, x)), 3 * pm.to_numpy(x))


def test_copies_do_not_share_parameters():
    layer = nn.TransformerEncoderLayer(8, 2, 16)
    model = nn.TransformerEncoder(layer, 2)
    a, b = model.layers
    assert a.linear1.weight is not b.linear1.weight is not layer.linear1.weight
    np.testing.assert_array_equal(pm.to_numpy(a.linear1.weight), pm.to_numpy(b.linear1.weight))
    assert len(list(model.parameters())) == 2 * len(list(layer.parameters()))


def test_initial_values():
    pm.random.manual_seed(0)
    model = nn.Transformer(16, 2, 1, 1, 64)
    w = pm.to_numpy(model.decoder.layers[0].linear1.weight)
    bound = math.sqrt(6 / (16 + 64))
    assert 0.97 * bound < np.abs(w).max() <= bound


def test_dropout_only_in_training(rng: np.random.Generator):
    model = nn.Transformer(8, 2, 1, 1, 16, dropout=0.5)
    x = pm.tensor(rng.normal(size=(4, 3, 8)), dtype=pm.float32)
    assert (pm.to_numpy(model(x, x)) != pm.to_numpy(model(x, x))).any()
    model.eval()
    np.testing.assert_array_equal(pm.to_numpy(model(x, x)), pm.to_numpy(model(x, x)))


def test_shapes_are_known_without_values():
    model = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
    assert model.output_shape((3, 5, 8), (3, 4, 8)) == (3, 4, 8)
    assert copy.deepcopy(model).output_shape((5, 8), (4, 8)) == (4, 8)


def test_errors():
    with pytest.raises(ValueError, match='"relu", "gelu" or a callable, received \'selu\''):
        nn.TransformerEncoderLayer(8, 2, activation="selu")
    with pytest.raises(TypeError, match="such as nn"):
        nn.TransformerDecoderLayer(8, 2, activation=nn.ReLU)
    with pytest.raises(ValueError, match="num_heads must divide embed_dim"):
        nn.TransformerEncoderLayer(8, 3)
    with pytest.raises(TypeError, match="layer must be a module"):
        nn.TransformerEncoder(nn.TransformerEncoderLayer, 2)
    with pytest.raises(ValueError, match="num_layers must be at least 1"):
        nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2), 0)
    model = nn.Transformer(8, 2, 1, 1, 16)
    for src, tgt, message in (
        ((4, 3, 8), (4, 2, 8), "one batch size"),
        ((4, 3, 7), (4, 3, 8), r"received src \(4, 3, 7\)"),
        ((4, 8), (4, 3, 8), "or both"),
    ):
        with pytest.raises(pm.ShapeError, match=message):
            model(pm.zeros(src), pm.zeros(tgt))
