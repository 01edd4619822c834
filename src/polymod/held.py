"""What a captured step changes: found, kept where a recording reads and writes it, and put back where one fails."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import CellType, CodeType, FunctionType
from typing import Any

from .autograd.tape import Leaf
from .autograd.trees import is_module
from .backend import Device, find_owner
from .errors import CaptureError
from .tensor import Tensor, wrap


class StateGrew(Exception):
    """An optimizer made new state while its step was recorded; each launch would make it again."""


def is_optimizer(x: Any) -> bool:
    return hasattr(x, "param_groups") and hasattr(x, "state_names")


class Slot:
    """A place that holds a Tensor: an attribute of a module, an entry of an optimizer's state."""

    __slots__ = ("array", "holder", "key", "tensor")

    def __init__(self, holder: Any, key: Any, tensor: Tensor) -> None:
        self.holder, self.key, self.tensor, self.array = holder, key, tensor, tensor.array


class Given:
    """The modules, the optimizers and the Tensors that a step changes."""

    def __init__(self, step: Callable[..., Any], state: Iterable[Any]) -> None:
        self.optimizers: list[Any] = []
        self._roots: list[Any] = []
        self._tensors: list[Tensor] = []
        self.arrays: dict[int, Any] = {}  # by Tensor's id: those that recordings gave them
        seen: set[int] = set()
        for x in _flat([step, *state] if is_module(step) else state):
            if not (is_module(x) or is_optimizer(x) or isinstance(x, Tensor)):
                raise TypeError(
                    f"the state of a captured step is modules, optimizers and Tensors, received {type(x).__name__}"
                )
            self._add(x, seen)
        self._variables = _variables(step)
        for holder, key in self._variables:
            for x in _flat(holder.get(key)):
                if is_module(x) or is_optimizer(x):
                    self._add(x, seen)
        self.find()

    def _add(self, x: Any, seen: set[int]) -> None:
        if id(x) not in seen:
            seen.add(id(x))
            (self._tensors if isinstance(x, Tensor) else self.optimizers if is_optimizer(x) else self._roots).append(x)

    def find(self) -> None:
        """Look for modules anew."""
        self.modules = list({id(m): m for root in self._roots for m in root.modules()}.values())

    def modes(self) -> Any:
        """What else than inputs decides what the step does."""
        options = tuple(tuple(map(o.recorded_options, o.param_groups)) for o in self.optimizers)
        return tuple(m.training for m in self.modules), options

    def slots(self, device: Device) -> list[Slot]:
        """Every place of the state that holds a Tensor, each Tensor once; variables of the step's count on `device`."""
        found: dict[int, Slot] = {}

        def add(holder: Any, key: Any, value: Any) -> None:
            if not isinstance(value, Tensor) or id(value) in found or not value.is_leaf:
                return  # what was computed is a note that a module made of its last run
            if find_owner(type(value.array)) is not None:  # its shape is known
                found[id(value)] = Slot(holder, key, value)

        for module in self.modules:
            for holder in (vars(module), vars(module).get("_inlined", {})):
                for key, value in holder.items():
                    add(holder, key, value)
            for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):  # in lists, say
                add({None: tensor}, None, tensor)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                for tensor in group["params"]:
                    add({None: tensor}, None, tensor)
            for held in optimizer.state.values():
                for key, value in held.items():
                    add(held, key, value)
        for tensor in self._tensors:
            add({None: tensor}, None, tensor)
        for holder, key in self._variables:
            value = holder.get(key)
            if isinstance(value, Tensor) and value.device == device:
                add(holder, key, value)
        return list(found.values())

    def first_tensor(self) -> Tensor | None:
        for root in self._roots:
            for tensor in (*root.parameters(), *root.buffers()):
                return tensor
        for optimizer in self.optimizers:
            return optimizer.param_groups[0]["params"][0]
        return self._tensors[0] if self._tensors else None


