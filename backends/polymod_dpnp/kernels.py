"""What dpnp computes otherwise than the standard says, put right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dpnp


def matmul(a: dpnp.ndarray, b: dpnp.ndarray) -> dpnp.ndarray:
    """dpnp 0.20 gives BLAS the strides of broadcast arrays: it gets wrong products of stacks, or an error of others."""
    return dpnp.matmul(in_memory(a), in_memory(b))


def in_memory(x: dpnp.ndarray) -> dpnp.ndarray:
    """`x`; where several of its elements share memory, a copy in which none do."""
    return dpnp.copy(x, order="C") if 0 in x.strides else x


kernels: dict[str, Callable[..., Any]] = {function.__name__: function for function in (matmul,)}
