"""Losses."""

from __future__ import annotations

import numpy as np

import polymod as pm
from polymod.rules import primitives

from .sample import Draw, Sample, functional

draw = Draw("losses")
normal, within = draw.normal, draw.within


table: dict[str, list[Sample]] = {
    "mse_loss": [
        Sample((normal(2, 3), normal(2, 3)), {"reduction": r}, torch=functional("mse_loss", reduction=r))
        for r in ("none", "sum", "mean")
    ],
    "nll_loss": [
        Sample(
            (normal(4, 3), np.asarray([0, 2, 1, 2]), *weight),
            {"ignore_index": 1, "reduction": r},
            constant=(2,),
            torch=functional("nll_loss", ignore_index=1, reduction=r),
        )
        for r in ("none", "sum", "mean")
        for weight in ((), (within(0.5, 2, 3),))
    ],
    "cross_entropy": [
        Sample(
            (normal(*shape), target, *weight),
            {"ignore_index": 1, "reduction": r, "label_smoothing": s},
            constant=(2,),
            torch=functional("cross_entropy", ignore_index=1, reduction=r, label_smoothing=s),
        )
        for r, s in (("none", 0.0), ("sum", 0.2), ("mean", 0.0), ("mean", 0.1))
        for shape, target in (((4, 3), np.asarray([0, 2, 1, 2])), ((2, 3, 2), np.asarray([[0, 1], [2, 2]])))
        for weight in ((), (within(0.5, 2, 3),))
    ],
    "nll_loss_back": [
        Sample(
            (normal(4) if r == "none" else normal(), np.asarray([0, 2, 1, 2]), *weight),
            {"shape": (4, 3), "ignore_index": 1, "reduction": r},
            constant=(2,),
        )
        for r in ("none", "sum", "mean")
        for weight in ((None,), (within(0.5, 2, 3),))
    ],
    "huber_error": [
        Sample(
            (normal(2, 3),),
            {"width": 0.7},
            torch=lambda x: functional("huber_loss", delta=0.7, reduction="none")(x, 0 * x),
        )
    ],
    "huber_error_slope": [Sample((normal(2, 3),), {"width": 0.7}, torch=lambda x: x.clamp(-0.7, 0.7))],
    "binary_cross_entropy": [
        Sample((within(0.1, 0.9, 2, 3), within(0, 1, 2, 3)), torch=functional("binary_cross_entropy", reduction="none"))
    ],
    "bce_with_logits": [
        Sample(
            (normal(2, 3), within(0, 1, 2, 3)),
            torch=functional("binary_cross_entropy_with_logits", reduction="none"),
        ),
        Sample(
            (normal(2, 3), within(0, 1, 2, 3), within(0.5, 2, 3)),
            constant=(2,),
            torch=lambda x, t, w: functional("binary_cross_entropy_with_logits", reduction="none", pos_weight=w)(x, t),
        ),
        Sample((normal(2, 3), within(0, 1, 2, 3), within(0.5, 2, 3))),
    ],
}


def reached(scores: pm.Tensor, skips: pm.Tensor) -> pm.Tensor:
    """Probabilities, which are finite also of states that no path reaches."""
    return pm.exp(primitives["ctc_states"](scores, skips))


table["ctc_states"] = [
    Sample((normal(4, 2, 5), np.asarray([[False, False, False, True, False], [False] * 5])), call=reached),
    Sample((normal(1, 2, 1), np.asarray([[False], [False]])), call=reached),
]
table["surprisal"] = [Sample((normal(2, 3),))]

complex_table: dict[str, list[Sample]] = {}
