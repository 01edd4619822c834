"""Module: the one class that layers, blocks and whole models are."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from reprlib import recursive_repr
from typing import Any, Self

from .. import dtypes
from ..autograd.anomaly import describe_place
from ..backend import find_owner, place
from ..errors import MixedDevicesError, PolymodError
from ..handle import Handle
from ..ops import ops
from ..tensor import Tensor, wrap
from . import hooks as hooking
from . import members, state
from .hooks import Hooks
from .parameter import Buffer, Parameter, converted, device_of

__all__ = ["Module"]


class _Calls(threading.local):
    """The modules whose forward is running in this thread, outermost first."""

    def __init__(self) -> None:
        self.stack: list[Module] = []


_calls = _Calls()


class Module:
    """A layer, a block or a model: parameters, buffers, other modules, and a `forward` in plain Python.

    Assigning a Parameter, Buffer, Tensor or Module to an attribute makes it a part of this module; so do lists,
    tuples and dicts of them. A plain Tensor counts as a buffer, except one assigned while the module runs or one
    that carries a gradient: those are notes of that run.

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.hidden = nn.Linear(20, 256)
                self.out = nn.Linear(256, 10)

            def forward(self, x):
                return self.out(pm.nn.functional.relu(self.hidden(x)))
    """

    training: bool = True
    _hooks: Hooks | None = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the result; every subclass says how."""
        raise NotImplementedError(f"{type(self).__name__} has no forward method; define forward(self, ...)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        stack = _calls.stack
        if not stack:  # the outermost call: an engine's arrays become constants
            args = tuple(map(_as_tensor, args))
            if kwargs:
                kwargs = {k: _as_tensor(v) for k, v in kwargs.items()}
        stack.append(self)
        try:
            if self._hooks is None:
                return self.forward(*args, **kwargs)
            return hooking.call(self, self._hooks, args, kwargs)
        except Exception as error:
            _locate(error, stack)
            raise
        finally:
            stack.pop()

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _reserved:
            raise AttributeError(f"{name!r} is a method of nn.Module and can't be an attribute; choose another name")
        if isinstance(value, Tensor):
            current = self.__dict__.get(name)
            if isinstance(current, Parameter) and not isinstance(value, Parameter):
                raise TypeError(
                    f"{name!r} is a Parameter and can't be replaced by a {type(value).__name__}; wrap it in "
                    "nn.Parameter(...), or set its values under `with polymod.no_grad():`"
                )
            if isinstance(current, Buffer) and type(value) is Tensor:
                value = Buffer(value.detach(), persistent=current.persistent)
        if isinstance(value, _may_be_notes):
            self._keep_notes(name, value)
        object.__setattr__(self, name, value)

    def _keep_notes(self, name: str, value: Any) -> None:
        """Remember which attributes are notes of a run, and so no members."""
        if self in _calls.stack and members.is_note(value):
            if not members.holds_members(self.__dict__.get(name)):
                self.__dict__.setdefault("_notes", set()).add(name)
        elif "_notes" in self.__dict__:
            self.__dict__["_notes"].discard(name)

    # --------------------------------------------------------------------------------------- what it is made of

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Assign `param` to the attribute `name`."""
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"parameter {name!r} must be an nn.Parameter or None, received {type(param).__name__}")
        setattr(self, name, param)

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Assign `tensor` to the attribute `name` as a Buffer; not in `state_dict()` unless `persistent`."""
        setattr(self, name, None if tensor is None else Buffer(tensor, persistent=persistent))

    def register_module(self, name: str, module: Module | None) -> None:
        """Assign `module` to the attribute `name`."""
        setattr(self, name, module)

    add_module = register_module

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The path and the Parameter of each parameter, in the order of `state_dict()`, shared ones once."""
        return self._named_tensors(True, prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Each parameter once."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The path and the Tensor of each buffer, shared ones once."""
        return self._named_tensors(False, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Each buffer once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def _named_tensors(
        self, learned: bool, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        prefix = prefix + "." if prefix else ""
        for path, tensor, is_learned, _ in members.tensors(self, shared=not remove_duplicate, recurse=recurse):
            if is_learned is learned:
                yield prefix + path, tensor

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The name and the module of each direct child, shared ones once."""
        seen = set()
        for name, child in members.own(self)[2]:
            if id(child) not in seen:
                seen.add(id(child))
                yield name, child

    def children(self) -> Iterator[Module]:
        """Each direct child once."""
        for _, child in self.named_children():
            yield child

    def named_modules(self, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """The path and the module, for this module (path `prefix`) and all below it, parents first."""
        for path, module, _ in members.walk(self, shared=not remove_duplicate):
            yield ".".join(filter(None, (prefix, path))), module

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        for _, module in self.named_modules():
            yield module

    def get_submodule(self, target: str) -> Module:
        """The module at the path `target`, such as "blocks.0.attention"; this one for the empty path.

        Raises:
            AttributeError: there is no module at that path.
        """
        return self._at(target, dict(self.named_modules(remove_duplicate=False)), "module")

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at the path `target`.

        Raises:
            AttributeError: there is no parameter at that path.
        """
        return self._at(target, dict(self.named_parameters(remove_duplicate=False)), "parameter")

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at the path `target`.

        Raises:
            AttributeError: there is no buffer at that path.
        """
        return self._at(target, dict(self.named_buffers(remove_duplicate=False)), "buffer")

    def _at(self, target: str, found: dict[str, Any], what: str) -> Any:
        if target not in found:
            near = [p for p in found if p.rpartition(".")[0] == target.rpartition(".")[0]][:10]
            raise AttributeError(f"{type(self).__name__} has no {what} {target!r}; beside it are {near}")
        return found[target]

    # --------------------------------------------------------------------------------------------- all at once

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on every module below this one, children first, and on this one last. Returns this module."""
        for module in members.children_first(self):
            fn(module)
        return self

    def train(self, mode: bool = True) -> Self:
        """Put this module and all below it into training mode (or, with False, evaluation mode). Returns it."""
        if not isinstance(mode, bool):
            raise TypeError(f"mode must be True or False, received {mode!r}")
        for module in self.modules():
            module.__dict__["training"] = mode
        return self

    def eval(self) -> Self:
        """Put this module and all below it into evaluation mode. Returns it."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Ask (or stop asking) for the gradients of all parameters. Returns this module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters (or fill them with zeros, if not `set_to_none`)."""
        for parameter in self.parameters():
            held = parameter.grad
            if held is not None:
                parameter.grad = None if set_to_none else ops.zeros_like(held)

    def to(self, *args: Any, device: Any = None, dtype: Any = None, backend: Any = None) -> Self:
        """Move all parameters, buffers and gradients, in place, to a device, a backend or a floating dtype.

        `net.to("cuda")`, `net.to("cuda:1")`, `net.to("cpu")`, `net.to(pm.float64)`, `net.to(backend="torch")`,
        `net.to("cuda", pm.float32)`. A dtype is applied to floating (and complex) parameters and buffers only.
        Parameters stay the same objects, so that optimizers and ties hold.

        Returns:
            This module.

        Raises:
            BackendError: there is no such device. The module is as it was.
        """
        for arg in args:
            if isinstance(arg, Tensor):
                device, dtype = arg.device, arg.dtype
            elif _is_dtype(arg):
                dtype = arg
            else:
                device = arg
        target = None if device is None and backend is None else place(device, backend)
        wanted = None if dtype is None else dtypes.dtype(dtype)
        if wanted is not None and wanted.kind not in "fc":
            raise TypeError(f"a module can be moved to a floating dtype only, received {wanted}")
        tensors = [tensor for _, tensor, _, _ in members.tensors(self)]
        moved = [  # all of them before any is replaced, so that a failure changes nothing
            (t, converted(t, target, wanted), None if t.grad is None else wrap(converted(t.grad, target, wanted)))
            for t in tensors
        ]
        for tensor, array, grad in moved:
            tensor.array = array
            if grad is not None:
                tensor.grad = grad
        return self

    # --------------------------------------------------------------------------------------------- saved state

    def state_dict(self, *, prefix: str = "") -> dict[str, Tensor]:
        """Every parameter and persistent buffer by its path; shared ones under each of their names.

        The Tensors share their arrays with the module and carry no gradient.
        """
        return state.state_dict(self, prefix)

    def load_state_dict(self, state_dict: Any, strict: bool = True) -> state.IncompatibleKeys:
        """Copy values into parameters and buffers, cast to their dtypes, on their devices.

        Args:
            state_dict: values by path: Tensors, NumPy arrays or any engine's arrays.
            strict: whether missing and unexpected keys are an error.

        Returns:
            The missing and the unexpected keys. A missing `num_batches_tracked`, and a missing plain Tensor
            attribute, are listed but never an error.

        Raises:
            StateError: keys are missing or unexpected (if `strict`), shapes differ, or two names of one parameter
                have different values; the error lists them all, and the module is as it was.
        """
        return state.load_state_dict(self, state_dict, strict)

    # --------------------------------------------------------------------------------------------------- hooks

    def register_forward_pre_hook(self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False) -> Handle:
        """Call `hook(module, args)` before forward; what it returns, if anything, replaces `args`.

        With `with_kwargs` it is `hook(module, args, kwargs)` and returns both or None.
        """
        return self._hooked().add("forward_pre", hook, prepend, with_kwargs)

    def register_forward_hook(self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False) -> Handle:
        """Call `hook(module, args, output)` after forward; what it returns, if anything, replaces the output.

        With `with_kwargs` it is `hook(module, args, kwargs, output)`.
        """
        return self._hooked().add("forward", hook, prepend, with_kwargs)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> Handle:
        """Call `hook(module, grad_input, grad_output)` when the gradients of forward's inputs are known.

        Both are tuples of Tensors, None for what is no Tensor or carries no gradient. What the hook returns, if
        anything, replaces `grad_input`.
        """
        return self._hooked().add("backward", hook, prepend)

    def register_full_backward_pre_hook(self, hook: Callable, prepend: bool = False) -> Handle:
        """Call `hook(module, grad_output)` when the gradients of forward's outputs are known; it may replace them."""
        return self._hooked().add("backward_pre", hook, prepend)

    def _hooked(self) -> Hooks:
        if self._hooks is None:
            self.__dict__["_hooks"] = Hooks()
        return self._hooks  # type: ignore[return-value]

    # ---------------------------------------------------------------------------------------------- appearance

    def extra_repr(self) -> str:
        """What `repr` shows between this module's parentheses besides its children."""
        return ""

    @recursive_repr()
    def __repr__(self) -> str:
        children = [f"  ({name}): " + text.replace("\n", "\n  ") for name, text in self._part_texts()]
        own = self.extra_repr()
        if not children:
            return f"{type(self).__name__}({own})"
        head = [f"  {line}" for line in own.splitlines()]
        return "\n".join([f"{type(self).__name__}(", *head, *children, ")"])

    def _part_texts(self) -> list[tuple[str, str]]:
        """The names and texts of the parts, for `repr`."""
        return [(name, repr(child)) for name, child in members.own(self)[2]]

    def output_shape(self, *input_shapes: Any) -> Any:
        """The shape (or nested shapes) of what this module gives for inputs of these shapes, without data.

        An input shape is a tuple of integers; `(shape, dtype)` for inputs that are not of the default float dtype
        (`((8, 20), pm.int64)` for token ids). Parameters of unknown size get theirs.
        """
        from .summary import output_shape

        return output_shape(self, input_shapes)

    def summary(self, *input_shapes: Any) -> Any:
        """A table of all modules: path, type, output shape and number of parameters; print it.

        Args:
            input_shapes: as for `output_shape`; without them the column of output shapes stays empty.
        """
        from .summary import summary

        return summary(self, input_shapes)


members.module_class.append(Module)
_may_be_notes = (Tensor, list, tuple, dict)
_reserved = frozenset(n for n in vars(Module) if not n.startswith("_")) - {"forward", "training"}


def _as_tensor(x: Any) -> Any:
    return x if isinstance(x, Tensor) or find_owner(type(x)) is None else wrap(x)


def _is_dtype(x: Any) -> bool:
    if isinstance(x, str):
        return x in dtypes.every
    try:
        dtypes.dtype(x)
    except TypeError:
        return False
    return True


def _locate(error: Exception, stack: list[Module]) -> None:
    """Make `error` say in which module it happened; the innermost says it."""
    if getattr(error, "_polymod_located", False):
        return
    try:
        error._polymod_located = True  # type: ignore[attr-defined]
    except AttributeError:
        return
    path = _path_of(stack)
    text = repr(stack[-1]).split("\n", 1)[0]
    where = f"in module {path!r}: {text}" if path else f"in {text}"
    if isinstance(error, MixedDevicesError):
        where += "".join(
            f"\n  its {name} is on {device_of(t)}" for name, t, _, _ in members.tensors(stack[-1], recurse=False)
        )
    if isinstance(error, PolymodError):
        error.location = f"\n  {where}"
    else:
        error.add_note(where)


def _place() -> str:
    """The module that is running in this thread, for `detect_anomaly`."""
    stack = _calls.stack
    return f" in module {_path_of(stack)!r} ({type(stack[-1]).__name__})" if stack else ""


describe_place.append(_place)


def _path_of(stack: list[Module]) -> str:
    """The path from the outermost module that is running to the innermost."""
    names = []
    for parent, child in pairwise(stack):
        direct = next((n for n, c in members.own(parent)[2] if c is child), None)
        if direct is None:
            direct = next((p for p, m in parent.named_modules() if m is child), f"<{type(child).__name__}>")
        names.append(direct)
    return ".".join(filter(None, names))
