"""What has no derivative: comparisons, logic, positions, counts, sets, and what makes arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import polymod as pm

from .sample import Draw, Sample

draw = Draw("constant")
normal, distinct, complex_numbers = draw.normal, draw.distinct, draw.complex_numbers


def whole(*shape: int, dtype: str = "int64", low: int = -3, high: int = 4) -> np.ndarray:
    return draw.rng.integers(low, high, size=shape).astype(dtype)


def truth(*shape: int) -> np.ndarray:
    return draw.rng.integers(0, 2, size=shape).astype(bool)


def listed(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose result is a list, with a tuple instead."""
    return lambda *args, **attrs: tuple(function(*args, **attrs))


def made(function: Callable[..., Any], *args: Any, **attrs: Any) -> list[Sample]:
    """What a function makes of numbers, in several dtypes; without one only where no default decides."""
    return [
        Sample((), {"dtype": d}, call=lambda *, dtype, a=args, k=attrs: function(*a, dtype=dtype, **k))
        for d in (pm.float32, pm.int32)
    ]


strange = np.asarray([0.0, -0.0, 1.5, -2.5, np.inf, -np.inf, np.nan])
ties = np.asarray([[2.0, 1.0, 2.0, 0.0], [5.0, 5.0, 5.0, 7.0], [-1.0, 3.0, 3.0, 3.0]])
repeated = whole(3, 4, low=0, high=4)
shifts = whole(2, 3, dtype="int32", low=0, high=5)
pooled = {"size": (3, 2), "stride": (2, 1), "padding": ((1, 1), (0, 1)), "dilation": (1, 2)}

