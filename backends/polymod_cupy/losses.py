"""Losses in one pass over the scores; sums over targets in two steps, always in the same order."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import cupy

from polymod.rules.losses import LEAST_LOG, class_axis

from .launch import TYPES, WIDE, WIDER, kernel, launch, or_null, served, textbook
from .rows import Lines, contiguous, lines_along, neighbours, share

BLOCK = 256
PARTS = 1024  # blocks that each leave a part of a sum; always these, so that it is always made in the same order
FEW_PARTS = 128  # where every block adds the parts up again: no more than the smallest block's threads

NUMBERS = {
    "int8": "signed char",
    "int16": "short",
    "int32": "int",
    "int64": "long long",
    "uint8": "unsigned char",
    "uint16": "unsigned short",
    "uint32": "unsigned int",
}
"""How CUDA calls the types of class numbers that the kernels are made for."""

Optional = cupy.ndarray | None


def _suits(target: cupy.ndarray, *arrays: Optional) -> bool:
    return target.dtype.name in NUMBERS and target.size > 0 and served(*arrays)


def _types(x: cupy.ndarray, target: cupy.ndarray) -> tuple[str, str]:
    return TYPES[x.dtype.name], NUMBERS[target.dtype.name]


def _sums(x: cupy.ndarray, size: int) -> cupy.ndarray:
    """Memory for parts of sums."""
    return cupy.empty(size, WIDE[x.dtype.name])


def _finish(parts: cupy.ndarray, dtype: Any, count: int, factor: float, mean: bool) -> cupy.ndarray:
    y = cupy.empty((), dtype)
    launch(kernel("losses", "finish", TYPES[y.dtype.name]), 1, BLOCK, parts, y, count, factor, int(mean))
    return y


# ------------------------------------------------------------------------------------------------ class numbers


def _loss(name: str, how: Any, types: Any, x: Any, target: Any, weight: Any, lines: Lines, *others: Any) -> Any:
    """Run `name`, which leaves each target's loss or, if `how` has a reduction, parts of their sum."""
    reduction, blocks, threads = how
    if reduction == "none":
        losses, parts = cupy.empty(target.shape, x.dtype), None
    else:
        blocks = min(blocks, PARTS)
        losses, parts = None, _sums(x, 2 * blocks)
    arrays = (x, target, *map(or_null, (weight, losses, parts)))
    launch(kernel("losses", name, *types), blocks, threads, *arrays, lines.count, lines.n, lines.inner, *others)
    return losses if parts is None else _finish(parts, x.dtype, blocks, 1.0, reduction == "mean")


