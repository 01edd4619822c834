"""The recorded graph: a node per operation, a leaf per Tensor whose gradient is wanted.

A node knows the nodes of its inputs and never the Tensors, and a Tensor knows its node, so a graph has no cycle
and reference counting frees it as soon as the last Tensor that needs it is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ContextDecorator
from contextvars import ContextVar, Token
from itertools import count
from typing import Any

recording: ContextVar[bool] = ContextVar("polymod recording", default=True)
mapped: ContextVar[tuple[tuple[Any, int], ...]] = ContextVar("polymod examples", default=())
"""The `vmap`s that are running, outermost first: the level and the number of examples of each."""
next_order = count().__next__


class Node:
    """One recorded operation.

    `inputs` holds, for each input of the operation, what its derivative rule reads of it: the engine's array, a
    `Spec` (shape and dtype) or None; `output` the result or None. None of them may change before backward.
    """

    __slots__ = ("attrs", "hooks", "inputs", "order", "output", "parents", "primitive")
    overwritten = -1  # see Leaf

    parents: Sequence[Any]

    def __init__(self, primitive: Any, parents: Sequence[Any], output: Any, inputs: Any, attrs: dict) -> None:
        self.primitive = primitive
        self.parents = parents
        self.output = output
        self.inputs = inputs
        self.attrs = attrs
        self.hooks: list[Callable] | None = None
        self.order = next_order()

    def release(self) -> None:
        """Let go of the saved arrays; the node can't be gone through again."""
        self.primitive = self.output = self.inputs = None
        self.parents = ()


class Leaf:
    """The place of a Tensor that the user wants the gradient of; `grad` is where it gathers."""

    __slots__ = ("grad", "hooks", "order", "overwritten")
    parents = ()

    def __init__(self) -> None:
        self.grad: Any = None
        self.hooks: list[Callable] | None = None
        self.order = next_order()
        self.overwritten = -1  # when the array was last written in place; nodes of a lower order read other values

    def release(self) -> None:
        """Nothing is saved in a leaf."""


_strict = False


def set_strict(strict: bool) -> None:
    """Whether `float(t)`, `int(t)` and `t.item()` raise on a Tensor that carries a gradient, which the Python number
    loses. They are allowed unless this says otherwise; it holds for all threads."""
    global _strict
    _strict = bool(strict)


def is_strict() -> bool:
    """Whether `set_strict(True)` holds."""
    return _strict


def mark_overwritten(leaves: Iterable[Leaf]) -> None:
    """Note that the arrays of `leaves` were written in place: backward through what was recorded before raises."""
    now = next_order()
    for leaf in leaves:
        leaf.overwritten = now


class Spec:
    """The shape and dtype of an array that a derivative rule does not need the values of."""

    __slots__ = ("dtype", "shape")

    def __init__(self, array: Any) -> None:
        self.shape, self.dtype = array.shape, array.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)


class set_grad_enabled(ContextDecorator):
    """Record derivatives or not, as a context manager or a decorator."""

    def __init__(self, mode: bool) -> None:
        self.mode = bool(mode)
        self._tokens: list[Token] = []

    def __enter__(self) -> set_grad_enabled:
        self._tokens.append(recording.set(self.mode))
        return self

    def __exit__(self, *exc: object) -> None:
        recording.reset(self._tokens.pop())

    def _recreate_cm(self) -> set_grad_enabled:
        """ContextDecorator asks for it at each call of the decorated function, which may run in several threads."""
        return set_grad_enabled(self.mode)


class no_grad(set_grad_enabled):
    """Operations inside are not recorded: their results carry no gradient and keep no memory."""

    def __init__(self) -> None:
        super().__init__(False)


class enable_grad(set_grad_enabled):
    """Operations inside are recorded, also within `no_grad`."""

    def __init__(self) -> None:
        super().__init__(True)


def is_grad_enabled() -> bool:
    """True where operations are being recorded."""
    return recording.get()
