"""Normalisation with running statistics, as torch.nn.functional has it: batch norm and instance norm.

The result has the input's dtype, so that a float16 input may meet float32 weights and statistics.
"""

from __future__ import annotations

from math import prod
from typing import Any

from ...autograd.tape import no_grad
from ...errors import ShapeError
from ...ops import ops
from ...rules import primitives
from ...tensor import Tensor, raw
from .normalization import channelwise, check_floating, check_vectors, is_empty, like_input

__all__ = ["batch_norm", "instance_norm"]

_batch_norm, _moments = primitives["batch_norm"], primitives["moments"]
_group_norm, _channel_affine = primitives["group_norm"], primitives["channel_affine"]


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
    running ones are used. S. Ioffe, C. Szegedy, arXiv:1502.03167.

    Args:
        input: (N, C, ...), floating.
        running_mean, running_var: Tensors (C,), which get new values in training; None only in training, and both.
        weight, bias: (C,) or None.
        momentum: a number or a 0-d Tensor.
        eps: added to the variance; positive in training.

    Raises:
        ShapeError: the shapes do not fit, or in training there is only one element per channel.
        TypeError: the input is not floating, or running statistics are no Tensors.
        ValueError: not in training and no running statistics, or one of them without the other; a wrong eps.
    """
    shape = _checked_shape("batch_norm", input, running_mean, running_var, weight, bias, training)
    if eps < 0 or (training and eps == 0):
        raise ValueError(f"batch_norm: eps must be positive in training and never negative, received {eps}")
    count = shape[0] * prod(shape[2:])
    if training and count == 1:
        raise ShapeError(
            f"batch_norm in training needs more than one element per channel, received input {shape}; use a larger "
            "batch, or call eval() on the model to use the running statistics"
        )
    dtype = check_floating("batch_norm", input)
    if is_empty(input):  # nothing to learn from: the running statistics stay
        return like_input(channelwise(input, weight, bias), dtype)
    if not training:
        return like_input(_with_running(input, running_mean, running_var, weight, bias, eps), dtype)
    statistics = _moments(input)
    y = like_input(_batch_norm(input, statistics, weight, bias, eps=eps), dtype)
    if running_mean is not None:
        _follow(running_mean, running_var, statistics, count, momentum)
    return y


def instance_norm(
    input: Any,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(input - mean) / sqrt(var + eps) * weight + bias for each channel of each example by itself.

    With `use_input_stats`, mean and (biased) variance are those of each channel's elements, and the running ones,
    where given, follow their averages over the examples, as in `batch_norm`. Otherwise the running ones are used.
    D. Ulyanov, A. Vedaldi, V. Lempitsky, arXiv:1607.08022.

    Args:
        input: (N, C, ...), floating.
        running_mean, running_var: Tensors (C,), which get new values with `use_input_stats`; None only with it, and
            both.
        weight, bias: (C,) or None.
        momentum: a number or a 0-d Tensor.

    Raises:
        ShapeError: the shapes do not fit, or with `use_input_stats` there is only one element per channel.
        TypeError: the input is not floating, or running statistics are no Tensors.
        ValueError: neither `use_input_stats` nor running statistics, or one of them without the other.
    """
    shape = _checked_shape("instance_norm", input, running_mean, running_var, weight, bias, use_input_stats)
    size = prod(shape[2:])
    if use_input_stats and size == 1:
        raise ShapeError(f"instance_norm needs more than one element per channel of an example, received input {shape}")
    dtype = check_floating("instance_norm", input)
    if is_empty(input):
        return like_input(channelwise(input, weight, bias), dtype)
    if not use_input_stats:
        return like_input(_with_running(input, running_mean, running_var, weight, bias, eps), dtype)
    y = like_input(_group_norm(input, weight, bias, groups=shape[1], eps=eps), dtype)
    if running_mean is not None:
        with no_grad():
            each = _moments(ops.reshape(input, (1, shape[0] * shape[1], size)))
            statistics = ops.mean(ops.reshape(each, (2, *shape[:2])), axis=1)
        _follow(running_mean, running_var, statistics, size, momentum)
    return y


def _follow(mean: Tensor, var: Any, statistics: Tensor, count: int, momentum: Any) -> None:
    """Move the running statistics towards the mean and the biased variance of `count` elements, by `momentum`."""
    with no_grad():
        new = statistics.detach()
        unbiased = new[1] * (count / (count - 1))
        moved = [_blend(r, n, momentum) for r, n in ((mean, new[0]), (var, unbiased))]
    mean.array, var.array = moved


def _blend(running: Tensor, new: Tensor, momentum: Any) -> Any:
    old = running.detach()
    return ops.astype(old + (ops.astype(new, old.dtype, copy=False) - old) * momentum, old.dtype, copy=False).array


def _with_running(x: Any, mean: Any, var: Any, weight: Any, bias: Any, eps: float) -> Tensor:
    factor = 1 / ops.sqrt(var + eps)
    factor = factor if weight is None else factor * weight
    shift = -mean * factor if bias is None else ops.subtract(bias, mean * factor)
    dtype = raw(x).dtype
    return _channel_affine(x, *(ops.astype(v, dtype, copy=False) for v in (factor, shift)))


def _checked_shape(
    name: str, input: Any, running_mean: Any, running_var: Any, weight: Any, bias: Any, own_statistics: bool
) -> tuple[int, ...]:
    """The shape of `input`, after a check of what the two functions have in common."""
    shape = tuple(raw(input).shape)
    if shape == (0,):  # torch takes it for no examples without channels
        shape = (0, 0)
    if len(shape) < 2:
        raise ShapeError(f"{name} needs an input (N, C, ...), received shape {shape}")
    running = {"running_mean": running_mean, "running_var": running_var}
    absent = [what for what, v in running.items() if v is None]
    if absent and not own_statistics:
        keyword = "training=True" if name == "batch_norm" else "use_input_stats=True"
        raise ValueError(f"{name} needs {' and '.join(absent)} unless {keyword}")
    if len(absent) == 1:
        raise ValueError(f"{name} takes running_mean and running_var together; {absent[0]} is None")
    for what, v in running.items():
        if own_statistics and v is not None and not isinstance(v, Tensor):
            raise TypeError(f"{name} updates {what}, which must be a Tensor, received {type(v).__name__}")
    check_vectors(name, shape, running | {"weight": weight, "bias": bias})
    return shape
