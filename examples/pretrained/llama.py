"""A Llama-type language model, as Karpathy's stories260K: `python llama.py FOLDER` tells a story.

Rotary positions, RMSNorm before each part, grouped-query attention and SwiGLU; the keys are those of Meta's code.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np

import polymod as pm
from polymod import nn
from polymod.nn import functional as F


def rotations(length: int, width: int, base: float = 10000.0) -> tuple[pm.Tensor, pm.Tensor]:
    """The cosines and sines of position * base ** (-2 i / width), each of shape (length, width / 2)."""
    angles = np.arange(length)[:, None] * base ** (-np.arange(0, width, 2) / width)
    return pm.tensor(np.cos(angles), dtype=pm.float32), pm.tensor(np.sin(angles), dtype=pm.float32)


def rotate(x: pm.Tensor, cosines: pm.Tensor, sines: pm.Tensor) -> pm.Tensor:
    """Turn neighbours of the last axis of (..., length, width) by their position's angles (arXiv:2104.09864)."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return pm.stack([even * cosines - odd * sines, even * sines + odd * cosines], axis=-1).reshape(x.shape)


class Attention(nn.Module):
    def __init__(self, dim: int, heads: int, kv_heads: int) -> None:
        super().__init__()
        self.width = dim // heads
        self.wq = nn.Linear(dim, dim, bias=False)
        self.wk = nn.Linear(dim, kv_heads * self.width, bias=False)
        self.wv = nn.Linear(dim, kv_heads * self.width, bias=False)
        self.wo = nn.Linear(dim, dim, bias=False)

    def split(self, x: pm.Tensor) -> pm.Tensor:
        """(n, length, heads * width) -> (n, heads, length, width)."""
        return x.reshape((*x.shape[:2], -1, self.width)).permute(0, 2, 1, 3)

    def forward(self, x: pm.Tensor, turns: tuple[pm.Tensor, pm.Tensor]) -> pm.Tensor:
        query, key, value = self.split(self.wq(x)), self.split(self.wk(x)), self.split(self.wv(x))
        query, key = rotate(query, *turns), rotate(key, *turns)
        y = F.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
        return self.wo(y.permute(0, 2, 1, 3).reshape(x.shape))


class FeedForward(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.w1 = nn.Linear(dim, hidden, bias=False)
        self.w2 = nn.Linear(hidden, dim, bias=False)
        self.w3 = nn.Linear(dim, hidden, bias=False)

    def forward(self, x: pm.Tensor) -> pm.Tensor:
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


class Block(nn.Module):
    def __init__(self, dim: int, hidden: int, heads: int, kv_heads: int) -> None:
        super().__init__()
        self.attention = Attention(dim, heads, kv_heads)
        self.feed_forward = FeedForward(dim, hidden)
        self.attention_norm = nn.RMSNorm(dim, eps=1e-5)
        self.ffn_norm = nn.RMSNorm(dim, eps=1e-5)

    def forward(self, x: pm.Tensor, turns: tuple[pm.Tensor, pm.Tensor]) -> pm.Tensor:
        x = x + self.attention(self.attention_norm(x), turns)
        return x + self.feed_forward(self.ffn_norm(x))


class Llama(nn.Module):
    """Token numbers (n, length) -> the logits of the token after each, (n, length, vocabulary)."""

    def __init__(
        self,
        vocabulary: int = 512,
        dim: int = 64,
        hidden: int = 172,
        layers: int = 5,
        heads: int = 8,
        kv_heads: int = 4,
    ) -> None:
        super().__init__()
        self.tok_embeddings = nn.Embedding(vocabulary, dim)
        self.layers = nn.ModuleList(Block(dim, hidden, heads, kv_heads) for _ in range(layers))
        self.norm = nn.RMSNorm(dim, eps=1e-5)
        self.output = nn.Linear(dim, vocabulary, bias=False)
        self.output.weight = self.tok_embeddings.weight
        self.width = dim // heads

    def forward(self, tokens: pm.Tensor) -> pm.Tensor:
        x = self.tok_embeddings(tokens)
        turns = rotations(tokens.shape[1], self.width)
        for layer in self.layers:
            x = layer(x, turns)
        return self.output(self.norm(x))

    def generate(self, tokens: list[int], length: int) -> list[int]:
        """`tokens` followed by the likeliest next one each, until there are `length`."""
        tokens = list(tokens)
        with pm.no_grad():
            while len(tokens) < length:
                logits = self(pm.tensor([tokens]))[0, -1]
                tokens.append(int(pm.argmax(logits)))
        return tokens


def read_tokenizer(data: bytes) -> list[bytes]:
    """The pieces of a llama2.c tokenizer: the longest piece's length, then (score, length, bytes) of each."""
    pieces, at = [], 4
    while at < len(data):
        _, size = struct.unpack_from("<fi", data, at)
        pieces.append(data[at + 8 : at + 8 + size])
        at += 8 + size
    return pieces


def load(folder: str | Path) -> Llama:
    model = Llama().eval()
    model.load_state_dict(pm.load_file(Path(folder) / "stories260k.safetensors"))
    return model


def main(folder: str) -> None:
    stored: Any = np.load(Path(folder) / "stories260k.npz")
    pieces = read_tokenizer(stored["tokenizer_bin"].tobytes())
    tokens = load(folder).generate([1], 136)
    print(b"".join(pieces[t] for t in tokens[1:]).decode().replace("<0x0A>", "\n"))


if __name__ == "__main__":
    main(sys.argv[1])
