"""Primitives: operations with a derivative, in families that say how it is given.

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
dtype), or None in a family that has no use for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from inspect import Parameter, signature
from typing import Any, NamedTuple

import numpy as np

from ..backend import Backend, backend_of, find_owner
from ..dtypes import dtype as dtype_of
from ..errors import GradientError, MixedDevicesError, PolymodError
from ..tensor import Tensor, wrap
from .tape import Node, Spec, recording

Rule = Callable[..., Any] | None


class Saving(NamedTuple):
    """What a node keeps of the values it was made from."""

    output: bool
    inputs: tuple[bool, ...] | None  # None: all of them


class Primitive:
    """A differentiable operation. Calling it runs it on the engine of its inputs and records it.

    Positional arguments are arrays (Tensors, engine arrays, Python numbers); keywords are attributes.
    """

    spec_inputs = True  # what is not kept is replaced by its Spec
    rule_has_output = True

    def __init__(self, *rules: Rule) -> None:
        self.rules = rules
        self.name = "unnamed"  # given by `rules` from the variable that holds it
        self._runs: dict[tuple[type, ...], Callable[..., Any]] = {}
        self._savings: dict[tuple[int, int], Saving] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__.lower()} primitive {self.name}>"

    def __call__(self, *args: Any, **attrs: Any) -> Tensor:
        arrays = []
        parents = []
        tracked = 0  # bit i is set where input i carries a gradient
        bit = 1
        for arg in args:
            if isinstance(arg, Tensor):
                arrays.append(arg.array)
                node = arg.node
                parents.append(node)
                if node is not None:
                    tracked |= bit
            else:  # NumPy's scalars count as Python numbers, so that they change no dtype on any engine
                arrays.append(arg.item() if isinstance(arg, np.generic) else arg)
                parents.append(None)
            bit += bit
        kinds = tuple(map(type, arrays))
        run = self._runs.get(kinds) or self._resolve(kinds, arrays)
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

    def _resolve(self, kinds: tuple[type, ...], arrays: Sequence[Any]) -> Callable[..., Any]:
        """The engine's implementation for inputs of these classes; remembered, so that it is found once."""
        owner = common_owner(self.name, kinds, arrays)
        run = self._runs[kinds] = getattr(owner.namespace, self.name)
        return run

    # ------------------------------------------------------------------------------------------- recording

    def record(self, output: Any, arrays: list, parents: list, attrs: dict, tracked: int) -> Node:
        """The node of this operation, with what its rules will read."""
        saving = self._savings.get((tracked, len(arrays))) or self._plan(tracked, len(arrays))
        return Node(
            self,
            parents,
            output if saving.output else None,
            arrays if saving.inputs is None else self.save_inputs(output, arrays, saving.inputs),
            attrs,
        )

    def save_inputs(self, output: Any, arrays: list, keep: tuple[bool, ...]) -> Any:
        return [a if k or not hasattr(a, "dtype") else Spec(a) for a, k in zip(arrays, keep, strict=True)]

    def _plan(self, tracked: int, count: int) -> Saving:
        """Read from the rules' parameter names what they need, if the inputs in `tracked` carry gradients."""
        needed: set[int] = set()  # 0 the output, 1.. the inputs
        for i in range(count):
            if tracked >> i & 1:
                rule = self.rule(i)
                if rule is None:
                    raise GradientError(
                        f"polymod.{self.name} has no derivative with respect to its input {i}; "
                        "detach() that input if its gradient is not wanted"
                    )
                needed |= self._needs(rule, count)
        inputs = tuple(i + 1 in needed for i in range(count))
        saving = self._savings[tracked, count] = Saving(0 in needed, None if all(inputs) else inputs)
        return saving

    def _needs(self, rule: Callable[..., Any], count: int) -> set[int]:
        names = [
            p.name for p in signature(rule).parameters.values() if p.kind is Parameter.POSITIONAL_OR_KEYWORD
        ] + [p.name for p in signature(rule).parameters.values() if p.kind is Parameter.VAR_POSITIONAL] * count
        names = names[self.leading :]  # past xp and g
        if not self.rule_has_output:
            names = ["_", *names]
        return {i for i, name in enumerate(names[: count + 1]) if not name.startswith("_")}

    leading = 2

    def rule(self, i: int) -> Rule:
        """The rule for input `i`."""
        return self.rules[i] if i < len(self.rules) else None

    # ------------------------------------------------------------------------------------------- derivatives

    def pull(self, xp: Any, g: Any, wanted: Sequence[bool], output: Any, inputs: Any, attrs: dict) -> Iterable[Any]:
        """The cotangents of the inputs for the cotangent `g` of the output; None where not wanted."""
        raise NotImplementedError


