"""Groups of parameters and their options, as they are given to an optimizer."""

from __future__ import annotations

import math
from typing import Any

from ..tensor import Tensor


def checked_group(given: Any, defaults: dict[str, Any], present: list[dict[str, Any]]) -> dict[str, Any]:
    """The group that `given` describes, completed by the defaults; `present` are the groups there are.

    Raises:
        TypeError: `given` is no group of Tensors.
        ValueError: a Tensor is no leaf, is not floating, or is in a group already.
    """
    if not isinstance(given, dict) or "params" not in given:
        raise TypeError(f'a group of parameters is a dict with "params", received {name_of(given)}')
    group = {**defaults, **given}
    group["params"], names = _listed(given["params"])
    if names:
        group["param_names"] = names
    seen = {p for other in present for p in other["params"]}
    twice = []
    for i, p in enumerate(group["params"]):
        if p in seen:
            twice.append(names[i] if names else f"number {i}")
        seen.add(p)
    if twice:
        raise ValueError(f"parameters were given to the optimizer twice: {', '.join(twice)} of the new group")
    return group


def _listed(params: Any) -> tuple[list[Tensor], list[str]]:
    """The Tensors of a group, and their names where it has (name, Tensor) pairs."""
    if isinstance(params, set | frozenset):
        raise TypeError("the parameters of a group need an order, which a set has not; use a list")
    given: list[Any] = [params] if isinstance(params, Tensor) else list(params)
    pairs = [isinstance(x, tuple) and len(x) == 2 and isinstance(x[0], str) for x in given]
    if any(pairs) and not all(pairs):
        raise TypeError("either all parameters of a group have names, or none")
    tensors = [x[1] for x in given] if any(pairs) else given
    for i, p in enumerate(tensors):
        if not isinstance(p, Tensor):
            raise TypeError(f"an optimizer takes Tensors, received {name_of(p)} as parameter {i}")
        if not p.is_leaf:
            raise ValueError(
                f"parameter {i} was computed, so that changing it has no effect; only leaves can be optimized"
            )
        if p.dtype.kind not in "fc":
            raise ValueError(f"parameter {i} is {p.dtype}; only floating Tensors can be optimized")
    return tensors, [x[0] for x in given] if any(pairs) else []


def describe(groups: list[dict[str, Any]], p: Tensor) -> str:
    """How an error message calls the parameter `p`: by its name, or by its place."""
    for number_, group in enumerate(groups):
        for i, other in enumerate(group["params"]):
            if other is p:
                named = group.get("param_names")
                return f"parameter {named[i]!r}" if named else f"parameter {i} of group {number_}"
    return "a parameter of no group"


def number(group: dict[str, Any], name: str, least: float = -math.inf, below: float = math.inf) -> float:
    """The option `name` as a Python float.

    Raises:
        ValueError: it is no number, less than `least`, or not less than `below`.
    """
    try:
        value = float(group[name])
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number, received {group[name]!r}") from None
    if not least <= value < below:
        bounds = [f"at least {least}"] * (least > -math.inf) + [f"below {below}"] * (below < math.inf)
        raise ValueError(f"{name} must be {' and '.join(bounds)}, received {value}")
    return value


def name_of(x: Any) -> str:
    """The type of `x`, and what may have been meant instead."""
    hint = "; use its parameters()" if hasattr(x, "parameters") else ""
    return f"{type(x).__module__}.{type(x).__qualname__}{hint}"