class _Earlier(Tensor):
    """Stands for a gradient from before the call that is being recorded."""

    __slots__ = ()

    @property
    def array(self) -> Any:
        raise CaptureError(
            "the captured step reads gradients from before the call; it must begin with optimizer.zero_grad() (which "
            "sets them to None), or end with it, so that each call makes its own. Nothing has changed"
        )


class Held:
    """The state of a recording: which arrays it reads and writes, and all there is to put back if it fails."""

    def __init__(self, given: Given, device: Device, graph: Any) -> None:
        self.given = given
        given.find()
        self.slots = given.slots(device)
        elsewhere = sorted({str(s.tensor.device) for s in self.slots} - {str(device)})
        if elsewhere:
            raise CaptureError(f"a captured step stays on one device; its state is on {device}, {', '.join(elsewhere)}")
        self._take(graph)
        self._leaves = {s.tensor.node: s.tensor.node.grad for s in self.slots if type(s.tensor.node) is Leaf}
        self._absent = [leaf for leaf, grad in self._leaves.items() if grad is None]
        self._states = [({p: dict(s) for p, s in o.state.items()}, dict(o._made)) for o in given.optimizers]
        self._state_dicts = [o.state for o in given.optimizers]
        self._sizes = self._counted()
        self._grads: list[tuple[Leaf, Any]] = []
        for leaf, grad in self._leaves.items():
            if grad is not None:
                leaf.grad = _new_earlier()

    def _take(self, graph: Any) -> None:
        """Give each Tensor an array that nobody else has, for it will be written over: a snapshot, another Tensor or
        the user's own variable may share the one it has. What an optimizer's step made is its own."""
        present = {id(slot.tensor) for slot in self.slots}
        mine = self.given.arrays = {key: a for key, a in self.given.arrays.items() if key in present}
        made = {id(a) for o in self.given.optimizers for arrays in o._made.values() for a in arrays}
        for slot in self.slots:
            if id(slot.array) not in made and mine.get(id(slot.tensor)) is not slot.array:
                slot.array = slot.tensor.array = mine[id(slot.tensor)] = graph.copy(slot.array)

    def _counted(self) -> list[list[int]]:
        return [[len(group["params"]) for group in o.param_groups] for o in self.given.optimizers]

    # ----------------------------------------------------------------------------------------- while recording

    def check_grown(self) -> None:
        for optimizer, (before, _) in zip(self.given.optimizers, self._states, strict=True):
            after = {p: s.keys() for p, s in optimizer.state.items() if s}
            if after != {p: s.keys() for p, s in before.items() if s}:
                raise StateGrew

    def settle(self, graph: Any) -> None:
        """Record the copies of new values to the arrays that the recording reads, and make these the Tensors' again."""
        old = {id(s.array) for s in self.slots}
        changed = []
        for slot in self.slots:
            tensor = slot.holder.get(slot.key)
            if not isinstance(tensor, Tensor) or not tensor.is_leaf:
                what = "a Tensor with a recorded graph" if isinstance(tensor, Tensor) else type(tensor).__name__
                raise CaptureError(f"the captured step leaves {what} at {slot.key!r} of its state, where a Tensor was")
            new = tensor.array
            if new is slot.array:
                continue
            if new.shape != slot.array.shape or new.dtype != slot.array.dtype:
                raise CaptureError(
                    f"the captured step changes a Tensor of its state from {slot.array.shape} {slot.array.dtype} to "
                    f"{new.shape} {new.dtype}; every call must leave shapes and dtypes as they are"
                )
            changed.append((slot, graph.copy(new) if id(new) in old else graph.own(new)))
        for slot, new in changed:
            graph.write(slot.array, new)
        for slot, _ in changed:
            slot.tensor.array = slot.array
            slot.holder[slot.key] = slot.tensor
        for leaf, grad in self._leaves.items():
            if type(leaf.grad) is _Earlier:  # nobody touched it
                leaf.grad = grad
            else:
                self._grads.append((leaf, None if leaf.grad is None else leaf.grad.array))

    def forget(self) -> None:
        """Let go of what only `restore` needs."""
        self._leaves, self._states = {}, []

    def restore(self) -> None:
        """Put everything back as it was before recording."""
        for slot in self.slots:
            slot.tensor.array = slot.array
            slot.holder[slot.key] = slot.tensor
        for leaf, grad in self._leaves.items():
            leaf.grad = grad
        for optimizer, state, (before, made) in zip(
            self.given.optimizers, self._state_dicts, self._states, strict=True
        ):
            optimizer.state = state
            for p in [p for p in state if p not in before]:
                del state[p]
            for p, held in before.items():
                state[p].clear()
                state[p].update(held)
            optimizer._made.clear()
            optimizer._made.update(made)

    # ----------------------------------------------------------------------------------------------- afterwards

    def fits(self) -> bool:
        """Whether the same Tensors, of the same form, are the state, and gradients are where they were."""
        return (
            all(o.state is s for o, s in zip(self.given.optimizers, self._state_dicts, strict=True))
            and self._counted() == self._sizes
            and all(leaf.grad is None for leaf in self._absent)
            and all(
                s.holder.get(s.key) is s.tensor and (s.tensor.array is s.array or _same_form(s.tensor.array, s.array))
                for s in self.slots
            )
        )

    def bring_back(self, graph: Any) -> None:
        """Values that Tensors were given since the last launch go where the recording reads them."""
        for slot in self.slots:
            if slot.tensor.array is not slot.array:
                graph.write(slot.array, slot.tensor.array)
                slot.tensor.array = slot.array

    def finish(self) -> None:
        """Let the leaves have the gradients of the last launch."""
        for leaf, array in self._grads:
            leaf.grad = None if array is None else wrap(array)


