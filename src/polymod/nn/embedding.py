"""Tables of vectors."""

from __future__ import annotations

from typing import Any, Self

from ..autograd.tape import no_grad
from ..errors import ShapeError
from ..ops import ops
from ..tensor import Tensor, raw
from . import functional as F
from . import init
from .checks import size
from .functional.embedding import check_mode, check_padding
from .module import Module
from .parameter import Parameter

__all__ = ["Embedding", "EmbeddingBag"]


class _Table(Module):
    """What Embedding and EmbeddingBag share: the table and its initial values."""

    padding_idx: int | None
    weight: Parameter

    def _take_weight(self, shape: tuple[int, int], weight: Any, device: Any, dtype: Any) -> None:
        if weight is None:
            self.weight = Parameter(ops.empty(shape, dtype=dtype, device=device))
            self.reset_parameters()
        elif tuple(raw(weight).shape) == shape:
            self.weight = Parameter(ops.asarray(weight, dtype=dtype, device=device))
        else:
            received = tuple(raw(weight).shape)
            raise ShapeError(f"{type(self).__name__} expects a _weight of shape {shape}, received {received}")

    def reset_parameters(self) -> None:
        """Draw the initial values anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0.0


class Embedding(_Table):
    """A row of `weight` for each number in the input.

    Args:
        num_embeddings: how many rows.
        embedding_dim: how wide.
        padding_idx: a row that starts as zeros and gets no gradient; may count from the end.
        max_norm, norm_type: rows that are asked for are first scaled down to this norm, in `weight` itself.
        scale_grad_by_freq: divide the gradient of each row by how often it is asked for.
        sparse: accepted and without effect; gradients are dense arrays.
        _weight: initial values (num_embeddings, embedding_dim), used as they are; otherwise
            they are drawn from the standard normal distribution.
        _freeze: learn nothing.
        device, dtype: of the weight.

    Shapes: input (...) of integers in [0, num_embeddings), output (..., embedding_dim). Errors as of
    `functional.embedding`.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Any = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = size(num_embeddings, "num_embeddings")
        self.embedding_dim = size(embedding_dim, "embedding_dim")
        self.padding_idx = check_padding(padding_idx, self.num_embeddings)
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        self._take_weight((self.num_embeddings, self.embedding_dim), _weight, device, dtype)
        self.weight.requires_grad_(not _freeze)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:
        """A layer with the rows of `embeddings`, (rows, width)."""
        return cls(
            *_rows_and_width(embeddings),
            padding_idx=padding_idx,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            sparse=sparse,
            _weight=embeddings,
            _freeze=freeze,
        )

    def forward(self, input: Any) -> Tensor:
        how = (self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse)
        return F.embedding(input, self.weight, *how)

    def extra_repr(self) -> str:
        usual = {"padding_idx": None, "max_norm": None, "norm_type": 2, "scale_grad_by_freq": False, "sparse": False}
        return _shown(self, usual)


class EmbeddingBag(_Table):
    """The sum, the mean or the largest elements of the rows of `weight` that each bag of numbers names.

    Args:
        num_embeddings: how many rows.
        embedding_dim: how wide.
        max_norm, norm_type, scale_grad_by_freq, sparse: as of Embedding.
        mode: "sum", "mean" or "max".
        _weight: initial values (num_embeddings, embedding_dim), used as they are; otherwise
            they are drawn from the standard normal distribution.
        include_last_offset: the offsets have one more element, where the last bag ends.
        padding_idx: a row that starts as zeros, counts in no bag and gets no gradient; may count from the end.
        device, dtype: of the weight.

    Shapes: input (B, N), or (N,) with offsets (B,); output (B, embedding_dim). Errors as of
    `functional.embedding_bag`.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Any = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = size(num_embeddings, "num_embeddings")
        self.embedding_dim = size(embedding_dim, "embedding_dim")
        self.padding_idx = check_padding(padding_idx, self.num_embeddings)
        check_mode(mode, scale_grad_by_freq, sparse)
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        self.mode, self.include_last_offset = mode, include_last_offset
        self._take_weight((self.num_embeddings, self.embedding_dim), _weight, device, dtype)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> Self:
        """A layer with the rows of `embeddings`, (rows, width)."""
        layer = cls(
            *_rows_and_width(embeddings),
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            mode=mode,
            sparse=sparse,
            _weight=embeddings,
            include_last_offset=include_last_offset,
            padding_idx=padding_idx,
        )
        layer.weight.requires_grad_(not freeze)
        return layer

    def forward(self, input: Any, offsets: Any = None, per_sample_weights: Any = None) -> Tensor:
        return F.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self) -> str:
        usual = {"max_norm": None, "norm_type": 2, "scale_grad_by_freq": False, "mode": None, "padding_idx": None}
        return _shown(self, usual)


def _rows_and_width(embeddings: Any) -> tuple[int, int]:
    shape = tuple(raw(embeddings).shape)
    if len(shape) != 2:
        raise ShapeError(f"from_pretrained expects embeddings of shape (rows, width), received {shape}")
    return shape[0], shape[1]


def _shown(layer: Any, usual: dict[str, Any]) -> str:
    parts = [f"{layer.num_embeddings}, {layer.embedding_dim}"]
    return ", ".join(parts + [f"{k}={getattr(layer, k)!r}" for k, v in usual.items() if getattr(layer, k) != v])
