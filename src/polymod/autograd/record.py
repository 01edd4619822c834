"""Running a function so that it can be differentiated: its chosen arguments get a place of their own in the graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ..backend import find_owner
from ..errors import GradientError
from ..ops import ops
from ..tensor import Tensor, wrap
from .backward import reachable
from .tape import Leaf, enable_grad, mapped, next_order, recording
from .trees import is_module, leaves, map_leaves, trainable


def differentiable(x: Any) -> bool:
    """Whether `x` is a Tensor, an engine's array or a Python number with a derivative."""
    if isinstance(x, Tensor):
        return x.dtype.kind in "fc"
    if isinstance(x, bool | int | str | None):
        return False
    return isinstance(x, float | complex) or (find_owner(type(x)) is not None and wrap(x).dtype.kind in "fc")


class Recorded:
    """One call of `f`, recorded from fresh leaves that stand for the differentiable parts of some arguments.

    Derivatives of this call depend on nothing but these leaves, however calls are nested; what flows further, into
    enclosing calls, is decided by `follows`.

    Attributes:
        leaves: the fresh leaves, in order.
        value: what `f` returned.
        follows: whether derivatives of an enclosing computation flow through this call.
        outer: whether the caller records.
    """

    def __init__(self, f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], chosen: Sequence[int]):
        if not all(-len(args) <= i < len(args) for i in chosen):
            raise GradientError(
                f"argnums {tuple(chosen)} counts positional arguments, of which this call has {len(args)}"
            )
        self.start = next_order()
        self.chosen = [args[i] for i in chosen]
        self.outer = recording.get()
        self.leaves: list[Tensor] = []
        replaced: list[tuple[Tensor, Tensor]] = []
        arguments = list(args)
        for i in chosen:
            arguments[i] = self._prepared(args[i], replaced)
        if not self.leaves:
            raise GradientError(
                f"argument {tuple(chosen)} holds no floating array to differentiate with respect to; received "
                + ", ".join(type(args[i]).__name__ for i in chosen)
            )
        with enable_grad(), standing_in(replaced):
            self.value = f(*arguments, **kwargs)
        self.follows = self.outer and self._reaches_beyond()

    def _prepared(self, x: Any, replaced: list[tuple[Tensor, Tensor]]) -> Any:
        """`x` with fresh leaves for its differentiable parts; for modules, what is to replace their parameters."""
        if is_module(x):
            replaced += [(p, self._fresh(p)) for p in trainable(x).values()]
            return x
        if isinstance(x, Mapping | list | tuple):
            if any(map(is_module, _members(x))):
                raise GradientError("a module inside a container can't be differentiated; pass it as an argument")
            return map_leaves(self._fresh, x)
        return self._fresh(x)

    def _fresh(self, x: Any) -> Any:
        """A Tensor equal to `x` whose derivatives belong to this call alone, though outer ones flow through it."""
        if not differentiable(x):
            return x
        source = x if isinstance(x, Tensor) else ops.asarray(x)
        with enable_grad():
            fresh = ops.alias(source) if source.node is not None else source
            for level, n in mapped.get():  # inside vmap every example has a derivative of its own
                if level.depth not in getattr(fresh.array, "depths", ()):
                    fresh = ops.share_examples(fresh, level=level, n=n)
            fresh = fresh if fresh.node is not None else wrap(fresh.array, Leaf())
            self.leaves.append(wrap(fresh.array, fresh.node))
            # f gets a computed Tensor, which it may change by x[i] = v
            return ops.alias(fresh) if type(fresh.node) is Leaf else fresh

    def _reaches_beyond(self) -> bool:
        return any(n.order < self.start for n in reachable(y.node for y in self.outputs() if y.node is not None))

    def outputs(self) -> list[Tensor]:
        """The floating Tensors among what `f` returned."""
        return [y for y in leaves(self.value) if isinstance(y, Tensor) and y.dtype.kind in "fc"]

    def records(self, *given: Tensor) -> bool:
        """Whether derivatives computed now, also from the Tensors `given`, are to be recorded themselves."""
        return recording.get() and (self.follows or any(g.node is not None for g in given))

    def shown(self, result: Any) -> Any:
        """`result`, a container of Tensors, as the caller gets it: without the graph of this call, unless derivatives
        flow through it."""
        return result if self.follows else map_leaves(detached, result)

    def like_chosen(self, found: Sequence[Tensor | None], keep_graph: bool) -> tuple[Any, ...]:
        """`found`, a Tensor for each fresh leaf, in the structure and the kinds of the chosen arguments."""
        pairs = iter(zip(self.leaves, found, strict=True))

        def as_given(x: Any) -> Any:
            if not differentiable(x):
                return None
            leaf, g = next(pairs)
            g = ops.zeros_like(leaf.detach()) if g is None else g if keep_graph else g.detach()
            return g if isinstance(x, Tensor | float | complex) or g.node is not None else g.array

        return tuple(map_leaves(as_given, x) for x in self.chosen)


def detached(x: Any) -> Any:
    """A Tensor as a constant; anything else as it is."""
    return x.detach() if isinstance(x, Tensor) else x


@contextmanager
def standing_in(pairs: Sequence[tuple[Tensor, Tensor]]) -> Iterator[None]:
    """Within the block each first Tensor has the array and the node of the second one."""
    before = [(p, p.array, p.node) for p, _ in pairs]
    try:
        for p, x in pairs:
            p.array, p.node = x.array, x.node
        yield
    finally:
        for p, array, node in before:
            p.array, p.node = array, node


def _members(x: Any) -> Iterator[Any]:
    for v in x.values() if isinstance(x, Mapping) else x:
        if isinstance(v, Mapping | list | tuple):
            yield from _members(v)
        else:
            yield v
