"""Steps of optimizers, one parameter's and those of several together, and the norm of all gradients."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from .sample import Draw

Call = tuple[tuple[Any, ...], dict[str, Any]]  # the arrays (or lists of them) and the keywords of one call
draw = Draw("steps")
SHAPES = ((3, 4), (5,), ())


def adam(shape: tuple[int, ...], amsgrad: bool) -> tuple[np.ndarray, ...]:
    """A parameter, its gradient, and averages of gradients, of squares, and the largest of these."""
    parameter, gradient, average = (draw.normal(*shape) for _ in range(3))
    squares = [np.asarray(draw.within(0.1, 1, *shape)) for _ in range(1 + amsgrad)]
    return parameter, gradient, np.asarray(0.1 * average), *squares


def sgd(shape: tuple[int, ...], momentum: bool) -> tuple[np.ndarray, ...]:
    return tuple(draw.normal(*shape) for _ in range(2 + momentum))


def together(rows: list[tuple[np.ndarray, ...]]) -> tuple[list[np.ndarray], ...]:
    return tuple(map(list, zip(*rows, strict=True)))


rates = {"lr": 0.01, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8}
adams = [
    (amsgrad, {**rates, "weight_decay": decay, "decoupled": decoupled, "maximize": maximize})
    for amsgrad, (decay, decoupled), maximize in product(
        (False, True), ((0.0, False), (0.1, False), (0.1, True)), (False, True)
    )
]
sgds: list[tuple[bool, dict[str, Any]]] = [
    (False, {"lr": 0.1}),
    (False, {"lr": 0.1, "weight_decay": 0.01, "maximize": True}),
    (True, {"lr": 0.1, "momentum": 0.9, "dampening": 0.2}),
    (True, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
]
calls: dict[str, list[Call]] = {
    "adam_step": [
        (adam(s, a), {**options, "step": step}) for a, options in adams for s in SHAPES[:1] for step in (1, 7)
    ],
    "adam_steps": [(together([adam(s, a) for s in SHAPES]), {**options, "steps": [1, 7, 2]}) for a, options in adams],
    "sgd_step": [(sgd(s, m), options) for m, options in sgds for s in SHAPES],
    "sgd_steps": [(together([sgd(s, m) for s in SHAPES]), options) for m, options in sgds],
}
# the first step with momentum has no buffer yet
calls["sgd_step"].append((sgd((3, 4), False), {"lr": 0.1, "momentum": 0.9}))
calls["sgd_steps"].append(((*together([sgd(s, False) for s in SHAPES]), [None] * 3), {"lr": 0.1, "momentum": 0.9}))

for name in ("adam_steps", "sgd_steps"):
    arrays, options = calls[name][-1]
    calls[name].append((arrays, {**options, "scale": np.asarray(0.25)}))
gradients = [draw.normal(*s) for s in SHAPES]
calls["clip_factor"] = [((gradients,), {"max_norm": n}) for n in (0.5, 100.0)]
calls["scale_all"] = [((gradients, np.asarray(0.25)), {})]
