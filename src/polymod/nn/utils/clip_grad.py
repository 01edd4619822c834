"""Limiting gradients before a step, under torch.nn.utils' names."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ...autograd.tape import no_grad
from ...backend import Backend, backend_of
from ...errors import GradientError
from ...ops import ops
from ...optim import clipping as clipping  # defines clip_factor and scale_all
from ...tensor import Tensor, wrap

__all__ = ["clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


@no_grad()
def get_total_norm(
    tensors: Any, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """The norm of all `tensors` as if they were one vector, 0-d, on the device of the first.

    Args:
        tensors: a Tensor or an iterable of them.
        norm_type: the p of the p-norm; `math.inf` for the largest absolute value.
        error_if_nonfinite: raise where the norm is infinite or NaN, which waits for the device.
        foreach: accepted, and not used.

    Raises:
        GradientError: the norm is infinite or NaN, and `error_if_nonfinite`.
    """
    given = [t.detach() for t in ([tensors] if isinstance(tensors, Tensor) else tensors)]
    if not given:
        return ops.asarray(0.0)
    p = float(norm_type)
    owner = _in_one_place(given)
    if p == 2 and owner is not None:
        total = _of_their_dtype(owner.namespace.clip_factor([t.array for t in given], max_norm=1.0)[0], given)
    else:
        home = given[0].device
        total = _norm(ops.stack([_norm(t, p).to_device(home) for t in given]), p)
    if error_if_nonfinite and not math.isfinite(float(total)):
        raise GradientError(
            f"the total norm of order {p} of the gradients is {float(total)}, so they can't be clipped; with "
            "error_if_nonfinite=False they are scaled by it all the same"
        )
    return total


def _in_one_place(tensors: list[Tensor]) -> Backend | None:
    """The engine of `tensors`, if they are all of one and on one device: it can treat them together."""
    owner = backend_of(tensors[0].array)
    device = owner.device_of(tensors[0].array)
    if owner.is_engine and all(
        backend_of(t.array) is owner and owner.device_of(t.array) == device for t in tensors[1:]
    ):
        return owner
    return None


def _of_their_dtype(norm: Any, tensors: list[Tensor]) -> Tensor:
    """A norm computed in float32 or float64 as a Tensor, of the dtype of `tensors` where all have one and are real."""
    found = {t.dtype for t in tensors}
    first = found.pop()
    return ops.astype(wrap(norm), first, copy=False) if not found and first.kind == "f" else wrap(norm)


def _norm(x: Tensor, p: float) -> Tensor:
    size = ops.abs(x)
    if p == math.inf:
        return ops.max(size)
    if p == 2:
        return ops.sqrt(ops.sum(ops.square(size)))
    return ops.sum(size**p) ** (1 / p)


@no_grad()
def clip_grad_norm_(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale the gradients so that their norm, all taken as one vector, is at most `max_norm`.

    Args:
        parameters: a Tensor or an iterable of them; those without a gradient are passed over.
        max_norm: the largest norm allowed.
        norm_type, error_if_nonfinite, foreach: see `get_total_norm`.

    Returns:
        The norm before scaling, a 0-d Tensor.
    """
    grads = _gradients(parameters)
    given = [g for _, g in grads]
    owner = _in_one_place(given) if given and norm_type == 2 and not error_if_nonfinite else None
    if owner is None:
        total = get_total_norm(given, norm_type, error_if_nonfinite)
        _scale(grads, max_norm, total)
        return total
    arrays = [g.array for g in given]
    norm, factor = owner.namespace.clip_factor(arrays, max_norm=float(max_norm))
    for (p, _), array in zip(grads, owner.namespace.scale_all(arrays, factor), strict=True):
        p.grad = wrap(array)
    return _of_their_dtype(norm, given)


def clip_grad_norm(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """`clip_grad_norm_` under its former name."""
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite)


@no_grad()
def clip_grads_with_norm_(parameters: Any, max_norm: float, total_norm: Tensor, foreach: bool | None = None) -> None:
    """Scale the gradients by max_norm / total_norm where that is below 1: what follows `get_total_norm`.

    Args:
        parameters: a Tensor or an iterable of them; those without a gradient are passed over.
        max_norm: the largest norm allowed.
        total_norm: the norm that the gradients have, 0-d.
        foreach: accepted, and not used.
    """
    _scale(_gradients(parameters), max_norm, total_norm)


def _scale(grads: list[tuple[Tensor, Tensor]], max_norm: float, total_norm: Tensor) -> None:
    factor = ops.clip(float(max_norm) / (total_norm + 1e-6), None, 1.0)
    for p, g in grads:
        p.grad = g * ops.astype(factor.to_device(g.device), g.dtype, copy=False)


@no_grad()
def clip_grad_value_(parameters: Any, clip_value: float, foreach: bool | None = None) -> None:
    """Bring every element of the gradients into [-clip_value, clip_value].

    Args:
        parameters: a Tensor or an iterable of them; those without a gradient are passed over.
        clip_value: the bound, at least 0.
        foreach: accepted, and not used.
    """
    bound = float(clip_value)
    for p, g in _gradients(parameters):
        p.grad = ops.clip(g, -bound, bound)


def _gradients(parameters: Any) -> list[tuple[Tensor, Tensor]]:
    given: Iterable[Tensor] = [parameters] if isinstance(parameters, Tensor) else parameters
    return [(p, wrap(p.grad.array)) for p in given if p.grad is not None]
