"""Scaled dot-product attention as torch.nn.functional has it."""

from __future__ import annotations

from math import prod, sqrt
from typing import Any

import numpy as np

from ... import philox
from ...errors import ShapeError
from ...ops import ops
from ...random import default_generator
from ...rules import attention as rules
from ...rules import primitives
from ...tensor import Tensor, raw, wrap
from .dropout import check_probability, kept, scale_of

__all__ = ["scaled_dot_product_attention"]

_attention: Any = primitives["attention"]
_dropout: Any = primitives["dropout"]
_long_attention: Any = primitives["long_attention"]


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(scale query key^T + mask) value; A. Vaswani et al., arXiv:1706.03762.

    The weights of long sequences are computed block by block, and once more in the backward pass, so that memory grows
    with L + S and not with L S. Not so where the gradient of a floating `attn_mask` is wanted.

    Args:
        query: (..., L, E).
        key: (..., S, E).
        value: (..., S, V).
        attn_mask: broadcasts to (..., L, S). Boolean: True where the query may attend to the key. Floating: added to
            the scores. A query that may attend to nothing gives zeros.
        dropout_p: the probability of dropping a weight, in training and in evaluation alike.
        is_causal: query i attends to keys 0..i only; not together with `attn_mask`.
        scale: by default 1 / sqrt(E).
        enable_gqa: key and value have fewer heads (axis -3) than query, each for as many successive ones.

    Returns:
        A Tensor (..., L, V).

    Raises:
        ShapeError: the shapes are not these.
        ValueError: both `is_causal` and `attn_mask`, or `dropout_p` is no probability.
        TypeError: `attn_mask` is neither boolean nor floating.
    """
    if is_causal and attn_mask is not None:
        raise ValueError("attention takes attn_mask or is_causal=True, not both; put the causal part into the mask")
    if enable_gqa:
        key, value = _for_every_head(query, key, value)
    return attend(query, key, value, attn_mask, dropout_p, is_causal, scale)[0]


def attend(
    query: Any,
    key: Any,
    value: Any,
    mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    need_weights: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """What attention gives, and where they are needed the weights it gave the values.

    Arguments as of `scaled_dot_product_attention`; here, `mask` and `is_causal` may be combined.
    """
    shapes = q, k, v = [tuple(raw(x).shape) for x in (query, key, value)]
    if min(map(len, shapes)) < 2:  # a vector would be taken, for something else
        _explain(query, key, value, mask, None)
    check_probability(dropout_p)
    learned = False
    if mask is not None:
        mask = mask if isinstance(mask, Tensor) else wrap(mask)
        if mask.dtype.kind not in "bf":
            raise TypeError(f"attn_mask must be boolean or floating, received {mask.dtype}")
        if mask.dtype.kind == "f":
            mask = ops.astype(mask, raw(query).dtype, copy=False)
            learned = mask.requires_grad
    if scale is None:
        scale = 1 / sqrt(q[-1] or 1)
    try:
        batch = np.broadcast_shapes(q[:-2], k[:-2], v[:-2])
        weights = prod(batch) * q[-2] * k[-2]
        if need_weights or learned or weights <= rules.BLOCK:
            return _with_weights(query, key, value, mask, dropout_p, is_causal, scale, need_weights)
        dropout = (dropout_p, _seed(query)) if dropout_p else None
        if mask is not None and not _fits(mask.shape, (*batch, q[-2], k[-2])):
            _explain(query, key, value, mask, None)
        return _long_attention(query, key, value, mask, scale=scale, causal=is_causal, dropout=dropout)[0], None
    except Exception as error:  # the shapes are looked at only now, so that they cost nothing where they fit
        _explain(query, key, value, mask, error)
        raise


def _with_weights(
    query: Any, key: Any, value: Any, mask: Any, dropout_p: float, is_causal: bool, scale: float, need_weights: bool
) -> tuple[Tensor, Tensor]:
    q, k = tuple(raw(query).shape), tuple(raw(key).shape)
    if is_causal:
        mask = rules.merged(ops, mask, rules.causal_mask(ops, 0, q[-2], k[-2], wrap(raw(query))))
    if not k[-2]:  # a mean of nothing, whose largest score nobody can find
        nothing = ops.matmul(query, ops.matrix_transpose(key))
        return ops.matmul(nothing, value), nothing
    if not dropout_p:
        return _attention(query, key, value, mask, scale=scale)
    keep = kept((*np.broadcast_shapes(q[:-2], k[:-2]), q[-2], k[-2]), query, dropout_p)
    y, weights = _attention(query, key, value, mask, keep, scale=scale, keep_scale=scale_of(dropout_p))
    return y, _dropout(weights, keep, scale=scale_of(dropout_p)) if need_weights else weights


def _seed(like: Any) -> Any:
    """A seed for the draws of one call, taken from the default generator; an array of it while a step is captured."""
    array = raw(like)
    while hasattr(array, "depths"):
        array = array.value
    place = wrap(array).device
    seed, draw, offset = default_generator.next_draw_on(place)
    if offset is not None:
        return place.backend.namespace.seed_draw(seed, draw, device=place.native, offset=offset)
    return int(philox.bits(seed, draw, 2).view(np.uint64)[0])


def _for_every_head(query: Any, key: Any, value: Any) -> tuple[Tensor, Tensor]:
    """Keys and values repeated until there are as many heads as queries have."""
    heads = raw(query).shape[-3] if raw(query).ndim > 2 else 1
    repeated = []
    for name, x in (("key", key), ("value", value)):
        shape = tuple(raw(x).shape)
        groups = shape[-3] if len(shape) > 2 else 0
        if not groups or heads % groups:
            raise ShapeError(
                f"enable_gqa expects a {name} (..., heads, S, E) whose number of heads divides the query's {heads}, "
                f"received shape {shape}"
            )
        spread = (*shape[:-2], heads // groups, *shape[-2:])
        x = ops.broadcast_to(ops.expand_dims(x, axis=-3), spread)
        repeated.append(ops.reshape(x, (*shape[:-3], heads, *shape[-2:])))
    return repeated[0], repeated[1]


def _explain(query: Any, key: Any, value: Any, mask: Any, error: Exception | None) -> None:
    """Raise a ShapeError where the shapes are to blame."""
    q, k, v = (tuple(raw(x).shape) for x in (query, key, value))
    if min(len(q), len(k), len(v)) < 2:
        problem = "each needs two axes or more"
    elif q[-1] != k[-1]:
        problem = f"query and key must be of one width, received {q[-1]} and {k[-1]}"
    elif k[-2] != v[-2]:
        problem = f"key and value must be of one length, received {k[-2]} and {v[-2]}"
    else:
        try:
            whole = (*np.broadcast_shapes(q[:-2], k[:-2], v[:-2]), q[-2], k[-2])
        except ValueError:
            problem = "the leading axes must broadcast"
        else:
            if mask is None or _fits(tuple(raw(mask).shape), whole):
                return
            problem = f"a mask that broadcasts to {whole} is expected, received shape {tuple(raw(mask).shape)}"
    raise ShapeError(f"attention with query {q}, key {k}, value {v}: {problem}") from error


def _fits(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, whole) == whole
    except ValueError:
        return False
