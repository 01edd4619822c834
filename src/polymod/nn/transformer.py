"""Transformers: encoder and decoder layers, stacks of them, and the whole.

A. Vaswani et al., "Attention is all you need", arXiv:1706.03762; with `norm_first`, the order of R. Xiong et al., "On
layer normalization in the transformer architecture", arXiv:2002.04745.

Sequences are (L, N, E), with `batch_first` (N, L, E), and (L, E) where there is one only. In every forward:

- `..._mask` is (L, S) or (N * nhead, L, S), `..._key_padding_mask` is (N, S), or (S,) for a single sequence. Boolean
  masks are True where NOT to attend; floating ones are added to the scores.
- `..._is_causal` says that the mask beside it is the causal one, and applies that where there is none.

Errors as of MultiheadAttention.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from ..errors import ShapeError
from ..ops import ops
from ..tensor import Tensor, raw
from . import functional as F
from . import init
from .attention import MultiheadAttention
from .checks import size
from .containers import ModuleList
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .normalization import LayerNorm

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]

Activation = str | Callable[[Any], Any]


class TransformerEncoderLayer(Module):
    """Self-attention and an MLP, each with a residual path and a LayerNorm.

    Args:
        d_model: E, the width of the sequences.
        nhead: the number of attention heads, a divisor of E.
        dim_feedforward: the width of the MLP.
        dropout: the probability of dropping attention weights, hidden units of the MLP, and what each branch adds.
        activation: of the MLP: "relu", "gelu" or any callable.
        layer_norm_eps: of the LayerNorms.
        batch_first: (N, L, E) instead of (L, N, E).
        norm_first: normalise before each branch instead of after its sum with the residual path.
        bias: whether Linears and LayerNorms have biases.
        device, dtype: of the parameters.

    Raises:
        ValueError: `nhead` does not divide `d_model`, `dropout` is no probability, or there is no such activation.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        where = {"device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **where)
        self.linear1 = Linear(d_model, dim_feedforward, bias, **where)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, **where)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, **where)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, **where)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = _activation(activation)

    def forward(
        self, src: Any, src_mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool = False
    ) -> Tensor:
        """`src`, encoded: of the same shape."""
        masks = src_mask, src_key_padding_mask, is_causal
        x = src
        if self.norm_first:
            x = x + self._attend(self.norm1(x), *masks)
            return x + self._feed_forward(self.norm2(x))
        x = self.norm1(x + self._attend(x, *masks))
        return self.norm2(x + self._feed_forward(x))

    def _attend(self, x: Any, mask: Any, padding: Any, is_causal: bool) -> Tensor:
        return self.dropout1(self.self_attn(x, x, x, padding, False, mask, is_causal=is_causal)[0])

    def _feed_forward(self, x: Any) -> Tensor:
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerDecoderLayer(Module):
    """Self-attention, attention to the encoder's result and an MLP, each with a residual path and a LayerNorm.

    Arguments and errors as of TransformerEncoderLayer.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        where = {"device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **where)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **where)
        self.linear1 = Linear(d_model, dim_feedforward, bias, **where)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, **where)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, **where)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, **where)
        self.norm3 = LayerNorm(d_model, layer_norm_eps, bias=bias, **where)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = _activation(activation)

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """`tgt`, decoded beside `memory`, the encoder's result: of the shape of `tgt`."""
        own = tgt_mask, tgt_key_padding_mask, tgt_is_causal
        others = memory_mask, memory_key_padding_mask, memory_is_causal
        x = tgt
        if self.norm_first:
            x = x + self._attend(self.norm1(x), *own)
            x = x + self._attend_to(memory, self.norm2(x), *others)
            return x + self._feed_forward(self.norm3(x))
        x = self.norm1(x + self._attend(x, *own))
        x = self.norm2(x + self._attend_to(memory, x, *others))
        return self.norm3(x + self._feed_forward(x))

    def _attend(self, x: Any, mask: Any, padding: Any, is_causal: bool) -> Tensor:
        return self.dropout1(self.self_attn(x, x, x, padding, False, mask, is_causal=is_causal)[0])

    def _attend_to(self, memory: Any, x: Any, mask: Any, padding: Any, is_causal: bool) -> Tensor:
        return self.dropout2(self.multihead_attn(x, memory, memory, padding, False, mask, is_causal=is_causal)[0])

    def _feed_forward(self, x: Any) -> Tensor:
        return self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerEncoder(Module):
    """`num_layers` copies of `encoder_layer`, one after the other.

    Args:
        encoder_layer: what is copied, with its values.
        num_layers: how many copies.
        norm: what is applied to the result, or None.
        enable_nested_tensor, mask_check: accepted and without effect: padding is always computed, too.

    Raises:
        TypeError: `encoder_layer` or `norm` is no module.
        ValueError: `num_layers` is below 1.
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers, norm)
        self.num_layers, self.norm = num_layers, norm
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check

    def forward(
        self, src: Any, mask: Any = None, src_key_padding_mask: Any = None, is_causal: bool | None = None
    ) -> Tensor:
        """`src`, encoded: of the same shape."""
        output = src
        for layer in self.layers:
            output = layer(output, src_mask=mask, src_key_padding_mask=src_key_padding_mask, is_causal=bool(is_causal))
        return output if self.norm is None else self.norm(output)


class TransformerDecoder(Module):
    """`num_layers` copies of `decoder_layer`, one after the other; arguments and errors as of TransformerEncoder."""

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers, norm)
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """`tgt`, decoded beside `memory`, the encoder's result: of the shape of `tgt`."""
        output = tgt
        for layer in self.layers:
            output = layer(
                output,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=bool(tgt_is_causal),
                memory_is_causal=memory_is_causal,
            )
        return output if self.norm is None else self.norm(output)


