"""XLA's own convolution and pooling, compiled once per shape, under the signatures of polymod's definitions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from polymod.rules.pooling import lowest
from polymod.rules.windows import Pairs, Sizes, window_keys

BOTH = (1, 1)  # batch and channels, which windows do not span

_fixed = ("size", "stride", "padding", "dilation", "groups", "shape")


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    names = [n for n in _fixed if n in function.__code__.co_varnames[: _parameters(function)]]
    return jax.jit(function, static_argnames=names)


def _parameters(function: Callable[..., Any]) -> int:
    return function.__code__.co_argcount + function.__code__.co_kwonlyargcount


# ------------------------------------------------------------------------------------------------ convolution


def correlate(
    x: jax.Array, weight: jax.Array, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int
) -> jax.Array:
    return lax.conv_general_dilated(x, weight, stride, padding, rhs_dilation=dilation, feature_group_count=groups)


def of_one_dtype(*arrays: jax.Array) -> list[jax.Array]:
    common = jnp.result_type(*arrays)
    return [a.astype(common) for a in arrays]


@compiled
def conv(
    x: jax.Array,
    weight: jax.Array,
    bias: jax.Array | None = None,
    *,
    stride: Sizes,
    padding: Pairs,
    dilation: Sizes,
    groups: int,
) -> jax.Array:
    y = correlate(*of_one_dtype(x, weight), stride, padding, dilation, groups)
    return y if bias is None else y + bias.reshape(-1, *(1,) * len(stride))


@compiled
def conv_input_back(
    g: jax.Array,
    weight: jax.Array,
    *,
    size: Sizes,
    stride: Sizes,
    padding: Pairs,
    dilation: Sizes,
    groups: int,
) -> jax.Array:
    g, weight = of_one_dtype(g, weight)
    x = jax.ShapeDtypeStruct((g.shape[0], weight.shape[1] * groups, *size), g.dtype)
    return jax.linear_transpose(lambda x: correlate(x, weight, stride, padding, dilation, groups), x)(g)[0]


@compiled
def conv_weight_back(
    x: jax.Array,
    g: jax.Array,
    *,
    size: Sizes,
    stride: Sizes,
    padding: Pairs,
    dilation: Sizes,
    groups: int,
) -> jax.Array:
    x, g = of_one_dtype(x, g)
    weight = jax.ShapeDtypeStruct((g.shape[1], x.shape[1] // groups, *size), g.dtype)
    return jax.linear_transpose(lambda w: correlate(x, w, stride, padding, dilation, groups), weight)(g)[0]


# ----------------------------------------------------------------------------------------------------- pooling


@compiled
def max_pool(x: jax.Array, *, size: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes) -> jax.Array:
    return lax.reduce_window(
        x,
        np.asarray(lowest(x), x.dtype),  # not jnp: it must be a constant for XLA to see a maximum
        lax.max,
        (*BOTH, *size),
        (*BOTH, *stride),
        ((0, 0), (0, 0), *padding),
        window_dilation=(*BOTH, *dilation),
    )


@compiled
def max_pool_back(
    g: jax.Array,
    x: jax.Array,
    y: jax.Array,
    *,
    size: Sizes,
    stride: Sizes,
    padding: Pairs,
    dilation: Sizes,
) -> jax.Array:
    wall = jnp.asarray(lowest(x), x.dtype)
    inside = jnp.pad(jnp.ones(x.shape[2:], bool), padding)  # the padding may equal the largest element, but wins not
    x = lax.pad(x, wall, ((0, 0, 0), (0, 0, 0), *((a, b, 0) for a, b in padding)))
    keys = [(..., *key) for key in window_keys(size, stride, dilation, y.shape[2:])]
    dx = jnp.zeros(x.shape, g.dtype)
    waiting = jnp.ones(y.shape, bool)  # windows whose winner is not found yet
    for key in keys:
        wins = (x[key] == y) & inside[key] & waiting
        waiting ^= wins
        dx = dx.at[key].add(jnp.where(wins, g, 0))
    for key in reversed(keys):  # a NaN equals nothing; the last one of its window counts
        wins = jnp.isnan(x[key]) & waiting
        waiting ^= wins
        dx = dx.at[key].add(jnp.where(wins, g, 0))
    return dx[(..., *(slice(a, n - b) for n, (a, b) in zip(x.shape[2:], padding, strict=True)))]


def window_sums(x: jax.Array, size: Sizes, stride: Sizes, padding: Pairs) -> jax.Array:
    zero = np.zeros((), x.dtype)
    return lax.reduce_window(x, zero, lax.add, (*BOTH, *size), (*BOTH, *stride), ((0, 0), (0, 0), *padding))


@compiled
def sum_pool(x: jax.Array, *, size: Sizes, stride: Sizes, padding: Pairs) -> jax.Array:
    return window_sums(x, size, stride, padding)


@compiled
def sum_pool_back(g: jax.Array, *, size: Sizes, stride: Sizes, padding: Pairs, shape: Sizes) -> jax.Array:
    x = jax.ShapeDtypeStruct((*g.shape[:2], *shape), g.dtype)
    sums = partial(window_sums, size=size, stride=stride, padding=padding)
    return jax.linear_transpose(sums, x)(g)[0]


kernels: dict[str, Callable[..., Any]] = {
    "conv": conv,
    "conv_input_back": conv_input_back,
    "conv_weight_back": conv_weight_back,
    "max_pool": max_pool,
    "max_pool_back": max_pool_back,
    "sum_pool": sum_pool,
    "sum_pool_back": sum_pool_back,
}
