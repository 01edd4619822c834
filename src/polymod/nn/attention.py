"""Multi-head attention."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..ops import ops
from ..rules import primitives
from ..tensor import Tensor, raw, wrap
from . import functional as F
from . import init
from .checks import size
from .functional.attention import attend, causal_mask
from .functional.dropout import check_probability
from .linear import Linear
from .module import Module
from .parameter import Parameter

__all__ = ["MultiheadAttention"]

_split_heads, _merge_heads = primitives["split_heads"], primitives["merge_heads"]


class MultiheadAttention(Module):
    """Attention in several subspaces at once; A. Vaswani et al., arXiv:1706.03762.

    Args:
        embed_dim: the width of queries and of the output.
        num_heads: how many subspaces; divides embed_dim.
        dropout: the probability of dropping an attention weight in training.
        bias: whether the projections have biases.
        add_bias_kv: add a learned key and a learned value to the sequence.
        add_zero_attn: add a key and a value of zeros to the sequence.
        kdim, vdim: the widths of keys and values, by default embed_dim.
        batch_first: (N, L, E) in and out instead of (L, N, E).
        device, dtype: of the parameters.

    Parameters are torch's: `in_proj_weight` (3 E, E), or `q_proj_weight` (E, E), `k_proj_weight` (E, kdim),
    `v_proj_weight` (E, vdim) where these differ from E; `in_proj_bias` (3 E,); `bias_k`, `bias_v` (1, 1, E);
    `out_proj.weight` (E, E), `out_proj.bias` (E,). Input projections and added
    biases start from Glorot's distributions, the other biases from 0.

    Raises:
        ValueError: num_heads does not divide embed_dim, or dropout is no probability.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.embed_dim, self.num_heads = size(embed_dim, "embed_dim", 1), size(num_heads, "num_heads", 1)
        if self.embed_dim % self.num_heads:
            raise ValueError(f"num_heads must divide embed_dim, received embed_dim={embed_dim}, num_heads={num_heads}")
        check_probability(dropout)
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn
        self.head_dim = self.embed_dim // self.num_heads
        self.kdim = self.embed_dim if kdim is None else size(kdim, "kdim", 1)
        self.vdim = self.embed_dim if vdim is None else size(vdim, "vdim", 1)

        def parameter(*shape: int) -> Parameter:
            return Parameter(ops.zeros(shape, dtype=dtype, device=device))

        e = self.embed_dim
        packed = self.kdim == e and self.vdim == e
        self.in_proj_weight = parameter(3 * e, e) if packed else None
        self.q_proj_weight = None if packed else parameter(e, e)
        self.k_proj_weight = None if packed else parameter(e, self.kdim)
        self.v_proj_weight = None if packed else parameter(e, self.vdim)
        self.in_proj_bias = parameter(3 * e) if bias else None
        self.bias_k = parameter(1, 1, e) if add_bias_kv else None
        self.bias_v = parameter(1, 1, e) if add_bias_kv else None
        self.out_proj = Linear(e, e, bias, device, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values anew."""
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        self.out_proj.reset_parameters()
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend.

        Args:
            query: (L, N, embed_dim); (N, L, embed_dim) if batch_first; (L, embed_dim) for a single sequence.
            key, value: likewise, of length S and widths kdim and vdim.
            key_padding_mask: (N, S), or (S,) for a single sequence. Boolean: True where a key must NOT be attended
                to. Floating: added to the scores.
            need_weights: whether to return the weights.
            attn_mask: (L, S) or (N * num_heads, L, S), of the same meaning for pairs of a query and a key.
            average_attn_weights: return the mean of the weights over the heads.
            is_causal: says that `attn_mask` is the causal one; without an `attn_mask`, applies that.

        Returns:
            The output, of query's shape, and the weights before dropout, or None: (N, L, S), (N, num_heads, L, S) if
            not averaged, without N for a single sequence. S grows by one each for add_bias_kv and add_zero_attn.
            A query whose keys are all masked has weights 0 (torch gives NaN for it if need_weights, 0 if not).

        Raises:
            ShapeError: the shapes are not these.
            TypeError: a mask is neither boolean nor floating.
        """
        self._check(query, key, value, key_padding_mask, attn_mask)
        single = raw(query).ndim == 2
        q, k, v = self._projected(query, key, value, single)
        mask = self._mask(key_padding_mask, attn_mask, is_causal, q.shape, k.shape[2])
        k, v, mask = self._extended(k, v, mask)
        out, weights = attend(q, k, v, mask, self.dropout if self.training else 0.0)
        out = self.out_proj(_merge_heads(out))
        if single:
            out = out[0]
        elif not self.batch_first:
            out = ops.permute_dims(out, (1, 0, 2))
        if not need_weights:
            return out, None
        weights = ops.mean(weights, axis=1) if average_attn_weights else weights
        return out, weights[0] if single else weights

    # --------------------------------------------------------------------------------------------- its steps

    def _projected(self, query: Any, key: Any, value: Any, single: bool) -> list[Tensor]:
        """Queries, keys and values by head: (N, heads, L or S, head_dim)."""
        bias, e, heads = self.in_proj_bias, self.embed_dim, self.num_heads
        if self.in_proj_weight is not None and query is key and key is value:
            packed = F.linear(self._batched(query, single), self.in_proj_weight, bias)
            return list(_split_heads(packed, groups=3, heads=heads))
        weights = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        heads_of: list[Tensor] = []
        for i, x in enumerate((query, key, value)):
            rows = slice(i * e, (i + 1) * e)
            weight = weights[i] if self.in_proj_weight is None else self.in_proj_weight[rows]
            y = F.linear(self._batched(x, single), weight, None if bias is None else bias[rows])
            heads_of += _split_heads(y, groups=1, heads=heads)
        return heads_of

    def _batched(self, x: Any, single: bool) -> Tensor:
        """(N, length, width)"""
        if single:
            return ops.expand_dims(x, axis=0)
        return x if self.batch_first else ops.permute_dims(x, (1, 0, 2))

    def _mask(self, padding: Any, attn: Any, is_causal: bool, shape: tuple[int, ...], keys: int) -> Tensor | None:
        """One mask as attention takes it, where True is attended: broadcasts to (N, heads, L, S)."""
        n, heads, queries, _ = shape
        masks = []
        if attn is not None:
            attn = _tensor(attn)
            attn = attn if attn.ndim == 2 else ops.reshape(attn, (n, heads, queries, keys))
            masks.append(~attn if attn.dtype.kind == "b" else attn)
        elif is_causal:
            masks.append(causal_mask(queries, keys, _tensor(self.out_proj.weight).device))
        if padding is not None:
            padding = ops.reshape(padding, (n, 1, 1, keys))
            masks.append(~padding if padding.dtype.kind == "b" else padding)
        if len(masks) < 2:
            return masks[0] if masks else None
        first, second = masks
        if first.dtype.kind == "b" and second.dtype.kind == "b":
            return first & second
        return self._added(first) + self._added(second)

    def _added(self, mask: Tensor) -> Tensor:
        """A mask as what is added to the scores."""
        dtype = self.out_proj.weight.dtype
        if mask.dtype.kind == "b":
            return ops.where(mask, ops.zeros((), dtype=dtype, device=mask.device), -float("inf"))
        return ops.astype(mask, dtype, copy=False)

    def _extended(self, k: Tensor, v: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        """The learned key and value and those of zeros put at the end; they may be attended to."""
        n, heads, _, width = k.shape
        ends = []
        if self.bias_k is not None:
            biases = (ops.reshape(b, (1, heads, 1, width)) for b in (self.bias_k, self.bias_v))
            ends.append(tuple(ops.broadcast_to(b, (n, heads, 1, width)) for b in biases))
        if self.add_zero_attn:
            ends.append((ops.zeros((n, heads, 1, width), dtype=k.dtype, device=k.device),) * 2)
        for end_k, end_v in ends:
            k, v = ops.concat([k, end_k], axis=2), ops.concat([v, end_v], axis=2)
            if mask is not None:
                make = ops.ones if mask.dtype.kind == "b" else ops.zeros
                column = make((*mask.shape[:-1], 1), dtype=mask.dtype, device=mask.device)
                mask = ops.concat([mask, column], axis=-1)
        return k, v, mask

    def _check(self, query: Any, key: Any, value: Any, padding: Any, attn: Any) -> None:
        """Raise ShapeError with all that is wrong with the shapes, TypeError for masks of whole numbers."""
        q, k, v = (tuple(raw(x).shape) for x in (query, key, value))
        wrong = []
        for name, shape, width in (("query", q, self.embed_dim), ("key", k, self.kdim), ("value", v, self.vdim)):
            if len(shape) not in (2, 3) or len(shape) != len(q) or shape[-1] != width:
                layout = "(N, length, " if self.batch_first else "(length, N, "
                wrong.append(f"{name} {layout}{width}) or (length, {width}) is expected, received {shape}")
        if not wrong:
            batch = () if len(q) == 2 else (q[0 if self.batch_first else 1],)
            queries, keys = (s[1 if len(q) == 3 and self.batch_first else 0] for s in (q, k))
            if k[:-1] != v[:-1]:
                wrong.append(f"key and value must agree but for their width, received {k} and {v}")
            if batch and k[0 if self.batch_first else 1] != batch[0]:
                wrong.append(f"query and key must have one batch size, received {q} and {k}")
            every = ((batch[0] if batch else 1) * self.num_heads, queries, keys)
            if attn is not None and tuple(raw(attn).shape) not in ((queries, keys), every):
                wrong.append(f"attn_mask {(queries, keys)} or {every} is expected, received {tuple(raw(attn).shape)}")
            if padding is not None and tuple(raw(padding).shape) != (*batch, keys):
                wrong.append(f"key_padding_mask {(*batch, keys)} is expected, received {tuple(raw(padding).shape)}")
        if wrong:
            raise ShapeError("MultiheadAttention: " + "; ".join(wrong))
        for name, mask in (("attn_mask", attn), ("key_padding_mask", padding)):
            if mask is not None and _tensor(mask).dtype.kind not in "bf":
                raise TypeError(
                    f"{name} must be boolean (True: do not attend) or floating, received {_tensor(mask).dtype}"
                )


def _tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else wrap(x)
