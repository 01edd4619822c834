"""Rearranging, joining and converting arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..arrays import elsewhere
from .sample import Draw, Sample, functional, library, method, one

draw = Draw("manipulation")
normal, complex_numbers = draw.normal, draw.complex_numbers


def joined(*arrays: Any, axis: int = 0) -> Any:
    return library(arrays[0]).cat(arrays, axis)


def piled(axis: int) -> Callable[..., Any]:
    return lambda *arrays: library(arrays[0]).stack(arrays, axis)


table: dict[str, list[Sample]] = {
    "reshape": one(normal(2, 3), method("reshape", (3, 2)), shape=(3, 2)),
    "squeeze": one(normal(2, 1, 3), method("squeeze", 1), axis=1),
    "expand_dims": one(normal(2, 3), method("unsqueeze", 1), axis=1),
    "broadcast_to": [
        Sample((normal(2, 1),), {"shape": (4, 2, 3)}, torch=method("broadcast_to", (4, 2, 3))),
        Sample((normal(),), {"shape": (2, 3)}, torch=method("broadcast_to", (2, 3))),
    ],
    "permute_dims": one(normal(2, 3, 4), method("permute", (2, 0, 1)), axes=(2, 0, 1)),
    "flip": [
        Sample((normal(2, 3),), {"axis": None}, torch=method("flip", (0, 1))),
        Sample((normal(2, 3),), {"axis": -1}, torch=method("flip", (1,))),
        Sample((normal(2, 3, 2),), {"axis": (0, 2)}, torch=method("flip", (0, 2))),
    ],
    "roll": [
        Sample((normal(2, 3),), {"shift": 2, "axis": None}, torch=method("roll", 2)),
        Sample((normal(2, 3),), {"shift": (1, -1), "axis": (0, 1)}, torch=method("roll", (1, -1), (0, 1))),
    ],
    "tril": one(normal(2, 3, 3), method("tril", -1), k=-1),
    "triu": one(normal(2, 3, 4), method("triu", 1), k=1),
    "cast": [
        Sample((normal(3),), lambda engine: {"dtype": engine.backend.dtype("float64")}, dtypes=("float64",)),
        Sample((normal(3),), lambda engine: {"dtype": engine.backend.dtype("complex128")}, dtypes=("complex128",)),
    ],
    "join": [
        Sample((normal(2, 3), normal(1, 3), normal(2, 3)), {"axis": 0}, torch=joined),
        Sample((normal(2, 3), normal(2, 1)), {"axis": -1}, torch=lambda *a: joined(*a, axis=-1)),
        Sample((normal(2, 3), normal(), normal(2)), {"axis": None}),
    ],
    "pile": [Sample((normal(2, 3), normal(2, 3)), {"axis": a}, torch=piled(a)) for a in (0, 1, -1)],
    "copy": one(normal(2, 3), "clone"),
    "alias": one(normal(2, 3)),
    "zero_pad": one(normal(2, 3), functional("pad", pad=(0, 3, 1, 2)), widths=((1, 2), (0, 3))),
    "move": [
        Sample((normal(2, 3),), lambda engine: {"target": engine, "source": engine}),
        Sample((normal(2, 3),), lambda engine: {"target": elsewhere(engine), "source": engine}),
    ],
}

complex_table: dict[str, list[Sample]] = {
    "join": [Sample((complex_numbers(2, 3), complex_numbers(1, 3)), {"axis": 0}, torch=joined)],
    "reshape": one(complex_numbers(2, 3), method("reshape", (6,)), shape=(6,)),
}
