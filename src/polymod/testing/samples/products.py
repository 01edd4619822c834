"""Products of matrices and vectors."""

from __future__ import annotations

from .sample import Draw, Sample, functional, one

draw = Draw("products")
normal, complex_numbers = draw.normal, draw.complex_numbers


table: dict[str, list[Sample]] = {
    "matmul": [
        Sample((normal(*a), normal(*b)), torch="matmul")
        for a, b in (
            ((2, 3), (3, 4)),
            ((3,), (3,)),
            ((3,), (3, 4)),
            ((2, 3), (3,)),
            ((5, 2, 3), (3,)),
            ((3,), (5, 3, 2)),
            ((5, 2, 3), (3, 4)),
            ((2, 3), (5, 3, 4)),
            ((2, 1, 2, 3), (4, 3, 2)),
        )
    ],
    "matrix_transpose": one(normal(2, 3, 4), lambda x: x.mT),
    "vecdot": [
        Sample((normal(2, 3), normal(2, 3)), torch=lambda a, b: (a * b).sum(-1)),
        Sample((normal(2, 3), normal(3)), {"axis": -1}, torch=lambda a, b: (a * b).sum(-1)),
        Sample((normal(2, 1, 3), normal(4, 3)), {"axis": -1}, torch=lambda a, b: (a * b).sum(-1)),
        Sample((normal(3, 2), normal(3, 2)), {"axis": -2}, torch=lambda a, b: (a * b).sum(-2)),
    ],
    "linear": [
        Sample((normal(2, 3), normal(4, 3)), torch=functional("linear")),
        Sample((normal(2, 3), normal(4, 3), normal(4)), torch=functional("linear")),
        Sample((normal(2, 5, 3), normal(4, 3), normal(4)), torch=functional("linear")),
        Sample((normal(3), normal(4, 3), normal(4)), torch=functional("linear")),
        Sample((normal(3), normal(4, 3)), torch=functional("linear")),
    ],
}

complex_table: dict[str, list[Sample]] = {
    "matmul": [Sample((complex_numbers(2, 3), complex_numbers(3, 2)), torch="matmul")],
    "vecdot": [Sample((complex_numbers(2, 3), complex_numbers(2, 3)), torch=lambda a, b: (a.conj() * b).sum(-1))],
    "linear": [Sample((complex_numbers(2, 3), complex_numbers(4, 3), complex_numbers(4)), torch=functional("linear"))],
}
