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
dtype), or None where it does not read that parameter at all.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterable, Sequence
from inspect import CO_VARARGS
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from ..backend import Backend, backend_of, find_owner
from ..dtypes import default_float
from ..dtypes import dtype as dtype_of
from ..errors import GradientError, MixedDevicesError, PolymodError
from ..ops import ops
from ..tensor import Tensor, wrap
from .tape import Node, Spec, next_order, recording

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
        raise NotImplementedError

    def pull(self, xp: Any, g: Any, wanted: Sequence[Any], output: Any, inputs: Any, attrs: dict) -> Iterable[Any]:
        """The cotangents of the inputs for the cotangent `g` of the output; None for those not `wanted` (falsy)."""
        raise NotImplementedError

    def pull_masked(
        self, xp: Any, g: Any, wanted: Sequence[Any], output: Any, inputs: Any, attrs: dict
    ) -> Iterable[Any]:
        """`pull` for what lies below an operation that masks."""
        return self.pull(xp, g, wanted, output, inputs, attrs)


class Elementwise(Primitive):
    """Rules are the partial derivatives, `(xp, y, *inputs, **attrs)`; `one`, `minus_one` and `zero` stand for
    those constants. Inputs broadcast against each other."""

    reads = ("xp", "y")
    one_precision = False  # every cotangent is fitted to its input

    def __init__(self, *rules: Rule, floating: bool = False) -> None:
        super().__init__(*rules)
        self.floating = floating  # its result is floating also where all inputs are whole numbers
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
            run = with_floats(run, [i for i, k in enumerate(kinds) if k not in _numbers])
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


def names_read(code: CodeType) -> set[str]:
    """The local names that a function's code reads, also in functions inside it."""
    names: set[str] = set(code.co_cellvars)
    for instruction in dis.get_instructions(code):
        if instruction.opname.startswith("LOAD_"):
            names.update(instruction.argval if isinstance(instruction.argval, tuple) else [str(instruction.argval)])
    return names


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


def unwrapped(args: Sequence[Any]) -> tuple[list[Any], list[Any], int]:
    """The engine's arrays of any number of inputs, their nodes, and the bits of those that carry a gradient.

    NumPy's scalars count as Python numbers, so that they change no dtype on any engine.
    """
    arrays: list[Any] = []
    parents: list[Any] = []
    tracked = 0
    for i, arg in enumerate(args):
        node = None
        if isinstance(arg, Tensor):
            node = arg.node
            arg = arg.array
            if node is not None:
                tracked |= 1 << i
        elif isinstance(arg, np.generic):
            arg = arg.item()
        arrays.append(arg)
        parents.append(node)
    return arrays, parents, tracked


def shapes_of(inputs: Iterable[Any]) -> list[tuple[int, ...]]:
    """The shapes of those that are arrays."""
    return [tuple(x.shape) for x in inputs if hasattr(x, "shape")]


def specs(output: Any) -> Any:
    """The Spec of a result, or of each of several."""
    return tuple(map(Spec, output)) if type(output) is tuple else Spec(output)


# ------------------------------------------------------------------------------------------------ for the rules


def unbroadcast(xp: Any, g: Any, shape: tuple[int, ...]) -> Any:
    """The transpose of broadcasting: sum `g` down to `shape`."""
    if g.shape == shape:
        return g
    extra = g.ndim - len(shape)
    stretched = tuple(i for i, n in enumerate(shape, extra) if n == 1 and g.shape[i] != 1)
    return xp.reshape(xp.sum(g, axis=(*range(extra), *stretched)), shape)


def widen(output: Any, arrays: list, parents: list) -> None:
    """Where an operation combined inputs of several dtypes, put a cast to the result's dtype on record for each that
    carries a gradient, so that its cotangent comes back in its own dtype."""
    dtype = (output[0] if type(output) is tuple else output).dtype
    for i, parent in enumerate(parents):
        if (
            parent is not None
            and arrays[i].dtype != dtype
            and dtype_of(arrays[i].dtype).kind in ("f", dtype_of(dtype).kind)
        ):
            cast = ops.astype(wrap(arrays[i], parent), dtype)
            arrays[i], parents[i] = cast.array, cast.node


def share(arrays: list, parents: list) -> None:
    """Where arrays have examples at several depths of `vmap`, put it on record for each that carries a gradient and
    has none at some of them that its value there is shared by all examples, so that their cotangents are summed."""
    for i, parent in enumerate(parents):
        if parent is not None:
            shared = with_examples_of(wrap(arrays[i], parent), arrays)
            arrays[i], parents[i] = shared.array, shared.node


def with_examples_of(x: Any, others: Iterable[Any]) -> Any:
    """`x`, shared by the examples that `others` (engine arrays or what is no array) have and it has not."""
    levels = {level.depth: (level, n) for other in others for level, n in examples_of(other)}
    if levels:
        own = {level.depth for level, _ in examples_of(x.array if isinstance(x, Tensor) else x)}
        for depth in sorted(levels.keys() - own):
            level, n = levels[depth]
            x = ops.share_examples(x, level=level, n=n)
    return x


def examples_of(array: Any) -> list[tuple[Any, int]]:
    """The `vmap`s in which an array has examples, with their numbers."""
    found = []
    while hasattr(array, "depths"):
        found.append((array.level, array.value.shape[0]))
        array = array.value
    return found


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
    if dtype is None:
        return x.conjugate()
    return xp.conj(x) if dtype_of(dtype).kind == "c" else x


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
            received = f"{kind.__module__}.{kind.__qualname__}"
            raise TypeError(f"polymod.{name} takes Tensors, engine arrays and numbers; received {received}")
        owners[owner.name] = owner
    if not owners:
        raise TypeError(f"polymod.{name} needs at least one array; received {', '.join(k.__name__ for k in kinds)}")
    highest = max(owners.values(), key=lambda b: b.precedence)
    if len(owners) > 1 and highest.is_engine:
        raise mixed(name, arrays)
    return highest


def mixed(name: str, arrays: Sequence[Any]) -> MixedDevicesError:
    """The error for operands in different places, which says where each is and how to bring them together."""
    held = [(str(wrap(a).device), tuple(a.shape)) for a in arrays if hasattr(a, "shape")]
    places = " and ".join(f"{device} {shape}" for device, shape in held)
    return MixedDevicesError(
        f"polymod.{name} received arrays in different places: {places}. Nothing is copied between engines or devices "
        f"unasked; move one of them, e.g. x.to({held[0][0]!r}), or the model with model.to(...)"
    )


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
    if not any(note.startswith("in polymod.") for note in getattr(error, "__notes__", ())):  # the innermost says it
        seen = ", ".join(f"{tuple(a.shape)} {a.dtype}" if hasattr(a, "shape") else repr(a) for a in arrays)
        error.add_note(f"in polymod.{name} with inputs {seen}")
