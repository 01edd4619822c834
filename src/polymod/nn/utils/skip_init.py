"""Modules whose parameters are not given their random values, under torch.nn.utils' names."""

from __future__ import annotations

from typing import Any

from ...ops import ops
from ..module import Module
from ..parameter import is_lazy

__all__ = ["skip_init"]


def skip_init(module_cls: type[Module], *args: Any, **kwargs: Any) -> Any:
    """`module_cls(*args, **kwargs)` for values that are loaded next: those it has mean nothing.

    The generator of random numbers is where it was before.

    Raises:
        TypeError: `module_cls` is no class of modules.
    """
    from ... import random

    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        raise TypeError(f"skip_init takes a class of modules, received {module_cls!r}")
    state = random.get_state()
    try:
        module = module_cls(*args, **kwargs)
    finally:
        random.set_state(state)
    for parameter in module.parameters():
        if not is_lazy(parameter):
            parameter.array = ops.empty_like(parameter.detach()).array
    return module
