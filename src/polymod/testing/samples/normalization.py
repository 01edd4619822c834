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
    "channel_affine": [Sample((normal(3, 2, 4), normal(2), normal(2)))],
    "rms_norm": [
        Sample((normal(2, 3, 4),), {"axes": (-2, -1), "eps": 1e-3}),
        Sample(
            (normal(2, 3, 4), normal(4)),
            {"axes": (-1,), "eps": 1e-3},
            torch=lambda x, w: functional("rms_norm", normalized_shape=(4,), eps=1e-3, weight=w)(x),
        ),
    ],
    "group_norm": [
        Sample((normal(2, 6),), {"groups": 2, "eps": 1e-1}, torch=functional("group_norm", num_groups=2, eps=1e-1)),
        Sample(
            (normal(2, 4, 3), normal(4), normal(4)),
            {"groups": 2, "eps": 1e-3},
            torch=lambda x, w, b: functional("group_norm", num_groups=2, eps=1e-3, weight=w, bias=b)(x),
        ),
        Sample((normal(2, 2, 3), normal(2)), {"groups": 2, "eps": 1e-3}),
        Sample((normal(2, 2, 3), None, normal(2)), {"groups": 1, "eps": 1e-3}),
    ],
}

complex_table: dict[str, list[Sample]] = {}