class Elementwise(Primitive):
    """Rules are the partial derivatives, `(xp, y, *inputs, **attrs)`; `one`, `minus_one` and `zero` stand for
    those constants. Inputs broadcast against each other."""

    leading = 1

    def save_inputs(self, output: Any, arrays: list, keep: tuple[bool, ...]) -> Any:
        if len(arrays) == 1:
            return arrays if keep[0] else (None,)
        saved = []
        for a, k in zip(arrays, keep, strict=True):
            if not k and hasattr(a, "dtype"):
                a = None if a.shape == output.shape and a.dtype == output.dtype else Spec(a)
            saved.append(a)
        return saved

    def pull(self, xp: Any, g: Any, wanted: Sequence[bool], output: Any, inputs: Any, attrs: dict) -> Iterable[Any]:
        cotangents = []
        for partial, want, x in zip(self.rules, wanted, inputs, strict=False):
            if not want:
                cotangents.append(None)
                continue
            if partial is one:
                c = g
            elif partial is minus_one:
                c = -g
            else:
                c = g * conj(xp, partial(xp, output, *inputs, **attrs))  # type: ignore[misc]
            cotangents.append(c if x is None or len(inputs) == 1 else fit(xp, c, x))
        return cotangents


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

    def pull(self, xp: Any, g: Any, wanted: Sequence[bool], output: Any, inputs: Any, attrs: dict) -> Iterable[Any]:
        return [
            rule(xp, g, output, *inputs, **attrs) if want and rule else None
            for rule, want in zip(self.rules, wanted, strict=False)
        ]


class Linear(Primitive):
    """Rules are the transposes, `(xp, g, *inputs, **attrs)`; the operation is linear in all inputs that have one,
    taken together, with the others held fixed."""

    rule_has_output = False

    def pull(self, xp: Any, g: Any, wanted: Sequence[bool], output: Any, inputs: Any, attrs: dict) -> Iterable[Any]:
        return [
            rule(xp, g, *inputs, **attrs) if want and rule else None
            for rule, want in zip(self.rules, wanted, strict=False)
        ]


class Bilinear(Linear):
    """Rules are the transposes, `(xp, g, *inputs, **attrs)`; the operation is linear in each input that has one
    while all others are held fixed."""


class Joint(Primitive):
    """One rule gives all cotangents, `(xp, g, y, *inputs, **attrs) -> sequence`, None where there is none."""

    def rule(self, i: int) -> Rule:
        return self.rules[0]

    def pull(self, xp: Any, g: Any, wanted: Sequence[bool], output: Any, inputs: Any, attrs: dict) -> Iterable[Any]:
        return self.rules[0](xp, g, output, *inputs, **attrs)  # type: ignore[misc]


class Cotangents(dict):
    """The cotangents of an operation's several results by position; those that nothing depends on are absent."""

    def __add__(self, other: Cotangents) -> Cotangents:
        total = Cotangents(self)
        for i, g in other.items():
            total[i] = total[i] + g if i in total else g
        return total


class _Part(Primitive):
    """One result of an operation that has several."""

    def pull(self, xp: Any, g: Any, wanted: Sequence[bool], output: Any, inputs: Any, attrs: dict) -> Iterable[Any]:
        return [Cotangents({attrs["i"]: g})]


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
        run = self._runs.get(kinds) or self._resolve(kinds, arrays)
        try:
            output = run(*arrays, **attrs)
        except Exception as error:
            explain(self.name, arrays, error)
            raise
        return wrap(output)


