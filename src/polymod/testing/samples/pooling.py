"""Pooling."""

from __future__ import annotations

import numpy as np

import polymod as pm

from .sample import Draw, Sample, functional

draw = Draw("pooling")
normal, distinct = draw.normal, draw.distinct

ramp = np.sort(distinct(2, 1, 6))  # the largest of two neighbours is the second


table: dict[str, list[Sample]] = {
    "sum_pool": [
        Sample(
            (normal(2, 2, 6, 5),),
            {"size": (3, 2), "stride": (2, 1), "padding": ((1, 1), (0, 1))},
        ),
    ],
    "sum_pool_back": [
        Sample(
            (normal(2, 1, 3, 5),),
            {"size": (3, 2), "stride": (2, 1), "padding": ((1, 1), (0, 1)), "shape": (6, 5)},
        ),
    ],
    "window_power": [Sample((draw.within(0.5, 2, 2, 3),), {"exponent": 1.5}), Sample((normal(2, 3),), {"exponent": 3})],
    "adaptive_sum": [
        Sample((normal(2, 2, 7, 4),), {"outputs": (3, 5)}),
        Sample((normal(2, 1, 5),), {"outputs": (2,)}),
    ],
    "unpool": [
        Sample(
            (normal(2, 1, 3),),
            lambda device: {"indices": pm.asarray([[[4, 0, 2]], [[1, 3, 4]]], device=device).array, "length": 5},
        ),
    ],
    "max_pool": [
        Sample(
            (distinct(2, 2, 6, 5),),
            {"size": (3, 2), "stride": (2, 1), "padding": ((1, 1), (0, 1)), "dilation": (1, 2)},
        ),
        Sample(
            (distinct(2, 2, 6, 5),),
            {"size": (3, 2), "stride": (2, 2), "padding": ((1, 1), (1, 1)), "dilation": (1, 1)},
            torch=functional("max_pool2d", kernel_size=(3, 2), stride=2, padding=1),
        ),
    ],
    "max_pool_back": [
        Sample(
            (normal(2, 1, 3), ramp, ramp[:, :, 1::2]),
            {"size": (2,), "stride": (2,), "padding": ((0, 0),), "dilation": (1,)},
            constant=(1, 2),
        ),
    ],
    "max_pool_select": [
        Sample(
            (normal(2, 1, 6), ramp, ramp[:, :, 1::2]),
            {"size": (2,), "stride": (2,), "padding": ((0, 0),), "dilation": (1,)},
            constant=(1, 2),
        ),
    ],
}

complex_table: dict[str, list[Sample]] = {}
