"""Containers: modules that hold modules or parameters in order or by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any, Self

from .module import Module
from .parameter import Parameter

__all__ = ["Lambda", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]


class _Indexed(Module):
    """What Sequential and ModuleList share: members under the names "0", "1", ... or other names, in order.

    Members stand in the instance's attributes under these names, as any module's children do.
    """

    _member: type = Module

    def _items(self) -> list[tuple[str, Any]]:
        return [(n, v) for n, v in self.__dict__.items() if isinstance(v, self._member)]

    def _replace(self, items: Iterable[tuple[str, Any]]) -> None:
        for name, _ in self._items():
            del self.__dict__[name]
        for name, value in items:
            self.__dict__[name] = value

    def _check(self, value: Any) -> Any:
        """`value` as the container holds it; raises where it can't be a member."""
        raise NotImplementedError(f"{type(self).__name__} has to say what it holds")

    def _position(self, index: int) -> int:
        count = len(self)
        if not hasattr(index, "__index__"):
            raise TypeError(f"an index into {type(self).__name__} is an integer or a slice, received {index!r}")
        index = int(index)
        if not -count <= index < count:
            raise IndexError(f"index {index} is out of range for a {type(self).__name__} of {count}")
        return index % count

    def __len__(self) -> int:
        return len(self._items())

    def __iter__(self) -> Iterator[Any]:
        return iter([value for _, value in self._items()])

    def __contains__(self, value: Any) -> bool:
        return any(v is value for _, v in self._items())

    def __setitem__(self, index: int, value: Any) -> None:
        name, _ = self._items()[self._position(index)]
        self.__dict__[name] = self._check(value)

    def __delitem__(self, index: int | slice) -> None:
        items = self._items()
        gone = set(range(len(items))[index]) if isinstance(index, slice) else {self._position(index)}
        self._replace(_numbered([item for i, item in enumerate(items) if i not in gone]))

    def append(self, module: Any) -> Self:
        """Put `module` at the end. Returns this container."""
        return self.insert(len(self), module)

    def extend(self, modules: Iterable[Any]) -> Self:
        """Put all of `modules` at the end. Returns this container."""
        for module in [self._check(m) for m in modules]:
            self.append(module)
        return self

    def insert(self, index: int, module: Any) -> Self:
        """Put `module` before position `index`, as a list does. Returns this container."""
        items = self._items()
        items.insert(index, ("", self._check(module)))
        self._replace(_numbered(items))
        return self

    def pop(self, index: int = -1) -> Any:
        """Take the member at `index` out and return it."""
        value = self._items()[self._position(index)][1]
        del self[index]
        return value


