"""Multi-head attention as torch.nn.functional has it."""

from __future__ import annotations

from typing import Any

from ...errors import ShapeError
from ...ops import ops
from ...rules import primitives
from ...tensor import Tensor, raw, wrap
from .attention import attend
from .linear import linear

__all__ = ["multi_head_attention_forward"]

_split_heads: Any = primitives["split_heads"]
_merge_heads: Any = primitives["merge_heads"]


def multi_head_attention_forward(
    query: Any,
    key: Any,
    value: Any,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Any,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Any,
    training: bool = True,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None,
    k_proj_weight: Any = None,
    v_proj_weight: Any = None,
    static_k: Any = None,
    static_v: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
    *,
    batch_first: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attention in several subspaces at once; A. Vaswani et al., arXiv:1706.03762.

    Args:
        query: (L, N, E); (N, L, E) if `batch_first`; (L, E) for a single sequence.
        key, value: likewise, of length S.
        embed_dim_to_check: E.
        num_heads: how many subspaces; divides E.
        in_proj_weight: (3 E, E), the projections of query, key and value.
        in_proj_bias: (3 E,) or None.
        bias_k, bias_v: E elements each, a learned key and value put at the end of the sequence; or None.
        add_zero_attn: put a key and a value of zeros at the end of the sequence.
        dropout_p: the probability of dropping an attention weight, if `training`.
        out_proj_weight, out_proj_bias: (E, E), (E,) or None.
        key_padding_mask: (N, S), or (S,) for a single sequence. Boolean: True where a key must NOT be attended to.
            Floating: added to the scores.
        need_weights: whether to return the weights.
        attn_mask: (L, S) or (N * num_heads, L, S), of the same meaning for pairs of a query and a key.
        use_separate_proj_weight: take `q_proj_weight` (E, E), `k_proj_weight` (E, width of key) and `v_proj_weight`
            (E, width of value) instead of `in_proj_weight`.
        static_k, static_v: (N * num_heads, S, E / num_heads), in place of the projected key and value.
        average_attn_weights: return the mean of the weights over the heads.
        is_causal: says that `attn_mask` is the causal one, which is then not looked at unless weights are needed or
            keys are masked too; without an `attn_mask`, applies the causal one.
        batch_first: not in torch's function.

    Returns:
        The output, of query's shape, and the weights or None: (N, L, S), (N, num_heads, L, S) if not averaged, without
        N for a single sequence. S grows by one each for `bias_k` and `add_zero_attn`. A query whose keys are all masked
        has weights 0 (torch gives NaN for it if `need_weights`, 0 if not).

    Raises:
        ShapeError: the shapes are not these.
        ValueError: `num_heads` does not divide E, or an argument that others call for is None.
        TypeError: a mask is neither boolean nor floating.
    """
    if num_heads < 1 or embed_dim_to_check % num_heads:
        raise ValueError(f"num_heads must divide the width {embed_dim_to_check}, received {num_heads}")
    packed = None if use_separate_proj_weight else in_proj_weight
    separate = (q_proj_weight, k_proj_weight, v_proj_weight)
    if packed is None and any(w is None for w in separate):
        raise ValueError("give in_proj_weight, or use_separate_proj_weight and the three weights for it")
    if (bias_k is None) != (bias_v is None):
        raise ValueError("bias_k and bias_v belong together; one of them is None")
    if bias_k is not None and (static_k is not None or static_v is not None):
        raise ValueError("bias_k and bias_v can't be added to static_k and static_v")
    widths = [raw(w).shape[1] for w in ((packed,) * 3 if packed is not None else separate)]
    widths[0] = embed_dim_to_check
    _check(query, key, value, widths, num_heads, key_padding_mask, attn_mask, batch_first)

    single = raw(query).ndim == 2
    batch_first = batch_first or single
    q, k, v = _projected(query, key, value, packed, separate, in_proj_bias, num_heads, batch_first, single)
    n, _, queries, width = q.shape
    if static_k is not None:
        k = _static(static_k, "static_k", n, num_heads, width)
    if static_v is not None:
        v = _static(static_v, "static_v", n, num_heads, width)

    if is_causal and attn_mask is not None:
        is_causal = key_padding_mask is None and not need_weights
        attn_mask = None if is_causal else attn_mask
    mask = _mask(key_padding_mask, attn_mask, n, num_heads, queries, q.dtype)
    k, v, mask = _extended(k, v, mask, bias_k, bias_v, add_zero_attn)
    p = dropout_p if training else 0.0
    out, weights = attend(q, k, v, mask, p, is_causal, need_weights=need_weights)
    out = linear(_merge_heads(out, batch_first=batch_first), out_proj_weight, out_proj_bias)
    out = out[0] if single else out
    if not need_weights or weights is None:
        return out, None
    weights = ops.mean(weights, axis=1) if average_attn_weights else weights
    return out, weights[0] if single else weights


def _projected(
    query: Any,
    key: Any,
    value: Any,
    packed: Any,
    separate: tuple[Any, Any, Any],
    bias: Any,
    heads: int,
    batch_first: bool,
    single: bool,
) -> list[Tensor]:
    """Queries, keys and values by head: (N, heads, L or S, width). What is the same array is projected at once."""

    def by_head(x: Any, weight: Any, bias: Any, groups: int = 1) -> list[Tensor]:
        y = linear(ops.expand_dims(x, axis=0) if single else x, weight, bias)
        return list(_split_heads(y, groups=groups, heads=heads, batch_first=batch_first))

    if packed is None:
        e = raw(separate[0]).shape[0]
        biases = [None if bias is None else bias[i * e : (i + 1) * e] for i in range(3)]
        return [by_head(x, w, b)[0] for x, w, b in zip((query, key, value), separate, biases, strict=True)]
    if query is key and key is value:
        return by_head(query, packed, bias, 3)
    e = raw(packed).shape[0] // 3
    cuts: tuple[tuple[Any, int, int], ...] = ((query, 0, 1), (key, 1, 2), (value, 2, 3))
    if key is value:
        cuts = ((query, 0, 1), (key, 1, 3))
    found: list[Tensor] = []
    for x, first, last in cuts:
        rows = slice(first * e, last * e)
        found += by_head(x, packed[rows], None if bias is None else bias[rows], last - first)
    return found


def _static(x: Any, name: str, n: int, heads: int, width: int) -> Tensor:
    shape = tuple(raw(x).shape)
    if len(shape) != 3 or (shape[0], shape[2]) != (n * heads, width):
        raise ShapeError(f"{name} of shape ({n * heads}, S, {width}) is expected, received {shape}")
    return ops.reshape(x, (n, heads, *shape[1:]))


def _mask(padding: Any, attn: Any, n: int, heads: int, queries: int, dtype: Any) -> Tensor | None:
    """One mask as `attend` takes it, where True is attended: broadcasts to (N, heads, L, S)."""
    masks = []
    if attn is not None:
        attn = attn if isinstance(attn, Tensor) else wrap(attn)
        masks.append(attn if attn.ndim == 2 else ops.reshape(attn, (n, heads, queries, attn.shape[-1])))
    if padding is not None:
        padding = padding if isinstance(padding, Tensor) else wrap(padding)
        masks.append(ops.reshape(padding, (n, 1, 1, padding.shape[-1])))
    masks = [~m if m.dtype.kind == "b" else ops.astype(m, dtype, copy=False) for m in masks]
    if len(masks) < 2:
        return masks[0] if masks else None
    first, second = sorted(masks, key=lambda m: m.dtype.kind == "f")
    if second.dtype.kind == "b":
        return first & second
    return ops.where(first, second, -float("inf")) if first.dtype.kind == "b" else first + second


def _extended(
    k: Tensor, v: Tensor, mask: Tensor | None, bias_k: Any, bias_v: Any, add_zero_attn: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The learned key and value and those of zeros put at the end; they may be attended to."""
    n, heads, _, width = k.shape
    ends = []
    if bias_k is not None:
        ends.append(
            [ops.broadcast_to(ops.reshape(b, (1, heads, 1, width)), (n, heads, 1, width)) for b in (bias_k, bias_v)]
        )
    if add_zero_attn:
        ends.append([ops.zeros((n, heads, 1, width), dtype=k.dtype, device=k.device)] * 2)
    for end_k, end_v in ends:
        k, v = ops.concat([k, end_k], axis=2), ops.concat([v, end_v], axis=2)
        if mask is not None:
            make = ops.ones if mask.dtype.kind == "b" else ops.zeros
            column = make((*mask.shape[:-1], 1), dtype=mask.dtype, device=mask.device)
            mask = ops.concat([mask, column], axis=-1)
    return k, v, mask


def _check(
    query: Any, key: Any, value: Any, widths: list[int], heads: int, padding: Any, attn: Any, batch_first: bool
) -> None:
    """Raise ShapeError with all that is wrong with the shapes, TypeError for masks of whole numbers."""
    shapes = q, k, v = [tuple(raw(x).shape) for x in (query, key, value)]
    wrong = []
    for name, shape, width in zip(("query", "key", "value"), shapes, widths, strict=True):
        if len(shape) not in (2, 3) or len(shape) != len(q) or shape[-1] != width:
            layout = "(N, length, " if batch_first else "(length, N, "
            wrong.append(f"{name} {layout}{width}) or (length, {width}) is expected, received {shape}")
    if not wrong:
        at_batch, at_length = (0, 1) if batch_first else (1, 0)
        batch = () if len(q) == 2 else (q[at_batch],)
        queries, keys = (s[at_length if batch else 0] for s in (q, k))
        if k[:-1] != v[:-1]:
            wrong.append(f"key and value must agree but for their width, received {k} and {v}")
        if batch and k[at_batch] != batch[0]:
            wrong.append(f"query and key must have one batch size, received {q} and {k}")
        every = ((batch[0] if batch else 1) * heads, queries, keys)
        if attn is not None and tuple(raw(attn).shape) not in ((queries, keys), every):
            wrong.append(f"attn_mask {(queries, keys)} or {every} is expected, received {tuple(raw(attn).shape)}")
        if padding is not None and tuple(raw(padding).shape) != (*batch, keys):
            wrong.append(f"key_padding_mask {(*batch, keys)} is expected, received {tuple(raw(padding).shape)}")
    if wrong:
        raise ShapeError("multi-head attention: " + "; ".join(wrong))
    for name, mask in (("attn_mask", attn), ("key_padding_mask", padding)):
        if mask is not None and wrap(raw(mask)).dtype.kind not in "bf":
            dtype = wrap(raw(mask)).dtype
            raise TypeError(f"{name} must be boolean (True: do not attend) or floating, received {dtype}")
