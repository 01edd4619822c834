"""Looking up rows by number, sums of such rows, and the inverse in spirit, one-hot vectors."""

from __future__ import annotations

from typing import Any

from ... import dtypes
from ...errors import ShapeError
from ...ops import ops
from ...rules import primitives
from ...tensor import Tensor, raw, wrap
from .indices import check_range, integers, on_host

__all__ = ["embedding", "embedding_bag", "one_hot"]

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
        sparse: accepted and without effect; gradients are dense arrays.

    Returns:
        A Tensor (*input.shape, width).

    Raises:
        ShapeError: `weight` is no matrix.
        TypeError: `input` are not integers.
        IndexError: a number is out of range. On engines whose arrays are not in host memory this is not checked,
            for the check would have to wait for them.
        ValueError: `padding_idx` is no row.
    """
    weight, indices, padding_idx = _table("embedding", input, weight, padding_idx)
    if max_norm is not None:
        _renormalize(weight, indices.array, float(max_norm), float(norm_type))
    if not scale_grad_by_freq:
        return _embedding(weight, indices, padding_idx=padding_idx)
    return _embedding(weight, indices, padding_idx=padding_idx, by_frequency=True)


def _table(name: str, input: Any, weight: Any, padding_idx: int | None) -> tuple[Tensor, Tensor, int | None]:
    """The weight, the input and the padding row of the function `name`, checked."""
    weight = weight if isinstance(weight, Tensor) else wrap(weight)
    if weight.ndim != 2:
        raise ShapeError(f"{name} expects a weight of shape (rows, width), received {weight.shape}")
    rows = weight.shape[0]
    padding_idx = check_padding(padding_idx, rows)
    indices = integers(input, f"{name}'s input", weight)
    check_range(indices, rows, f"{name}'s input")
    return weight, indices, padding_idx


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


# ------------------------------------------------------------------------------------------------------------- bags


def embedding_bag(
    input: Any,
    weight: Any,
    offsets: Any = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, the mean or the largest elements of the rows of `weight` that each bag names; 0 for an empty bag.

    Args:
        input: integers in [0, rows): (B, N), a bag in each row, or (N,), the bags one after the other.
        weight: (rows, width).
        offsets: (B,), where each bag begins in an input (N,); the first is 0.
        max_norm, norm_type, scale_grad_by_freq, sparse: as of `embedding`.
        mode: "sum", "mean" or "max".
        per_sample_weights: factors of the rows, of the input's shape; for mode="sum" only.
        include_last_offset: `offsets` has one more element, where the last bag ends.
        padding_idx: a row that counts in no bag and gets no gradient; may count from the end.

    Returns:
        A Tensor (B, width).

    Raises:
        ShapeError: the shapes are not these.
        TypeError: `input` or `offsets` are not integers.
        IndexError: one of them is out of range (checked as in `embedding`).
        ValueError: `mode` is none of the three, or "max" with `scale_grad_by_freq` or `sparse`; per_sample_weights
            with another mode than "sum"; `offsets` is missing, does not begin with 0, or is given for an input (B, N).
    """
    check_mode(mode, scale_grad_by_freq, sparse)
    if per_sample_weights is not None and mode != "sum":
        raise ValueError(f'embedding_bag: per_sample_weights go with mode="sum" only, received mode={mode!r}')
    weight, indices, padding_idx = _table("embedding_bag", input, weight, padding_idx)
    if per_sample_weights is not None and tuple(raw(per_sample_weights).shape) != indices.shape:
        raise ShapeError(
            f"embedding_bag expects per_sample_weights of the input's shape {indices.shape}, "
            f"received {tuple(raw(per_sample_weights).shape)}"
        )
    starts = _starts(offsets, indices)
    if max_norm is not None:
        _renormalize(weight, indices.array, float(max_norm), float(norm_type))
    counted = None if padding_idx is None else indices != padding_idx
    if mode == "max":
        return _largest(weight, indices, starts, counted, include_last_offset)
    rows = _embedding(weight, indices, padding_idx=padding_idx, by_frequency=scale_grad_by_freq)
    if per_sample_weights is not None:
        rows = rows * ops.expand_dims(per_sample_weights, axis=-1)
    if counted is not None:
        rows = ops.where(ops.expand_dims(counted, axis=-1), rows, 0)
    sums = _sums(rows, starts, include_last_offset)
    if mode == "sum":
        return sums
    ones = ops.ones((*indices.shape, 1), dtype=weight.dtype, device=weight.device)
    if counted is not None:
        ones = ops.where(ops.expand_dims(counted, axis=-1), ones, 0)
    counts = _sums(ones, starts, include_last_offset)
    return sums / ops.where(counts == 0, 1, counts)


