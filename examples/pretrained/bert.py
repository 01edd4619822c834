"""A BERT encoder with sentence embeddings on top, as all-MiniLM-L6-v2; the keys are those of transformers."""

from __future__ import annotations

from pathlib import Path

import polymod as pm
from polymod import nn
from polymod.nn import functional as F


class Embeddings(nn.Module):
    def __init__(self, vocabulary: int, hidden: int, positions: int) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(vocabulary, hidden)
        self.position_embeddings = nn.Embedding(positions, hidden)
        self.token_type_embeddings = nn.Embedding(2, hidden)
        self.LayerNorm = nn.LayerNorm(hidden, eps=1e-12)

    def forward(self, tokens: pm.Tensor) -> pm.Tensor:
        positions = pm.arange(tokens.shape[1], device=tokens.device)
        first = self.token_type_embeddings(pm.zeros_like(tokens))
        return self.LayerNorm(self.word_embeddings(tokens) + first + self.position_embeddings(positions))


class SelfAttention(nn.Module):
    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, hidden)

    def split(self, x: pm.Tensor) -> pm.Tensor:
        """(n, length, hidden) -> (n, heads, length, hidden / heads)."""
        return x.reshape((*x.shape[:2], self.heads, -1)).permute(0, 2, 1, 3)

    def forward(self, x: pm.Tensor, is_token: pm.Tensor) -> pm.Tensor:
        query, key, value = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        y = F.scaled_dot_product_attention(query, key, value, attn_mask=is_token[:, None, None, :])
        return y.permute(0, 2, 1, 3).reshape(x.shape)


class Output(nn.Module):
    """A dense layer, what came before it added, normalised."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, hidden)
        self.LayerNorm = nn.LayerNorm(hidden, eps=1e-12)

    def forward(self, x: pm.Tensor, before: pm.Tensor) -> pm.Tensor:
        return self.LayerNorm(self.dense(x) + before)


class Layer(nn.Module):
    def __init__(self, hidden: int, heads: int, width: int) -> None:
        super().__init__()
        self.attention = nn.ModuleDict({"self": SelfAttention(hidden, heads), "output": Output(hidden, hidden)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(hidden, width)})
        self.output = Output(width, hidden)

    def forward(self, x: pm.Tensor, is_token: pm.Tensor) -> pm.Tensor:
        x = self.attention["output"](self.attention["self"](x, is_token), x)
        return self.output(F.gelu(self.intermediate["dense"](x)), x)


class Bert(nn.Module):
    """Token numbers (n, length) and which are tokens, not padding, -> the last layer's states (n, length, hidden)."""

    def __init__(
        self,
        vocabulary: int = 30522,
        hidden: int = 384,
        heads: int = 12,
        width: int = 1536,
        layers: int = 6,
        positions: int = 512,
    ) -> None:
        super().__init__()
        self.embeddings = Embeddings(vocabulary, hidden, positions)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(Layer(hidden, heads, width) for _ in range(layers))})
        self.pooler = nn.ModuleDict({"dense": nn.Linear(hidden, hidden)})

    def forward(self, tokens: pm.Tensor, is_token: pm.Tensor) -> pm.Tensor:
        x = self.embeddings(tokens)
        for layer in self.encoder["layer"]:
            x = layer(x, is_token)
        return x

    def embed(self, tokens: pm.Tensor, is_token: pm.Tensor) -> pm.Tensor:
        """Sentence embeddings (n, hidden) of length 1: the mean over the tokens."""
        weights = is_token[..., None].to(pm.float32)
        states = self(tokens, is_token)
        return F.normalize((states * weights).sum(1) / weights.sum(1), dim=1)


def load(file: str | Path) -> Bert:
    """The model of a safetensors file, with as many words as it has."""
    state = pm.load_file(file)
    state.pop("embeddings.position_ids", None)  # 0, 1, 2, ..., which some files store
    model = Bert(vocabulary=state["embeddings.word_embeddings.weight"].shape[0]).eval()
    model.load_state_dict(state)
    return model