def _total(types: Any, g: Any, target: Any, weight: Any, lines: Lines, ignore_index: int, reduction: str) -> Any:
    """Parts of the sum that a mean is divided by, and how many they are."""
    if reduction != "mean":
        return 0, 0
    blocks = min(-(-lines.count // BLOCK), FEW_PARTS)
    parts = _sums(g, blocks)
    arguments = (target, or_null(weight), parts, lines.count, lines.n, ignore_index)
    launch(kernel("losses", "shares", *types), blocks, BLOCK, *arguments)
    return parts, blocks


def nll_loss(
    x: cupy.ndarray, target: cupy.ndarray, weight: Optional = None, *, ignore_index: int, reduction: str
) -> cupy.ndarray:
    if not _suits(target, x, weight):
        return textbook("nll_loss", x, target, weight, ignore_index=ignore_index, reduction=reduction)
    with x.device:
        x, target, weight = contiguous(x, target, weight)
        lines = lines_along(x.shape, class_axis(x.ndim))
        how = reduction, -(-lines.count // BLOCK), BLOCK
        return _loss("nll", how, _types(x, target), x, target, weight, lines, ignore_index)


def nll_loss_back(
    g: cupy.ndarray, target: cupy.ndarray, weight: Optional, *, shape: Any, ignore_index: int, reduction: str
) -> cupy.ndarray:
    if not _suits(target, g, weight) or 0 in shape:
        how = {"shape": shape, "ignore_index": ignore_index, "reduction": reduction}
        return textbook("nll_loss_back", g, target, weight, **how)
    with g.device:
        g, target, weight = contiguous(g, target, weight)
        lines, types = lines_along(tuple(shape), class_axis(len(shape))), _types(g, target)
        parts, count = _total(types, g, target, weight, lines, ignore_index, reduction)
        dx = cupy.zeros(shape, g.dtype)
        arguments = (g, target, or_null(weight), parts, dx, lines.count, lines.n, lines.inner, ignore_index)
        each = int(reduction == "none")
        launch(kernel("losses", "nll_back", *types), -(-lines.count // BLOCK), BLOCK, *arguments, each, count)
    return dx


def cross_entropy(
    x: cupy.ndarray,
    target: cupy.ndarray,
    weight: Optional = None,
    *,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> cupy.ndarray:
    if not _suits(target, x, weight):
        how = {"ignore_index": ignore_index, "reduction": reduction, "label_smoothing": label_smoothing}
        return textbook("cross_entropy", x, target, weight, **how)
    with x.device:
        x, target, weight = contiguous(x, target, weight)
        lines = lines_along(x.shape, class_axis(x.ndim))
        vec = neighbours(lines.n, x) if lines.inner == 1 else 1
        lanes, threads, blocks = share(lines, vec)
        how, types = (reduction, blocks, threads), (*_types(x, target), str(vec))
        others = lanes, ignore_index, float(label_smoothing)
        return _loss("cross_entropy", how, types, x, target, weight, lines, *others)


def cross_entropy_back(
    g: cupy.ndarray,
    x: cupy.ndarray,
    target: cupy.ndarray,
    weight: Optional,
    *,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> cupy.ndarray:
    """As the portable definition; where a target is ignored exactly 0, also for scores that are NaN."""
    if not _suits(target, g, x, weight):
        how = {"ignore_index": ignore_index, "reduction": reduction, "label_smoothing": label_smoothing}
        return textbook("cross_entropy_back", g, x, target, weight, **how)
    with x.device:
        g, x, target, weight = contiguous(g, x, target, weight)
        lines, types = lines_along(x.shape, class_axis(x.ndim)), _types(x, target)
        parts, count = _total(types, g, target, weight, lines, ignore_index, reduction)
        dx = cupy.empty(x.shape, x.dtype)
        vec = neighbours(lines.n, x, dx) if lines.inner == 1 else 1
        lanes, threads, blocks = share(lines, vec)
        arguments = (g, x, target, or_null(weight), parts, dx, lines.count, lines.n, lines.inner, lanes)
        options = (ignore_index, float(label_smoothing), int(reduction == "none"), count)
        launch(kernel("losses", "cross_entropy_back", *types, str(vec)), blocks, threads, *arguments, *options)
    return dx


# -------------------------------------------------------------------------------------------------- elementwise


def _elementwise(name: str, inputs: str, expression: str) -> Any:
    """A kernel that computes in float, or in double where T is double."""
    names = [part.split()[1] for part in inputs.split(", ")]
    wide = "".join(f"const W {v} = static_cast<W>({v}_);" for v in names)
    code = f"typedef typename wider<T>::type W; {wide} y = static_cast<T>({expression});"
    inputs = ", ".join(f"{part}_" for part in inputs.split(", "))
    return cupy.ElementwiseKernel(inputs, "T y", code, f"polymod_{name}", preamble=WIDER + _CLIP)


# NaN stays NaN, which fmin and fmax do not keep
_CLIP = """
template <typename W> __device__ inline W at_least(W x, W low) { return x < low ? low : x; }
template <typename W> __device__ inline W at_most(W x, W high) { return x > high ? high : x; }
"""
_squared = _elementwise("squared_difference", "T x, T t", "(x - t) * (x - t)")
_huber = _elementwise(
    "huber_error",
    "T x, float64 width",
    "at_least(at_most(x, width), -width) * (x - W(0.5) * at_least(at_most(x, width), -width))",
)
_bce = _elementwise(
    "binary_cross_entropy",
    "T x, T t",
    f"(t - W(1)) * at_least(log1p(-x), W({LEAST_LOG})) - t * at_least(log(x), W({LEAST_LOG}))",
)
_bce_with_logits = _elementwise(
    "bce_with_logits",
    "T x, T t, T p",
    "(W(1) - t) * x - (W(1) + (p - W(1)) * t) * (at_most(x, W(0)) - log1p(exp(-fabs(x))))",
)


def mse_loss(x: cupy.ndarray, target: cupy.ndarray, *, reduction: str) -> cupy.ndarray:
    if not (served(x, target) and x.shape == target.shape):
        return textbook("mse_loss", x, target, reduction=reduction)
    with x.device:
        if reduction == "none":
            return _squared(x, target)
        x, target = contiguous(x, target)
        vec = neighbours(x.size, x, target)
        blocks = min(-(-x.size // (BLOCK * vec)), PARTS)
        parts = _sums(x, blocks)
        launch(kernel("losses", "squares", TYPES[x.dtype.name], str(vec)), blocks, BLOCK, x, target, parts, x.size)
        return _finish(parts, x.dtype, blocks, 1 / prod(x.shape) if reduction == "mean" else 1.0, mean=False)


def huber_error(x: cupy.ndarray, *, width: float) -> cupy.ndarray:
    if not (served(x) and isinstance(width, int | float)):
        return textbook("huber_error", x, width=width)
    with x.device:
        return _huber(x, float(width))


def binary_cross_entropy(x: cupy.ndarray, target: cupy.ndarray) -> cupy.ndarray:
    if not served(x, target):
        return textbook("binary_cross_entropy", x, target)
    with x.device:
        return _bce(x, target)


def bce_with_logits(x: cupy.ndarray, target: cupy.ndarray, pos_weight: Any = 1.0) -> cupy.ndarray:
    numbers = () if isinstance(pos_weight, int | float) else (pos_weight,)
    if not served(x, target, *numbers):
        return textbook("bce_with_logits", x, target, pos_weight)
    with x.device:
        return _bce_with_logits(x, target, pos_weight)


kernels: dict[str, Callable[..., Any]] = {
    f.__name__: f
    for f in (
        nll_loss,
        nll_loss_back,
        cross_entropy,
        cross_entropy_back,
        mse_loss,
        huber_error,
        binary_cross_entropy,
        bce_with_logits,
    )
}
