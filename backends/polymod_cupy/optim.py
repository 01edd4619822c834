"""Optimizer steps, norms and scaling of many tensors: a launch for each dtype, and no number read from the device.

A step goes through each array once, in place. Parameters, gradients and state stay arrays of their own, listed in the
kernel's arguments (see `tables`): a flat arena would save nothing, since gradients are new arrays at each step, and it
would keep all of a model's memory for the sake of one saved parameter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy
import numpy as np

from polymod.errors import CaptureError
from polymod.optim.adam import corrections

from .graph import recorder
from .launch import TYPES, kernel, launch, textbook
from .tables import THREADS, alike, launch_all, suited, tables

_ADAM = ("size", "root", "eps", "rest1", "beta2", "rest2", "keep", "decay", "sign")
_SGD = ("lr", "momentum", "rest", "decay", "sign", "nesterov", "first")


def _layout(names: tuple[str, ...]) -> np.dtype:
    return np.dtype([(name, np.float64) for name in names])


def _struct(names: tuple[str, ...], values: tuple[float, ...]) -> np.ndarray:
    return np.array(values, _layout(names))


def _adam_options(
    step: int,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    maximize: bool = False,
) -> np.ndarray:
    size, root = corrections(step, lr, beta1, beta2)
    keep, decay = (1 - lr * weight_decay, 0.0) if decoupled else (1.0, weight_decay)
    return _struct(_ADAM, (size, root, eps, 1 - beta1, beta2, 1 - beta2, keep, decay, -1.0 if maximize else 1.0))


def _sgd_options(
    first: bool,
    *,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
) -> np.ndarray:
    return _struct(_SGD, (lr, momentum, 1 - dampening, weight_decay, -1.0 if maximize else 1.0, nesterov, first))


def _served(row: tuple[Any, ...]) -> bool:
    """Whether the kernels can write over these arrays; the gradient, the second, is only read and may be copied."""
    p, g, *state = row
    return (
        p.dtype.name in TYPES
        and suited(p, p)
        and (g.dtype, g.shape) == (p.dtype, p.shape)
        and all(s is None or suited(s, p) for s in state)
    )


def _flat(gradient: cupy.ndarray) -> cupy.ndarray:
    with gradient.device:
        return cupy.ascontiguousarray(gradient)


def _step_kernel(name: str, rows: list[tuple], options: np.ndarray, live: Any, scale: Any) -> None:
    rows = [(p, _flat(g), *state) for p, g, *state in rows]
    launch_all(name, np.float32 if scale is None else scale.dtype, rows, options, live, scale)


def _live_adam(members: list[int], live: Any) -> Any:
    """Where a recorded launch finds the options of `members`, which have made equally many steps; None if it is not
    recorded."""
    if live is None:
        return None

    def options() -> np.ndarray:
        now = live()
        steps = now.pop("steps")
        if len({steps[i] for i in members}) > 1:
            raise CaptureError(
                "parameters that had made equally many steps when the step was captured no longer have; call the "
                "captured step's reset()"
            )
        return _adam_options(steps[members[0]], **now)

    return recorder().value(_layout(_ADAM), options)


def _live_sgd(first: bool, live: Any) -> Any:
    if live is None:
        return None
    return recorder().value(_layout(_SGD), lambda: _sgd_options(first, **live()))


def adam_steps(
    parameters: list[Any],
    gradients: list[Any],
    exp_avgs: list[Any],
    exp_avg_sqs: list[Any],
    max_exp_avg_sqs: list[Any] | None = None,
    *,
    steps: list[int],
    scale: Any = None,
    live: Any = None,
    **options: Any,
) -> list[tuple[Any, ...]]:
    largest = max_exp_avg_sqs or [None] * len(parameters)
    rows = list(zip(parameters, gradients, exp_avgs, exp_avg_sqs, largest, strict=True))
    if not all(map(_served, rows)):
        return textbook(
            "adam_steps",
            *(parameters, gradients, exp_avgs, exp_avg_sqs, max_exp_avg_sqs),
            steps=steps,
            scale=scale,
            live=live,
            **options,
        )
    together = alike(range(len(rows)), lambda i: (rows[i][0].dtype, rows[i][0].device.id, steps[i]))
    for (_, _, step), members in together.items():
        _step_kernel(
            "adam", [rows[i] for i in members], _adam_options(step, **options), _live_adam(members, live), scale
        )
    return [(p, *state) for p, _, *state in rows]


def sgd_steps(
    parameters: list[Any],
    gradients: list[Any],
    momentum_buffers: list[Any] | None = None,
    *,
    scale: Any = None,
    live: Any = None,
    **options: Any,
) -> list[tuple[Any, Any]]:
    buffers = momentum_buffers or [None] * len(parameters)
    rows = list(zip(parameters, gradients, buffers, strict=True))
    if not all(map(_served, rows)):
        return textbook("sgd_steps", parameters, gradients, momentum_buffers, scale=scale, live=live, **options)
    moves = bool(options.get("momentum"))
    together = alike(rows, lambda row: (row[0].dtype, row[0].device.id, row[2] is None))
    made = list(buffers)
    for (_, _, missing), members in together.items():
        chosen = []
        for i in members:
            p, g, b = rows[i]
            if moves and missing:
                with p.device:
                    b = made[i] = cupy.empty_like(p)
            chosen.append((p, g, b if moves else None))
        _step_kernel("sgd", chosen, _sgd_options(missing, **options), _live_sgd(missing, live), scale)
    return list(zip(parameters, made, strict=True))


# ------------------------------------------------------------------------------------------------ norms and scaling


def _countable(arrays: list[Any]) -> bool:
    return bool(arrays) and all(
        x.dtype.name in TYPES and x.device == arrays[0].device for x in arrays
    )  # on one device, whose memory the sums are in


def clip_factor(arrays: list[Any], *, max_norm: float) -> tuple[Any, Any]:
    if not _countable(arrays):
        return textbook("clip_factor", arrays, max_norm=max_norm)
    wide = np.float64 if any(x.dtype == np.float64 for x in arrays) else np.float32
    with arrays[0].device:
        result = cupy.zeros(2, wide)
        launches = []
        for members in alike(arrays, lambda x: x.dtype).values():
            rows = [(cupy.ascontiguousarray(arrays[i]),) for i in members]
            types = TYPES[rows[0][0].dtype.name], TYPES[np.dtype(wide).name]
            launches += [(types, rows, *table) for table in tables(rows)]
        total = sum(blocks for _, _, _, blocks, _ in launches)
        partials, finished, before = cupy.empty(total, np.float64), cupy.zeros(1, np.uint32), 0
        for types, _, capacity, blocks, table in launches:
            function = kernel("optim", "norm", *types, str(capacity))
            given = (table, partials, np.int32(before), np.int32(total), finished, np.float64(max_norm), result)
            launch(function, blocks, THREADS, *given)
            before += blocks
        if not total:  # nothing but empty arrays
            result[1:] = min(1.0, max_norm / 1e-6)
        return result[0], result[1]


def scale_all(arrays: list[Any], factor: Any) -> list[Any]:
    if not (_countable(arrays) and factor.dtype.char in "fd" and factor.device == arrays[0].device):
        return textbook("scale_all", arrays, factor)
    with factor.device:
        scaled = [cupy.empty(x.shape, x.dtype) for x in arrays]
        for members in alike(arrays, lambda x: x.dtype).values():
            launch_all("scale", factor.dtype, [(cupy.ascontiguousarray(arrays[i]), scaled[i]) for i in members], factor)
        return scaled


kernels: dict[str, Callable[..., Any]] = {f.__name__: f for f in (adam_steps, sgd_steps, clip_factor, scale_all)}
