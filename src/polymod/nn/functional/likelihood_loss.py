"""Losses of the parameters of distributions: negative log-likelihoods, and the divergence of two distributions.

They take torch's deprecated arguments `size_average` and `reduce`, which set `reduction`, with a warning. ShapeError
where shapes don't broadcast, ValueError for a reduction that does not exist.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

from ...errors import ShapeError
from ...ops import ops
from ...rules import primitives
from ...tensor import Tensor
from .reduction import check_between, common_shape, of_one_dtype, reduced, reduction_of, shape_of

__all__ = ["gaussian_nll_loss", "kl_div", "poisson_nll_loss"]

_xlogy = primitives["xlogy"]


def poisson_nll_loss(
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood of counts, by default less log(target!).

    Args:
        input: the logarithm of the expected counts or, unless `log_input`, these themselves.
        target: counts; broadcasts against `input`.
        full: with log(target!) by Stirling's approximation, where the target is above 1.
        eps: added to the expected counts before their logarithm is taken.
        reduction: "none", "sum" or "mean".
    """
    reduction = reduction_of(reduction, size_average, reduce)
    common_shape("poisson_nll_loss", input=input, target=target)
    input, target = of_one_dtype(input, target)
    if log_input:
        losses = ops.exp(input) - ops.multiply(target, input)
    else:
        losses = ops.subtract(input, ops.multiply(target, ops.log(ops.add(input, eps))))
    if full:
        many = ops.greater(target, 1)
        n = ops.where(many, target, 1)
        losses = losses + ops.where(many, n * ops.log(n) - n + 0.5 * ops.log(2 * math.pi * n), 0)
    return reduced(losses, reduction)


def gaussian_nll_loss(
    input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """(log(var) + (input - target)**2 / var) / 2: the negative log-likelihood of a normal distribution.

    Args:
        input, target: means and values, which broadcast against each other.
        var: variances: a number, or of input's shape, where one axis may have length one or the last be left out.
        full: with the constant log(2 pi) / 2.
        eps: what variances are raised to; the derivative is as if it stood there itself.
        reduction: "none", "sum" or "mean".

    Raises:
        ShapeError: the shapes are not these.
        ValueError: a variance is negative (looked at only where the engine's arrays are in host memory), or there is
            no such reduction.
    """
    reduction = reduction_of(reduction)
    common_shape("gaussian_nll_loss", input=input, target=target)
    input, target = of_one_dtype(input, target)
    if isinstance(var, int | float):
        var = ops.full_like(ops.asarray(input), var)
    check_between("gaussian_nll_loss's var", var, 0.0, math.inf)
    var = _variances(shape_of(input), ops.asarray(var))
    var = ops.clip(var.detach(), eps, None) + (var - var.detach())
    losses = 0.5 * (ops.log(var) + ops.square(ops.subtract(input, target)) / var)
    return reduced(losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)


def _variances(shape: tuple[int, ...], var: Tensor) -> Tensor:
    """`var` so that it broadcasts against `shape`."""
    if var.shape == shape:
        return var
    if var.shape == shape[:-1]:
        return ops.expand_dims(var, axis=-1)
    if len(var.shape) == len(shape):
        different = [n for m, n in zip(shape, var.shape, strict=True) if m != n]
        if different == [1]:
            return var
    raise ShapeError(
        f"gaussian_nll_loss with an input of shape {shape} expects a var of that shape, with one axis of length one, "
        f"or without the last axis; received {var.shape}"
    )


def kl_div(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """target (log(target) - input): the Kullback-Leibler divergence of `target` from exp(input).

    Args:
        input: log-probabilities.
        target: probabilities or, with `log_target`, their logarithms; broadcasts against `input`.
        reduction: "none", "sum", "mean", or "batchmean", the sum over the length of input's first axis, which is the
            divergence as it is defined.
    """
    legacy = size_average is not None or reduce is not None
    reduction = reduction_of(reduction, size_average, reduce, more=("batchmean",))
    if reduction == "mean" and not legacy:
        warnings.warn(
            "kl_div: reduction='mean' divides by the number of elements; the divergence as defined is 'batchmean'",
            stacklevel=2,
        )
    common_shape("kl_div", input=input, target=target)
    input, target = of_one_dtype(input, target)
    if log_target:
        losses = ops.exp(target) * ops.subtract(target, input)
    else:
        losses = _xlogy(target, target) - ops.multiply(target, input)
    if reduction != "batchmean":
        return reduced(losses, reduction)
    return ops.sum(losses) / shape_of(input)[0] if shape_of(input) else ops.sum(losses)
