"""Cross entropy of the scores that a linear layer gives, of the whole batch or in chunks of it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

from ... import dtypes
from ...autograd.checkpoint import checkpoint
from ...errors import ShapeError
from ...ops import ops
from ...tensor import Tensor, wrap
from ..checks import size
from .cross_entropy import cross_entropy, is_floating
from .indices import integers
from .linear import linear
from .reduction import reduction_of, shape_of

__all__ = ["LinearCrossEntropyOptions", "linear_cross_entropy"]


@dataclass(frozen=True, slots=True)
class LinearCrossEntropyOptions:
    """How `linear_cross_entropy` takes the batch in chunks, so that not all scores are in memory at once.

    Attributes:
        allow_retain_graph: has no effect: a backward pass may always be repeated.
        batch_chunk_size: rows of a chunk; not together with another `chunking_method` than "auto".
        chunking_method: "aspect_ratio", chunks whose scores take about as much memory as the whole batch's input;
            "aspect_ratio:N", an N-th of that; "auto", `batch_chunk_size` or, without one, "aspect_ratio:2"; None,
            `batch_chunk_size` or, without one, no chunks.
        acc_policy, acc_dtype: have no effect: sums are in the input's dtype.

    Raises:
        ValueError: an option is none of these.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: Any = None

    def __post_init__(self) -> None:
        if self.acc_policy not in ("auto", "accurate", "balanced", "compact"):
            raise ValueError(
                f"acc_policy must be 'auto', 'accurate', 'balanced' or 'compact', received {self.acc_policy!r}"
            )
        name, colon, parts = (self.chunking_method or "auto").partition(":")
        if not (name == "aspect_ratio" and (not colon or (parts.isdigit() and int(parts) > 0))) and (name, colon) != (
            "auto",
            "",
        ):
            raise ValueError(
                "chunking_method must be 'auto', 'aspect_ratio', 'aspect_ratio:N' with a positive N, or None, received "
                f"{self.chunking_method!r}"
            )
        if self.batch_chunk_size is not None:
            size(self.batch_chunk_size, "batch_chunk_size", 1)
        if self.acc_dtype is not None and dtypes.dtype(self.acc_dtype).kind != "f":
            raise ValueError(f"acc_dtype must be a floating dtype or None, received {self.acc_dtype!r}")

    def rows(self, batch: int, features: int, classes: int) -> int:
        """How many rows of a batch, of so many features and classes, make a chunk.

        Raises:
            ValueError: `batch_chunk_size` and `chunking_method` say different things.
        """
        asked, method = self.batch_chunk_size, self.chunking_method
        if method == "auto" and asked is None:
            method = "aspect_ratio:2"
        if method in ("auto", None):
            return batch if asked is None else min(asked, batch)
        wanted = max(1, -(-batch // -(-classes // max(1, features))))
        parts = int(method.partition(":")[2] or 1)
        rows = max(1, min((1 << (wanted - 1).bit_length()) // parts, batch))
        if asked is not None and min(asked, batch) != rows:
            raise ValueError(
                f"batch_chunk_size={asked} and chunking_method={method!r}, {rows} rows, differ; give one of them"
            )
        return rows


def linear_cross_entropy(
    input: Any,
    linear_weight: Any,
    target: Any,
    *,
    linear_bias: Any = None,
    weight: Any = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: LinearCrossEntropyOptions | None = None,
) -> Tensor:
    """`cross_entropy` of `linear(input, linear_weight, linear_bias)`.

    Args:
        input: (N, in) or (in,).
        linear_weight: (C, in), or (C, d1, ..., dK, in), which makes the scores (N, C, d1, ..., dK).
        target, weight, reduction, label_smoothing: as of `cross_entropy`.
        linear_bias: of linear_weight's shape without its last axis.
        ignore_index: a class number that does not count; None for -100. Not with probabilities.
        options: a `LinearCrossEntropyOptions`: take the batch in chunks, whose scores are computed again
            in the backward pass, so that never more than one chunk's are in memory. Only for class numbers without
            label smoothing and a linear_weight (C, in); otherwise it has no effect, with a warning.

    Raises:
        ShapeError: the shapes are not these.
        ValueError: as `cross_entropy`; or `options` contradict themselves.
    """
    reduction = reduction_of(reduction)
    shape = _shape_of_scores(shape_of(input), shape_of(linear_weight), linear_bias)
    inner = shape[2:]
    probabilities = is_floating(target) and shape_of(target) == shape
    if probabilities and ignore_index is not None:
        raise ValueError(
            f"linear_cross_entropy: ignore_index={ignore_index} has no meaning where targets are probabilities"
        )
    how = {"ignore_index": -100 if ignore_index is None else ignore_index, "label_smoothing": label_smoothing}
    if options is not None:
        if inner or probabilities or label_smoothing:
            warnings.warn(
                "linear_cross_entropy: options have no effect here; chunks are for class numbers, without label "
                "smoothing, and a linear_weight (C, in)",
                stacklevel=2,
            )
        elif len(shape) == 2:
            rows = options.rows(shape[0], shape_of(input)[1], shape[1])
            if rows < shape[0]:
                return _in_chunks(input, linear_weight, target, linear_bias, weight, reduction, how, rows)
    if inner:
        linear_weight = ops.reshape(linear_weight, (-1, shape_of(linear_weight)[-1]))
        linear_bias = None if linear_bias is None else ops.reshape(linear_bias, (-1,))
    scores = linear(input, linear_weight, linear_bias)
    scores = ops.reshape(scores, shape) if inner else scores
    return cross_entropy(scores, target, weight, reduction=reduction, **how)  # type: ignore[arg-type]


def _shape_of_scores(input: tuple[int, ...], weight: tuple[int, ...], bias: Any) -> tuple[int, ...]:
    wrong = []
    if len(weight) < 2:
        wrong.append(f"a linear_weight of shape (C, ..., in) is expected, received {weight}")
    elif len(weight) > 2 and len(input) != 2:
        wrong.append(f"with a linear_weight of shape {weight} an input of shape (N, {weight[-1]}) is expected")
    elif len(input) not in (1, 2) or input[-1] != weight[-1]:
        wrong.append(f"an input of shape (N, {weight[-1]}) or ({weight[-1]},) is expected")
    if bias is not None and shape_of(bias) != weight[:-1]:
        wrong.append(f"a linear_bias of shape {weight[:-1]} is expected, received {shape_of(bias)}")
    if wrong:
        raise ShapeError(f"linear_cross_entropy with an input of shape {input}: {'; '.join(wrong)}")
    return (*input[:-1], *weight[:-1])


def _in_chunks(
    input: Any, linear_weight: Any, target: Any, linear_bias: Any, weight: Any, reduction: str, how: Any, rows: int
) -> Tensor:
    # a module may be given other parameters for the length of a call, and the scores are computed again after it
    linear_weight, linear_bias, weight = map(_as_now, (linear_weight, linear_bias, weight))
    input, target = ops.asarray(input), integers(target, "linear_cross_entropy's target", input)
    if target.shape != input.shape[:1]:
        raise ShapeError(
            f"linear_cross_entropy with an input of shape {input.shape}: a target of shape {input.shape[:1]} is "
            f"expected, received {target.shape}"
        )

    def losses(x: Tensor, t: Tensor) -> Tensor:
        each = "none" if reduction == "none" else "sum"
        return cross_entropy(linear(x, linear_weight, linear_bias), t, weight, reduction=each, **how)

    chunks = [slice(i, i + rows) for i in range(0, input.shape[0], rows)]
    found = [checkpoint(losses, input[c], target[c]) for c in chunks]
    if reduction == "none":
        return ops.concat(found)
    total = ops.sum(ops.stack(found))
    if reduction == "sum":
        return total
    ignored = target == how["ignore_index"]
    ones = ops.ones(target.shape, dtype=total.dtype, device=total.device)
    counted = ones if weight is None else ops.take(ops.asarray(weight), ops.where(ignored, 0, target), axis=0)
    return total / ops.sum(ops.where(ignored, 0, counted))


def _as_now(x: Any) -> Any:
    return wrap(x.array, x.node) if isinstance(x, Tensor) else x
