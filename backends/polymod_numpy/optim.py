"""Optimizer steps in place: blocks that stay in the cache, and no temporary of a parameter's size."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import array_api_compat.numpy as xp
import numpy as np

from polymod.backend import portable

BLOCK = 32768  # elements: fewer and the calls cost more than the arithmetic, more and the blocks leave the cache
SMALL = 1024  # elements; parameters up to this size are stepped together


class _Scratch(threading.local):
    """Two blocks per dtype, of each thread's own."""

    def __init__(self) -> None:
        self.blocks: dict[np.dtype, tuple[np.ndarray, np.ndarray]] = {}

    def of(self, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
        if dtype not in self.blocks:
            self.blocks[dtype] = np.empty(BLOCK, dtype), np.empty(BLOCK, dtype)
        return self.blocks[dtype]


_scratch = _Scratch()


def _flat(*arrays: np.ndarray | None) -> list[np.ndarray | None] | None:
    """Flat views of a parameter, its gradient and its state; None where they can't be written in place."""
    first = arrays[0]
    if first.dtype.kind != "f" or first.dtype.itemsize < 4:  # type: ignore[union-attr]
        return None
    for i, a in enumerate(arrays):
        if a is None:
            continue
        if type(a) is not np.ndarray or a.dtype != first.dtype or a.shape != first.shape or not a.flags.c_contiguous:
            return None
        if i != 1 and not a.flags.writeable:  # the gradient is only read
            return None
    return [None if a is None else a.reshape(-1) for a in arrays]


def _together(step: Callable[..., Any], lists: tuple[list, ...], options: dict[str, Any]) -> list[Any]:
    """One step for many small parameters: NumPy's time for a call is more than that for their elements.

    They are copied into one flat array, and what comes back are views of it.
    """
    if len(lists[0]) < 2:
        return [step(*arrays, **options) for arrays in zip(*lists, strict=True)]
    flat = step(*(None if values[0] is None else np.concatenate(values, axis=None) for values in lists), **options)
    results, start = [], 0
    for p in lists[0]:
        end, shape = start + p.size, p.shape
        results.append(tuple(None if a is None else a[start:end].reshape(shape) for a in flat))
        start = end
    return results


def _in_steps(step: Callable[..., Any], lists: tuple[list, ...], like: list, options: list[dict[str, Any]]) -> list:
    """One step for each parameter, the small ones for which `like` has equal values together."""
    results: list[Any] = [None] * len(lists[0])
    together: dict[Any, list[int]] = {}
    for i, p in enumerate(lists[0]):
        if p.size <= SMALL:
            together.setdefault((p.dtype, like[i]), []).append(i)
        else:
            results[i] = step(*(values[i] for values in lists), **options[i])
    for members in together.values():
        chosen = tuple([values[i] for i in members] for values in lists)
        for i, result in zip(members, _together(step, chosen, options[members[0]]), strict=True):
            results[i] = result
    return results


def _blocks(size: int) -> list[slice]:
    return [slice(i, min(i + BLOCK, size)) for i in range(0, size, BLOCK)]


def sgd_step(parameter: Any, gradient: Any, momentum_buffer: Any = None, **options: Any) -> tuple[Any, Any]:
    flat = _flat(parameter, gradient, momentum_buffer)
    if flat is None:
        return portable["sgd_step"](xp, parameter, gradient, momentum_buffer, **options)
    first = bool(options.get("momentum")) and momentum_buffer is None
    if first:
        momentum_buffer = np.empty_like(parameter)
        flat[2] = momentum_buffer.reshape(-1)
    if parameter.size <= BLOCK:
        _sgd(*flat, first=first, **options)
    else:
        for s in _blocks(parameter.size):
            _sgd(*(None if a is None else a[s] for a in flat), first=first, **options)
    return parameter, momentum_buffer


def _sgd(
    p: Any,
    g: Any,
    b: Any,
    *,
    first: bool,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
) -> None:
    """One block; `maximize` turns the signs of the factors."""
    t, u = (s[: p.size] for s in _scratch.of(p.dtype))
    sign = -1.0 if maximize else 1.0
    if weight_decay:
        np.multiply(p, sign * weight_decay, out=t)
        np.add(t, g, out=t)
        g = t  # times sign
    if momentum:
        if first:
            np.multiply(g, sign, out=b)
        else:
            np.multiply(b, momentum, out=b)
            np.multiply(g, sign * (1 - dampening), out=u)
            np.add(b, u, out=b)
        if nesterov:
            np.multiply(b, sign * momentum, out=u)
            np.add(g, u, out=u)
            g = u
        else:
            g, sign = b, 1.0
    np.multiply(g, sign * lr, out=t)
    np.subtract(p, t, out=p)


def adam_step(
    parameter: Any, gradient: Any, exp_avg: Any, exp_avg_sq: Any, max_exp_avg_sq: Any = None, **options: Any
) -> tuple[Any, Any, Any, Any]:
    arrays = (parameter, gradient, exp_avg, exp_avg_sq, max_exp_avg_sq)
    flat = _flat(*arrays)
    if flat is None:
        return portable["adam_step"](xp, *arrays, **options)
    if parameter.size <= BLOCK:
        _adam(*flat, **options)
    else:
        for s in _blocks(parameter.size):
            _adam(*(None if a is None else a[s] for a in flat), **options)
    return parameter, exp_avg, exp_avg_sq, max_exp_avg_sq


def _scaled(gradients: list, scale: Any) -> list:
    return gradients if scale is None else portable["scale_all"](xp, gradients, scale)


def sgd_steps(
    parameters: list, gradients: list, momentum_buffers: list | None = None, *, scale: Any = None, **options: Any
) -> list:
    gradients = _scaled(gradients, scale)
    buffers = momentum_buffers or [None] * len(parameters)
    first = [b is None for b in buffers]
    return _in_steps(sgd_step, (parameters, gradients, buffers), first, [options] * len(parameters))


def adam_steps(
    parameters: list, gradients: list, *state: list, steps: list[int], scale: Any = None, **options: Any
) -> list:
    gradients = _scaled(gradients, scale)
    at = {step: {**options, "step": step} for step in set(steps)}
    return _in_steps(adam_step, (parameters, gradients, *state), steps, [at[step] for step in steps])


def _adam(
    p: Any,
    g: Any,
    m: Any,
    v: Any,
    largest: Any,
    *,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    maximize: bool = False,
) -> None:
    """One block; `largest` is None without amsgrad.

    With r = sqrt(1 - beta2^step) the update m / (sqrt(v) / r + eps) is computed as r m / (sqrt(v) + r eps),
    which is one pass less.
    """
    t, u = (s[: p.size] for s in _scratch.of(p.dtype))
    sign = -1.0 if maximize else 1.0
    if weight_decay and decoupled:
        np.multiply(p, 1 - lr * weight_decay, out=p)
    elif weight_decay:
        np.multiply(p, sign * weight_decay, out=t)
        np.add(t, g, out=t)
        g = t
    np.multiply(g, g, out=u)
    np.multiply(u, 1 - beta2, out=u)
    np.multiply(v, beta2, out=v)
    np.add(v, u, out=v)
    np.multiply(g, sign * (1 - beta1), out=t)
    np.multiply(m, beta1, out=m)
    np.add(m, t, out=m)
    if largest is None:
        largest = v
    else:
        np.maximum(largest, v, out=largest)
    root = (1 - beta2**step) ** 0.5
    np.sqrt(largest, out=u)
    np.add(u, root * eps, out=u)
    np.divide(m, u, out=u)
    np.multiply(u, lr / (1 - beta1**step) * root, out=u)
    np.subtract(p, u, out=p)
