"""Elements read and written."""

from __future__ import annotations

import numpy as np

from .sample import Draw, Sample, one

draw = Draw("indexing")
normal, complex_numbers = draw.normal, draw.complex_numbers


table: dict[str, list[Sample]] = {
    "index": [
        Sample((normal(3, 4),), {"key": (slice(None), 1)}, torch=lambda x: x[:, 1]),
        Sample((normal(3, 4),), {"key": (slice(2, 0, -1), None, slice(1, None, 2))}),
        Sample((normal(3, 4),), {"key": (np.asarray([0, 2, 0, 0]),)}, torch=lambda x: x[[0, 2, 0, 0]]),
        Sample((normal(3, 4),), {"key": (np.asarray([[0], [2]]), np.asarray([1, 1, -1]))}),
        Sample((normal(3, 4),), {"key": (slice(None), np.asarray([1, 1]))}, torch=lambda x: x[:, [1, 1]]),
        Sample((normal(3, 4),), {"key": np.asarray([True, False, True])}, torch=lambda x: x[[True, False, True]]),
        Sample((normal(2, 2),), {"key": (np.asarray([[True, False], [True, True]]),)}),
        Sample((normal(4),), {"key": (slice(0, 0),)}, torch=lambda x: x[:0]),
    ],
    "index_set": [
        Sample((normal(3, 4), normal(3)), {"key": (slice(None), 1)}),
        Sample((normal(3, 4), normal(4)), {"key": (slice(0, 2),)}),
        Sample((normal(3, 4), normal()), {"key": (np.asarray([True, False, True]),)}),
        Sample((normal(3, 4), normal(2, 1)), {"key": (np.asarray([2, 0]),)}),
    ],
    "index_back": [
        Sample((normal(3),), {"key": (slice(None), 1), "shape": (3, 4)}),
        Sample((normal(3, 4),), {"key": (np.asarray([0, 1, 0]),), "shape": (2, 4)}),
    ],
    "scatter_add": [
        Sample((normal(3, 4), normal(3, 4)), {"key": (np.asarray([0, 2, 0]),)}),
        Sample((normal(3, 4), normal(4)), {"key": (np.asarray([0, 2, 0]),)}),
        Sample((normal(3, 4), normal(3)), {"key": (slice(None), 1)}),
    ],
    "take": [
        Sample((normal(3, 4), np.asarray([2, 0, 2])), {"axis": 0}),
        Sample((normal(3, 4), np.asarray([3, 3])), {"axis": -1}),
    ],
    "take_along_axis": [
        Sample((normal(3, 4), np.asarray([[2, 0, 2, 0]])), {"axis": 0}),
        Sample((normal(3, 4), np.asarray([[3, 3], [0, 1], [2, 2]])), {"axis": -1}),
    ],
}

complex_table: dict[str, list[Sample]] = {
    "index": one(complex_numbers(3, 4), lambda x: x[:, 1], key=(slice(None), 1)),
}
