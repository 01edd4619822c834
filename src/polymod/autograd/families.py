"""The families of primitives: how each states its derivative, and what follows from that for every mode."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..backend import backend_of
from ..dtypes import default_float
from ..dtypes import dtype as dtype_of
from ..ops import ops
from ..tensor import Tensor
from .operands import NUMBERS, conj, explain, fit, shapes_of
from .primitive import DROP, FIT, KEEP, Primitive, Rule, Saving
from .tape import Node, Spec, next_order, recording

_new: Any = object.__new__
_no_attrs: dict[str, Any] = {}
_scalar = np.generic


class Elementwise(Primitive):
    """Rules are the partial derivatives, `(xp, y, *inputs, **attrs)`; `one`, `minus_one` and `zero` stand for
    those constants. Inputs broadcast against each other.

    `pulled`, for operations of one input, is the cotangent as a whole, `(xp, g, y, x, **attrs)`, where an engine may
    have it in one pass; it reads no more than the rule does.
    """

    reads = ("xp", "y")
    one_precision = False  # every cotangent is fitted to its input

    def __init__(self, *rules: Rule, floating: bool = False, pulled: Rule = None) -> None:
        super().__init__(*rules)
        self.floating = floating  # its result is floating also where all inputs are whole numbers
        self.pulled = pulled
        self._tracked_runs: dict[tuple[type, ...], Callable[..., Any]] = {}  # for inputs of which one is floating
        # what a call keeps: of one input at index 0, of two at the bits of those that are tracked
        self._plans: list[tuple[bool, bool, bool, bool] | None] = [None] * 4

    def __call__(self, *args: Any, **attrs: Any) -> Tensor:
        """As every primitive's; one and two inputs are spelled out, for small arrays spend their time here."""
        count = len(args)
        if attrs or count > 2 or not count:
            return super().__call__(*args, **attrs)
        a = args[0]
        b: Any = None
        m = n = None
        tracked = 0
        if isinstance(a, Tensor):
            m = a.node
            a = a.array
            if m is not None:
                tracked = 1
        elif isinstance(a, _scalar):
            a = a.item()
        try:
            if count == 1:
                run = (self._tracked_runs if tracked else self._runs).get((type(a),))
                if run is None:
                    return super().__call__(*args)
                output = run(a)
            else:
                b = args[1]
                if isinstance(b, Tensor):
                    n = b.node
                    b = b.array
                    if n is not None:
                        tracked += 2
                elif isinstance(b, _scalar):
                    b = b.item()
                run = (self._tracked_runs if tracked else self._runs).get((type(a), type(b)))
                if run is None:
                    return super().__call__(*args)
                output = run(a, b)
        except Exception as error:
            explain(self.name, [a, b][:count], error)
            raise
        result: Tensor = _new(Tensor)
        result.array = output
        if not tracked or not recording.get():
            result.node = None
            return result
        node: Node = _new(Node)
        if count == 1:
            keep, left, _, _ = self._plans[0] or self._small_plan(1, 1)
            node.parents = (m,)
            node.inputs = (a if left else None,)
        else:
            keep, left, right, fits = self._plans[tracked] or self._small_plan(tracked, 2)
            if fits and not (type(b) is float or (type(a) is type(b) and a.shape == b.shape and a.dtype is b.dtype)):
                result.node = self.record(output, [a, b], [m, n], _no_attrs, tracked)
                return result
            node.parents = (m, n)
            node.inputs = (a if left else None, b if right else None)
        node.primitive = self
        node.output = output if keep else None
        node.attrs = _no_attrs
        node.hooks = None
        node.order = next_order()
        result.node = node
        return result

    def _small_plan(self, tracked: int, count: int) -> tuple[bool, bool, bool, bool]:
        """Whether a call with one or two inputs keeps its output and its inputs, and whether their shapes matter."""
        saving = self._savings.get((tracked, count)) or self._plan(tracked, count)
        left, right = saving.inputs[0], saving.inputs[-1]
        plan = (saving.output == KEEP, left == KEEP, right == KEEP, FIT in (left, right))
        self._plans[0 if count == 1 else tracked] = plan
        return plan

    def _resolve(self, kinds: tuple[type, ...], arrays: list[Any], parents: list[Any]) -> Callable[..., Any]:
        run = super()._resolve(kinds, arrays, parents)
        remembered = kinds in self._runs
        if remembered:
            self._tracked_runs[kinds] = run
        if self.floating or float in kinds or complex in kinds:
            run = with_floats(run, [i for i, k in enumerate(kinds) if k not in NUMBERS])
            if remembered:
                self._runs[kinds] = run
        return run

    def _plan(self, tracked: int, count: int) -> Saving:
        saving = super()._plan(tracked, count)
        if count > 1:
            inputs = tuple(
                KEEP if need == KEEP else FIT if tracked >> i & 1 else DROP for i, need in enumerate(saving.inputs)
            )
            saving = Saving(saving.output, inputs, KEEP if saving.all_inputs == KEEP else None)
            self._savings[tracked, count] = saving
        return saving

    def record(self, output: Any, arrays: list, parents: list, attrs: dict, tracked: int) -> Node:
        count = len(arrays)
        saving = self._savings.get((tracked, count)) or self._plan(tracked, count)
        kept = output if saving.output else None
        if saving.all_inputs == KEEP:
            return Node(self, parents, kept, arrays, attrs)
        if saving.all_inputs == DROP:
            return Node(self, parents, kept, (None,) * count, attrs)
        shape, dtype = output.shape, output.dtype
        inputs = []
        for a, k in zip(arrays, saving.inputs):  # noqa: B905 they are of one length
            if k == DROP:
                a = None
            elif k == FIT:
                if a.shape == shape and a.dtype == dtype:
                    a = None
                else:
                    a = Spec(a)
                    kept = Spec(output) if kept is None else kept
            inputs.append(a)
        return Node(self, parents, kept, inputs, attrs)

    def pull_masked(
        self, xp: Any, g: Any, wanted: Sequence[Any], output: Any, inputs: Any, attrs: dict
    ) -> Iterable[Any]:
        return self.pull(xp, g, wanted, output, inputs, attrs, masked_times)

    def pull(
        self,
        xp: Any,
        g: Any,
        wanted: Sequence[Any],
        output: Any,
        inputs: Any,
        attrs: dict,
        times: Callable[[Any, Any, Any], Any] | None = None,
    ) -> Iterable[Any]:
        if self.pulled is not None and times is None and dtype_of(g.dtype).kind != "c":
            return [self.pulled(xp, g, output, *inputs, **attrs) if wanted[0] else None]
        several = len(inputs) > 1
        cotangents: list[Any] = []
        for partial, want, x in zip(self.rules, wanted, inputs):  # noqa: B905 inputs may be fewer than rules
            if not want:
                cotangents.append(None)
                continue
            if partial is one:
                c = g
            elif partial is minus_one:
                c = -g
            elif partial is zero:
                c = xp.zeros_like(g)  # also where g is infinite
            else:
                c = partial(xp, output, *inputs, **attrs)  # type: ignore[misc]
                if dtype_of(g.dtype).kind == "c":
                    c = conj(xp, c)
                c = g * c if times is None else times(xp, g, c)
            cotangents.append(fit(xp, c, x) if several and x is not None else c)
        return cotangents

    def can_push(self, tangents: Sequence[Any]) -> bool:
        return True

    def push(self, xp: Any, tangents: Sequence[Any], output: Any, inputs: Any, attrs: dict) -> Any:
        total = None
        for partial, t in zip(self.rules, tangents):  # noqa: B905 inputs may be fewer than rules
            if t is None or partial is zero:
                continue
            if output is not None and t.dtype != output.dtype:
                t = xp.astype(t, output.dtype)
            if partial is minus_one:
                t = -t
            elif partial is not one:
                t = partial(xp, output, *inputs, **attrs) * t  # type: ignore[misc]
            total = t if total is None else total + t
        if total is not None and len(inputs) > 1:
            shape = output.shape if output is not None else np.broadcast_shapes(*shapes_of(inputs), total.shape)
            if total.shape != shape:
                total = xp.broadcast_to(total, shape)
        return total


