"""Sums, means, extremes, products, running sums, sorting."""

from __future__ import annotations

import numpy as np

from .sample import Draw, Sample, method, one

draw = Draw("reductions")
normal, within, distinct, complex_numbers = draw.normal, draw.within, draw.distinct, draw.complex_numbers


table: dict[str, list[Sample]] = {
    # reductions
    **{
        name: [
            Sample((distinct(2, 3, 4),), {"axis": None, "keepdims": False}, torch=method(torch or name)),
            Sample((distinct(2, 3, 4),), {"axis": 1, "keepdims": False}, torch=method(torch or name, 1)),
            Sample(
                (distinct(2, 3, 4),), {"axis": (0, -1), "keepdims": True}, torch=method(torch or name, (0, -1), True)
            ),
            Sample((distinct(2, 3, 4),), {"axis": (2, 0), "keepdims": False}, torch=method(torch or name, (2, 0))),
            Sample((normal(),), {"axis": None, "keepdims": False}, torch=method(torch or name)),
        ]
        for name, torch in (("sum", None), ("mean", None), ("max", "amax"), ("min", "amin"))
    },
    "prod": [
        Sample((within(0.5, 2, 2, 3, 4),), {"axis": None, "keepdims": False}, torch="prod"),
        Sample((normal(2, 5),), {"axis": -1, "keepdims": True}, torch=lambda x: x.prod(-1, keepdim=True)),
        Sample((normal(2, 3, 2),), {"axis": (0, 2), "keepdims": False}, torch=lambda x: x.prod(2).prod(0)),
        Sample((np.asarray([[0.0, 2.0, 3.0], [0.0, 0.0, 3.0]]),), {"axis": 1, "keepdims": False}),
        Sample((normal(),), {"axis": None, "keepdims": False}, torch="prod"),
    ],
    "cumulative_sum": [Sample((normal(2, 3),), {"axis": a}, torch=method("cumsum", a)) for a in (0, -1)],
    "cumulative_prod": [
        *(Sample((normal(2, 5),), {"axis": a}, torch=method("cumprod", a)) for a in (0, -1)),
        Sample((np.asarray([2.0, 0.0, 3.0, -1.0, 0.0, 2.0]),), {"axis": 0}),  # torch's second derivative is NaN there
        Sample((normal(3, 1),), {"axis": 1}, torch=method("cumprod", 1)),
    ],
    "sort": [
        *(Sample((distinct(2, 5),), {"axis": a}, torch=lambda x, a=a: x.sort(a)[0]) for a in (0, -1)),
        Sample((distinct(4),), {"axis": 0, "descending": True}, torch=lambda x: x.sort(0, descending=True)[0]),
    ],
    "logsumexp": [
        Sample((normal(2, 3),), {"axis": 1}, torch=method("logsumexp", 1)),
        Sample((normal(2, 3),), {"axis": None}, torch=method("logsumexp", (0, 1))),
        Sample((normal(2, 3, 2),), {"axis": (0, -1), "keepdims": True}, torch=method("logsumexp", (0, -1), True)),
        Sample((complex_numbers(2, 3),), {"axis": 1}, torch=method("logsumexp", 1)),
    ],
}

complex_table: dict[str, list[Sample]] = {
    "sum": one(complex_numbers(2, 3), method("sum", 1), axis=1),
    "mean": one(complex_numbers(2, 3), method("mean"), axis=None),
    "prod": one(complex_numbers(2, 3), method("prod", 1), axis=1, keepdims=False),
    "cumulative_prod": one(complex_numbers(2, 4), method("cumprod", 1), axis=1),
    "cumulative_sum": one(complex_numbers(2, 4), method("cumsum", 0), axis=0),
}
