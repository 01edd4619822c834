"""Multi-head attention."""

from __future__ import annotations

from typing import Any

from ..ops import ops
from ..tensor import Tensor
from . import functional as F
from . import init
from .checks import size
from .functional.dropout import check_probability
from .linear import Linear
from .module import Module
from .parameter import Parameter

__all__ = ["MultiheadAttention"]


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

    Parameters: `in_proj_weight` (3 E, E), or `q_proj_weight` (E, E), `k_proj_weight` (E, kdim), `v_proj_weight`
    (E, vdim) where these differ from E; `in_proj_bias` (3 E,); `bias_k`, `bias_v` (1, 1, E); `out_proj.weight` (E, E),
    `out_proj.bias` (E,). Input projections and added biases start from Glorot's distributions, the other biases from 0.

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
        """Attend. Arguments, result and errors as of `functional.multi_head_attention_forward`.

        Args:
            query: (L, N, embed_dim); (N, L, embed_dim) if batch_first; (L, embed_dim) for a single sequence.
            key, value: likewise, of length S and widths kdim and vdim.
            key_padding_mask: (N, S), or (S,) for a single sequence. Boolean: True where a key must NOT be attended to.
                Floating: added to the scores.
            need_weights: whether to return the weights. Without them, memory grows with L + S and not with L S.
            attn_mask: (L, S) or (N * num_heads, L, S), of the same meaning for pairs of a query and a key.
            average_attn_weights: return the mean of the weights over the heads.
            is_causal: says that `attn_mask` is the causal one; without an `attn_mask`, applies that.
        """
        return F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=self.in_proj_weight is None,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
            batch_first=self.batch_first,
        )
