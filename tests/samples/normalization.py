"""Normalization."""

from __future__ import annotations

import polymod as pm

from .sample import Draw, Sample, functional, one

draw = Draw("normalization")
normal = draw.normal


table: dict[str, list[Sample]] = {
    "layer_norm": [
        Sample(
            (normal(2, 3, 4),),
            {"axes": (-1,), "eps": 1e-3},
            torch=functional("layer_norm", normalized_shape=(4,), eps=1e-3),
        ),
        Sample(
            (normal(2, 3, 4), normal(3, 4), normal(3, 4)),
            {"axes": (-2, -1), "eps": 1e-3},
            torch=lambda x, w, b: functional("layer_norm", normalized_shape=(3, 4), eps=1e-3, weight=w, bias=b)(x),
        ),
        Sample((normal(2, 4), normal(4)), {"axes": (-1,), "eps": 1e-3}),
        Sample((normal(2, 4), None, normal(4)), {"axes": (-1,), "eps": 1e-3}),
    ],
    "moments": one(normal(3, 2, 4)),
    "batch_norm": [
        Sample(
            (normal(3, 2, 4), *affine),
            call=lambda x, *affine: pm.ops.batch_norm(x, pm.ops.moments(x), *affine, eps=1e-3),
            torch=lambda x, w=None, b=None: functional(
                "batch_norm", running_mean=None, running_var=None, weight=w, bias=b, training=True, eps=1e-3
            )(x),
        )
        for affine in ((), (normal(2),), (normal(2), normal(2)))
    ],
}

complex_table: dict[str, list[Sample]] = {}