def _numbered(items: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """The items with names that count up again, except names that a user chose."""
    return [(name if name and not name.isdecimal() else str(i), value) for i, (name, value) in enumerate(items)]


class Lambda(Module):
    """A function as a module, for instance `Lambda(lambda x: x.flatten(1))`.

    Args:
        function: any callable; it must be importable by name for the module to be pickled.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function):
            raise TypeError(f"Lambda takes a callable, received {type(function).__name__}")
        self.function = function

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def extra_repr(self) -> str:
        return getattr(self.function, "__name__", repr(self.function))


class Sequential(_Indexed):
    """Modules, or any callables, applied one after the other.

    `Sequential(nn.Linear(20, 256), nn.ReLU(), ...)`, or with names `Sequential({"hidden": ..., "out": ...})`. It
    is a sequence: indices, slices (a Sequential of the same modules), `append`, `insert`, `extend`, `del`, `+`.
    Each module takes what the one before gives.
    """

    def __init__(self, *modules: Any) -> None:
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.add(module, name)
        else:
            for module in modules:
                self.add(module)

    def forward(self, input: Any) -> Any:
        for module in self:
            input = module(input)
        return input

    def _check(self, value: Any) -> Any:
        if isinstance(value, Module):
            return value
        if not callable(value) or isinstance(value, type):
            hint = f"; an instance was probably meant: {value.__name__}(...)" if isinstance(value, type) else ""
            raise TypeError(f"Sequential takes modules and callables, received {value!r}{hint}")
        return Lambda(value)

    def add(self, module: Any, name: str | None = None) -> Self:
        """Put `module` at the end, under `name` or its position. Returns this Sequential."""
        module = self._check(module)
        name = str(len(self)) if name is None else name
        if not isinstance(name, str) or not name or "." in name:
            raise ValueError(f"a module's name is a string without dots, received {name!r}")
        if hasattr(self, name):
            raise ValueError(f"the name {name!r} is taken; the members are {[n for n, _ in self._items()]}")
        setattr(self, name, module)
        return self

    def __getitem__(self, index: Any) -> Any:
        items = self._items()
        if isinstance(index, slice):
            return Sequential(dict(items[index]))
        return items[self._position(index)][1]

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            return NotImplemented
        return Sequential(*self, *other)


class ModuleList(_Indexed):
    """Modules in a list, registered; it has no forward of its own."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        self.extend(modules or ())

    def _part_texts(self) -> list[tuple[str, str]]:
        """Equal neighbours as one, `(0-2): 3 x ReLU()`."""
        found = []
        for text, parts in groupby(super()._part_texts(), key=itemgetter(1)):
            names = [name for name, _ in parts]
            several = len(names) > 1
            found.append((f"{names[0]}-{names[-1]}", f"{len(names)} x {text}") if several else (names[0], text))
        return found

    def _check(self, value: Any) -> Any:
        if not isinstance(value, Module):
            raise TypeError(f"ModuleList takes modules, received {type(value).__name__}")
        return value

    def __getitem__(self, index: Any) -> Any:
        items = self._items()
        if isinstance(index, slice):
            return type(self)(value for _, value in items[index])
        return items[self._position(index)][1]

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __iadd__(self, other: Iterable[Module]) -> Self:
        return self.extend(other)


class ParameterList(_Indexed):
    """Parameters in a list, registered. Tensors, engine arrays and numbers become Parameters."""

    _member = Parameter

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        self.extend(values or ())

    def _check(self, value: Any) -> Any:
        return value if isinstance(value, Parameter) else Parameter(value)

    def __getitem__(self, index: Any) -> Any:
        items = self._items()
        if isinstance(index, slice):
            return type(self)(value for _, value in items[index])
        return items[self._position(index)][1]

    def __repr__(self) -> str:
        return _parameters_repr(self, self._items())


class _Named(Module):
    """What ModuleDict and ParameterDict share: members by name, in order of insertion."""

    def __init__(self, items: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None) -> None:
        self._inlined: dict[str, Any] = {}
        self.update(items or {})

    def _check(self, value: Any) -> Any:
        """`value` as the container holds it; raises where it can't be a member."""
        raise NotImplementedError(f"{type(self).__name__} has to say what it holds")

    def __getattr__(self, name: str) -> Any:
        members = self.__dict__.get("_inlined", {})
        if name not in members:
            raise AttributeError(f"{type(self).__name__} has no attribute and no member {name!r}")
        return members[name]

    def __getitem__(self, key: str) -> Any:
        if key not in self._inlined:
            raise KeyError(f"{key!r} is not among {list(self._inlined)}")
        return self._inlined[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if not isinstance(key, str) or not key or "." in key:
            raise KeyError(f"a name is a string without dots, received {key!r}")
        self._inlined[key] = self._check(value)

    def __delitem__(self, key: str) -> None:
        del self._inlined[key]

    def __len__(self) -> int:
        return len(self._inlined)

    def __iter__(self) -> Iterator[str]:
        return iter(self._inlined)

    def __contains__(self, key: object) -> bool:
        return key in self._inlined

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._inlined.keys()

    def values(self) -> Iterable[Any]:
        """The members."""
        return self._inlined.values()

    def items(self) -> Iterable[tuple[str, Any]]:
        """The names and members."""
        return self._inlined.items()

    def update(self, items: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        """Set several members at once."""
        pairs = list(items.items() if isinstance(items, Mapping | _Named) else items)
        for _, value in pairs:
            self._check(value)
        for key, value in pairs:
            self[key] = value

    def pop(self, key: str) -> Any:
        """Take the member `key` out and return it."""
        value = self[key]
        del self[key]
        return value

    def clear(self) -> None:
        """Take all members out."""
        self._inlined.clear()


class ModuleDict(_Named):
    """Modules by name, registered; it has no forward of its own."""

    def _check(self, value: Any) -> Any:
        if not isinstance(value, Module):
            raise TypeError(f"ModuleDict takes modules, received {type(value).__name__}")
        return value


class ParameterDict(_Named):
    """Parameters by name, registered. Tensors, engine arrays and numbers become Parameters."""

    def _check(self, value: Any) -> Any:
        return value if isinstance(value, Parameter) else Parameter(value)

    def __repr__(self) -> str:
        return _parameters_repr(self, self.items())


def _parameters_repr(module: Module, items: Iterable[tuple[str, Any]]) -> str:
    lines = [f"  ({n}): Parameter of shape {p.shape}, {p.dtype}, on {p.device}" for n, p in items]
    return "\n".join([f"{type(module).__name__}(", *lines, ")"]) if lines else f"{type(module).__name__}()"