def _same_form(x: Any, y: Any) -> bool:
    return type(x) is type(y) and x.shape == y.shape and x.dtype == y.dtype and x.device == y.device


def _new_earlier() -> Tensor:
    tensor: Tensor = object.__new__(_Earlier)
    tensor.node = None
    return tensor


def mapped(x: Any, function: Callable[[Any], Any]) -> Any:
    """A container like `x` of `function` of what is in it."""
    if isinstance(x, dict):
        return {k: mapped(v, function) for k, v in x.items()}
    if isinstance(x, list | tuple):
        items = [mapped(v, function) for v in x]
        return type(x)(*items) if hasattr(x, "_fields") else type(x)(items)
    return function(x)


def _flat(x: Any) -> Iterator[Any]:
    if isinstance(x, Mapping) and not is_module(x):
        for v in x.values():
            yield from _flat(v)
    elif isinstance(x, list | tuple | set):
        for v in x:
            yield from _flat(v)
    else:
        yield x


class _Cell:
    """A variable of an enclosing function, as the entry of a dict."""

    def __init__(self, cell: CellType) -> None:
        self.cell = cell

    def get(self, _: Any) -> Any:
        try:
            return self.cell.cell_contents
        except ValueError:  # it has no value yet
            return None

    def __setitem__(self, _: Any, value: Any) -> None:
        self.cell.cell_contents = value


def _variables(step: Any) -> list[tuple[Any, str]]:
    """The variables outside of `step` that it names, and the attributes of the object whose method it is: each as a
    dict and a key of it."""
    step = inspect.unwrap(step)
    owner, function = getattr(step, "__self__", None), getattr(step, "__func__", step)
    if not isinstance(function, FunctionType):
        return []
    found: list[tuple[Any, str]] = []
    if is_module(owner):
        found.append(({"self": owner}, "self"))
    elif hasattr(owner, "__dict__"):
        found += [(vars(owner), name) for name in vars(owner)]
    found += [(function.__globals__, name) for name in sorted(_globals_named(function.__code__))]
    names = function.__code__.co_freevars
    return found + [(_Cell(cell), name) for name, cell in zip(names, function.__closure__ or (), strict=True)]


def _globals_named(code: CodeType) -> set[str]:
    names = {i.argval for i in dis.get_instructions(code) if i.opname.endswith("_GLOBAL")}
    return names.union(*(_globals_named(c) for c in code.co_consts if isinstance(c, CodeType)))
