"""GELU and its error function, attention's softmax, classification losses and embeddings in few passes over memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from polymod.backend import load_backend, portable
from polymod.rules.activation import SATURATED
from polymod.rules.special import SHORT, SHORT_P

from .basic import softmax

TILE = 32768  # elements that are taken together, so that all passes over them find them in the processor's cache

# arrays, since ufuncs convert a number each time; those of GELU are of erf(x / sqrt(2))
_ERF = [np.array(c, np.float32) for c in SHORT_P]
_PHI = [np.array(c * 0.5 ** (i + 0.5), np.float32) for i, c in zip(range(len(SHORT_P))[::-1], SHORT_P, strict=True)]
_ONE, _HALF, _DENSITY = (np.array(v, np.float32) for v in (1, 0.5, (2 * np.pi) ** -0.5))


def textbook(name: str, *arrays: Any, **attrs: Any) -> Any:
    """The portable definition, for what is rare."""
    return portable[name](load_backend("numpy").namespace, *arrays, **attrs)


# ------------------------------------------------------------------------------------------------ erf and GELU


def tanh_of_odd(
    out: np.ndarray, x: np.ndarray, bound: float, p: list[np.ndarray], u: np.ndarray, q: np.ndarray
) -> None:
    """out = tanh(x p(x**2)), with x clipped to +-bound; u and q are for work."""
    add, multiply = np.add, np.multiply
    np.clip(x, -bound, bound, out=out)
    multiply(out, out, out=u)
    multiply(u, p[0], out=q)
    for c in p[1:-1]:
        add(q, c, out=q)
        multiply(q, u, out=q)
    add(q, p[-1], out=q)
    multiply(out, q, out=out)
    np.tanh(out, out=out)


def erf_into(out: np.ndarray, x: np.ndarray, u: np.ndarray, q: np.ndarray) -> None:
    tanh_of_odd(out, x, SHORT, _ERF, u, q)


def phi_into(out: np.ndarray, x: np.ndarray, u: np.ndarray, q: np.ndarray) -> None:
    """The normal distribution function."""
    tanh_of_odd(out, x, SHORT * 2**0.5, _PHI, u, q)
    out += _ONE
    out *= _HALF


def gelu_into(out: np.ndarray, x: np.ndarray, u: np.ndarray, q: np.ndarray) -> None:
    phi_into(out, x, u, q)
    out *= x


def slope_into(out: np.ndarray, x: np.ndarray, u: np.ndarray, q: np.ndarray) -> None:
    phi_into(out, x, u, q)
    np.clip(x, -SATURATED, SATURATED, out=q)
    np.multiply(q, q, out=u)
    u *= -_HALF
    np.exp(u, out=u)
    u *= _DENSITY
    u *= q
    out += u


def by_tiles(into: Any, x: Any) -> np.ndarray:
    x = np.asarray(x)
    out = np.empty(x.shape, np.float32)
    flat, result = np.ascontiguousarray(x, np.float32).reshape(-1), out.reshape(-1)
    u, q = np.empty((2, min(TILE, flat.size)), np.float32)
    for start in range(0, flat.size, TILE):
        part = flat[start : start + TILE]
        into(result[start : start + TILE], part, u[: part.size], q[: part.size])
    return out if x.dtype == np.float32 else out.astype(x.dtype)


def erf(x: Any) -> Any:
    return by_tiles(erf_into, x) if x.dtype.char in "fe" else textbook("erf", x)


def gelu(x: Any, *, approximate: str = "none") -> Any:
    if approximate == "none" and x.dtype.char in "fe":
        return by_tiles(gelu_into, x)
    return textbook("gelu", x, approximate=approximate)


def gelu_slope(x: Any, *, approximate: str = "none") -> Any:
    if approximate == "none" and x.dtype.char in "fe":
        return by_tiles(slope_into, x)
    return textbook("gelu_slope", x, approximate=approximate)


def sigmoid(x: Any) -> Any:
    e = np.asarray(np.negative(x))
    with np.errstate(over="ignore"):  # exp(-x) = inf gives 0, which is right
        np.exp(e, out=e)
    e += 1
    return np.reciprocal(e, out=e)


def silu(x: Any) -> Any:
    y = sigmoid(x)
    y *= x
    return y


def silu_slope(x: Any) -> Any:
    y = sigmoid(x)
    slope = np.asarray(np.subtract(1, y))
    slope *= x
    slope += 1
    slope *= y
    return slope


# --------------------------------------------------------------------------------------- attention and losses


def masked_softmax(x: Any, *, axis: int) -> Any:
    top = np.asarray(np.maximum.reduce(x, axis=axis, keepdims=True))
    np.copyto(top, 0, where=top == -np.inf)
    e = np.asarray(np.subtract(x, top))
    np.exp(e, out=e)
    total = np.asarray(np.add.reduce(e, axis=axis, keepdims=True))
    np.copyto(total, 1, where=total == 0)
    e /= total
    return e


def _simple(x: Any, target: Any, weight: Any, ignore_index: int, label_smoothing: float) -> bool:
    """Whether every row counts, and counts the same."""
    usual = x.ndim == 2 and x.shape[0] > 0 and weight is None and label_smoothing == 0 and x.dtype.char in "fd"
    return usual and not np.logical_or.reduce(target == ignore_index)


def cross_entropy(
    x: Any, target: Any, weight: Any = None, *, ignore_index: int, reduction: str, label_smoothing: float
) -> Any:
    if not _simple(x, target, weight, ignore_index, label_smoothing):
        how = {"ignore_index": ignore_index, "reduction": reduction, "label_smoothing": label_smoothing}
        return textbook("cross_entropy", x, target, weight, **how)
    shifted = x - np.maximum.reduce(x, axis=1, keepdims=True)
    losses = np.log(np.add.reduce(np.exp(shifted), axis=1))
    losses -= shifted[np.arange(x.shape[0]), target]
    if reduction == "none":
        return losses
    total = np.add.reduce(losses)
    return total if reduction == "sum" else total / x.shape[0]


def cross_entropy_back(
    g: Any, x: Any, target: Any, weight: Any, *, ignore_index: int, reduction: str, label_smoothing: float
) -> Any:
    if not _simple(x, target, weight, ignore_index, label_smoothing):
        how = {"ignore_index": ignore_index, "reduction": reduction, "label_smoothing": label_smoothing}
        return textbook("cross_entropy_back", g, x, target, weight, **how)
    cotangent = softmax(x, axis=1)
    cotangent[np.arange(x.shape[0]), target] -= 1
    cotangent *= g[:, None] if reduction == "none" else g if reduction == "sum" else g / x.shape[0]
    return cotangent


def embedding_back(g: Any, *, indices: Any, padding_idx: int | None, by_frequency: bool, shape: Any) -> Any:
    result, width = np.zeros(shape, g.dtype), shape[1]
    rows, flat = indices.reshape(-1, 1).astype(np.int64, copy=False), g.reshape(-1, width)
    if by_frequency:
        flat = flat / np.bincount(rows[:, 0], minlength=shape[0])[rows].astype(g.dtype)
    elements = rows * width + np.arange(width)  # NumPy adds at elements much faster than at rows
    np.add.at(result.reshape(-1), elements.reshape(-1), flat.reshape(-1))
    if padding_idx is not None:
        result[padding_idx] = 0
    return result