# ------------------------------------------------------------------------------------------------ for the rules


def unbroadcast(xp: Any, g: Any, shape: tuple[int, ...]) -> Any:
    """The transpose of broadcasting: sum `g` down to `shape`."""
    if g.shape == shape:
        return g
    extra = g.ndim - len(shape)
    stretched = tuple(i for i, n in enumerate(shape, extra) if n == 1 and g.shape[i] != 1)
    return xp.reshape(xp.sum(g, axis=(*range(extra), *stretched)), shape)


def fit(xp: Any, g: Any, x: Any) -> Any:
    """`g` with the shape and the dtype of the input `x` whose cotangent it is."""
    shape = getattr(x, "shape", None)
    if shape is None:  # a Python number
        return g
    if g.shape != shape:
        g = unbroadcast(xp, g, shape)
    if g.dtype != x.dtype:
        if dtype_of(g.dtype).kind == "c" and dtype_of(x.dtype).kind != "c":
            g = xp.real(g)
        g = xp.astype(g, x.dtype, copy=False)
    return g


def conj(xp: Any, x: Any) -> Any:
    """The complex conjugate; real arrays and numbers as they are."""
    dtype = getattr(x, "dtype", None)
    return xp.conj(x) if dtype is not None and dtype_of(dtype).kind == "c" else x


# -------------------------------------------------------------------------------------------- engines and errors

_numbers = (bool, int, float, complex, type(None))


def common_owner(name: str, kinds: Sequence[type], arrays: Sequence[Any]) -> Backend:
    """The one backend that the arrays among the inputs of operation `name` belong to.

    Raises:
        MixedDevicesError: they are of different engines.
        TypeError: an input is no array and no number, or there is no array at all.
    """
    owners: dict[str, Backend] = {}
    for kind in dict.fromkeys(kinds):
        if issubclass(kind, _numbers) and not issubclass(kind, np.generic):  # np.float64 is a float, too
            continue
        owner = find_owner(kind)
        if owner is None:
            raise TypeError(
                f"polymod.{name} takes Tensors, engine arrays and numbers; received {kind.__module__}.{kind.__qualname__}"
            )
        owners[owner.name] = owner
    if not owners:
        raise TypeError(f"polymod.{name} needs at least one array; received {', '.join(k.__name__ for k in kinds)}")
    higher = [b for b in owners.values() if not b.is_engine]
    if higher:
        return higher[0]
    if len(owners) > 1:
        raise mixed(name, arrays)
    return next(iter(owners.values()))


def mixed(name: str, arrays: Sequence[Any]) -> MixedDevicesError:
    """The error for operands in different places, which says where each is and how to bring them together."""
    places = [f"{wrap(a).device} {tuple(a.shape)}" for a in arrays if hasattr(a, "shape")]
    return MixedDevicesError(
        f"polymod.{name} received arrays in different places: {' and '.join(places)}. Nothing is copied between engines or "
        f"devices unasked; move one of them, e.g. x.to({str(wrap(_first_array(arrays)).device)!r}), or the model with "
        "model.to(...)"
    )


def _first_array(arrays: Sequence[Any]) -> Any:
    return next(a for a in arrays if hasattr(a, "shape"))


def explain(name: str, arrays: Sequence[Any], error: Exception) -> None:
    """Make an engine's error say which operation got what; raise a better one for arrays on different devices."""
    if isinstance(error, PolymodError):
        return
    held = [a for a in arrays if hasattr(a, "shape")]
    try:
        devices = {str(backend_of(a).device_of(a)) for a in held if backend_of(a).is_engine}
    except Exception:  # the error being explained is the one that matters
        devices = set()
    if len(devices) > 1:
        raise mixed(name, arrays) from error
    if not getattr(error, "__notes__", None):
        seen = ", ".join(f"{tuple(a.shape)} {a.dtype}" if hasattr(a, "shape") else repr(a) for a in arrays)
        error.add_note(f"in polymod.{name} with inputs {seen}")
