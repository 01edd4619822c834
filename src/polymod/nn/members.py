"""What belongs to a module: found by looking at its attributes, each time it is asked for.

Parameters, buffers and modules count wherever they stand: as attributes, and inside lists, tuples and dicts that
are attributes. So a layer appended to a list later is part of the model too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..autograd.tape import Leaf
from ..errors import StateError
from ..tensor import Tensor
from .parameter import Buffer, Parameter

if TYPE_CHECKING:
    from .module import Module

OTHER, PARAMETER, BUFFER, TENSOR, MODULE, SEQUENCE, MAPPING = range(7)
_kinds: dict[type, int] = {}
module_class: list[type] = []  # nn.module puts its class here, which stands on this file
_DEEPEST = 1000


def _kind(cls: type) -> int:
    """What values of class `cls` are to a module; remembered by class."""
    found = OTHER
    for kind, base in (
        (PARAMETER, Parameter),
        (BUFFER, Buffer),
        (TENSOR, Tensor),
        (MODULE, module_class[0]),
        (SEQUENCE, (list, tuple)),
        (MAPPING, dict),
    ):
        if issubclass(cls, base):
            found = kind
            break
    _kinds[cls] = found
    return found


def own(module: Module) -> tuple[list, list, list]:
    """The module's own parameters, buffers and children, each a list of (name, value) in order of assignment."""
    parameters: list = []
    buffers: list = []
    children: list = []
    attributes = module.__dict__
    notes = attributes.get("_notes", ())
    items: Iterable = attributes.items()
    if "_inlined" in attributes:  # containers by name hold their members there
        items = [*((k, v) for k, v in items if k != "_inlined"), *attributes["_inlined"].items()]
    _sort(items, "", notes, parameters, buffers, children)
    return parameters, buffers, children


def _sort(items: Iterable, prefix: str, notes: Any, parameters: list, buffers: list, children: list) -> None:
    for name, value in items:
        kind = _kinds.get(type(value))
        if kind is None:
            kind = _kind(type(value))
        if kind == OTHER or name in notes:
            continue
        path = f"{prefix}{name}"
        if kind == MODULE:
            children.append((path, value))
        elif kind == PARAMETER:
            parameters.append((path, value))
        elif kind == BUFFER:
            buffers.append((path, value))
        elif kind == TENSOR:
            if value.node is None:
                buffers.append((path, value))
            elif type(value.node) is Leaf:
                parameters.append((path, value))
        elif kind == SEQUENCE:
            if _holds_members(value):
                _sort(enumerate(value), path + ".", (), parameters, buffers, children)
        elif _holds_members(value.values()):
            _sort(value.items(), path + ".", (), parameters, buffers, children)


def is_note(value: Any) -> bool:
    """Whether `value`, assigned while its module runs, says something of that run: a plain Tensor, or a list, tuple or
    dict that holds nothing else of a module's members."""
    if isinstance(value, list | tuple | dict):
        values = list(value.values() if isinstance(value, dict) else value)
        return _holds_members(values) and all(is_note(v) or not _holds_members([v]) for v in values)
    return type(value) is Tensor


def holds_members(value: Any) -> bool:
    """Whether `value`, an attribute, is or contains what belongs to a module."""
    return _holds_members(
        value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
    )


def _holds_members(values: Iterable) -> bool:
    """Whether any of `values` may belong to the module; by class, so that long lists of numbers cost little."""
    for cls in set(map(type, values)):
        kind = _kinds.get(cls)
        if (_kind(cls) if kind is None else kind) != OTHER:
            return True
    return False


def walk(module: Module, *, shared: bool = False) -> Iterator[tuple[str, Module, tuple[list, list, list]]]:
    """The path, the module and its `own` members, for `module` and all below it, each before its children.

    A module that is reachable by several paths comes once, under the first, unless `shared`.

    Raises:
        StateError: the module contains itself (only where `shared`, which would never end).
    """
    stack = [("", module, 0)]
    seen = set()
    while stack:
        prefix, current, depth = stack.pop()
        if not shared:
            if id(current) in seen:
                continue
            seen.add(id(current))
        elif depth > _DEEPEST:
            raise StateError(
                f"modules are nested more than {_DEEPEST} deep at {prefix[:60]}...: does one contain itself?"
            )
        members = own(current)
        yield prefix, current, members
        children = members[2]
        for name, child in reversed(children):
            stack.append((f"{prefix}.{name}" if prefix else name, child, depth + 1))


def children_first(module: Module) -> list[Module]:
    """`module` and all below it, each once, after its children."""
    found = []
    seen = {id(module)}
    stack = [(module, iter(own(module)[2]))]
    while stack:
        current, children = stack[-1]
        for _, child in children:
            if id(child) not in seen:
                seen.add(id(child))
                stack.append((child, iter(own(child)[2])))
                break
        else:
            stack.pop()
            found.append(current)
    return found


def tensors(
    module: Module, *, shared: bool = False, recurse: bool = True
) -> Iterator[tuple[str, Tensor, bool, Module]]:
    """The path, the Tensor, whether it is a parameter, and its module, in the order of a state dict.

    A Tensor that has several names comes once, under the first, unless `shared`.
    """
    seen = set()
    for prefix, current, (parameters, buffers, _) in walk(module, shared=shared):
        prefix = prefix + "." if prefix else ""
        for learned, members in ((True, parameters), (False, buffers)):
            for name, tensor in members:
                if not shared:
                    if id(tensor) in seen:
                        continue
                    seen.add(id(tensor))
                yield prefix + name, tensor, learned, current
        if not recurse:
            return
