"""Functions with derivatives of the user's own, and with none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import update_wrapper
from typing import Any

from ..errors import GradientError
from ..ops import ops
from ..tensor import Tensor, wrap
from .operands import share
from .primitive import Primitive, parts
from .record import detached, differentiable
from .tape import Node, enable_grad, no_grad, recording
from .trees import map_leaves


class custom_function:
    """Decorator: a function whose derivative is given instead of followed.

        @pm.custom_function
        def log1pexp(x):
            return pm.log(1 + pm.exp(x))

        @log1pexp.vjp
        def _(g, y, x):
            return g * (1 - 1 / (1 + pm.exp(x)))

    The function takes Tensors (engine arrays and numbers become constants) and returns a Tensor or a tuple of them.
    `vjp(g, y, *inputs)` gets the cotangent of the result `y` (tuples for a tuple) and the inputs, and returns the
    cotangent of each input that is a floating Tensor, None for those that have none: one, or a tuple for several
    inputs. `jvp(tangents, y, *inputs)` gets a tuple with the tangent of each input (None for constants) and returns
    that of the result. Where only one of the two is given the other follows from it by transposition. Both are written
    in polymod's functions; what they compute can be differentiated itself. Keywords of a call are passed on to all.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function):
            raise TypeError(f"custom_function decorates a function, received {type(function).__name__}")
        self.function = function
        self._vjp: Callable[..., Any] | None = None
        self._jvp: Callable[..., Any] | None = None
        self._primitive = _Custom(self)
        update_wrapper(self, function)

    def vjp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Decorator: the cotangents of the inputs, `rule(g, y, *inputs)`."""
        self._vjp = rule
        return rule

    def jvp(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Decorator: the tangent of the result, `rule(tangents, y, *inputs)`."""
        self._jvp = rule
        return rule

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        inputs = [
            x if isinstance(x, Tensor) or not differentiable(x) or isinstance(x, float) else wrap(x) for x in args
        ]
        with no_grad():
            result = self.function(*map(detached, inputs), **kwargs)
        several = isinstance(result, tuple)
        outputs = result if several else (result,)
        if not all(isinstance(y, Tensor) for y in outputs):
            raise GradientError(
                f"{self._primitive.name} must return a Tensor or a tuple of Tensors, received "
                + ", ".join(type(y).__name__ for y in outputs)
            )
        parents = [x.node if isinstance(x, Tensor) else None for x in inputs]
        if not recording.get() or all(p is None for p in parents):
            return result
        if self._vjp is None and self._jvp is None:
            raise GradientError(
                f"{self._primitive.name} has no derivative; give it one with @{self._primitive.name}.vjp or .jvp"
            )
        arrays = [x.array if isinstance(x, Tensor) else x for x in inputs]
        kept = tuple(y.array for y in outputs)
        share(arrays, parents)
        node = Node(self._primitive, parents, kept, arrays, {"kwargs": kwargs, "several": several})
        made = parts(kept, node)
        return made if several else made[0]


class _Custom(Primitive):
    """The operation that a custom function is in the graph."""

    def __init__(self, owner: custom_function) -> None:
        super().__init__()
        self.owner = owner
        self.name = getattr(owner.function, "__name__", "custom_function")

    def pull(self, xp: Any, g: Any, wanted: Sequence[Any], output: Any, inputs: Any, attrs: dict) -> Iterable[Any]:
        xs, ys = _as_tensors(inputs), _as_tensors(output)
        gs = tuple(
            ops.asarray(g[i]) if i in g else ops.zeros_like(y.detach()) if y.dtype.kind in "fc" else None
            for i, y in enumerate(ys)
        )
        if self.owner._vjp is None:
            found = self._transposed_jvp(gs, ys, xs, attrs)
        else:
            several = attrs["several"]
            found = self.owner._vjp(gs if several else gs[0], ys if several else ys[0], *xs, **attrs["kwargs"])
        cs = found if isinstance(found, tuple | list) else (found,)
        tensors = [i for i, x in enumerate(xs) if isinstance(x, Tensor)]
        if len(cs) == len(tensors) != len(xs):  # one for each Tensor
            cs = [dict(zip(tensors, cs, strict=True)).get(i) for i in range(len(xs))]
        if len(cs) != len(xs):
            raise GradientError(f"the vjp of {self.name} must return {len(xs)} cotangents, received {len(cs)}")
        for c, x in zip(cs, xs, strict=True):
            if isinstance(c, Tensor) and c.shape != x.shape:
                raise GradientError(f"the vjp of {self.name} gave shape {c.shape} for an input of shape {x.shape}")
        return [c if c is None or xp is ops else c.array if isinstance(c, Tensor) else c for c in cs]

    def can_push(self, tangents: Sequence[Any]) -> bool:
        return self.owner._jvp is not None

    def push(self, xp: Any, tangents: Sequence[Any], output: Any, inputs: Any, attrs: dict) -> Any:
        assert self.owner._jvp is not None
        ys = _as_tensors(output)
        ts = tuple(None if t is None else ops.asarray(t) for t in tangents)
        found = self.owner._jvp(ts, ys if attrs["several"] else ys[0], *_as_tensors(inputs), **attrs["kwargs"])
        found = found if isinstance(found, tuple) else (found,)
        return {i: t if xp is ops else ops.asarray(t).array for i, t in enumerate(found) if t is not None}

    def _transposed_jvp(self, gs: Sequence[Any], ys: Any, xs: Any, attrs: dict) -> list[Any]:
        """The cotangents of the inputs: the gradient of <jvp(t), g> with respect to t, in which it is linear."""
        from .backward import grad  # it stands on primitives

        assert self.owner._jvp is not None
        floats = [isinstance(x, Tensor) and x.dtype.kind in "fc" for x in xs]
        with enable_grad():
            ts = tuple(
                ops.zeros_like(x.detach()).requires_grad_() if f else None for x, f in zip(xs, floats, strict=True)
            )
            out = self.owner._jvp(ts, ys if attrs["several"] else ys[0], *xs, **attrs["kwargs"])
            out = out if isinstance(out, tuple) else (out,)
            pairs = [(y, g) for y, g in zip(out, gs, strict=True) if isinstance(y, Tensor) and y.node is not None]
            leaves = [t for t in ts if t is not None]
            found = iter(
                grad([y for y, _ in pairs], leaves, [g for _, g in pairs], create_graph=True, allow_unused=True)
                if pairs
                else [None] * len(leaves)
            )
        return [next(found) if f else None for f in floats]


def _as_tensors(xs: Any) -> tuple[Any, ...]:
    return tuple(ops.asarray(x) if hasattr(x, "device") else x for x in xs)


def stop_gradient(x: Any) -> Any:
    """`x`, a Tensor or nested lists, tuples and dicts of them, as constants: derivatives of any order are zero."""
    return map_leaves(detached, x)
