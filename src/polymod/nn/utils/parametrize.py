"""Parameters that are computed from others each time they are read, under torch.nn.utils.parametrize's names.

A parametrized module is of a class of its own, `ParametrizedLinear` for a Linear, in which the parameter's name is a
property. What is learned stands in `module.parametrizations[name]`: as `original`, or `original0`, `original1`, ...
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...autograd.tape import no_grad
from ...ops import ops
from ...tensor import Tensor
from ..containers import ModuleDict, ModuleList
from ..module import Module
from ..parameter import Buffer, Parameter
from .computed import Source, cached, class_before, compute, sources_of, stop_computing

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, the first one first, and what they are computed from.

    `register_parametrization` makes it.

    Attributes:
        original: the tensor that the first parametrization takes; if its `right_inverse` gives several, they are
            `original0`, `original1`, ...
        unsafe: whether shape and dtype may differ from those of the tensor that was parametrized.
    """

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if not modules:
            raise ValueError("a ParametrizationList needs at least one module")
        super().__init__(modules)
        self.unsafe = unsafe
        start: Any = original.detach()
        with no_grad():
            for module in reversed(list(self)):
                start = _inverted(module, start)
        several = isinstance(start, tuple | list)
        if not all(isinstance(t, Tensor) for t in (start if several else [start])):
            raise ValueError(f"right_inverse must return a Tensor or a sequence of them, received {start!r}")
        self.is_tensor = not several
        self.ntensors = len(_parts(start))
        if self.is_tensor:
            if start.dtype != original.dtype:
                raise ValueError(f"right_inverse must keep the dtype {original.dtype}, it gave {start.dtype}")
            self.original = original if original.array is start.array else _like(original, start)
        else:
            for i, tensor in enumerate(start):
                setattr(self, f"original{i}", _like(original, tensor))
        if not unsafe:
            with no_grad():
                _check_same(self(), original)
        if self.is_tensor and self.original is not original:  # now that nothing can fail, it stays the same object
            original.array = start.array
            self.original = original

    def _originals(self) -> list[Any]:
        return [self.original] if self.is_tensor else [getattr(self, f"original{i}") for i in range(self.ntensors)]

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the parametrized tensor becomes `value`, as far as `right_inverse` can.

        Raises:
            RuntimeError: a parametrization has no `right_inverse`.
            ValueError: what it gives does not fit the originals.
        """
        found: Any = value
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(f"{type(module).__name__} has no right_inverse, so its tensor can't be assigned")
                found = module.right_inverse(found)
        parts, originals = _parts(found), self._originals()
        if len(parts) != len(originals) or not all(isinstance(t, Tensor) for t in parts):
            raise ValueError(f"right_inverse must return {len(originals)} Tensors, received {found!r}")
        for original, part in zip(originals, parts, strict=True):
            if part.dtype != original.dtype:
                raise ValueError(f"right_inverse must keep the dtype {original.dtype}, it gave {part.dtype}")
        for original, part in zip(originals, parts, strict=True):
            original.array = ops.copy(part.detach()).array

    def forward(self) -> Any:
        first, *others = self
        x = first(*self._originals())
        for module in others:
            x = module(x)
        return x


def _parts(value: Any) -> Sequence[Any]:
    return (value,) if isinstance(value, Tensor) else value


def _like(original: Tensor, value: Tensor) -> Tensor:
    """The values of `value` as a parameter or buffer, whichever `original` is."""
    fresh = ops.copy(value.detach())
    if isinstance(original, Buffer):
        return Buffer(fresh, persistent=original.persistent)
    return Parameter(fresh, original.requires_grad) if isinstance(original, Parameter) else fresh


def _inverted(module: Module, value: Any) -> Any:
    """What `module` computes `value` from; `value` itself if it can't say."""
    if not hasattr(module, "right_inverse"):
        return value
    try:
        return module.right_inverse(value)
    except NotImplementedError:
        return value


def _check_same(value: Any, original: Tensor) -> None:
    if not isinstance(value, Tensor):
        raise ValueError(f"a parametrization must return a Tensor, it gave {type(value).__name__}")
    if (value.dtype, value.shape) != (original.dtype, original.shape):
        raise ValueError(
            f"a parametrization must keep dtype and shape, {original.dtype} {original.shape}; it gave {value.dtype} "
            f"{value.shape}; unsafe=True allows that"
        )


