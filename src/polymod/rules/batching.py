"""How families of operations act on arrays of examples, so that `vmap` runs a function once for all of them.

Elementwise operations line their examples up; operations with an `axis` count one further; those that act on the last
axes take the examples as a leading axis. Single operations are in `batched_operations`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..autograd.batched import Batched, batched
from ..backend import backend_of
from ..tensor import wrap

Rule = Callable[..., Any]


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
