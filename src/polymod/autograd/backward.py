"""The backward pass: cotangents from outputs to leaves, in the reverse order of recording."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from operator import add, attrgetter
from typing import Any

from ..backend import backend_of
from ..errors import GradientError, MixedDevicesError
from ..ops import ops
from ..tensor import Tensor, wrap
from .anomaly import check_pulled, where_made
from .batched import beside, namespace_of
from .operands import with_examples_of
from .primitive import Cotangents, parts
from .tape import Leaf, Node, Spec, recording

_order = attrgetter("order")
_RELEASED = "the graph was released by an earlier backward; call that one with retain_graph=True to go through it again"


def backward(
    outputs: Sequence[Any],
    gradients: Sequence[Any],
    *,
    retain_graph: bool | None = None,
    create_graph: bool = False,
) -> None:
    """Add the gradients of `outputs` to the `grad` of every leaf they were computed from."""
    found = sweep(outputs, gradients, None, create_graph=create_graph, retain_graph=retain_graph)
    for leaf, g in found.items():
        leaf.grad = g if leaf.grad is None else _sum(leaf.grad, g, create_graph)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Any, ...]:
    """Return the gradients of (the sum of) `outputs` with respect to `inputs`; no `grad` attribute changes.

    Args:
        outputs: a Tensor or a sequence of them.
        inputs: a Tensor or a sequence of them, leaves or computed; each must require grad.
        grad_outputs: the cotangent of each output, of its shape; may be None for outputs of one element.
        retain_graph: keep the recorded values for another pass. Default: create_graph.
        create_graph: record the gradients' own computation, so that they can be differentiated.
        allow_unused: give None for an input that no output depends on, instead of raising.

    Returns:
        A tuple with a Tensor per input, of that input's shape and dtype.

    Raises:
        GradientError: an output or input carries no gradient, an input is unused, or the graph was released.
    """
    outputs = _listed(outputs)
    inputs = _listed(inputs)
    grad_outputs = [None] * len(outputs) if grad_outputs is None else _listed(grad_outputs)
    for i, x in enumerate(inputs):
        if x.node is None:
            raise GradientError(f"input {i} does not require grad; call requires_grad_() on it before using it")
    wanted = {x.node for x in inputs}
    found = sweep(outputs, grad_outputs, wanted, create_graph=create_graph, retain_graph=retain_graph)
    unused = [i for i, x in enumerate(inputs) if x.node not in found]
    if unused and not allow_unused:
        raise GradientError(f"no output depends on input {unused}; allow_unused=True gives None for it")
    return tuple(found.get(x.node) for x in inputs)


def sweep(
    outputs: Sequence[Any],
    gradients: Sequence[Any],
    targets: set | None,
    *,
    create_graph: bool,
    retain_graph: bool | None,
    through: bool = True,
) -> dict[Any, Any]:
    """Carry the cotangents of `outputs` back through the graph.

    Args:
        targets: the nodes whose cotangents are wanted; None for all leaves.
        through: whether a cotangent goes on from a target to the nodes before it, where another target may be.

    Returns:
        The cotangent, as a Tensor, of each wanted node that was reached.
    """
    retain = create_graph if retain_graph is None else retain_graph
    cotangents = _seed(outputs, gradients, create_graph)
    nodes = reachable(cotangents, *_limits(targets, through))
    live = None if targets is None else leading_to(targets, nodes)
    found: dict[Any, Any] = {}
    held = cotangents.get
    kind: Any = None
    xp: Any = None
    follow: Any = None
    is_engine = True
    first: Any = None
    # what lies below operations that pick elements, and below outputs whose gradient may have zeros of its own
    masked = {y.node for y, g in zip(outputs, gradients, strict=True) if g is not None and y.array.ndim}
    watched = where_made.get() is not None
    token = recording.set(create_graph)
    try:
        for node in nodes:
            g = cotangents.pop(node, None)
            if g is None or (live is not None and node not in live):
                continue
            if node.hooks:
                g = _run_hooks(node, g, create_graph)
            ends = type(node) is Leaf
            if ends if targets is None else node in targets:
                found[node] = g if create_graph else wrap(g)
                ends = ends or not through
            if ends:
                continue
            parents = node.parents
            primitive = node.primitive
            pull = primitive.pull
            if node in masked:
                pull = primitive.pull_masked
                masked.update(parents)
            elif primitive.masks:
                masked.update(parents)
            wanted = parents if live is None else [p in live for p in parents]
            if create_graph:
                inputs, output = as_tensors(node, recorded=True)
                pulled = pull(ops, g, wanted, output, inputs, node.attrs)
            else:
                if type(g) is not kind or kind is Cotangents:  # rarely: a graph mostly stays on one engine
                    kind = type(g)
                    first = next(iter(g.values())) if kind is Cotangents else g
                    owner = backend_of(first)
                    xp, is_engine, follow = owner.namespace, owner.is_engine, owner.following
                inputs, output = node.inputs, node.output
                if not is_engine:
                    inputs, output = beside(inputs, first), beside(output, first)
                if follow is not None:
                    pull = follow(pull)
                pulled = pull(xp, g, wanted, output, inputs, node.attrs)
            if watched:
                check_pulled(node, g, pulled)
            for parent, c in zip(parents, pulled):  # noqa: B905 strict costs, and rules may give fewer
                if c is not None and parent is not None:
                    before = held(parent)
                    if before is not None:
                        if type(before) is not type(c):
                            c = namespace_of(before, c).add(before, c)
                        else:
                            c = before + c if follow is None else follow(add)(before, c)
                    cotangents[parent] = c
            if not retain:
                node.release()
    finally:
        recording.reset(token)
    return found


def as_tensors(node: Node, *, recorded: bool) -> tuple[list[Any], Any]:
    """What a node keeps of its inputs and of its output as Tensors: those it was made from and made, or constants."""
    inputs = [
        wrap(x, p if recorded else None) if hasattr(x, "device") else x
        for x, p in zip(node.inputs, node.parents, strict=True)
    ]
    output = node.output
    if type(output) is tuple:
        if not isinstance(output[0], Spec):
            output = parts(output, node) if recorded else tuple(map(wrap, output))
    elif hasattr(output, "device"):
        output = wrap(output, node if recorded else None)
    return inputs, output


def _limits(targets: set | None, through: bool) -> tuple[int, Container]:
    """How far back a sweep to `targets` needs to look: not before the oldest, nor, unless `through`, beyond any."""
    if targets is None:
        return -1, ()
    return min((node.order for node in targets), default=0), () if through else targets


def _seed(outputs: Sequence[Any], gradients: Sequence[Any], create_graph: bool) -> dict[Any, Any]:
    """The cotangents to start with: an engine's array per output node, a Tensor where they are recorded."""
    cotangents: dict[Any, Any] = {}
    if len(outputs) != len(gradients):
        raise GradientError(f"{len(outputs)} outputs need as many gradients, received {len(gradients)}")
    for y, g in zip(outputs, gradients, strict=True):
        if y.node is None:
            raise GradientError(
                "this Tensor was computed from nothing that requires grad (or inside no_grad), so it has no gradient"
            )
        if g is None:
            if y.size != 1 or y.dtype.kind == "c":
                raise GradientError(
                    f"the gradient of a Tensor of shape {y.shape} and {y.dtype} must be given; only one real element "
                    "has gradient 1 by itself"
                )
            g = ops.ones_like(y.detach())
        else:
            g = ops.asarray(g, dtype=y.dtype, device=None if hasattr(g, "dtype") else y.device)
            if g.shape != y.shape:
                raise GradientError(f"the gradient must have the output's shape {y.shape}, received {g.shape}")
            if g.device != y.device:
                raise MixedDevicesError(
                    f"the gradient must be on the output's device {y.device}, received it on {g.device}"
                )
            if hasattr(y.array, "depths"):  # every example has this gradient
                g = with_examples_of(g, [y.array])
        g = g if create_graph else g.array
        cotangents[y.node] = g if y.node not in cotangents else cotangents[y.node] + g
    return cotangents


