"""Calls of classes of torch.nn that torch's module database has no entry for.

By class: pairs of the constructor's and the call's arguments, each (positional, keywords). A Size stands for an
array of normal numbers. Nothing here is left to chance: dropouts drop nothing or everything.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Size

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def made(*args: Any, **kwargs: Any) -> Arguments:
    return args, kwargs


called = made


def shapes(*sizes: tuple[int, ...]) -> Arguments:
    return tuple(map(Size, sizes)), {}


def each(constructors: list[Arguments], *inputs: Arguments) -> list[tuple[Arguments, Arguments]]:
    return [(c, x) for c in constructors for x in inputs]


images, one_image = shapes((2, 4, 6, 6)), shapes((4, 6, 6))
positions = torch.tensor([[0, 3, 1], [2, 2, 4]])
bag, offsets = torch.tensor([0, 3, 1, 2, 2, 4]), torch.tensor([0, 2, 2, 5])


def corners(axes: int) -> torch.Tensor:
    """Positions of the maxima of (2, 3, 4, ...) in windows of 2, each in the first corner."""
    x = torch.zeros((2, 3) + (4,) * axes)
    return getattr(torch.nn.functional, f"max_pool{axes}d")(x, 2, return_indices=True)[1]


more: dict[str, list[tuple[Arguments, Arguments]]] = {
    "Identity": each([made(), made(5, unused=2)], images),
    "Flatten": each([made(), made(0), made(1, 2), made(start_dim=-2)], images),
    "Unflatten": [(made(1, (2, 2)), images), (made(-1, (3, -1)), images)],
    "Hardsigmoid": each([made()], images),
    "RReLU": [(made(0.25, 0.25), images)],
    **{
        f"Dropout{n}": [(made(p), shapes((2, 4, 3, 3, 3)[: axes + 2])) for p in (0.0, 1.0)]
        for n, axes in (("", 0), ("1d", 1), ("2d", 2), ("3d", 3))
    },
    **{n: [(made(p), images) for p in (0.0, 1.0)] for n in ("AlphaDropout", "FeatureAlphaDropout")},
    "LazyLinear": each([made(3), made(3, bias=False)], shapes((2, 5)), shapes((2, 3, 4))),
    **{
        f"LazyBatchNorm{n}d": each([made(), made(affine=False, momentum=None)], shapes((3, 4, 2, 3, 2)[: n + 2]))
        for n in (1, 2, 3)
    },
    **{
        f"LazyInstanceNorm{n}d": each(
            [made(affine=True), made(track_running_stats=True)], shapes((3, 4, 2, 3, 2)[: n + 2])
        )
        for n in (1, 2, 3)
    },
    "CrossMapLRN2d": [(made(3), images), (made(2, alpha=0.1, beta=0.5, k=2), images)],
    "CosineSimilarity": each([made(), made(dim=-1), made(0, eps=0.5)], shapes((3, 4), (3, 4)), shapes((3, 4), (1, 4))),
    "PairwiseDistance": each(
        [made(), made(1.0), made(3.0, keepdim=True), made(float("inf"))], shapes((3, 4), (3, 4)), shapes((4,), (3, 4))
    ),
    "PixelShuffle": each([made(2), made(1)], images, one_image),
    "PixelUnshuffle": each([made(2), made(3)], images, one_image),
    "ChannelShuffle": each([made(2), made(4)], images),
    "Fold": [
        (made((4, 5), (2, 2)), shapes((2, 12, 12))),
        (made((4, 5), 2), shapes((8, 12))),
        (made((5, 6), (2, 3), dilation=(2, 1), padding=1, stride=2), shapes((2, 12, 9))),
    ],
    "Unfold": [(made((2, 3)), images), (made(2, dilation=2, padding=1, stride=(2, 1)), images), (made(3), one_image)],
    "Upsample": [
        *each([made(scale_factor=2), made(size=(3, 9)), made(scale_factor=(1.5, 0.5), mode="nearest-exact")], images),
        *each([made(size=7, mode="bilinear"), made(scale_factor=1.7, mode="bilinear", align_corners=True)], images),
        *each([made(size=(4, 9), mode="bicubic"), made(scale_factor=2, mode="bicubic", align_corners=True)], images),
        *each([made(size=5, mode="linear"), made(scale_factor=2.5)], shapes((2, 3, 7))),
        *each([made(size=5, mode="trilinear"), made(scale_factor=(2, 1, 3))], shapes((1, 2, 3, 4, 3))),
        (made(scale_factor=1.3, mode="bilinear", recompute_scale_factor=True), images),
    ],
    "UpsamplingNearest2d": each([made(scale_factor=2), made(size=5)], images),
    "UpsamplingBilinear2d": each([made(scale_factor=2), made(size=5)], images),
    **{
        f"MaxUnpool{n}d": [
            (made(2), called(Size((2, 3) + (2,) * n), corners(n))),
            (made(2), called(Size((2, 3) + (2,) * n), corners(n), output_size=(5,) * n)),
        ]
        for n in (1, 2, 3)
    },
    "EmbeddingBag": [
        *((made(6, 3, mode=mode), called(positions)) for mode in ("sum", "mean", "max")),
        *((made(6, 3, mode=mode), called(bag, offsets)) for mode in ("sum", "mean", "max")),
        (made(6, 3, padding_idx=2), called(positions)),
        (made(6, 3, mode="sum", include_last_offset=True), called(bag, torch.tensor([0, 2, 6]))),
    ],
    "TripletMarginLoss": each(
        [made(), made(0.5, 1.0, swap=True), made(reduction="sum"), made(reduction="none")],
        shapes((5, 4), (5, 4), (5, 4)),
    ),
    "TripletMarginWithDistanceLoss": each(
        [
            made(),
            made(margin=0.5, swap=True),
            made(distance_function=torch.nn.PairwiseDistance()),
            made(reduction="none"),
        ],
        shapes((5, 4), (5, 4), (5, 4)),
    ),
    "AdaptiveLogSoftmaxWithLoss": each(
        [made(4, 12, [3, 7]), made(4, 12, [3, 7], div_value=2.0, head_bias=True)],
        ((Size((5, 4)), torch.tensor([0, 3, 7, 11, 2])), {}),
    ),
    "TransformerDecoder": [
        (
            made(torch.nn.TransformerDecoderLayer(8, 2, 12, 0.0, batch_first=first), 2, norm),
            called(Size((2, 3, 8)), Size((2, 3, 8)), tgt_is_causal=False),
        )
        for first, norm in ((True, None), (False, torch.nn.LayerNorm(8)))
    ],
    "Softmax2d": each([made()], images, one_image),
}
