"""Recurrent layers, whose sequences are of one length or of several, from either end."""

from __future__ import annotations

from .sample import Draw, Sample

draw = Draw("recurrent")
normal = draw.normal

EVEN, RAGGED = (2, 2, 2), (3, 2, 2, 1)  # rows of each time step


def weights(gates: int, width: int, out: int | None = None) -> tuple:
    """w_ih, w_hh, b_ih, b_hh for inputs 2 wide and states `width` wide, of which `out` come back."""
    rows = gates * width
    return normal(rows, 2), normal(rows, out or width), normal(rows), normal(rows)


def plain(gates: int, sizes: tuple[int, ...], **attrs: object) -> Sample:
    """With biases and an initial state."""
    state = normal(sizes[0], 2)
    return Sample((normal(sum(sizes), 2), *weights(gates, 2), state), {"sizes": sizes, **attrs})


def bare(gates: int, sizes: tuple[int, ...], **attrs: object) -> Sample:
    """Without either."""
    return Sample((normal(sum(sizes), 2), *weights(gates, 2)[:2]), {"sizes": sizes, **attrs})


def projected(sizes: tuple[int, ...], **attrs: object) -> Sample:
    """From states 3 wide to outputs 2 wide."""
    states = normal(sizes[0], 2), normal(sizes[0], 3)
    return Sample((normal(sum(sizes), 2), *weights(4, 3, 2), normal(2, 3), *states), {"sizes": sizes, **attrs})


table: dict[str, list[Sample]] = {
    "rnn": [
        plain(1, EVEN, reverse=False, nonlinearity="tanh"),
        plain(1, RAGGED, reverse=False, nonlinearity="tanh"),
        plain(1, RAGGED, reverse=True, nonlinearity="relu"),
        bare(1, (2,), reverse=False, nonlinearity="tanh"),
    ],
    "lstm": [
        Sample((normal(6, 2), *weights(4, 2), None, normal(2, 2), normal(2, 2)), {"sizes": EVEN, "reverse": True}),
        projected(RAGGED, reverse=False),
        projected(RAGGED, reverse=True),
        bare(4, EVEN, reverse=False),
    ],
    "gru": [
        plain(3, EVEN, reverse=True),
        plain(3, RAGGED, reverse=False),
        plain(3, RAGGED, reverse=True),
        bare(3, EVEN, reverse=False),
    ],
}

complex_table: dict[str, list[Sample]] = {}
