"""Random numbers made on a device: which ones is said by a seed and the number of a draw."""

from __future__ import annotations

from typing import Any

import numpy as np

Call = tuple[tuple[Any, ...], dict[str, Any]]  # positional arguments, keywords
HERE = {"device": "cpu"}  # NumPy's; the engine's own in its place
SHAPES = ((3, 5), (), (0,), (7,))
FLOATS = [np.dtype(name) for name in ("float32", "float64", "float16")]

calls: dict[str, list[Call]] = {
    "uniform_draw": [((5, 2, shape, dtype, -1.0, 2.0), HERE) for shape in SHAPES for dtype in FLOATS],
    "normal_draw": [((5, 3, shape, dtype, 1.0, 0.5), HERE) for shape in SHAPES for dtype in FLOATS],
    "integers_draw": [
        ((5, 4, low, high, (11,), np.dtype(dtype)), HERE)
        for low, high, dtype in ((0, 7, "int64"), (-100, 100, "int8"), (0, 2**40, "int64"), (0, 256, "uint8"))
    ],
    "seed_draw": [((5, 7), HERE)],
    "permutation_draw": [((5, 5, n), HERE) for n in (0, 1, 10, 1000)],
    "bernoulli_draw": [((5, 6, shape, p), HERE) for shape in SHAPES for p in (0.0, 0.3, 1.0)],
}
