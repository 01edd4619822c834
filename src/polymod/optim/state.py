"""An optimizer's state dict, in torch's layout: read, checked as a whole, and loaded or not at all."""

from __future__ import annotations

import copy
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from ..errors import StateError
from ..ops import ops
from ..tensor import Tensor, wrap
from .groups import describe

if TYPE_CHECKING:
    from .optimizer import Optimizer


def state_dict(optimizer: Optimizer) -> dict[str, Any]:
    groups = optimizer.param_groups
    number_of = {p: i for i, p in enumerate(p for group in groups for p in group["params"])}
    state = {
        i: {k: wrap(v.array) if isinstance(v, Tensor) else v for k, v in optimizer.state[p].items()}
        for p, i in number_of.items()
        if optimizer.state.get(p)
    }
    return {
        "state": state,
        "param_groups": [{**g, "params": [number_of[p] for p in g["params"]]} for g in groups],
    }


def load_state_dict(optimizer: Optimizer, given: Any) -> None:
    if not isinstance(given, dict) or not {"state", "param_groups"} <= given.keys():
        raise StateError('the state of an optimizer is a dict with "state" and "param_groups"')
    present, saved = optimizer.param_groups, given["param_groups"]
    sizes, wanted = ([len(group["params"]) for group in groups] for groups in (saved, present))
    if sizes != wanted:
        raise StateError(f"the saved groups have {sizes} parameters, this optimizer's have {wanted}; it is unchanged")
    loaded, state, problems = [], {}, []
    for i, (old, new) in enumerate(zip(present, saved, strict=True)):
        own = {k: old[k] for k in ("params", "param_names") if k in old}
        group = {**optimizer.defaults, **copy.deepcopy({k: v for k, v in new.items() if k not in own}), **own}
        loaded.append(group)
        try:
            optimizer.options(group)
        except (ValueError, TypeError) as error:
            problems.append(f"group {i}: {error}")
            continue
        for p, key in zip(old["params"], new["params"], strict=True):
            if given["state"].get(key):
                state[p], misfits = _fitted(optimizer, p, given["state"][key], group)
                problems += [f"{describe(present, p)}: {m}" for m in misfits]
    if problems:
        raise StateError(
            f"the saved state does not fit this {type(optimizer).__name__}, which is unchanged:\n  "
            + "\n  ".join(problems)
        )
    for old, group in zip(present, loaded, strict=True):
        old.clear()
        old.update(group)
    optimizer.state = defaultdict(dict, state)


def _fitted(
    optimizer: Optimizer, p: Tensor, given: dict[str, Any], group: dict[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """A parameter's saved state as the optimizer keeps it, and what does not fit."""
    names = optimizer.state_names(group)
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in given.items():
        try:
            if name == "step":
                values[name] = int(value)
            elif isinstance(value, dict | list | tuple | str | int | float):
                values[name] = copy.deepcopy(value)
            elif value is not None:
                value = ops.asarray(value).detach()
                if name in names and value.shape != shape_of(p, value.shape):
                    problems.append(f"its shape is {p.shape}, that of its {name} {value.shape}")
                else:
                    values[name] = wrap(placed(value, p, copy=True))
        except (TypeError, ValueError) as error:
            problems.append(f"{name}: {error}")
    required = [n for n in names if optimizer.needs(n)] + ["step"] * optimizer.counts_steps
    missing = [n for n in required if given.get(n) is None]
    if missing:
        problems.append(f"{', '.join(missing)} missing; there is {', '.join(given)}")
    return values, problems


def shape_of(p: Tensor, otherwise: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of `p`, or `otherwise` before the first call of its module, which finds it."""
    try:
        return p.shape
    except StateError:
        return otherwise


def placed(value: Tensor, p: Tensor, copy: bool = False) -> Any:
    """The array of `value` with the dtype of `p`, on its device; never that of `value` itself if `copy`."""
    moved = ops.astype(value, p.dtype, copy=False).to_device(p.device)
    return ops.copy(moved).array if copy and moved.array is value.array else moved.array