def masked_times(xp: Any, g: Any, partial: Any) -> Any:
    """g * partial, but 0 where g is 0 and the partial derivative infinite or NaN: of an element that was left out.

    Recorded, it is the partial derivative that is replaced, so that g = 0 has its own derivative.
    """
    if not hasattr(partial, "dtype"):
        return g * partial
    if xp is ops:
        return g * xp.where((g == 0) & ~xp.isfinite(partial), 0, partial)
    return xp.where(g == 0, 0, g * partial)


def with_floats(run: Callable[..., Any], positions: list[int]) -> Callable[..., Any]:
    """`run` for whole numbers that make floating ones (n / 2, n * 0.5): as the default float dtype on every engine.

    The standard leaves this open: NumPy gives float64, PyTorch float32, and array-api-strict refuses.
    """

    floating: set[Any] = set()  # dtypes met, of one engine

    def run_on_floats(*arrays: Any, **attrs: Any) -> Any:
        for i in positions:
            dtype = arrays[i].dtype
            if dtype in floating:
                return run(*arrays, **attrs)
            if dtype_of(dtype).kind in "fc":
                floating.add(dtype)
                return run(*arrays, **attrs)
        floats = list(arrays)
        for i in positions:
            backend = backend_of(arrays[i])
            floats[i] = backend.namespace.astype(arrays[i], backend.dtype(default_float()))
        return run(*floats, **attrs)

    return run_on_floats


