"""`checkpoint`: compute again in the backward pass what would take memory to keep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..ops import ops
from ..tensor import Tensor, wrap
from .backward import reachable, sweep
from .primitive import Primitive, parts
from .tape import Node, enable_grad, next_order, no_grad, recording
from .trees import leaves, map_leaves


def checkpoint(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return `f(*args, **kwargs)`, keeping none of what its derivative needs: the backward pass runs `f` once more.

    The second run draws the same random numbers. Gradients flow to the arguments, and to whatever else `f` uses that
    carries one, a module's parameters for example. Higher derivatives and forward mode work as for any operation.

    Args:
        f: a function of Tensors, nested lists, tuples and dicts of them, and anything else; a module, for example.
            It must compute the same when it is run again.
    """
    if not recording.get():
        return f(*args, **kwargs)
    run = _Run(f, args, kwargs)
    start = next_order()
    with enable_grad():
        result = run()
    made_here = _made_since(start, result)
    if not made_here:
        return result
    nodes = reachable([y.node for y in made_here], start)
    older = list(dict.fromkeys(p for n in nodes for p in n.parents if p is not None and p.order < start))
    outputs = tuple(y.array for y in made_here)
    found = dict(zip(map(id, made_here), parts(outputs, Node(_call, older, outputs, older, {"run": run})), strict=True))
    return map_leaves(lambda y: found.get(id(y), y), result)


def _made_since(start: int, result: Any) -> list[Tensor]:
    """The Tensors in `result` that were recorded after `start`."""
    return [y for y in leaves(result) if isinstance(y, Tensor) and y.node is not None and y.node.order >= start]


class _Run:
    """A call that can be made again, with the same arguments and the same random numbers."""

    def __init__(self, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        from ..random import default_generator  # it stands on Tensor

        self.f, self.args, self.kwargs = f, [_as_now(a) for a in args], {k: _as_now(v) for k, v in kwargs.items()}
        self.generator, self.state = default_generator, default_generator.get_state()

    def __call__(self) -> Any:
        return self.f(*map(_as_now, self.args), **{k: _as_now(v) for k, v in self.kwargs.items()})

    def again(self) -> list[Tensor]:
        """What the call gave, recorded anew."""
        now = self.generator.get_state()
        self.generator.set_state(self.state)
        try:
            with enable_grad():
                start = next_order()
                return _made_since(start, self())
        finally:
            self.generator.set_state(now)


def _as_now(x: Any) -> Any:
    """`x` with Tensors that stay what they are when those in `x` are changed in place."""
    if isinstance(x, dict | list | tuple):
        return map_leaves(_as_now, x)
    return wrap(x.array, x.node) if type(x) is Tensor else x


class _Call(Primitive):
    """A whole call as one operation, whose inputs are the nodes of everything older that it used."""

    def pull(self, xp: Any, g: Any, wanted: Sequence[Any], output: Any, inputs: Any, attrs: dict) -> Iterable[Any]:
        recorded = xp is ops
        ys = attrs["run"].again()
        with enable_grad() if recorded else no_grad():
            found = sweep(
                [ys[i] for i in g],
                [c if recorded else wrap(c) for c in g.values()],
                set(inputs),
                create_graph=recorded,
                retain_graph=recorded,
                through=False,
            )
        return [None if p not in found else found[p] if recorded else found[p].array for p in inputs]


_call = _Call()
_call.name = "checkpoint"
