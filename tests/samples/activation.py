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
    "dropout": [Sample((normal(2, 3), normal(2, 3) > 0), {"scale": 2.0})],
}

complex_table: dict[str, list[Sample]] = {}