def one(xp: Any, _y: Any, *_x: Any, **_attrs: Any) -> Any:
    """The partial derivative that is 1 everywhere."""
    return 1


def minus_one(xp: Any, _y: Any, *_x: Any, **_attrs: Any) -> Any:
    """The partial derivative that is -1 everywhere."""
    return -1


def zero(xp: Any, _y: Any, *_x: Any, **_attrs: Any) -> Any:
    """The partial derivative that is 0 everywhere (or almost everywhere, of steps)."""
    return 0


class General(Primitive):
    """Rules are the cotangents, `(xp, g, y, *inputs, **attrs)`."""

    def pull(self, xp: Any, g: Any, wanted: Sequence[Any], output: Any, inputs: Any, attrs: dict) -> Iterable[Any]:
        return [
            rule(xp, g, output, *inputs, **attrs) if want and rule else None
            for rule, want in zip(self.rules, wanted, strict=False)
        ]


class Linear(Primitive):
    """Rules are the transposes, `(xp, g, *inputs, **attrs)`; the operation is linear in all inputs that have one,
    taken together, with the others held fixed."""

    reads = ("xp", "g")

    def pull(self, xp: Any, g: Any, wanted: Sequence[Any], output: Any, inputs: Any, attrs: dict) -> Iterable[Any]:
        return [
            rule(xp, g, *inputs, **attrs) if want and rule else None
            for rule, want in zip(self.rules, wanted, strict=False)
        ]

    def can_push(self, tangents: Sequence[Any]) -> bool:
        return len(tangents) == 1

    def push(self, xp: Any, tangents: Sequence[Any], output: Any, inputs: Any, attrs: dict) -> Any:
        return self.run_on(xp, *tangents, **attrs)


class Bilinear(Linear):
    """Rules are the transposes, `(xp, g, *inputs, **attrs)`; the operation is linear in each input that has one
    while all others are held fixed."""

    def can_push(self, tangents: Sequence[Any]) -> bool:
        return len(tangents) == 2

    def push(self, xp: Any, tangents: Sequence[Any], output: Any, inputs: Any, attrs: dict) -> Any:
        (s, t), (a, b) = tangents, inputs
        left = None if s is None else self.run_on(xp, s, b, **attrs)
        right = None if t is None else self.run_on(xp, a, t, **attrs)
        return right if left is None else left if right is None else left + right


class Joint(Primitive):
    """One rule gives all cotangents, `(xp, g, y, *inputs, **attrs) -> sequence`, None where there is none."""

    def rule(self, i: int) -> Rule:
        return self.rules[0]

    def pull(self, xp: Any, g: Any, wanted: Sequence[Any], output: Any, inputs: Any, attrs: dict) -> Iterable[Any]:
        return self.rules[0](xp, g, output, *inputs, **attrs)  # type: ignore[misc]
