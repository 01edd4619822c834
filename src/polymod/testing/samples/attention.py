"""Attention and embedding."""

from __future__ import annotations

from typing import Any

import numpy as np

from .sample import Draw, Sample, one

draw = Draw("attention")
normal = draw.normal


def torch_attention(query: Any, key: Any, value: Any, mask: Any = None) -> Any:
    weights = query @ key.mT * 0.4
    if mask is not None:
        weights = weights + mask if mask.is_floating_point() else weights.masked_fill(~mask, -np.inf)
    weights = weights.softmax(-1)
    return weights @ value, weights


def torch_long(query: Any, key: Any, value: Any, mask: Any = None) -> Any:
    scores = query @ key.mT * 0.4
    return torch_attention(query, key, value, mask)[0], (scores if mask is None else scores + mask).logsumexp(-1)


table: dict[str, list[Sample]] = {
    "attention": [
        Sample((normal(2, 3, 2), normal(2, 4, 2), normal(2, 4, 3)), {"scale": 0.4}, torch=torch_attention),
        Sample((normal(3, 2), normal(2, 4, 2), normal(4, 3), normal(3, 4)), {"scale": 0.4}, torch=torch_attention),
        Sample(
            (normal(2, 3, 2), normal(2, 4, 2), normal(2, 4, 3), np.tri(3, 4, dtype=bool)),
            {"scale": 0.4},
            torch=torch_attention,
        ),
        Sample(
            (normal(2, 3, 2), normal(2, 4, 2), normal(2, 4, 3), None, normal(2, 3, 4) > 0),
            {"scale": 0.4, "keep_scale": 2.0},
        ),
    ],
    "long_attention": [
        Sample(
            (normal(2, 3, 2), normal(2, 4, 2), normal(2, 4, 3)),
            {"scale": 0.4},
            torch=torch_long,
        ),
        Sample((normal(3, 2), normal(2, 4, 2), normal(4, 3)), {"scale": 0.4, "causal": True}),
        Sample(
            (normal(2, 2, 3, 2), normal(2, 4, 2), normal(2, 1, 4, 3), normal(2, 1, 1, 4) > -1),
            {"scale": 0.4, "causal": True, "dropout": (0.3, 5)},
        ),
        Sample(
            (normal(3, 2), normal(4, 2), normal(4, 3), normal(3, 4)),
            {"scale": 0.4},
            constant=(3,),
            torch=torch_long,
        ),
    ],
    "split_heads": [
        *one(normal(2, 3, 12), groups=3, heads=2),
        *one(normal(2, 3, 8), groups=2, heads=2, batch_first=False),
    ],
    "merge_heads": [*one(normal(2, 3, 4, 2)), *one(normal(2, 3, 4, 2), batch_first=False)],
    "embedding": [
        Sample((normal(5, 3), np.asarray([[0, 2], [2, 4]])), torch=lambda w, i: w[i]),
    ],
}

complex_table: dict[str, list[Sample]] = {}
