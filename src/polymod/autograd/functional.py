"""Gradients of functions: `grad(f)` and `value_and_grad(f)`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..backend import find_owner
from ..errors import GradientError
from ..ops import ops
from ..tensor import Tensor, wrap
from .backward import grad as gradients
from .backward import reachable
from .tape import Leaf, enable_grad, recording


def value_and_grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., tuple[Any, Any]]:
    """Return a function that gives `f(*args, **kwargs)` and its gradient.

    Args:
        f: a function of arrays with a real result of one element.
        argnums: the position of the argument to differentiate, or a tuple of them. Each is a Tensor, an engine's
            array, a Python float, or lists, tuples and dicts of these, nested at will.

    The gradient has the structure of that argument (a tuple for several): Tensors for Tensors and floats, engine
    arrays for engine arrays; integer arrays and what is no array are passed on unchanged and have gradient None. An
    argument that `f` does not use has gradient zero. Nested calls differentiate independently of each other.

    Raises:
        GradientError: the result of `f` is no Tensor of one real element, or nothing in the arguments can be
            differentiated.
    """

    def differentiated(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        if not all(-len(args) <= i < len(args) for i in chosen):
            raise GradientError(f"argnums {argnums} counts positional arguments, of which this call has {len(args)}")
        outer = recording.get()
        leaves: list[Tensor] = []
        arguments = list(args)
        for i in chosen:
            arguments[i] = _map(args[i], lambda x: _fresh(x, leaves))
        if not leaves:
            raise GradientError(f"argument {argnums} holds no floating array to differentiate with respect to")
        with enable_grad():
            value = f(*arguments, **kwargs)
            if not isinstance(value, Tensor) or value.size != 1 or value.dtype.kind == "c":
                got = f"shape {value.shape}, {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
                raise GradientError(
                    f"grad needs a function with a Tensor of one real element as result, received {got}"
                )
            inner = [x.node for x in leaves]
            follows = outer and value.node is not None and _reaches_beyond(inner, value.node)
            found: Any = [None] * len(leaves)
            if value.node is not None:
                found = gradients(value, leaves, create_graph=follows, allow_unused=True)
        pairs = iter(zip(leaves, found, strict=True))
        result = tuple(_map(args[i], lambda x: _gradient_for(x, pairs)) for i in chosen)
        return value if follows else value.detach(), result[0] if isinstance(argnums, int) else result

    return differentiated


def grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return a function that gives the gradient of `f`; see `value_and_grad`.

    `grad(grad(f))` is the second derivative (of a function of one element).
    """
    both = value_and_grad(f, argnums)

    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient


def _map(x: Any, function: Callable[[Any], Any]) -> Any:
    """`function` of every leaf of nested lists, tuples and dicts, in their order."""
    if isinstance(x, dict):
        return type(x)((k, _map(v, function)) for k, v in x.items())
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*(_map(v, function) for v in x))
    if isinstance(x, list | tuple):
        return type(x)(_map(v, function) for v in x)
    return function(x)


def _differentiable(x: Any) -> bool:
    if isinstance(x, Tensor):
        return x.dtype.kind in "fc"
    if isinstance(x, bool | int | str | None):
        return False
    return isinstance(x, float | complex) or (find_owner(type(x)) is not None and wrap(x).dtype.kind in "fc")


def _fresh(x: Any, leaves: list[Tensor]) -> Any:
    """A Tensor equal to `x` whose gradient belongs to this call alone, though outer gradients flow through it."""
    if not _differentiable(x):
        return x
    source = x if isinstance(x, Tensor) else ops.asarray(x)
    with enable_grad():
        fresh = ops.alias(source) if source.node is not None else wrap(source.array, Leaf())
        leaves.append(wrap(fresh.array, fresh.node))
        # f gets a computed Tensor, which it may change by x[i] = v
        return ops.alias(fresh) if type(fresh.node) is Leaf else fresh


def _reaches_beyond(inner: list[Any], node: Any) -> bool:
    """Whether gradients of an enclosing computation flow through `node`."""
    own = set(inner)
    return any(type(n) is Leaf and n not in own for n in reachable([node]))


def _gradient_for(x: Any, pairs: Iterator[tuple[Tensor, Any]]) -> Any:
    """The gradient for one leaf of an argument, in that leaf's own kind; the graph, if any, is never cut off."""
    if not _differentiable(x):
        return None
    leaf, g = next(pairs)
    g = ops.zeros_like(leaf.detach()) if g is None else g
    as_given = isinstance(x, Tensor | float | complex) or g.node is not None
    return g if as_given else g.array
