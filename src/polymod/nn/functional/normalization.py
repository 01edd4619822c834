"""Normalisation of each example by itself, as torch.nn.functional has it.

The result has the input's dtype, so that a float16 input may meet float32 weights.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from math import prod
from typing import Any

from ... import dtypes
from ...errors import ShapeError
from ...functions.data_types import finfo
from ...ops import ops
from ...rules import primitives
from ...tensor import Tensor, raw, wrap

__all__ = ["group_norm", "layer_norm", "rms_norm"]

_layer_norm, _rms_norm, _group_norm = (primitives[n] for n in ("layer_norm", "rms_norm", "group_norm"))


def layer_norm(
    input: Any,
    normalized_shape: int | Sequence[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Tensor:
    """(input - mean) / sqrt(var + eps) * weight + bias, with mean and (biased) variance over the last axes.

    J. Ba, J. Kiros, G. Hinton, arXiv:1607.06450.

    Args:
        input: (..., *normalized_shape), floating.
        normalized_shape: the sizes of the axes to normalise over; an integer for the last axis alone.
        weight, bias: of normalized_shape, or None.

    Raises:
        ShapeError: a shape does not end in (or, of weight and bias, is not) normalized_shape.
        TypeError: the input is not floating.
    """
    axes = _last_axes("layer_norm", input, normalized_shape, {"weight": weight, "bias": bias})
    dtype = check_floating("layer_norm", input)
    if is_empty(input):
        return like_input(_affine(input, weight, bias), dtype)
    return like_input(_layer_norm(input, weight, bias, axes=axes, eps=eps), dtype)


def rms_norm(input: Any, normalized_shape: int | Sequence[int], weight: Any = None, eps: float | None = None) -> Tensor:
    """input / sqrt(mean(input * input) + eps) * weight, with the mean over the last axes.

    B. Zhang, R. Sennrich, arXiv:1910.07467. A complex input is multiplied with itself, not with its conjugate, as in
    torch.

    Args:
        input: (..., *normalized_shape), floating or complex.
        normalized_shape: the sizes of the axes to normalise over; an integer for the last axis alone.
        weight: of normalized_shape, or None.
        eps: None for the smallest eps with 1 + eps > 1 in the input's precision, and at least float32's.

    Raises:
        ShapeError: a shape does not end in (or, of weight, is not) normalized_shape.
        TypeError: the input is a whole number or boolean.
    """
    axes = _last_axes("rms_norm", input, normalized_shape, {"weight": weight})
    dtype = check_floating("rms_norm", input, "fc")
    if eps is None:
        eps = float(finfo(dtypes.float32 if dtype.itemsize < 4 else dtype).eps)
    if is_empty(input):
        return like_input(_affine(input, weight, None), dtype)
    if dtype.kind == "c":
        y = ops.divide(input, ops.sqrt(ops.mean(ops.multiply(input, input), axis=axes, keepdims=True) + eps))
        return like_input(_affine(y, weight, None), dtype)
    if dtype.itemsize < 4:  # too coarse for the mean square and a small eps
        input = ops.astype(input, dtypes.float32)
    return like_input(_rms_norm(input, weight, axes=axes, eps=eps), dtype)


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Tensor:
    """(input - mean) / sqrt(var + eps) * weight + bias, with mean and (biased) variance over groups of channels.

    Y. Wu, K. He, arXiv:1803.08494.

    Args:
        input: (N, C, ...), floating.
        num_groups: into how many groups of equal size the C channels of each example are divided.
        weight, bias: (C,) or None.

    Raises:
        ShapeError: the shapes do not fit, num_groups does not divide C, or there is only one element in all.
        TypeError: the input is not floating.
        ValueError: num_groups is not positive.
    """
    shape = tuple(raw(input).shape)
    groups = operator.index(num_groups)
    if groups < 1:
        raise ValueError(f"group_norm: num_groups must be positive, received {num_groups}")
    if len(shape) < 2:
        raise ShapeError(f"group_norm needs an input (N, C, ...), received shape {shape}")
    if shape[1] % groups:
        raise ShapeError(f"group_norm: {shape[1]} channels, of input {shape}, can't be divided into {groups} groups")
    check_vectors("group_norm", shape, {"weight": weight, "bias": bias})
    if prod(shape) == groups:
        raise ShapeError(f"group_norm needs more than one element per group, received input {shape}")
    dtype = check_floating("group_norm", input)
    if is_empty(input):
        return like_input(channelwise(input, weight, bias), dtype)
    return like_input(_group_norm(input, weight, bias, groups=groups, eps=eps), dtype)


def _last_axes(name: str, input: Any, normalized_shape: int | Sequence[int], given: dict[str, Any]) -> tuple[int, ...]:
    """The axes to normalise over, counted from the end, after a check of all shapes."""
    sizes = (normalized_shape,) if not isinstance(normalized_shape, Sequence) else normalized_shape
    shape = tuple(map(operator.index, sizes))
    if not shape:
        raise ValueError(f"{name}: normalized_shape must have at least one size")
    received = tuple(raw(input).shape)
    wrong = [] if received[-len(shape) :] == shape else [f"an input of shape (..., {str(shape)[1:]} is expected"]
    wrong += [
        f"a {what} of shape {shape} is expected, received {tuple(raw(v).shape)}"
        for what, v in given.items()
        if v is not None and tuple(raw(v).shape) != shape
    ]
    if wrong:
        raise ShapeError(f"{name} over {shape} with input {received}: {'; '.join(wrong)}")
    return tuple(range(-len(shape), 0))


# ------------------------------------------------------------------------------------- shared with batch norm


def check_floating(name: str, input: Any, kinds: str = "f") -> dtypes.DType:
    """The input's dtype. Raises TypeError if it is of none of these kinds."""
    dtype = dtypes.dtype(raw(input).dtype)
    if dtype.kind not in kinds:
        expected = "a floating input" if kinds == "f" else "a floating or complex input"
        raise TypeError(f"{name} needs {expected}, received {dtype}; convert it with astype")
    return dtype


def check_vectors(name: str, shape: tuple[int, ...], vectors: dict[str, Any]) -> None:
    """Raises ShapeError if one of `vectors`, unless None, has not one element per channel of an input (N, C, ...)."""
    wrong = [
        f"{what} has shape {tuple(raw(v).shape)}"
        for what, v in vectors.items()
        if v is not None and tuple(raw(v).shape) != (shape[1],)
    ]
    if wrong:
        raise ShapeError(f"{name} with input {shape} expects vectors of shape ({shape[1]},), but {', '.join(wrong)}")


def is_empty(input: Any) -> bool:
    """Whether there is no element, and so neither mean nor variance."""
    return prod(raw(input).shape) == 0


def like_input(y: Tensor, dtype: dtypes.DType) -> Tensor:
    """`y` with the input's dtype."""
    return y if y.dtype == dtype else ops.astype(y, dtype)


def _affine(x: Any, weight: Any, bias: Any) -> Tensor:
    y = wrap(x) if not isinstance(x, Tensor) else x
    y = y if weight is None else ops.multiply(y, weight)
    return y if bias is None else ops.add(y, bias)


def channelwise(x: Any, weight: Any, bias: Any) -> Tensor:
    """x * weight + bias with vectors (C,), each of which may be None, along axis 1 of x."""
    shape = (1, -1, *(1,) * (raw(x).ndim - 2))
    weight, bias = (None if v is None else ops.reshape(v, shape) for v in (weight, bias))
    return _affine(x, weight, bias)
