"""Nested containers: lists, tuples, named tuples and dicts of anything, and modules as dicts of their parameters."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..errors import GradientError


def is_module(x: Any) -> bool:
    """Whether `x` holds parameters by name."""
    return hasattr(x, "named_parameters") and not isinstance(x, type)


def trainable(module: Any) -> dict[str, Any]:
    """The parameters of a module that require grad, by path."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def leaves(x: Any) -> Iterator[Any]:
    """What is in `x` that is no container, in order."""
    if is_module(x):
        yield from trainable(x).values()
    elif isinstance(x, Mapping):
        for v in x.values():
            yield from leaves(v)
    elif isinstance(x, list | tuple):
        for v in x:
            yield from leaves(v)
    else:
        yield x


def map_leaves(function: Callable[..., Any], x: Any, *others: Any) -> Any:
    """A container like `x` (a dict for a module) of `function` of each leaf, and of what `others` have there.

    Raises:
        GradientError: one of `others` has not the structure of `x`.
    """
    if is_module(x):
        x = trainable(x)
        others = tuple(trainable(o) if is_module(o) else o for o in others)
    if isinstance(x, dict):
        for o in others:
            if not isinstance(o, Mapping) or o.keys() != x.keys():
                raise _mismatch(f"a dict with keys {', '.join(map(repr, x))}", o)
        result = copy.copy(x)  # a dict of whatever kind
        result.update({k: map_leaves(function, v, *(o[k] for o in others)) for k, v in x.items()})
        return result
    if isinstance(x, list | tuple):
        for o in others:
            if not isinstance(o, list | tuple) or len(o) != len(x):
                raise _mismatch(f"a {type(x).__name__} of {len(x)}", o)
        items = [map_leaves(function, v, *(o[i] for o in others)) for i, v in enumerate(x)]
        return type(x)(*items) if hasattr(x, "_fields") else type(x)(items)
    return function(x, *others)


def _mismatch(expected: str, received: Any) -> GradientError:
    what = f"a {type(received).__name__}"
    if isinstance(received, Mapping):
        what = f"a dict with keys {', '.join(map(repr, received))}"
    elif isinstance(received, list | tuple):
        what += f" of {len(received)}"
    return GradientError(f"the structures differ: expected {expected}, received {what}")
