"""Primitives: operations with a derivative. The families in `families` say how it is given:

    Elementwise   the partial derivative with respect to each input
    Linear        the transpose with respect to each input in which it is linear, jointly
    Bilinear      the transpose with respect to each input, the others held fixed
    Joint         all cotangents at once, for operations that share work between them
    General       the cotangent for each input, anything else

An operation whose result is a tuple is one node with a `part` node above it for each floating result; what its
rule gets as `g` is a `Cotangents`.

A rule takes the namespace `xp` of its arrays first, so it runs on an engine's arrays, and on Tensors when the
backward pass itself is recorded. Then come, as the family says, the cotangent `g` of the result, the result `y`,
the inputs, and the operation's attributes by keyword.

A parameter whose name begins with an underscore is not kept in memory: the rule gets its `Spec` (shape and
dtype), or None where it does not read that parameter at all.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterable, Sequence
from inspect import CO_VARARGS
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from ..dtypes import dtype as dtype_of
from ..errors import GradientError
from ..ops import ops
from ..tensor import Tensor, wrap
from .operands import common_owner, explain, share, unwrapped, widen
from .tape import Node, Spec, recording

Rule = Callable[..., Any] | None
_new: Any = object.__new__
_scalar = np.generic
_no_attrs: dict[str, Any] = {}


DROP, FIT, SPEC, KEEP = range(4)


class Saving(NamedTuple):
    """What a node keeps of the values it was made from, for each one of these.

    DROP: nothing. FIT: its Spec, if its cotangent must be summed or cast to fit it. SPEC: its Spec. KEEP: itself.
    """

    output: int
    inputs: tuple[int, ...]
    all_inputs: int | None  # the one of them that holds for every input, if there is one


class Primitive:
    """A differentiable operation. Calling it runs it on the engine of its inputs and records it.

    Positional arguments are arrays (Tensors, engine arrays, Python numbers); keywords are attributes.
    """

    reads: tuple[str, ...] = ("xp", "g", "y")  # the parameters of a rule before the inputs
    one_precision = True  # its rules expect inputs of one floating dtype
    masks = False  # it picks elements, so that those left out may be infinite or NaN: their cotangents are exactly 0

    __name__: str
    __signature__: Any  # of those that are public functions, for inspect.signature

    def __init__(self, *rules: Rule) -> None:
        self.rules = rules
        self.name = "unnamed"  # given by `rules` from the variable that holds it
        self._runs: dict[tuple[type, ...], Callable[..., Any]] = {}
        self._savings: dict[tuple[int, int], Saving] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__.lower()} primitive {self.name}>"

    def __call__(self, *args: Any, **attrs: Any) -> Tensor:
        count = len(args)
        if count == 1:  # one and two inputs are spelled out, for this is where small arrays spend their time
            (a,) = args
            m = None
            if isinstance(a, Tensor):
                m = a.node
                a = a.array
            elif isinstance(a, np.generic):
                a = a.item()
            arrays = [a]
            parents = [m]
            kinds: tuple[type, ...] = (type(a),)
            tracked = 0 if m is None else 1
        elif count == 2:
            a, b = args
            m = n = None
            if isinstance(a, Tensor):
                m = a.node
                a = a.array
            elif isinstance(a, np.generic):
                a = a.item()
            if isinstance(b, Tensor):
                n = b.node
                b = b.array
            elif isinstance(b, np.generic):
                b = b.item()
            arrays = [a, b]
            parents = [m, n]
            kinds = (type(a), type(b))
            tracked = (0 if m is None else 1) + (0 if n is None else 2)
        else:
            arrays, parents, tracked = unwrapped(args)
            kinds = tuple(map(type, arrays))
        run = self._runs.get(kinds) or self._resolve(kinds, arrays, parents)
        try:
            output = run(*arrays, **attrs)
        except Exception as error:
            explain(self.name, arrays, error)
            raise
        if type(output) is tuple:
            return self._several(output, arrays, parents, attrs, tracked)
        if tracked and recording.get():
            return wrap(output, self.record(output, arrays, parents, attrs, tracked))
        return wrap(output)

    def _several(self, outputs: tuple, arrays: list, parents: list, attrs: dict, tracked: int) -> Any:
        """The results of an operation that has several: one node for it, one above it for each floating result."""
        if not (tracked and recording.get()):
            return tuple(map(wrap, outputs))
        return parts(outputs, self.record(outputs, arrays, parents, attrs, tracked))

    def _resolve(self, kinds: tuple[type, ...], arrays: list[Any], parents: list[Any]) -> Callable[..., Any]:
        """The engine's implementation for inputs of these classes; remembered, so that it is found once.

        Where a transformation's arrays meet others that carry gradients, these are put on record as what the
        transformation shares.
        """
        owner = common_owner(self.name, kinds, arrays)
        run: Callable[..., Any] = getattr(owner.namespace, self.name)
        if owner.precedence and len(set(kinds)) > 1:
            share(arrays, parents)
        else:
            self._runs[kinds] = run
        return run

    def run_on(self, xp: Any, *arrays: Any, **attrs: Any) -> Any:
        """This operation on arrays of the namespace `xp`."""
        return self(*arrays, **attrs) if xp is ops else getattr(xp, self.name)(*arrays, **attrs)

    # ------------------------------------------------------------------------------------------- recording

    def record(self, output: Any, arrays: list, parents: list, attrs: dict, tracked: int) -> Node:
        """The node of this operation, with what its rules will read."""
        if self.one_precision and len(arrays) > 1:
            widen(output, arrays, parents)
        count = len(arrays)
        saving = self._savings.get((tracked, count)) or self._plan(tracked, count)
        inputs: Any
        if saving.all_inputs == KEEP:
            inputs = arrays
        elif saving.all_inputs == DROP:
            inputs = (None,) * count
        else:
            inputs = self.save_inputs(arrays, saving.inputs)
        return Node(self, parents, output if saving.output else specs(output), inputs, attrs)

    def save_inputs(self, arrays: list, keep: tuple[int, ...]) -> Any:
        """Each of the inputs as its rules want it; Python numbers as they are."""
        return [
            a if k == KEEP or not hasattr(a, "dtype") else Spec(a) if k == SPEC else None
            for a, k in zip(arrays, keep, strict=True)
        ]

    def _plan(self, tracked: int, count: int) -> Saving:
        """Read from the rules' parameters what they need, if the inputs in `tracked` carry gradients."""
        needs = [DROP] * (count + 1)  # of the output, then of the inputs
        for i in range(count):
            if tracked >> i & 1:
                rule = self.rule(i)
                if rule is None:
                    raise GradientError(
                        f"polymod.{self.name} has no derivative with respect to its input {i}; "
                        "detach() that input if its gradient is not wanted"
                    )
                needs = list(map(max, needs, self._needs(rule, count)))
        inputs = tuple(needs[1:])
        saving = Saving(needs[0], inputs, inputs[0] if len(set(inputs)) == 1 else None)
        self._savings[tracked, count] = saving
        return saving

    def _needs(self, rule: Callable[..., Any], count: int) -> list[int]:
        """What `rule` needs of the output and of each of `count` inputs."""
        code: CodeType = rule.__code__
        names = list(code.co_varnames[: code.co_argcount])
        if code.co_flags & CO_VARARGS:
            names += [code.co_varnames[code.co_argcount + code.co_kwonlyargcount]] * count
        names = names[len(self.reads) - ("y" in self.reads) :]
        if "y" not in self.reads:
            names.insert(0, "_")
        read = names_read(code)
        return [KEEP if not n.startswith("_") else SPEC if n in read else DROP for n in names[: count + 1]]

    def rule(self, i: int) -> Rule:
        """The rule for input `i`."""
        return self.rules[i] if i < len(self.rules) else None

    # ------------------------------------------------------------------------------------------- derivatives

    def can_push(self, tangents: Sequence[Any]) -> bool:
        """Whether `push` serves for these tangents; if not, `pull` is transposed."""
        return False

    def push(self, xp: Any, tangents: Sequence[Any], output: Any, inputs: Any, attrs: dict) -> Any:
        """The tangent of the output for those of the inputs, None for inputs that have none."""
        raise NotImplementedError(f"{type(self).__name__} pushes no tangents; can_push has to say so")

    def pull(self, xp: Any, g: Any, wanted: Sequence[Any], output: Any, inputs: Any, attrs: dict) -> Iterable[Any]:
        """The cotangents of the inputs for the cotangent `g` of the output; None for those not `wanted` (falsy)."""
        raise NotImplementedError(f"{type(self).__name__} is no family of primitives: a family defines pull")

    def pull_masked(
        self, xp: Any, g: Any, wanted: Sequence[Any], output: Any, inputs: Any, attrs: dict
    ) -> Iterable[Any]:
        """`pull` for what lies below an operation that masks."""
        return self.pull(xp, g, wanted, output, inputs, attrs)


