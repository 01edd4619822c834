"""How operations act on arrays of examples, so that `vmap` runs a function once for all of them.

Elementwise operations line their examples up; operations with an `axis` count one further; those that act on the last
axes take the examples as a leading axis; conv takes them as groups. What has no line here is taken apart by its
portable definition where that consists of such operations, and else runs for one example after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from math import prod
from typing import Any

from .. import dtypes
from ..autograd.batched import Batched, batched, beside, depth_class
from ..autograd.primitive import Elementwise, Primitive
from ..backend import backend_of, portable
from ..errors import GradientError
from ..ops import ops
from ..tensor import raw, wrap
from . import (
    activation,
    attention,
    embedding,
    examples,
    losses,
    normalization,
    pooling,
    primitives,
    several,
    special,
)
from .batched_keys import Plan

Rule = Callable[..., Any]
table: dict[str, Rule] = {}


class Batch:
    """The operands of one operation, some of which have examples at the depth of a class.

    Attributes:
        kind: the class of those operands.
        level: the `vmap`.
        n: the number of examples.
        backend, xp: what computes with the values.
    """

    def __init__(self, kind: type[Batched], operands: Sequence[Any]) -> None:
        arrays = [x for x in operands if is_array(x)]
        examples = [x for x in arrays if isinstance(x, kind)]
        self.kind, self.level = kind, examples[0].level
        self.n: int = examples[0].value.shape[0]
        values = [x.value if isinstance(x, kind) else x for x in arrays]
        self.backend = max(map(backend_of, values), key=lambda b: b.precedence)
        self.xp = self.backend.namespace

    def has(self, x: Any) -> bool:
        """Whether `x` has a value for each example."""
        return isinstance(x, self.kind)

    def lead(self, x: Any, rank: int = 0) -> Any:
        """The values of `x` with the examples as first axis, and after it at least `rank` axes."""
        value = x.value if self.has(x) else self.xp.broadcast_to(x, (self.n, *x.shape))
        missing = rank - (len(value.shape) - 1)
        return self.xp.reshape(value, (self.n, *(1,) * missing, *value.shape[1:])) if missing > 0 else value

    def align(self, x: Any, rank: int) -> Any:
        """The values of `x` so that they broadcast against those of operands with up to `rank` axes."""
        return self.lead(x, rank) if self.has(x) else x

    def place(self, x: Any) -> Any:
        """Where `x` is, as `xp` takes it."""
        value = x.value if self.has(x) else x
        return self.backend.device_of(value) if self.backend.is_engine else wrap(value).device

    def example(self, x: Any, i: int) -> Any:
        """What example `i` sees of `x`."""
        if isinstance(x, tuple | list):
            return type(x)(self.example(v, i) for v in x)
        return x.value[i, ...] if self.has(x) else x

    def examples(self, result: Any) -> Any:
        """A result with the examples as first axis, or a tuple of such results."""
        if isinstance(result, tuple):
            made: Any = [batched(self.level, y) for y in result]
            return type(result)(*made) if hasattr(result, "_fields") else tuple(made)
        return batched(self.level, result)


def is_array(x: Any) -> bool:
    """Whether `x` is an array, and not one of NumPy's scalar classes, which name dtypes."""
    return hasattr(x, "dtype") and hasattr(x, "shape") and not isinstance(x, type)


def kernels(kind: type[Batched]) -> Mapping[str, Callable[..., Any]]:
    """Every operation on arrays of class `kind`."""
    return {
        name: _operation(kind, name, None if name in taken_apart - table.keys() else rule_for(name, primitive))
        for name, primitive in {**dict.fromkeys(table), **primitives}.items()
    }


def _operation(kind: type[Batched], name: str, rule: Rule | None) -> Callable[..., Any]:
    """The operation by its rule, or by its portable definition if there is none."""

    def run(*operands: Any, **attrs: Any) -> Any:
        arrays = (*operands, *_arrays_in(attrs.values()))
        first = next((x for x in arrays if isinstance(x, kind)), None)
        if first is None:  # what the examples share
            owner = max((backend_of(x) for x in arrays if is_array(x)), key=lambda b: b.precedence)
            if attrs.get("dtype") is not None:
                attrs["dtype"] = owner.dtype(attrs["dtype"])
            return getattr(owner.namespace, name)(*operands, **attrs)
        if rule is None:
            return portable[name](first.backend.namespace, *beside(operands, first), **attrs)
        b = Batch(kind, arrays)
        origins = [x.origin if isinstance(x, kind) and x.origin is not None else x for x in operands]
        if any(map(b.has, origins)):
            operands = tuple(origins)
        return b.examples(rule(b, *operands, **attrs))

    return run


def _arrays_in(values: Any) -> list[Any]:
    found: list[Any] = []
    for v in values:
        found += _arrays_in(v) if isinstance(v, tuple | list) else [v]
    return found


def rule_for(name: str, primitive: Primitive | None) -> Rule:
    """The rule of an operation: its own, its family's, or one example after the other."""
    if name in table:
        return table[name]
    if isinstance(primitive, Elementwise) or name in elementwise_names:
        return elementwise(name)
    return one_by_one(name)


# --------------------------------------------------------------------------------------------------- the families


def elementwise(name: str) -> Rule:
    """Operands broadcast against each other."""

    def rule(b: Batch, *operands: Any, **attrs: Any) -> Any:
        rank = max(len(x.shape) for x in operands if hasattr(x, "shape"))
        return getattr(b.xp, name)(*(b.align(x, rank) for x in operands), **attrs)

    return rule


