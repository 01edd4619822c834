"""The namespace of arrays of examples.

An operation has a rule of its own, or its family's; else it is taken apart by its portable definition where that
consists of operations that have, and else it runs for one example after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from .. import dtypes
from ..autograd.batched import Batched, beside, depth_class
from ..autograd.families import Elementwise
from ..autograd.primitive import Primitive
from ..backend import backend_of, portable
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
    recurrent,
    resampling,
    several,
    special,
)
from .batched_operations import table
from .batching import Batch, Rule, elementwise, is_array, one_by_one

elementwise_names = {name for name, p in primitives.items() if isinstance(p, Elementwise)} | set(
    "abs clip sign where real imag conj equal not_equal less less_equal greater greater_equal logical_and logical_or "
    "logical_xor logical_not bitwise_and bitwise_or bitwise_xor bitwise_invert bitwise_left_shift "
    "bitwise_right_shift isfinite isinf isnan signbit relu dropout".split()
)
_decomposed = (
    *(activation, attention, embedding, examples, losses, normalization, pooling),
    *(recurrent, resampling, several, special),
)
taken_apart = {
    name
    for chapter in _decomposed
    for name, value in vars(chapter).items()
    if isinstance(value, Primitive) and not isinstance(value, Elementwise) and name not in elementwise_names
}


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
