"""Activations and dropout."""

from __future__ import annotations

from .sample import Draw, Sample, functional, method, one

draw = Draw("activation")
normal, distinct = draw.normal, draw.distinct


table: dict[str, list[Sample]] = {
    "relu": one(distinct(2, 3), "relu"),
    "sigmoid": one(normal(2, 3), "sigmoid"),
    "softmax": [Sample((normal(2, 3),), {"axis": a}, torch=method("softmax", a)) for a in (0, -1)],
    "masked_softmax": one(normal(2, 3), method("softmax", -1), axis=-1),
    "log_softmax": [Sample((normal(2, 3),), {"axis": a}, torch=method("log_softmax", a)) for a in (0, -1)],
    "gelu": [
        Sample((normal(2, 3),), torch=functional("gelu")),
        Sample((normal(2, 3),), {"approximate": "tanh"}, torch=functional("gelu", approximate="tanh")),
    ],
    "leaky_relu": one(distinct(2, 3), functional("leaky_relu", negative_slope=0.2), negative_slope=0.2),
    "prelu": [Sample((distinct(2, 3), normal(1, 1))), Sample((distinct(2, 3), normal(2, 3)))],
    "threshold": one(distinct(2, 3), functional("threshold", threshold=0.1, value=20.0), threshold=0.1, value=20.0),
    "hardtanh": one(distinct(2, 3), functional("hardtanh", min_val=-0.1, max_val=0.2), low=-0.1, high=0.2),
    "hardsigmoid": one(15 * distinct(2, 3)),  # torch has no second derivative of it
    "hardswish": one(15 * distinct(2, 3), functional("hardswish")),
    "hardshrink": one(distinct(2, 3), functional("hardshrink", lambd=0.1), width=0.1),
    "softshrink": one(distinct(2, 3), functional("softshrink", lambd=0.1), width=0.1),
    "elu": [
        Sample((distinct(2, 3),), {"alpha": 1.0, "scale": 1.0, "rate": 1.0}, torch=functional("elu")),
        Sample((distinct(2, 3),), {"alpha": 0.7, "scale": 1.0, "rate": 1.0}, torch=functional("elu", alpha=0.7)),
        Sample((distinct(2, 3),), {"alpha": 1.7, "scale": 1.1, "rate": 1.3}),
    ],
    "softplus": [
        Sample((normal(2, 3),), {"beta": 1.0, "threshold": 20.0}, torch=functional("softplus")),
        Sample((normal(2, 3),), {"beta": 2.0, "threshold": 9.0}, torch=functional("softplus", beta=2, threshold=9)),
    ],
    "silu": one(normal(2, 3), functional("silu")),
    "glu": [Sample((normal(2, 4),), {"axis": a}, torch=functional("glu", dim=a)) for a in (0, -1)],
    "mish": one(normal(2, 3), functional("mish")),
    "dropout": [Sample((normal(2, 3), normal(2, 3) > 0), {"scale": 2.0})],
    "random_dropout": [
        Sample((normal(2, 3, 2),), {"seed": 7, "draw": 3, "p": 0.4, "axes": axes, "scale": 1.5}) for axes in (3, 2)
    ],
}

complex_table: dict[str, list[Sample]] = {
    "sigmoid": one(draw.complex_numbers(2, 3), "sigmoid"),
    "silu": one(draw.complex_numbers(2, 3)),  # torch has no derivative of it
}