class _Parametrized(Source):
    """A tensor that a module's `parametrizations` compute."""

    prefix = "Parametrized"

    def __init__(self, name: str) -> None:
        self.name = name

    def compute(self, module: Any) -> Any:
        return module.parametrizations[self.name]()

    def assign(self, module: Any, value: Any) -> None:
        module.parametrizations[self.name].right_inverse(value)


# ----------------------------------------------------------------------------------------------- public functions


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Let the parameter or buffer `tensor_name` be `parametrization(original)`; several apply one after the other.

    Args:
        module: where the tensor is.
        tensor_name: its name.
        parametrization: a module. Its method `right_inverse(value)`, if it has one, gives the original (or a tuple
            of originals) for a value, so that the tensor can be assigned; at first it gives where to start.
        unsafe: whether it may change the tensor's shape or dtype.

    Returns:
        The module, which is now of a class `Parametrized...`. What was the parameter is `original`, still the same
        object, so that optimizers hold; several originals are new parameters.

    Raises:
        ValueError: there is no such tensor, or the parametrization changes its shape or dtype.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        source = module.parametrizations[tensor_name]  # type: ignore[attr-defined]
        if not unsafe:
            with no_grad():
                held = getattr(module, tensor_name)
                changed = parametrization(held)
                _check_same(changed, held)
                _check_same(_inverted(parametrization, changed), held)
        source.append(parametrization)
        source.unsafe |= unsafe
        return module
    own = module.__dict__.get(tensor_name)
    if not isinstance(own, Tensor):
        raise ValueError(f"{type(module).__name__} has no parameter or buffer {tensor_name!r} to parametrize")
    source = ParametrizationList([parametrization], own, unsafe)
    del module.__dict__[tensor_name]
    if not is_parametrized(module):
        module.parametrizations = ModuleDict()
    module.parametrizations[tensor_name] = source  # type: ignore[attr-defined]
    compute(module, tensor_name, _Parametrized(tensor_name))
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether `tensor_name`, or anything, of `module` is parametrized."""
    names = [name for name, source in sources_of(module).items() if isinstance(source, _Parametrized)]
    return len(names) > 0 if tensor_name is None else tensor_name in names


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make `tensor_name` an ordinary parameter or buffer again.

    Args:
        leave_parametrized: whether it keeps its computed value, rather than take the original's.

    Raises:
        ValueError: it is not parametrized; or it has several originals and is not to keep its value.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"{tensor_name!r} of {type(module).__name__} is not parametrized")
    source = module.parametrizations[tensor_name]  # type: ignore[attr-defined]
    if source.is_tensor:
        original = source.original
        if leave_parametrized:
            with no_grad():
                original.array = getattr(module, tensor_name).array
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value.detach()) if value.requires_grad else Buffer(value.detach())
    else:
        raise ValueError(f"{tensor_name!r} has {source.ntensors} originals; it can only be left parametrized")
    del module.parametrizations[tensor_name]  # type: ignore[attr-defined]
    stop_computing(module, tensor_name)
    if not is_parametrized(module):
        del module.__dict__["parametrizations"]
    setattr(module, tensor_name, original)
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class that `module` has without parametrizations."""
    return class_before(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Parametrize `to_module` as `from_module` is (only `tensor_name`, if given), with the same original parameters.

    Parameters that `to_module` does not have are made.
    """
    if not is_parametrized(from_module):
        return to_module
    for name in list(from_module.parametrizations) if tensor_name is None else [tensor_name]:  # type: ignore[attr-defined]
        source = from_module.parametrizations[name]  # type: ignore[attr-defined]
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name).detach()))
        for parametrization in source:
            register_parametrization(to_module, name, parametrization, unsafe=source.unsafe)
        target = to_module.parametrizations[name]  # type: ignore[attr-defined]
        for original in ["original"] if source.is_tensor else [f"original{i}" for i in range(source.ntensors)]:
            setattr(target, original, getattr(source, original))
    return to_module
