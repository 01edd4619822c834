"""Looking up rows by number, and its inverse in spirit, one-hot vectors."""

from __future__ import annotations

from typing import Any

from ... import dtypes
from ...errors import ShapeError
from ...ops import ops
from ...rules import primitives
from ...tensor import Tensor, raw
from .indices import check_range, integers

__all__ = ["embedding", "one_hot"]

_embedding = primitives["embedding"]


def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of `weight` that `input` names.

    Args:
        input: integers of any dtype and shape, each in [0, rows).
        weight: (rows, width).
        padding_idx: a row that gets no gradient; may count from the end.
        max_norm: first scale down, in `weight` itself, those of the named rows whose norm is larger.
        norm_type: the p of that norm.
        scale_grad_by_freq: divide the gradient of each row by how often `input` names it.
        sparse: must be False; gradients are dense arrays.

    Returns:
        A Tensor (*input.shape, width).

    Raises:
        ShapeError: `weight` is no matrix.
        TypeError: `input` are not integers.
        IndexError: a number is out of range. On engines whose arrays are not in host memory this is not checked,
            for the check would have to wait for them.
        ValueError: `padding_idx` is no row, or `sparse` is set.
    """
    if len(raw(weight).shape) != 2:
        raise ShapeError(f"embedding expects a weight of shape (rows, width), received {tuple(raw(weight).shape)}")
    rows = raw(weight).shape[0]
    padding_idx = check_padding(padding_idx, rows)
    if sparse:
        raise ValueError("embedding: gradients are dense here; leave sparse=False")
    indices = integers(input, "embedding's input", weight)
    check_range(indices, rows, "embedding's input")
    if max_norm is not None:
        _renormalize(weight, indices.array, float(max_norm), float(norm_type))
    if not scale_grad_by_freq:
        return _embedding(weight, indices, padding_idx=padding_idx)
    return _embedding(weight, indices, padding_idx=padding_idx, by_frequency=True)


def check_padding(padding_idx: int | None, rows: int) -> int | None:
    """`padding_idx` counted from the start. ValueError where there is no such row."""
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise ValueError(f"padding_idx must be one of the {rows} rows, received {padding_idx}")
    return padding_idx % rows


def _renormalize(weight: Tensor, indices: Any, max_norm: float, norm_type: float) -> None:
    values = weight.detach()
    if norm_type == 2:
        norm = ops.sqrt(ops.sum(values * values, axis=1, keepdims=True))
    elif norm_type == float("inf"):
        norm = ops.max(ops.abs(values), axis=1, keepdims=True)
    else:
        norm = ops.sum(ops.abs(values) ** norm_type, axis=1, keepdims=True) ** (1 / norm_type)
    nobody = ops.zeros(norm.shape, dtype=dtypes.bool_, device=norm.device)
    too_long = (norm > max_norm) & ops.setitem(nobody, indices, True)
    weight.array = ops.where(too_long, values * (max_norm / (norm + 1e-7)), values).array


def one_hot(tensor: Any, num_classes: int = -1) -> Tensor:
    """Zeros with a one at the class that each element names, along a new last axis.

    Args:
        tensor: integers of any dtype and shape.
        num_classes: how many classes; -1 takes one more than the largest element, which waits for its value.

    Returns:
        int64, of shape (*tensor.shape, num_classes).

    Raises:
        TypeError: `tensor` are not integers.
        IndexError: an element is out of range (checked as in `embedding`).
        ValueError: `num_classes` is neither positive nor -1, or is -1 and `tensor` is empty.
    """
    numbers = integers(tensor, "one_hot's input")
    if num_classes == -1:
        if numbers.size == 0:
            raise ValueError("one_hot of an empty array needs num_classes")
        num_classes = int(ops.max(numbers)) + 1
    if num_classes <= 0:
        raise ValueError(f"one_hot: num_classes must be positive or -1, received {num_classes}")
    check_range(numbers, num_classes, "one_hot's input")
    classes = ops.arange(num_classes, dtype=numbers.dtype, device=numbers.device)
    return ops.astype(ops.expand_dims(numbers, axis=-1) == classes, dtypes.int64)