def check_mode(mode: str, scale_grad_by_freq: bool, sparse: bool) -> None:
    """ValueError for a mode that `embedding_bag` does not have, or not together with these."""
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f'embedding_bag: mode must be "sum", "mean" or "max", received {mode!r}')
    if mode == "max" and (scale_grad_by_freq or sparse):
        raise ValueError('embedding_bag: mode="max" goes with neither scale_grad_by_freq nor sparse')


def _starts(offsets: Any, indices: Tensor) -> Tensor | None:
    """Where each bag begins, checked; None for bags that are rows."""
    if indices.ndim == 2:
        if offsets is not None:
            raise ValueError("embedding_bag: an input (B, N) has a bag in each row and takes no offsets")
        return None
    if indices.ndim != 1:
        raise ShapeError(f"embedding_bag expects an input (B, N) or (N,), received {indices.shape}")
    if offsets is None:
        raise ValueError("embedding_bag: an input (N,) needs offsets, where each bag begins")
    starts = integers(offsets, "embedding_bag's offsets", indices)
    if starts.ndim != 1:
        raise ShapeError(f"embedding_bag expects offsets (B,), received {starts.shape}")
    check_range(starts, indices.shape[0] + 1, "embedding_bag's offsets")
    values = on_host(starts)
    if values is not None and values.size and values[0] != 0:
        raise ValueError(f"embedding_bag: the first of the offsets must be 0, received {values[0]}")
    return starts


def _bags(n: int, starts: Tensor) -> Tensor:
    """The number of the bag that each of `n` positions is in."""
    positions = ops.arange(n, dtype=starts.dtype, device=starts.device)
    return ops.searchsorted(starts, positions, side="right") - 1


def _sums(x: Tensor, starts: Tensor | None, include_last_offset: bool) -> Tensor:
    """The sum over each bag: (B, N, width), or (N, width) with bags that begin at `starts`, -> (B, width)."""
    if starts is None:
        return ops.sum(x, axis=1)
    sums = ops.zeros((starts.shape[0], x.shape[1]), dtype=x.dtype, device=x.device)
    if 0 not in sums.shape:
        sums = ops.scatter_add(sums, x, key=_bags(x.shape[0], starts).array)
    return sums[:-1] if include_last_offset else sums


def _largest(
    weight: Tensor, indices: Tensor, starts: Tensor | None, counted: Tensor | None, include_last_offset: bool
) -> Tensor:
    """The largest elements over each bag, the first of equal ones: (B, width)."""
    width = weight.shape[1]
    bags, n = indices.shape if starts is None else (starts.shape[0] - include_last_offset, indices.shape[0])
    if n == 0 or bags <= 0:
        return ops.zeros((max(bags, 0), width), dtype=weight.dtype, device=weight.device)
    values = _embedding(weight.detach(), indices)
    if counted is not None:
        values = ops.where(ops.expand_dims(counted, axis=-1), values, -float("inf"))
    if starts is None:
        rows = ops.take_along_axis(indices, ops.argmax(values, axis=1), axis=1)
        some = None if counted is None else ops.any(counted, axis=1)
    else:
        rows, some = _winners(values, indices, starts, bags, counted)
    found = ops.take_along_axis(weight, rows, axis=0)
    return found if some is None else ops.where(ops.expand_dims(some, axis=-1), found, 0)


def _winners(
    values: Tensor, indices: Tensor, starts: Tensor, bags: int, counted: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The rows of the table that each bag's largest elements are in, and whether the bag has any.

    A running maximum inside each bag, by doubling: after log2(N) steps each position knows the largest before it.
    """
    n = values.shape[0]
    bag = _bags(n, starts)
    rows = ops.broadcast_to(ops.expand_dims(indices, axis=-1), values.shape)
    step = 1
    while step < n:
        earlier = values[:-step]
        wins = ops.expand_dims(bag[step:] == bag[:-step], axis=-1) & (earlier >= values[step:])
        rows = ops.concat([rows[:step], ops.where(wins, rows[:-step], rows[step:])], axis=0)
        values = ops.concat([values[:step], ops.where(wins, earlier, values[step:])], axis=0)
        step *= 2
    end = ops.full((1,), n, dtype=starts.dtype, device=starts.device)
    edges = ops.concat([starts, end], axis=0)[: bags + 1]
    some = edges[1:] > edges[:-1]
    if counted is not None:
        some = _sums(ops.expand_dims(ops.astype(counted, starts.dtype), axis=-1), starts, False)[:bags, 0] > 0
    last = edges[1:] - 1
    return ops.take(rows, ops.where(last < 0, 0, last), axis=0), some


# ---------------------------------------------------------------------------------------------------------- one-hot


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
