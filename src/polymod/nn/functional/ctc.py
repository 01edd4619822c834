"""Connectionist temporal classification (see `rules.ctc`): the loss of a labelling without its alignment in time."""

from __future__ import annotations

from typing import Any

from ...errors import ShapeError
from ...ops import ops
from ...rules import primitives
from ...tensor import Tensor
from .indices import check_range, integers
from .reduction import reduced, reduction_of, shape_of

__all__ = ["ctc_loss"]

_states, _surprisal = primitives["ctc_states"], primitives["surprisal"]


def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Minus the logarithm of the probability of all alignments of the targets, together.

    Args:
        log_probs: (T, N, C), or (T, C) for one sequence: the log-probabilities of C labels at each step, as
            `log_softmax` gives them. The derivative takes them to be normalised and keeps them so, as torch's does.
        targets: labels, none of them `blank`: (N, S), where what lies beyond a target's length does not count; or the
            targets of the batch one after the other, (sum of the lengths,), which reads the lengths on the host.
        input_lengths, target_lengths: integers, N of each: how many steps and labels count. A Tensor, a list or a
            tuple; for one sequence also a number.
        blank: the label that stands for none.
        reduction: "none"; "sum"; or "mean", of each loss over its target's length.
        zero_infinity: let targets that no alignment gives, since their input is too short, cost 0 without a gradient;
            otherwise they cost inf, and their gradient is NaN.

    Returns:
        A Tensor (), or (N,) with reduction "none", () for one sequence.

    Raises:
        ShapeError: the shapes are not these.
        TypeError: targets or lengths are not integers.
        IndexError: a label or a length is out of range (looked at only where the engine's arrays are in host memory).
        ValueError: there is no such label as `blank`, or no such reduction.
    """
    reduction = reduction_of(reduction)
    shape = shape_of(log_probs)
    if len(shape) not in (2, 3):
        raise ShapeError(f"ctc_loss expects log_probs of shape (T, N, C) or (T, C), received {shape}")
    if len(shape) == 2:
        log_probs = ops.expand_dims(log_probs, axis=1)
    steps, batch, classes = shape_of(log_probs)
    if not 0 <= blank < classes:
        raise ValueError(f"ctc_loss: blank must be one of the {classes} labels, received {blank}")
    if steps == 0:
        raise ShapeError(f"ctc_loss expects at least one step, received log_probs of shape {shape}")
    lengths = _lengths("input", input_lengths, batch, steps, log_probs)
    targets = integers(targets, "ctc_loss's targets", log_probs)
    padded, counts = _padded(targets, target_lengths, batch, len(shape) == 2, log_probs)
    inside = ops.arange(padded.shape[1], dtype=counts.dtype, device=counts.device) < ops.expand_dims(counts, axis=1)
    labels = ops.where(inside, padded, blank)
    check_range(labels, classes, "ctc_loss's target label")

    score = _log_probability(log_probs, labels, lengths, counts, blank)
    within = ops.reshape(ops.arange(steps, dtype=lengths.dtype, device=lengths.device), (-1, 1)) < lengths
    total = ops.sum(ops.where(within, ops.sum(ops.exp(log_probs), axis=2), 0.0), axis=0)
    # nothing, but its derivative keeps the gradient on the simplex: log(sum(exp(log_probs))) for normalised ones
    losses = _surprisal(score - (total - total.detach()))
    if zero_infinity:
        losses = ops.where(losses == ops.inf, 0.0, losses)
    if reduction == "mean":
        losses = losses / ops.astype(ops.clip(counts, 1, None), losses.dtype)
    return reduced(ops.reshape(losses, ()) if len(shape) == 2 else losses, reduction)


def _log_probability(log_probs: Any, labels: Tensor, lengths: Tensor, counts: Tensor, blank: int) -> Tensor:
    """(N,), of labels (N, S), of which `counts` count, at the steps that `lengths` says."""
    steps, batch, _ = shape_of(log_probs)
    width = 2 * labels.shape[1] + 1
    blanks = ops.full((batch, labels.shape[1] + 2), blank, dtype=labels.dtype, device=labels.device)
    pairs = ops.reshape(ops.stack([blanks[:, 2:], labels], axis=2), (batch, width - 1))
    states = ops.concat([pairs, blanks[:, :1]], axis=1)
    skips = states != ops.concat([blanks[:, :2], states], axis=1)[:, :width]
    scores = ops.take_along_axis(log_probs, ops.broadcast_to(states, (steps, batch, width)), axis=2)
    reached = _states(scores, skips)

    last = ops.broadcast_to(ops.reshape(ops.clip(lengths - 1, 0, None), (1, -1, 1)), (1, batch, width))
    ends = ops.stack([2 * counts, ops.clip(2 * counts - 1, 0, None)], axis=1)
    at_ends = ops.take_along_axis(ops.squeeze(ops.take_along_axis(reached, last, axis=0), axis=0), ends, axis=1)
    blank_only = ops.stack([counts < 0, counts == 0], axis=1)
    at_ends = ops.where(blank_only, -ops.inf, at_ends)
    possible = ops.max(at_ends, axis=1) > -ops.inf
    found = ops.logsumexp(ops.where(ops.expand_dims(possible, axis=1), at_ends, 0.0), axis=1)
    found = ops.where(possible, found, -ops.inf)
    no_steps = ops.where(counts == 0, ops.zeros_like(found), -ops.inf)
    return ops.where(lengths == 0, no_steps, found)


def _lengths(name: str, lengths: Any, batch: int, longest: int, like: Any) -> Tensor:
    """(N,), integers."""
    lengths = integers(lengths, f"ctc_loss's {name}_lengths", like)
    if lengths.shape != (batch,) and not (batch == 1 and lengths.shape == ()):
        raise ShapeError(f"ctc_loss expects {name}_lengths for a batch of {batch}, received shape {lengths.shape}")
    lengths = ops.reshape(lengths, (batch,))
    check_range(lengths, longest + 1, f"ctc_loss's {name} length")
    return lengths


def _padded(targets: Tensor, lengths: Any, batch: int, single: bool, like: Any) -> tuple[Tensor, Tensor]:
    """The targets as (N, S), and how many labels of each count, (N,)."""
    if targets.ndim == 1 and single:
        targets = ops.expand_dims(targets, axis=0)
    if targets.ndim == 2 and targets.shape[0] == batch:
        return targets, _lengths("target", lengths, batch, targets.shape[1], like)
    if targets.ndim != 1:
        raise ShapeError(
            f"ctc_loss expects targets of shape ({batch}, S) or (sum of the target_lengths,), received {targets.shape}"
        )
    counts = _lengths("target", lengths, batch, targets.shape[0], like)
    known = lengths if isinstance(lengths, list | tuple) else [int(n) for n in counts]
    if sum(known) != targets.shape[0]:
        raise ShapeError(
            f"ctc_loss expects {sum(known)} targets, the sum of the target_lengths, received {targets.shape}"
        )
    longest = max(known, default=0)
    if longest == 0:
        return ops.zeros((batch, 0), dtype=targets.dtype, device=targets.device), counts
    starts = ops.expand_dims(ops.cumulative_sum(counts) - counts, axis=1)
    places = starts + ops.arange(longest, dtype=counts.dtype, device=counts.device)
    places = ops.reshape(ops.clip(places, 0, targets.shape[0] - 1), (-1,))
    return ops.reshape(ops.take(targets, places, axis=0), (batch, longest)), counts