def along_axis(name: str) -> Rule:
    """`axis` is an integer, a tuple, or None for all axes."""

    def rule(b: Batch, *operands: Any, axis: Any = None, **attrs: Any) -> Any:
        values = [b.lead(x) if hasattr(x, "shape") else x for x in operands]
        return getattr(b.xp, name)(*values, axis=later(axis, len(operands[0].shape)), **attrs)

    return rule


def over_flat(name: str) -> Rule:
    """`axis` is an integer, or None for the flattened array."""

    def rule(b: Batch, x: Any, *, axis: int | None = None, keepdims: bool = False) -> Any:
        value = b.lead(x)
        if axis is not None:
            return getattr(b.xp, name)(value, axis=later(axis, len(x.shape)), keepdims=keepdims)
        y = getattr(b.xp, name)(b.xp.reshape(value, (b.n, -1)), axis=1)
        return b.xp.reshape(y, (b.n, *(1,) * len(x.shape))) if keepdims else y

    return rule


def on_last_axes(name: str, rank: int = 2) -> Rule:
    """The operation acts on the last `rank` axes and takes any before them."""

    def rule(b: Batch, *operands: Any, **attrs: Any) -> Any:
        if any(hasattr(x, "shape") and len(x.shape) < rank for x in operands):
            return one_by_one(name)(b, *operands, **attrs)
        most = max(len(x.shape) for x in operands if hasattr(x, "shape"))
        return getattr(b.xp, name)(*(b.align(x, most) for x in operands), **attrs)

    return rule


def one_by_one(name: str) -> Rule:
    """The operation on each example, and the results stacked."""

    def rule(b: Batch, *operands: Any, **attrs: Any) -> Any:
        results = []
        for i in range(b.n):
            here = [b.example(x, i) for x in operands]
            results.append(getattr(b.xp, name)(*here, **{k: b.example(v, i) for k, v in attrs.items()}))
        if isinstance(results[0], tuple):
            parts = [b.xp.stack(list(part), axis=0) for part in zip(*results, strict=True)]
            return type(results[0])(*parts) if hasattr(results[0], "_fields") else tuple(parts)
        return b.xp.stack(results, axis=0)

    return rule


def later(axis: Any, ndim: int) -> Any:
    """The axes of an example with `ndim` axes, counted with the examples' axis in front."""
    if axis is None:
        return tuple(range(1, ndim + 1))
    if isinstance(axis, tuple):
        return tuple(a % ndim + 1 for a in axis)
    return axis % ndim + 1


elementwise_names = {name for name, p in primitives.items() if isinstance(p, Elementwise)} | set(
    "abs clip sign where real imag conj equal not_equal less less_equal greater greater_equal logical_and logical_or "
    "logical_xor logical_not bitwise_and bitwise_or bitwise_xor bitwise_invert bitwise_left_shift "
    "bitwise_right_shift isfinite isinf isnan signbit relu dropout".split()
)
_decomposed = (activation, attention, embedding, examples, losses, normalization, pooling, several, special)
taken_apart = {
    name
    for chapter in _decomposed
    for name, value in vars(chapter).items()
    if isinstance(value, Primitive) and not isinstance(value, Elementwise) and name not in elementwise_names
}

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
def conv_weight_back(b: Batch, x: Any, g: Any, *, groups: int, **how: Any) -> Any:
    w = b.xp.conv_weight_back(_channels(b, b.lead(x)), _channels(b, b.lead(g)), groups=b.n * groups, **how)
    return b.xp.reshape(w, (b.n, w.shape[0] // b.n, *w.shape[1:]))


def _by_images(b: Batch, operation: Callable[..., Any], x: Any, weight: Any, **how: Any) -> Any:
    """The examples' images as one batch of images."""
    value = b.lead(x)
    y = operation(b.xp.reshape(value, (b.n * value.shape[1], *value.shape[2:])), weight, **how)
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


# ------------------------------------------------------------------------------------------------------- all others


class BatchNamespace:
    """The functions of the standard on arrays of examples: polymod's own, taken down to such arrays."""

    def __init__(self) -> None:
        for name, dtype in dtypes.every.items():
            setattr(self, name, dtype)
        self.bool = dtypes.bool_

    def __getattr__(self, name: str) -> Any:
        function = getattr(ops, name)
        if not callable(function):
            return function

        def on_examples(*args: Any, **kwargs: Any) -> Any:
            running = _running.get()
            if name in running:  # the public function is one that asks the engine
                deepest = max((a for a in _arrays_in(args) if isinstance(a, Batched)), key=lambda a: a.depth)
                return _operation(depth_class(deepest.depth), name, one_by_one(name))(*args, **kwargs)
            token = _running.set(running | {name})
            try:
                return _lowered(function(*map(_raised, args), **{k: _raised(v) for k, v in kwargs.items()}))
            finally:
                _running.reset(token)

        return on_examples


_running: ContextVar[frozenset[str]] = ContextVar("polymod functions on examples", default=frozenset())


def _raised(x: Any) -> Any:
    """Arrays of examples as Tensors."""
    if isinstance(x, list | tuple):
        return type(x)(map(_raised, x))
    return wrap(x) if isinstance(x, Batched) else x


def _lowered(x: Any) -> Any:
    """Tensors as the arrays they hold."""
    if isinstance(x, list | tuple):
        made = [_lowered(v) for v in x]
        return type(x)(*made) if hasattr(x, "_fields") else type(x)(made)
    return raw(x)
