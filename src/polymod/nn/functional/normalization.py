"""Normalisation as torch.nn.functional has it."""

from __future__ import annotations

from math import prod
from typing import Any

from ...autograd.tape import no_grad
from ...errors import ShapeError
from ...ops import ops
from ...rules import primitives
from ...tensor import Tensor, raw

__all__ = ["batch_norm", "layer_norm"]

_layer_norm, _batch_norm, _moments = (primitives[n] for n in ("layer_norm", "batch_norm", "moments"))


def layer_norm(
    input: Any,
    normalized_shape: int | tuple[int, ...],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Tensor:
    """(input - mean) / sqrt(var + eps) * weight + bias, with mean and (biased) variance over the last axes.

    Args:
        input: (..., *normalized_shape).
        normalized_shape: the sizes of the axes to normalise over.
        weight, bias: of normalized_shape, or None.

    Raises:
        ShapeError: a shape does not end in (or, of weight and bias, is not) normalized_shape.
    """
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape:
        raise ValueError("normalized_shape must have at least one size")
    received = tuple(raw(input).shape)
    wrong = [] if received[-len(shape) :] == shape else [f"an input of shape (..., {str(shape)[1:]} is expected"]
    wrong += [
        f"a {name} of shape {shape} is expected, received {tuple(raw(v).shape)}"
        for name, v in (("weight", weight), ("bias", bias))
        if v is not None and tuple(raw(v).shape) != shape
    ]
    if wrong:
        raise ShapeError(f"layer_norm over {shape} with input {received}: {'; '.join(wrong)}")
    return _layer_norm(input, weight, bias, axes=tuple(range(-len(shape), 0)), eps=eps)


def batch_norm(
    input: Any,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(input - mean) / sqrt(var + eps) * weight + bias for each channel.

    In training, mean and (biased) variance are those of `input` over all axes but axis 1, and the running ones,
    where given, are replaced by (1 - momentum) * running + momentum * (mean, unbiased variance). Otherwise the
    running ones are used.

    Args:
        input: (N, C, ...).
        running_mean, running_var: Tensors (C,); None only in training.
        weight, bias: (C,) or None.
        momentum: a number or a 0-d Tensor.

    Raises:
        ShapeError: the shapes do not fit, or in training there is only one element per channel.
        ValueError: not in training and no running statistics.
    """
    _check_batch_norm(input, running_mean, running_var, weight, bias, training)
    if not training:
        return _with_running(input, running_mean, running_var, weight, bias, eps)
    statistics = _moments(input)
    y = _batch_norm(input, statistics, weight, bias, eps=eps)
    if running_mean is not None or running_var is not None:
        n = prod(raw(input).shape) // raw(input).shape[1]
        with no_grad():
            mean, var = statistics.detach()[0], statistics.detach()[1] * (n / (n - 1))
            updated = [_blend(r, new, momentum) for r, new in ((running_mean, mean), (running_var, var))]
        for running, array in zip((running_mean, running_var), updated, strict=True):
            if running is not None:
                running.array = array
    return y


def _blend(running: Tensor | None, new: Tensor, momentum: Any) -> Any:
    if running is None:
        return None
    old = running.detach()
    return ops.astype(old + (ops.astype(new, old.dtype, copy=False) - old) * momentum, old.dtype, copy=False).array


def _with_running(x: Any, mean: Any, var: Any, weight: Any, bias: Any, eps: float) -> Tensor:
    factor = 1 / ops.sqrt(var + eps)
    factor = factor if weight is None else factor * weight
    shift = -mean * factor if bias is None else ops.subtract(bias, mean * factor)
    shape = (1, -1, *(1,) * (raw(x).ndim - 2))
    dtype = raw(x).dtype
    factor, shift = (ops.reshape(ops.astype(v, dtype, copy=False), shape) for v in (factor, shift))
    return ops.add(ops.multiply(x, factor), shift)


def _check_batch_norm(input: Any, running_mean: Any, running_var: Any, weight: Any, bias: Any, training: bool) -> None:
    shape = tuple(raw(input).shape)
    if len(shape) < 2:
        raise ShapeError(f"batch_norm needs an input (N, C, ...), received shape {shape}")
    if not training and (running_mean is None or running_var is None):
        raise ValueError("batch_norm needs running_mean and running_var unless training=True")
    vectors = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    wrong = [
        f"{name} has shape {tuple(raw(v).shape)}"
        for name, v in vectors.items()
        if v is not None and tuple(raw(v).shape) != (shape[1],)
    ]
    if wrong:
        raise ShapeError(
            f"batch_norm with input {shape} expects vectors of shape ({shape[1]},), but {', '.join(wrong)}"
        )
    if training and prod(shape) == shape[1]:
        raise ShapeError(
            f"batch_norm in training needs more than one element per channel, received input {shape}; use a larger "
            "batch, or call eval() on the model to use the running statistics"
        )
