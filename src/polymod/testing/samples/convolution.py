"""Convolution and its transposes, columns of windows and back."""

from __future__ import annotations

from .sample import Draw, Sample, functional

draw = Draw("convolution")
normal, complex_numbers = draw.normal, draw.complex_numbers
columns = {"size": (2, 3), "stride": (2, 1), "padding": ((1, 1), (0, 2)), "dilation": (1, 2)}


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
    "im2col": [
        Sample((normal(2, 3, 4, 5),), columns),
        Sample((normal(2, 2, 5),), {"size": (2,), "stride": (1,), "padding": ((0, 0),), "dilation": (2,)}),
        Sample(
            (normal(2, 3, 4, 5),),
            {"size": (2, 2), "stride": (2, 1), "padding": ((1, 1), (0, 0)), "dilation": (1, 1)},
            torch=functional("unfold", kernel_size=2, stride=(2, 1), padding=(1, 0)),
        ),
    ],
    "col2im": [
        Sample((normal(2, 18, 9),), {"shape": (4, 5), **columns}),
        Sample(
            (normal(2, 4, 3),), {"shape": (5,), "size": (2,), "stride": (1,), "padding": ((0, 0),), "dilation": (2,)}
        ),
        Sample(
            (normal(2, 12, 12),),
            {"shape": (4, 5), "size": (2, 2), "stride": (2, 1), "padding": ((1, 1), (0, 0)), "dilation": (1, 1)},
            torch=functional("fold", output_size=(4, 5), kernel_size=2, stride=(2, 1), padding=(1, 0)),
        ),
    ],
}

stepped = {"stride": (2,), "padding": ((1, 2),), "dilation": (1,), "groups": 2}
complex_table: dict[str, list[Sample]] = {
    "conv": [Sample((complex_numbers(2, 4, 7), complex_numbers(6, 2, 3)), stepped)],
    "conv_input_back": [Sample((complex_numbers(2, 6, 4), complex_numbers(6, 2, 3)), {"size": (7,), **stepped})],
    "conv_weight_back": [Sample((complex_numbers(2, 4, 7), complex_numbers(2, 6, 4)), {"size": (3,), **stepped})],
    "im2col": [Sample((complex_numbers(2, 3, 4, 5),), columns)],
    "col2im": [Sample((complex_numbers(2, 18, 9),), {"shape": (4, 5), **columns})],
}
