"""Arithmetic, exponentials, trigonometry, steps, kinks, complex numbers."""

from __future__ import annotations

import numpy as np

from .sample import Draw, Sample, one, pair

draw = Draw("elementwise")
normal, within, distinct, complex_numbers = draw.normal, draw.within, draw.distinct, draw.complex_numbers

steps = within(0.1, 0.4, 2, 3) + draw.rng.integers(-3, 3, (2, 3))  # away from integers and halves


table: dict[str, list[Sample]] = {
    # arithmetic
    "add": pair("add", normal, normal),
    "subtract": pair("subtract", normal, normal),
    "multiply": pair("multiply", normal, normal),
    "divide": pair("divide", normal, lambda *s: within(0.5, 2, *s)),
    "negative": one(normal(2, 3), "negative"),
    "positive": one(normal(2, 3), "positive"),
    "reciprocal": one(within(0.5, 2, 3), "reciprocal"),
    "square": one(normal(2, 3), "square"),
    "pow": [
        *pair("pow", lambda *s: within(0.5, 2, *s), normal),
        *(Sample((within(0.5, 2, 4) * [1, -1, 1, -1], n), torch=lambda x, n=n: x**n) for n in (0, 1, 2, 3, -1, -2)),
        *(Sample((within(0.5, 2, 4), n), torch=lambda x, n=n: x**n) for n in (0.0, 0.5, 1.0, 2.0, -1.5)),
        Sample((2, normal(4)), torch=lambda x: 2**x),
        Sample((within(0.5, 2, 4), np.asarray([1.0, 2.0, 3.0, -1.0])), torch="pow"),
        Sample((within(0.5, 2, 4), np.asarray([0.0, 0.0, 2.0, 0.0]))),  # torch's second derivative is wrong there
    ],
    "remainder": [
        Sample((steps, np.asarray([1.0, -1.0, 1.0])), constant=(1,), torch="remainder"),
        Sample((np.asarray([5.3, -5.3, 5.3]), np.asarray([2.1, 2.1, -2.1])), torch="remainder"),
    ],
    "hypot": [Sample((distinct(2, 3) * 4, distinct(3)), torch="hypot")],
    "copysign": [Sample((distinct(2, 3), distinct(3)), torch="copysign")],
    "logaddexp": [Sample((normal(2, 3), normal(3)), torch="logaddexp")],
    "maximum": [Sample((distinct(2, 3), distinct(3) + 0.02), torch="maximum"), Sample((distinct(4), 0.01))],
    "minimum": [Sample((distinct(2, 3), distinct(3) + 0.02), torch="minimum"), Sample((distinct(4), 0.01))],
    "abs": one(distinct(2, 3), "abs"),
    "clip": [
        Sample((distinct(2, 4), -0.2, 0.21), torch=lambda x: x.clip(-0.2, 0.21)),
        Sample((distinct(5), None, 0.12), torch=lambda x: x.clip(None, 0.12)),
        Sample((distinct(5), 0.12, None), torch=lambda x: x.clip(0.12, None)),
        Sample((distinct(2, 4), distinct(4) - 0.22, distinct(2, 1) + 0.03), torch="clip"),
        Sample((distinct(4), distinct(2, 1) + 0.03, None), torch="clip"),
    ],
    "where": [
        Sample((normal(2, 3) > 0, normal(3), normal(2, 1)), torch="where"),
        Sample((normal(2, 3) > 0, normal(3), 2.5)),
        Sample((normal(2, 3) > 0, 2.5, normal(3))),
    ],
    # exponentials, logarithms, trigonometry
    **{name: one(normal(2, 3), name) for name in ("exp", "expm1", "sin", "cos", "sinh", "cosh", "tanh", "atan")},
    **{name: one(within(0.3, 3, 2, 3), name) for name in ("log", "log1p", "log2", "log10", "sqrt")},
    **{name: one(within(-0.8, 0.8, 2, 3), name) for name in ("asin", "acos", "atanh", "tan")},
    "flat_sqrt": one(within(0.3, 3, 2, 3), "sqrt"),
    "asinh": one(normal(2, 3), "asinh"),
    "acosh": one(within(1.2, 3, 2, 3), "acosh"),
    "atan2": [Sample((distinct(2, 3) * 4, distinct(3)), torch="atan2")],
    # steps
    **{name: one(steps, name) for name in ("sign", "floor", "ceil", "trunc", "round")},
    "floor_divide": [Sample((steps, np.asarray([1.0, -1.0, 2.0])), constant=(1,)), Sample((steps, 1.0))],
    "nextafter": [Sample((distinct(2, 3), distinct(3)))],
    # complex numbers
    "real": one(complex_numbers(2, 3), "real"),
    "imag": one(complex_numbers(2, 3), "imag"),
    "conj": one(complex_numbers(2, 3), "conj"),
}

complex_table: dict[str, list[Sample]] = {
    **{
        name: [
            Sample((complex_numbers(2, 3), complex_numbers(3)), torch=name),
            Sample((complex_numbers(2, 3), 2 - 3j), torch=lambda x, name=name: getattr(x, name)(2 - 3j)),
            Sample((2 - 3j, complex_numbers(2, 3))),
        ]
        for name in ("add", "subtract", "multiply")
    },
    "divide": [Sample((complex_numbers(2, 3), complex_numbers(3) + 3), torch="divide")],
    "pow": [
        Sample((complex_numbers(3) + 2, complex_numbers(3)), torch="pow"),
        Sample((complex_numbers(3), 2), torch=lambda x: x**2),
        Sample((complex_numbers(3) + 2, 0.5), torch=lambda x: x**0.5),
        Sample((2, complex_numbers(3)), torch=lambda x: 2**x),
        Sample((1 - 2j, complex_numbers(3)), torch=lambda x: (1 - 2j) ** x),
    ],
    **{
        name: one(complex_numbers(2, 3) + shift, name)
        for name, shift in (
            *((name, 0) for name in ("negative", "positive", "square", "exp", "sin", "cos", "sinh", "cosh", "tanh")),
            ("abs", 1.5 - 1j),
        )
    },
    **{name: one(complex_numbers(2, 3) + 2.5, name) for name in ("reciprocal", "log", "log2", "log10", "sqrt")},
    **{name: one(complex_numbers(2, 3), name) for name in ("real", "imag", "conj")},
    "copy": one(complex_numbers(2, 3), "clone"),
    "sign": one(complex_numbers(2, 3) + (1.5 - 1j), "sgn"),
    "expm1": one(complex_numbers(2, 3), "expm1"),
    "log1p": one(complex_numbers(2, 3) + 1.5, "log1p"),
    **{  # away from the cuts, and from the branch points 1, -1, 1j and -1j
        name: one(0.3 * complex_numbers(2, 3) + 0.35j, name)
        for name in ("asin", "acos", "atan", "asinh", "acosh", "atanh", "tan")
    },
    "where": [Sample((normal(2, 3) > 0, complex_numbers(3), complex_numbers(2, 1)), torch="where")],
}
