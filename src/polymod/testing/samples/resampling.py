"""Resampling."""

from __future__ import annotations

import numpy as np

from polymod.rules.resampling import Taps

from .sample import Draw, Sample

draw = Draw("resampling")
normal, complex_numbers = draw.normal, draw.complex_numbers

few = Taps(4, np.array([[0, 0, 2, 3, 1], [1, 1, 3, 3, 2]]), np.array([[1, 0.5, 0.25, 0.9, 0], [0, 0.5, 0.75, 0.1, 1]]))
many = Taps(3, np.arange(30).reshape(10, 3) % 3, np.linspace(-1, 1, 30).reshape(10, 3))
selection = Taps(4, np.array([[3, 0, 0]]), None)

table: dict[str, list[Sample]] = {
    "resample": [
        Sample((normal(2, 3, 4),), {"axis": -1, "taps": few}),
        Sample((normal(2, 4, 3),), {"axis": -2, "taps": few}),
        Sample((normal(2, 3, 2),), {"axis": -2, "taps": many}),
        Sample((normal(4, 1, 2),), {"axis": -3, "taps": selection}),
    ],
}

complex_table: dict[str, list[Sample]] = {
    "resample": [Sample((complex_numbers(2, 4),), {"axis": -1, "taps": few})],
}
