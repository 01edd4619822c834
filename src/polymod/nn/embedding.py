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
from .functional.embedding import check_padding
from .module import Module
from .parameter import Parameter

__all__ = ["Embedding"]


class Embedding(Module):
    """A row of `weight` for each number in the input.

    Args:
        num_embeddings: how many rows.
        embedding_dim: how wide.
        padding_idx: a row that starts as zeros and gets no gradient; may count from the end.
        max_norm, norm_type: rows that are asked for are first scaled down to this norm, in `weight` itself.
        scale_grad_by_freq: divide the gradient of each row by how often it is asked for.
        sparse: must be False; gradients are dense arrays.
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
        if sparse:
            raise ValueError("Embedding: gradients are dense here; leave sparse=False")
        self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse = (
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
        )
        shape = (self.num_embeddings, self.embedding_dim)
        if _weight is None:
            self.weight = Parameter(ops.empty(shape, dtype=dtype, device=device), not _freeze)
            self.reset_parameters()
        else:
            if tuple(raw(_weight).shape) != shape:
                raise ShapeError(f"Embedding expects a _weight of shape {shape}, received {tuple(raw(_weight).shape)}")
            self.weight = Parameter(ops.asarray(_weight, dtype=dtype, device=device), not _freeze)

    def reset_parameters(self) -> None:
        """Draw the initial values anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0.0

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
        shape = tuple(raw(embeddings).shape)
        if len(shape) != 2:
            raise ShapeError(f"from_pretrained expects embeddings of shape (rows, width), received {shape}")
        return cls(
            *shape,
            padding_idx=padding_idx,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            sparse=sparse,
            _weight=embeddings,
            _freeze=freeze,
        )

    def forward(self, input: Any) -> Tensor:
        how = (self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq)
        return F.embedding(input, self.weight, *how)

    def extra_repr(self) -> str:
        parts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        defaults = {"padding_idx": None, "max_norm": None, "norm_type": 2, "scale_grad_by_freq": False}
        parts += [f"{name}={getattr(self, name)}" for name, usual in defaults.items() if getattr(self, name) != usual]
        return ", ".join(parts)
