"""Forward mode: tangents from inputs to outputs, along the same graph and by the same rules as the backward pass.

An elementwise operation multiplies tangents by its partial derivatives, a linear one is applied to them. Every
other operation is pushed through by transposing its rule: the rule takes a cotangent g to J^T g, linearly in g, so
that the gradient of <J^T g, t> with respect to g is J t. No operation states its forward derivative by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..backend import backend_of
from ..ops import ops
from ..tensor import Tensor, wrap
from .backward import as_tensors, leading_to, reachable, sweep
from .batched import beside
from .primitive import Cotangents
from .tape import Leaf, Node, recording


def push(outputs: Sequence[Tensor], tangents: Mapping[Any, Tensor], *, create_graph: bool) -> list[Tensor | None]:
    """Carry tangents forward through the recorded graph.

    Args:
        outputs: where to.
        tangents: by node, each of the shape and dtype of the Tensor that has the node.
        create_graph: record the tangents' own computation.

    Returns:
        The tangent of each output, or None for one that depends on none of those nodes.
    """
    held: dict[Any, Any] = {node: t if create_graph else t.array for node, t in tangents.items()}
    oldest = min((node.order for node in held), default=0)
    nodes = reachable([y.node for y in outputs if y.node is not None], oldest)
    live = leading_to(set(held), nodes)
    token = recording.set(create_graph)
    try:
        for node in reversed(nodes):
            if node in live and node not in held:
                ts = [held.get(p) for p in node.parents]
                t = _through(node, ts, create_graph) if any(t is not None for t in ts) else None
                if t is not None:  # None below an operation whose derivative is 0 everywhere
                    held[node] = t
    finally:
        recording.reset(token)
    found = [held.get(y.node) for y in outputs]
    return [t if t is None or create_graph else wrap(t) for t in found]


def _through(node: Node, tangents: Sequence[Any], create_graph: bool) -> Any:
    """The tangent of a node's output (a dict of them by position where it has several) from those of its inputs."""
    primitive = node.primitive
    if not primitive.can_push(tangents):
        return _transposed(node, tangents, create_graph)
    if create_graph:
        inputs, output = as_tensors(node, recorded=True)
        return primitive.push(ops, tangents, output, inputs, node.attrs)
    arrays = [next(iter(t.values())) if isinstance(t, dict) else t for t in tangents if t is not None]
    owner, first = max(((backend_of(a), a) for a in arrays), key=lambda pair: pair[0].precedence)
    inputs, output = node.inputs, node.output
    if not owner.is_engine:
        inputs, output = beside(inputs, first), beside(output, first)
        tangents = beside(list(tangents), first)
    return primitive.push(owner.namespace, tangents, output, inputs, node.attrs)


def _transposed(node: Node, tangents: Sequence[Any], create_graph: bool) -> Any:
    """The tangent of a node's output: the gradient of <rule(g), tangents> with respect to g."""
    ts = [t if t is None or create_graph else wrap(t) for t in tangents]
    device = next(t for t in ts if t is not None).device
    several = type(node.output) is tuple
    gs = Cotangents(
        (i, wrap(ops.zeros(tuple(y.shape), dtype=y.dtype, device=device).array, Leaf()))
        for i, y in enumerate(node.output if several else (node.output,))
        if ops.isdtype(y.dtype, ("real floating", "complex floating"))
    )
    token = recording.set(True)
    try:
        inputs, output = as_tensors(node, recorded=create_graph)
        pulled = node.primitive.pull(
            ops, gs if several else gs[0], [t is not None for t in ts], output, inputs, node.attrs
        )
        pairs = [(c, t) for c, t in zip(pulled, ts, strict=False) if t is not None and c is not None and c.node]
        found = {}
        if pairs:
            cs, seeds = zip(*pairs, strict=True)
            leaves = {g.node for g in gs.values()}
            found = sweep(cs, seeds, leaves, create_graph=create_graph, retain_graph=True)
    finally:
        recording.reset(token)
    pushed = {i: found[g.node] if create_graph else found[g.node].array for i, g in gs.items() if g.node in found}
    return (pushed or None) if several else pushed.get(0)
