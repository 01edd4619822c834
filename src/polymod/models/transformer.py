"""Transformers: a pre-norm block, a stack of them, and an image classifier on the stack."""

from __future__ import annotations

from typing import Any

from .. import nn, random
from ..errors import ShapeError
from ..nn import functional as F
from ..ops import ops
from ..tensor import Tensor


class TransformerBlock(nn.Module):
    """Attention and an MLP, each behind a LayerNorm and with a residual path: (N, L, E) to (N, L, E).

    Vaswani et al. 2017, in the pre-norm form of Xiong et al. 2020. The keys are those of
    `torch.nn.TransformerEncoderLayer(..., activation="gelu", batch_first=True, norm_first=True)`.

    Args:
        d_model: E, the size of a token.
        nhead: the number of attention heads, a divisor of E.
        dim_feedforward: the width of the MLP; by default 4 E.
        dropout: the probability of zeroing what each branch adds.
    """

    def __init__(self, d_model: int, nhead: int, dim_feedforward: int | None = None, dropout: float = 0.0) -> None:
        super().__init__()
        width = 4 * d_model if dim_feedforward is None else dim_feedforward
        self.self_attn = nn.MultiheadAttention(d_model, nhead, batch_first=True)
        self.linear1 = nn.Linear(d_model, width)
        self.linear2 = nn.Linear(width, d_model)
        self.norm1 = nn.LayerNorm(d_model)
        self.norm2 = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, attn_mask: Any = None) -> Tensor:
        h = self.norm1(x)
        h, _ = self.self_attn(h, h, h, attn_mask=attn_mask, need_weights=False)
        x = x + self.dropout(h)
        h = self.linear2(F.gelu(self.linear1(self.norm2(x))))
        return x + self.dropout(h)


class TransformerStack(nn.Module):
    """`depth` equal TransformerBlocks and a LayerNorm: (N, L, E) to (N, L, E). Arguments as of the block."""

    def __init__(
        self,
        depth: int,
        d_model: int,
        nhead: int,
        dim_feedforward: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TransformerBlock(d_model, nhead, dim_feedforward, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor, attn_mask: Any = None) -> Tensor:
        for layer in self.layers:
            x = layer(x, attn_mask)
        return self.norm(x)


class TransformerClassifier(nn.Module):
    """A small vision transformer (Dosovitskiy et al. 2021): images (N, C, H, W) to (N, classes).

    An image is cut into square patches; each becomes a token, to which its position's learned embedding is
    added. The mean of the tokens after the stack is classified.

    Args:
        image_shape: (C, H, W).
        patch: the side of a patch, a divisor of H and W; by default the largest up to H / 4 (2 for 8x8,
            7 for 28x28).
        d_model: the size of a token.
        nhead: the number of attention heads.
        depth: the number of blocks.
        dropout: as in the block.
        classes: the number of logits.

    Raises:
        ShapeError: the patches do not cover the image, or (when called) the images are of another size.
    """

    def __init__(
        self,
        image_shape: tuple[int, ...] = (1, 8, 8),
        patch: int | None = None,
        d_model: int = 32,
        nhead: int = 4,
        depth: int = 2,
        dropout: float = 0.0,
        classes: int = 10,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.patch = largest_patch(height, width) if patch is None else patch
        if self.patch < 1 or height % self.patch or width % self.patch:
            raise ShapeError(
                f"patches of {self.patch}x{self.patch} do not cover an image of {height}x{width}; choose a "
                "`patch` that divides both"
            )
        self.image_shape = tuple(image_shape)
        tokens = (height // self.patch) * (width // self.patch)
        self.embedding = nn.Linear(channels * self.patch**2, d_model)
        self.position = nn.Parameter(random.normal(0.0, 0.02, (tokens, d_model)))
        self.stack = TransformerStack(depth, d_model, nhead, dropout=dropout)
        self.out = nn.Linear(d_model, classes)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embedding(self.patches(x)) + self.position
        return self.out(self.stack(tokens).mean(axis=1))

    def patches(self, x: Tensor) -> Tensor:
        """The patches of images (N, C, H, W), row by row: (N, number of patches, C * patch * patch)."""
        if x.shape[1:] != self.image_shape:
            raise ShapeError(
                f"expected images of shape (N, {', '.join(map(str, self.image_shape))}), received {x.shape}"
            )
        n, channels, height, width = x.shape
        p = self.patch
        x = ops.reshape(x, (n, channels, height // p, p, width // p, p))
        x = ops.permute_dims(x, (0, 2, 4, 1, 3, 5))
        return ops.reshape(x, (n, (height // p) * (width // p), channels * p * p))


def largest_patch(height: int, width: int) -> int:
    """The largest divisor of both that is at most a quarter of the height; 1 at least."""
    return next(p for p in range(max(1, height // 4), 0, -1) if height % p == width % p == 0)
