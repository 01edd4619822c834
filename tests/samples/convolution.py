"""Convolution and its transposes."""

from __future__ import annotations

from .sample import Draw, Sample, functional

draw = Draw("convolution")
normal = draw.normal


table: dict[str, list[Sample]] = {
    "conv": [
        Sample(
            (normal(2, 4, 7), normal(6, 2, 3), normal(6)),
            {"stride": (2,), "padding": ((1, 2),), "dilation": (2,), "groups": 2},
        ),
        Sample(
            (normal(2, 2, 5, 4), normal(3, 2, 3, 2)),
            {"stride": (1, 2), "padding": ((1, 1), (0, 0)), "dilation": (1, 1), "groups": 1},
            torch=functional("conv2d", stride=(1, 2), padding=(1, 0)),
        ),
    ],
    "conv_input_back": [
        Sample(
            (normal(2, 6, 4), normal(6, 2, 3)),
            {"size": (7,), "stride": (2,), "padding": ((1, 2),), "dilation": (1,), "groups": 2},
        ),
    ],
    "conv_weight_back": [
        Sample(
            (normal(2, 4, 7), normal(2, 6, 4)),
            {"size": (3,), "stride": (2,), "padding": ((1, 2),), "dilation": (1,), "groups": 2},
        ),
    ],
}

complex_table: dict[str, list[Sample]] = {}