def reachable(roots: Iterable[Any], oldest: int = -1, ends: Container = ()) -> list[Any]:
    """All nodes below `roots`, latest first: those that `oldest`, an order, is not later than, and, of what lies
    below the nodes `ends`, none."""
    seen = set(roots)
    stack = list(seen)
    while stack:
        node = stack.pop()
        if node in ends:
            continue
        if type(node) is Node and node.primitive is None:
            raise GradientError(_RELEASED)
        for parent in node.parents:
            if parent is None or parent.order < oldest:
                continue
            if parent.overwritten > node.order:  # whatever was kept may be a view of it
                raise GradientError(
                    f"a leaf that {node.primitive.name} read was changed in place since, by an optimizer's step for "
                    "example; call backward before the step"
                )
            if parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return sorted(seen, key=_order, reverse=True)


def leading_to(targets: set, nodes: list[Any]) -> set[Any]:
    """Those of `nodes`, latest first, through which a target can be reached."""
    live: set[Any] = set()
    for node in reversed(nodes):
        if node in targets or any(p in live for p in node.parents):
            live.add(node)
    return live


def _run_hooks(node: Any, g: Any, create_graph: bool) -> Any:
    for hook in list(node.hooks):
        if type(g) is Cotangents:  # a module's gate
            replaced = hook(g)
            g = g if replaced is None else replaced
            continue
        seen = g if create_graph else wrap(g)
        replaced = hook(seen)
        if replaced is None:
            continue
        if not isinstance(replaced, Tensor) or replaced.shape != seen.shape:
            received = f"shape {replaced.shape}" if isinstance(replaced, Tensor) else type(replaced).__name__
            raise GradientError(
                f"a hook must return a Tensor of the gradient's shape {seen.shape} or None, received {received}"
            )
        replaced = ops.astype(replaced, seen.dtype, copy=False)
        g = replaced if create_graph else replaced.array
    return g


def _sum(held: Any, g: Any, create_graph: bool) -> Any:
    if create_graph:
        return held + g
    return wrap(namespace_of(held.array, g.array).add(held.array, g.array))


def _listed(x: Any) -> list[Any]:
    return list(x) if isinstance(x, list | tuple) else [x]
