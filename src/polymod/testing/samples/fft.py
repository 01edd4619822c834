"""Discrete Fourier transforms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .sample import Draw, Sample, library

draw = Draw("fft")
normal, complex_numbers = draw.normal, draw.complex_numbers


def torch_fft(name: str, **attrs: Any) -> Callable[..., Any]:
    return lambda x: getattr(library(x).fft, name)(x, **attrs)


table: dict[str, list[Sample]] = {
    "dft": [
        Sample((complex_numbers(4, 3),), {"axis": (0,), "norm": "backward"}, torch=torch_fft("fft", dim=0)),
        Sample(
            (complex_numbers(2, 3, 2),),
            {"axis": (2, 1), "norm": "forward", "inverse": True},
            torch=torch_fft("ifftn", dim=(2, 1), norm="forward"),
        ),
    ],
    "rdft": [
        Sample((normal(2, n),), {"axis": 1, "norm": norm}, torch=torch_fft("rfft", norm=norm))
        for n, norm in ((4, "backward"), (5, "forward"), (1, "ortho"), (6, "ortho"))
    ],
    "irdft": [
        Sample(
            (complex_numbers(n // 2 + 1, 2),),
            {"axis": 0, "n": n, "norm": norm},
            torch=torch_fft("irfft", n=n, dim=0, norm=norm),
        )
        for n, norm in ((4, "backward"), (5, "forward"), (1, "ortho"), (6, "ortho"))
    ],
}

complex_table: dict[str, list[Sample]] = {}