class Transformer(Module):
    """An encoder, and a decoder that attends to what it gives.

    Args:
        num_encoder_layers, num_decoder_layers: how many layers.
        custom_encoder, custom_decoder: modules in place of the encoder and the decoder.
        The other arguments are those of TransformerEncoderLayer. Matrices start from Glorot's uniform distribution.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        where = {"device": device, "dtype": dtype}
        how = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, **where)

        self.encoder = custom_encoder
        if custom_encoder is None:
            self.encoder = TransformerEncoder(TransformerEncoderLayer(*how, **where), num_encoder_layers, norm())
        self.decoder = custom_decoder
        if custom_decoder is None:
            self.decoder = TransformerDecoder(TransformerDecoderLayer(*how, **where), num_decoder_layers, norm())
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values of all matrices anew."""
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: Any,
        tgt: Any,
        src_mask: Any = None,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        src_key_padding_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Encode `src` and decode `tgt` beside it: of the shape of `tgt`.

        Raises:
            ShapeError: the batches differ in size, or a width is not `d_model`.
        """
        s, t = tuple(raw(src).shape), tuple(raw(tgt).shape)
        if len(s) not in (2, 3) or len(s) != len(t) or s[-1] != self.d_model or t[-1] != self.d_model:
            layout = "(N, length, " if self.batch_first else "(length, N, "
            raise ShapeError(
                f"Transformer expects src and tgt {layout}{self.d_model}), or both (length, {self.d_model}); "
                f"received src {s}, tgt {t}"
            )
        if len(s) == 3 and s[not self.batch_first] != t[not self.batch_first]:
            raise ShapeError(f"Transformer expects src and tgt of one batch size, received src {s}, tgt {t}")
        memory = self.encoder(src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal)
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """The causal mask (sz, sz): -inf above the diagonal, 0 elsewhere."""
        return ops.triu(ops.full((sz, sz), -float("inf"), dtype=dtype, device=device), k=1)


def _activation(activation: Activation) -> Callable[[Any], Any]:
    named: dict[str, Callable[[Any], Any]] = {"relu": F.relu, "gelu": F.gelu}
    if isinstance(activation, str):
        if activation not in named:
            raise ValueError(f'activation must be "relu", "gelu" or a callable, received {activation!r}')
        return named[activation]
    if isinstance(activation, type) or not callable(activation):
        raise TypeError(f'activation must be "relu", "gelu" or a callable such as nn.SiLU(), received {activation!r}')
    return activation


def _copies(layer: Any, number: int, norm: Any) -> ModuleList:
    for name, module in (("layer", layer), ("norm", norm)):
        if not isinstance(module, Module) and (name == "layer" or norm is not None):
            raise TypeError(f"the {name} must be a module, received {module!r}")
    return ModuleList(copy.deepcopy(layer) for _ in range(size(number, "num_layers", 1)))