table: dict[str, list[Sample]] = {
    # comparisons and logic
    **{
        name: [
            Sample((whole(2, 3), whole(3))),
            Sample((np.round(normal(2, 3)), np.round(normal(2, 1)))),
            Sample((whole(4), 1)),
            Sample((strange, strange[::-1].copy())),
        ]
        for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
    },
    **{name: [Sample((truth(2, 3), truth(3)))] for name in ("logical_and", "logical_or", "logical_xor")},
    "logical_not": [Sample((truth(2, 3),))],
    **{
        name: [Sample((whole(2, 3, dtype=d), whole(3, dtype=d))) for d in ("int32", "int64")]
        + [Sample((whole(2, 3, dtype="uint8", low=0, high=200), 13)), Sample((truth(2, 3), truth(3)))]
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor")
    },
    "bitwise_invert": [Sample((whole(2, 3),)), Sample((truth(3),)), Sample((whole(3, dtype="uint8", low=0),))],
    "bitwise_left_shift": [Sample((whole(2, 3, dtype="int32"), shifts)), Sample((whole(3), 2))],
    "bitwise_right_shift": [Sample((whole(2, 3, dtype="int32"), shifts)), Sample((whole(3), 2))],
    **{name: [Sample((strange,)), Sample((whole(2, 3),))] for name in ("isfinite", "isinf", "isnan")},
    "signbit": [Sample((strange[:-1],))],
    **{
        name: [
            Sample((truth(2, 3),), {"axis": None, "keepdims": False}),
            Sample((whole(2, 3, 2),), {"axis": (0, 2), "keepdims": True}),
            Sample((normal(0, 3) > 0,), {"axis": 0, "keepdims": False}),
        ]
        for name in ("all", "any")
    },
    # positions, counts, sets
    **{
        name: [
            Sample((ties,), {"axis": 1}, call=function),
            Sample((ties,), {"axis": 0, "keepdims": True}, call=function),
            Sample((ties,), call=function),
        ]
        for name, function in (("argmax", pm.argmax), ("argmin", pm.argmin))
    },
    "argsort": [
        Sample((ties,), {"axis": axis, "descending": down}, call=pm.argsort)
        for axis, down in ((-1, False), (0, False), (1, True))
    ],
    "sort of ties": [Sample((ties,), {"axis": 1, "descending": True}, call=pm.sort)],
    "count_nonzero": [
        Sample((repeated,), call=pm.count_nonzero),
        Sample((repeated,), {"axis": (0, -1)}, call=pm.count_nonzero),
        Sample((truth(3, 2),), {"axis": 1, "keepdims": True}, call=pm.count_nonzero),
    ],
    "nonzero": [Sample((whole(3, 4, low=0, high=2),), call=pm.nonzero), Sample((truth(5),), call=pm.nonzero)],
    "searchsorted": [
        Sample((np.sort(normal(6)), normal(2, 3)), {"side": side}, call=pm.searchsorted) for side in ("left", "right")
    ],
    "isin": [Sample((repeated, np.asarray([0, 3])), call=pm.isin)],
    "unique_all": [Sample((repeated,), call=pm.unique_all)],
    "unique_counts": [Sample((repeated,), call=pm.unique_counts)],
    "unique_inverse": [Sample((repeated,), call=pm.unique_inverse)],
    "unique_values": [Sample((repeated,), call=pm.unique_values), Sample((ties,), call=pm.unique_values)],
    "max_pool_positions": [Sample((distinct(2, 2, 6, 5),), pooled)],
    "border": [Sample((np.asarray([[1.0, 2.0], [2.0, 4.0]]),), call=lambda x: pm.linalg.det(pm.ops.border(x)))],
    # arrays made
    "arange": [*made(pm.arange, 5), *made(pm.arange, 2, 11, 3)],
    "linspace": [
        Sample((), call=lambda: pm.linspace(-1, 2, 7, dtype=pm.float32)),
        Sample((), call=lambda: pm.linspace(0, 1, 4, endpoint=False, dtype=pm.float32)),
    ],
    "zeros": made(pm.zeros, (2, 3)),
    "ones": made(pm.ones, (2, 3)),
    "full": made(pm.full, (2, 3), 7),
    "eye": [*made(pm.eye, 3), *made(pm.eye, 3, 4, k=1), *made(pm.eye, 3, 2, k=-1)],
    "empty": [Sample((), call=lambda: pm.empty((2, 0), dtype=pm.float32))],
    "zeros_like": [Sample((normal(2, 3),), call=pm.zeros_like)],
    "ones_like": [Sample((whole(2, 3),), call=pm.ones_like)],
    "full_like": [Sample((normal(2, 3), 2.5), call=pm.full_like)],
    "empty_like": [Sample((normal(2, 0),), call=pm.empty_like)],
    "meshgrid": [Sample((normal(2), normal(3)), {"indexing": i}, call=listed(pm.meshgrid)) for i in ("xy", "ij")],
    "numbers": [
        Sample((), call=lambda: pm.asarray([[1, 2], [3, 4]], dtype=pm.int32)),
        Sample((), call=lambda: pm.asarray([[True, False]])),
        Sample((), call=lambda: pm.asarray(2.5, dtype=pm.float32)),
    ],
    # whole numbers and booleans through functions that also have derivatives
    "sum of whole numbers": [Sample((repeated,), {"axis": 0}, call=pm.sum), Sample((truth(3, 2),), call=pm.sum)],
    "sum of int8": [
        Sample((whole(4, dtype="int8"),), call=pm.sum),
        Sample((whole(4, dtype="uint8", low=0),), call=pm.sum),
    ],
    "prod of whole numbers": [Sample((repeated,), {"axis": 1}, call=pm.prod)],
    "cumulative sum of whole numbers": [
        Sample((repeated,), {"axis": 1}, call=pm.cumulative_sum),
        Sample((repeated,), {"axis": 0, "include_initial": True}, call=pm.cumulative_sum),
    ],
    "max of whole numbers": [Sample((repeated,), {"axis": 1}, call=pm.max), Sample((repeated,), call=pm.min)],
    "matmul of whole numbers": [Sample((whole(2, 3), whole(3, 2)), call=pm.matmul)],
    "where of whole numbers": [Sample((truth(2, 3), whole(3), whole(2, 1)), call=pm.where)],
    "remainder of whole numbers": [
        Sample((whole(9), np.asarray([2, -2, 3, -3, 1, 2, 3, 4, 5])), call=function)
        for function in (pm.remainder, pm.floor_divide)
    ],
    "pow of whole numbers": [Sample((whole(4), whole(4, low=0)), call=pm.pow)],
    "abs of whole numbers": [Sample((whole(4),), call=f) for f in (pm.abs, pm.sign, pm.negative, pm.square)],
    "clip of whole numbers": [Sample((whole(6), -1, 2), call=pm.clip)],
    # functions of the standard that are made of others
    "std": [
        Sample((normal(2, 3, 4),), {"axis": (0, 2)}, call=pm.std),
        Sample((normal(2, 3),), {"axis": 1, "correction": 1, "keepdims": True}, call=pm.std),
    ],
    "var": [Sample((normal(2, 3),), call=pm.var), Sample((normal(2, 3),), {"axis": 0, "correction": 1}, call=pm.var)],
    "diff": [Sample((normal(2, 5),), call=pm.diff), Sample((whole(5, 2),), {"axis": 0, "n": 2}, call=pm.diff)],
    "tensordot": [Sample((normal(2, 3, 4), normal(4, 3)), {"axes": ((1, 2), (1, 0))}, call=pm.tensordot)],
    "vecdot along an axis": [Sample((normal(3, 2), normal(3, 2)), {"axis": -2}, call=pm.vecdot)],
    "einsum": [Sample((normal(2, 3), normal(3, 4)), call=lambda a, b: pm.einsum("ij,jk->ki", a, b))],
    "repeat": [Sample((normal(2, 3), 2), {"axis": 1}, call=pm.repeat)],
    "tile": [Sample((normal(2, 3), (2, 1, 2)), call=pm.tile)],
    "unstack": [Sample((normal(2, 3),), {"axis": 1}, call=pm.unstack)],
    "moveaxis": [Sample((normal(2, 3, 4), 0, 2), call=pm.moveaxis)],
    "broadcast_arrays": [Sample((normal(2, 1), normal(3)), call=listed(pm.broadcast_arrays))],
    "cross": [Sample((normal(2, 3), normal(2, 3)), call=pm.linalg.cross)],
    "outer": [Sample((normal(2), normal(3)), call=pm.linalg.outer)],
    "trace": [Sample((normal(2, 3, 4),), {"offset": 1}, call=pm.linalg.trace)],
    "matrix_norm": [
        Sample((normal(2, 3, 4),), {"ord": o}, call=pm.linalg.matrix_norm) for o in ("fro", 1, np.inf, 2, "nuc")
    ],
    "matrix_power": [Sample((normal(2, 3, 3), n), call=pm.linalg.matrix_power) for n in (0, 3, -1)],
    "matrix_rank": [Sample((np.asarray([[1.0, 2.0], [2.0, 4.0]]),), call=pm.linalg.matrix_rank)],
    "vector_norm": [
        Sample((normal(2, 3),), {"axis": 1, "ord": o}, call=pm.linalg.vector_norm) for o in (2, 1, np.inf, 0, 3)
    ],
    "fftfreq": [Sample((), call=lambda: pm.fft.fftfreq(5, d=0.5, dtype=pm.float32))],
    "rfftfreq": [Sample((), call=lambda: pm.fft.rfftfreq(6, d=0.5, dtype=pm.float32))],
    "fftshift": [Sample((normal(4, 5),), call=pm.fft.fftshift), Sample((normal(5),), call=pm.fft.ifftshift)],
    "hfft": [Sample((complex_numbers(4),), call=pm.fft.hfft), Sample((normal(6),), call=pm.fft.ihfft)],
}