class Cotangents(dict):
    """The cotangents of an operation's several results by position; those that nothing depends on are absent."""

    def __add__(self, other: Cotangents) -> Cotangents:
        total = Cotangents(self)
        for i, g in other.items():
            total[i] = total[i] + g if i in total else g
        return total


class _Part(Primitive):
    """One result of an operation that has several."""

    def pull(self, xp: Any, g: Any, wanted: Sequence[Any], output: Any, inputs: Any, attrs: dict) -> Iterable[Any]:
        return [Cotangents({attrs["i"]: g})]

    def can_push(self, tangents: Sequence[Any]) -> bool:
        return True

    def push(self, xp: Any, tangents: Sequence[Any], output: Any, inputs: Any, attrs: dict) -> Any:
        return tangents[0].get(attrs["i"])


_part = _Part()
_part.name = "part"


def parts(outputs: tuple, node: Node) -> tuple[Tensor, ...]:
    """The results of `node` as Tensors; whole numbers and booleans carry no gradient."""
    return tuple(
        wrap(y, Node(_part, [node], None, [None], {"i": i}) if dtype_of(y.dtype).kind in "fc" else None)
        for i, y in enumerate(outputs)
    )


class Constant(Primitive):
    """An operation whose result carries no gradient: comparisons, positions, whole numbers."""

    def __call__(self, *args: Any, **attrs: Any) -> Tensor:
        arrays = [a.array if isinstance(a, Tensor) else a.item() if isinstance(a, np.generic) else a for a in args]
        kinds = tuple(map(type, arrays))
        run = self._runs.get(kinds) or self._resolve(kinds, arrays, [None] * len(arrays))
        try:
            output = run(*arrays, **attrs)
        except Exception as error:
            explain(self.name, arrays, error)
            raise
        return wrap(output)


def names_read(code: CodeType) -> set[str]:
    """The local names that a function's code reads, also in functions inside it."""
    names: set[str] = set(code.co_cellvars)
    for instruction in dis.get_instructions(code):
        if instruction.opname.startswith("LOAD_"):
            names.update(instruction.argval if isinstance(instruction.argval, tuple) else [str(instruction.argval)])
    return names


def specs(output: Any) -> Any:
    """The Spec of a result, or of each of several."""
    return tuple(map(Spec, output)) if type(output) is tuple else Spec(output)
