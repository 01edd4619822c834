"""What each operation does with arrays of examples, by name."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from ..errors import GradientError
from ..ops import ops
from ..tensor import raw, wrap
from .batched_keys import Plan
from .batching import Batch, Rule, along_axis, later, on_last_axes, over_flat

table: dict[str, Rule] = {}

for _name in "sum mean prod max min all any count_nonzero softmax masked_softmax log_softmax logsumexp".split():
    table[_name] = along_axis(_name)
for _name in "cumulative_sum cumulative_prod sort argsort flip".split():
    table[_name] = along_axis(_name)
for _name in ("dft", "rdft", "irdft"):
    table[_name] = along_axis(_name)
for _name in ("argmax", "argmin"):
    table[_name] = over_flat(_name)
for _name in "matrix_transpose tril triu diagonal inv solve pinv det slogdet border".split():
    table[_name] = on_last_axes(_name)
for _name in "cholesky qr eigh eigvalsh eig svd svdvals".split():
    table[_name] = on_last_axes(_name)
table["diagonal_back"] = on_last_axes("diagonal_back", rank=1)


def _rule(f: Rule) -> Rule:
    table[f.__name__.strip("_")] = f
    return f


# ----------------------------------------------------------------------------------------------- creation and shape


def _like(name: str) -> Rule:
    def rule(b: Batch, x: Any, *value: Any, dtype: Any = None, device: Any = None) -> Any:
        return getattr(b.xp, name)(b.lead(x), *value, dtype=None if dtype is None else b.backend.dtype(dtype))

    return rule


for _name in ("zeros_like", "ones_like", "empty_like", "full_like"):
    table[_name] = _like(_name)


@_rule
def reshape(b: Batch, x: Any, shape: Any) -> Any:
    shape = list(shape)
    if -1 in shape:
        shape[shape.index(-1)] = prod(x.shape) // max(1, prod(n for n in shape if n != -1))
    return b.xp.reshape(b.lead(x), (b.n, *shape))


@_rule
def squeeze(b: Batch, x: Any, axis: Any) -> Any:
    return b.xp.squeeze(b.lead(x), axis=later(axis, len(x.shape)))


@_rule
def expand_dims(b: Batch, x: Any, *, axis: Any = 0) -> Any:
    return b.xp.expand_dims(b.lead(x), axis=later(axis, len(x.shape) + 1))


@_rule
def broadcast_to(b: Batch, x: Any, shape: Any) -> Any:
    return b.xp.broadcast_to(b.lead(x, len(shape)), (b.n, *shape))


@_rule
def permute_dims(b: Batch, x: Any, axes: Any) -> Any:
    return b.xp.permute_dims(b.lead(x), (0, *later(tuple(axes), len(x.shape))))


@_rule
def roll(b: Batch, x: Any, shift: Any, *, axis: Any = None) -> Any:
    if axis is not None:
        return b.xp.roll(b.lead(x), shift, axis=later(axis, len(x.shape)))
    flat = b.xp.roll(b.xp.reshape(b.lead(x), (b.n, -1)), shift, axis=1)
    return b.xp.reshape(flat, (b.n, *x.shape))


@_rule
def cast(b: Batch, x: Any, *, dtype: Any) -> Any:
    return b.xp.astype(b.lead(x), b.backend.dtype(dtype))


@_rule
def copy(b: Batch, x: Any) -> Any:
    return b.xp.copy(b.lead(x))


@_rule
def alias(b: Batch, x: Any) -> Any:
    return b.lead(x)


@_rule
def gate(b: Batch, *arrays: Any) -> Any:
    return tuple(b.lead(x) for x in arrays)


@_rule
def move(b: Batch, x: Any, **_: Any) -> Any:
    raise GradientError("under vmap arrays can't be moved to another device; move them before the call")


@_rule
def join(b: Batch, *arrays: Any, axis: int | None) -> Any:
    if axis is None:
        return b.xp.concat([b.xp.reshape(b.lead(x), (b.n, -1)) for x in arrays], axis=1)
    return b.xp.concat([b.lead(x) for x in arrays], axis=later(axis, len(arrays[0].shape)))


@_rule
def pile(b: Batch, *arrays: Any, axis: int) -> Any:
    return b.xp.stack([b.lead(x) for x in arrays], axis=later(axis, len(arrays[0].shape) + 1))


@_rule
def zero_pad(b: Batch, x: Any, *, widths: Any) -> Any:
    return b.xp.zero_pad(b.lead(x), widths=((0, 0), *widths))


# -------------------------------------------------------------------------------------------------------- indexing


@_rule
def index(b: Batch, x: Any, *, key: Any) -> Any:
    plan = Plan(b, len(x.shape), key)
    return plan.arranged(b.xp.index(b.lead(x), key=plan.key))


@_rule
def index_set(b: Batch, x: Any, values: Any, *, key: Any) -> Any:
    if (mask := Plan.mask(b, key)) is not None:
        rank = len(x.shape)
        if len(values.shape) > 0:
            raise GradientError(
                "under vmap x[mask] = values with a mask of each example takes one value; use polymod.where(mask, "
                "values, x) for more"
            )
        chosen = b.xp.reshape(mask.value, (b.n, *mask.shape, *(1,) * (rank - len(mask.shape))))
        return b.xp.where(chosen, b.align(values, rank), b.lead(x))
    plan = Plan(b, len(x.shape), key)
    return b.xp.index_set(b.xp.copy(b.lead(x)), plan.disarranged(b, b.lead(x), values), key=plan.key)


@_rule
def scatter_add(b: Batch, x: Any, values: Any, *, key: Any) -> Any:
    plan = Plan(b, len(x.shape), key)
    return b.xp.scatter_add(b.lead(x), plan.disarranged(b, b.lead(x), values), key=plan.key)


@_rule
def index_back(b: Batch, g: Any, *, key: Any, shape: Any) -> Any:
    plan = Plan(b, len(shape), key)
    zeros = b.xp.zeros((b.n, *shape), dtype=g.value.dtype if b.has(g) else g.dtype, device=b.place(g))
    return b.xp.scatter_add(zeros, plan.disarranged(b, zeros, g), key=plan.key)


@_rule
def take(b: Batch, x: Any, indices: Any, *, axis: int) -> Any:
    if not b.has(indices):
        return b.xp.take(b.lead(x), indices, axis=later(axis, len(x.shape)))
    return index(b, x, key=((slice(None),) * (axis % len(x.shape)) + (indices,)))


@_rule
def take_along_axis(b: Batch, x: Any, indices: Any, *, axis: int) -> Any:
    return b.xp.take_along_axis(b.lead(x), b.lead(indices), axis=later(axis, len(x.shape)))


# -------------------------------------------------------------------------------------------------------- products


@_rule
def matmul(b: Batch, x: Any, y: Any) -> Any:
    row, column = len(x.shape) == 1, len(y.shape) == 1
    rank = max(2, len(x.shape), len(y.shape))
    left = b.xp.reshape(b.lead(x), (b.n, 1, x.shape[0])) if row else x.value if b.has(x) else x
    right = b.xp.reshape(b.lead(y), (b.n, y.shape[0], 1)) if column else y.value if b.has(y) else y
    if b.has(x) or row:
        left = b.xp.reshape(left, (b.n, *(1,) * (rank + 1 - len(left.shape)), *left.shape[1:]))
    if b.has(y) or column:
        right = b.xp.reshape(right, (b.n, *(1,) * (rank + 1 - len(right.shape)), *right.shape[1:]))
    z = b.xp.matmul(left, right)
    gone = (*([-2] if row else []), *([-1] if column else []))
    return b.xp.squeeze(z, axis=tuple(a % len(z.shape) for a in gone)) if gone else z


@_rule
def vecdot(b: Batch, x: Any, y: Any, *, axis: int = -1) -> Any:
    rank = max(len(x.shape), len(y.shape))
    return b.xp.vecdot(b.lead(x, rank), b.lead(y, rank), axis=axis if axis < 0 else axis + 1)


@_rule
def linear(b: Batch, x: Any, weight: Any, bias: Any = None) -> Any:
    if b.has(weight) or b.has(bias):
        whole = wrap(x) @ wrap(weight).mT
        return b.lead(raw(whole if bias is None else whole + wrap(bias)))
    return b.xp.linear(b.lead(x), weight, *([] if bias is None else [bias]))


@_rule
def conv(b: Batch, x: Any, weight: Any, bias: Any = None, *, groups: int, **how: Any) -> Any:
    if bias is not None:
        y = ops.conv(wrap(x), wrap(weight), groups=groups, **how)
        return b.lead(raw(y + ops.reshape(wrap(bias), (-1, *(1,) * (len(x.shape) - 2)))))
    if not b.has(weight):
        return _by_images(b, b.xp.conv, x, weight, groups=groups, **how)
    y = b.xp.conv(_channels(b, b.lead(x)), _outputs(b.lead(weight)), groups=b.n * groups, **how)
    return _examples_of_channels(b, y)


@_rule
def conv_input_back(b: Batch, g: Any, weight: Any, *, groups: int, **how: Any) -> Any:
    if not b.has(weight):
        return _by_images(b, b.xp.conv_input_back, g, weight, groups=groups, **how)
    x = b.xp.conv_input_back(_channels(b, b.lead(g)), _outputs(b.lead(weight)), groups=b.n * groups, **how)
    return _examples_of_channels(b, x)


@_rule
def im2col(b: Batch, x: Any, **how: Any) -> Any:
    return _by_images(b, b.xp.im2col, x, **how)


@_rule
def col2im(b: Batch, columns: Any, **how: Any) -> Any:
    return _by_images(b, b.xp.col2im, columns, **how)


@_rule
def conv_weight_back(b: Batch, x: Any, g: Any, *, groups: int, **how: Any) -> Any:
    w = b.xp.conv_weight_back(_channels(b, b.lead(x)), _channels(b, b.lead(g)), groups=b.n * groups, **how)
    return b.xp.reshape(w, (b.n, w.shape[0] // b.n, *w.shape[1:]))


def _by_images(b: Batch, operation: Callable[..., Any], x: Any, *weight: Any, **how: Any) -> Any:
    """The examples' images as one batch of images."""
    value = b.lead(x)
    y = operation(b.xp.reshape(value, (b.n * value.shape[1], *value.shape[2:])), *weight, **how)
    return b.xp.reshape(y, (b.n, value.shape[1], *y.shape[1:]))


def _channels(b: Batch, value: Any) -> Any:
    """(n, N, C, ...) -> (N, n * C, ...): the examples as groups of channels."""
    value = b.xp.permute_dims(value, (1, 0, *range(2, len(value.shape))))
    return b.xp.reshape(value, (value.shape[0], value.shape[1] * value.shape[2], *value.shape[3:]))


def _outputs(weight: Any) -> Any:
    """(n, O, C, ...) -> (n * O, C, ...)"""
    return raw(ops.reshape(wrap(weight), (weight.shape[0] * weight.shape[1], *weight.shape[2:])))


def _examples_of_channels(b: Batch, y: Any) -> Any:
    """(N, n * C, ...) -> (n, N, C, ...)"""
    y = b.xp.reshape(y, (y.shape[0], b.n, y.shape[1] // b.n, *y.shape[2:]))
    return b.xp.permute_dims(y, (1, 0, *range(2, len(y.shape))))
