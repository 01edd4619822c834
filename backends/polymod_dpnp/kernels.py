"""What dpnp 0.20 computes wrongly for some layouts in memory, put right by copies; no report of it was found.

Broadcast arrays have strides of 0, reversed ones negative strides, and what is computed of reversed arrays elementwise
is laid out like them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dpnp

from polymod.backend import portable


def in_memory(x: dpnp.ndarray) -> dpnp.ndarray:
    """`x`; where several of its elements share memory, a copy in which none do."""
    return dpnp.copy(x, order="C") if 0 in x.strides else x


def forwards(x: Any) -> Any:
    """`x`; where it goes backwards through memory, a copy that does not."""
    return dpnp.copy(x, order="C") if isinstance(x, dpnp.ndarray) and any(s < 0 for s in x.strides) else x


def matmul(a: dpnp.ndarray, b: dpnp.ndarray) -> dpnp.ndarray:
    """dpnp gives BLAS the strides of broadcast arrays: wrong products of stacks, errors for single matrices."""
    return dpnp.matmul(in_memory(a), in_memory(b))


def where(condition: dpnp.ndarray, a: Any, b: Any) -> dpnp.ndarray:
    """Where one operand is reversed and another one is broadcast, dpnp takes the wrong elements."""
    return dpnp.where(forwards(condition), forwards(a), forwards(b))


def dft(x: dpnp.ndarray, **how: Any) -> dpnp.ndarray:
    """As those of real numbers."""
    return portably("dft", in_memory(x), **how)


def rdft(x: dpnp.ndarray, *, axis: int, norm: str) -> dpnp.ndarray:
    """dpnp transforms broadcast arrays wrongly, and returns its input where there is nothing to transform."""
    if x.size:
        return portably("rdft", in_memory(x), axis=axis, norm=norm)
    return nothing(x, axis, x.shape[axis] // 2 + 1, dpnp.result_type(x.dtype, dpnp.complex64))


def irdft(x: dpnp.ndarray, *, axis: int, n: int, norm: str) -> dpnp.ndarray:
    """As `rdft`."""
    if x.size:
        return portably("irdft", in_memory(x), axis=axis, n=n, norm=norm)
    return nothing(x, axis, n, dpnp.float32 if x.dtype == dpnp.complex64 else dpnp.float64)


def portably(name: str, *arrays: Any, **attrs: Any) -> Any:
    from . import backend  # it is made after its kernels

    return portable[name](backend.namespace, *arrays, **attrs)


def nothing(x: dpnp.ndarray, axis: int, n: int, dtype: Any) -> dpnp.ndarray:
    """An empty array of the shape of `x`, but of length `n` along `axis`."""
    shape = list(x.shape)
    shape[axis] = n
    return dpnp.empty(tuple(shape), dtype=dtype, device=x.device)


kernels: dict[str, Callable[..., Any]] = {function.__name__: function for function in (matmul, where, dft, rdft, irdft)}
