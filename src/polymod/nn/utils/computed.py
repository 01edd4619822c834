"""Attributes of a module that are computed each time they are read.

The module becomes an instance of a subclass in which these names are properties; everything else about it, its
hooks, copies and pickles too, stays as it is. While the module runs, each is computed once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from ...tensor import Tensor
from ..module import Module

Known = dict[tuple[int, str], Any]
_during_block: ContextVar[Known | None] = ContextVar("values computed in a block", default=None)
_during_call: ContextVar[Known | None] = ContextVar("values computed in a call", default=None)


@contextmanager
def cached() -> Iterator[None]:
    """Within the `with` block (and only in this thread or task), compute each such tensor once, when it is first
    read."""
    if _during_block.get() is not None:
        yield
        return
    token = _during_block.set({})
    try:
        yield
    finally:
        _during_block.reset(token)


class Source(ABC):
    """How an attribute is computed.

    Attributes:
        prefix: what the name of the module's class gets in front.
    """

    prefix = ""

    @abstractmethod
    def compute(self, module: Any) -> Any:
        """The attribute's value."""

    def assign(self, module: Any, value: Any) -> None:
        """What an assignment to the attribute does."""
        raise AttributeError("this attribute is computed and can't be assigned; remove what computes it first")


class Computing(Module):
    """What the classes of modules with computed attributes have in common."""

    _base: type
    _sources: dict[str, Source]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        token = _during_call.set({})
        try:
            return super().__call__(*args, **kwargs)
        finally:
            _during_call.reset(token)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _instance, (self._base, *_names(self)), self.__dict__


def sources_of(module: Module) -> dict[str, Source]:
    """How the computed attributes of `module` are computed, by name."""
    return module._sources if isinstance(module, Computing) else {}


def compute(module: Module, name: str, source: Source) -> None:
    """Let the attribute `name`, which the module has no longer, be computed by `source`."""
    module.__dict__["_sources"] = sources_of(module) | {name: source}
    _set_class(module)


def stop_computing(module: Module, name: str) -> None:
    """Make `name` an ordinary attribute again, which is not set."""
    module.__dict__["_sources"] = {n: s for n, s in sources_of(module).items() if n != name}
    _set_class(module)


def class_before(module: Module) -> type:
    """The class of `module` without computed attributes."""
    return module._base if isinstance(module, Computing) else type(module)


def _names(module: Any) -> tuple[str, frozenset[str]]:
    """The prefix of the class's name and the computed names."""
    sources = module.__dict__["_sources"]
    return max((s.prefix for s in sources.values()), default=""), frozenset(sources)


def _set_class(module: Module) -> None:
    base = class_before(module)
    prefix, names = _names(module)
    if not names:
        del module.__dict__["_sources"]
    module.__class__ = _class(base, prefix, names) if names else base


@cache
def _class(base: type, prefix: str, names: frozenset[str]) -> type:
    own = {"__module__": base.__module__, "__doc__": base.__doc__, "_base": base}
    return type(prefix + base.__name__, (Computing, base), own | {name: _property(name) for name in names})


def _instance(base: type, prefix: str, names: frozenset[str]) -> Any:
    cls: Any = _class(base, prefix, names)
    return cls.__new__(cls)


def _property(name: str) -> property:
    def get(self: Any) -> Tensor:
        known = _during_block.get()
        known = _during_call.get() if known is None else known
        if known is None:
            return self._sources[name].compute(self)
        key = (id(self), name)
        if key not in known:
            known[key] = self._sources[name].compute(self)
        return known[key]

    def put(self: Any, value: Any) -> None:
        self._sources[name].assign(self, value)
        for known in (_during_block.get(), _during_call.get()):
            if known is not None:
                known.pop((id(self), name), None)

    return property(get, put)
