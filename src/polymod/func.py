"""Modules as functions of their parameters, and several modules as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .autograd.record import standing_in
from .errors import StateError
from .ops import ops
from .tensor import Tensor, wrap


def functional_call(
    module: Any, parameters_and_buffers: Mapping[str, Any], args: Any = (), kwargs: Mapping[str, Any] | None = None
) -> Any:
    """Call `module` with other values for some or all of its parameters and buffers; the module keeps its own.

    Args:
        parameters_and_buffers: Tensors or engine arrays by path, as in `named_parameters()`; gradients flow to them.
        args: a tuple of positional arguments, or the only one.
        kwargs: keyword arguments.

    Raises:
        StateError: a path names no parameter or buffer of the module.
    """
    own: dict[str, Tensor] = {
        **dict(module.named_buffers(remove_duplicate=False)),
        **dict(module.named_parameters(remove_duplicate=False)),
    }
    unknown = sorted(parameters_and_buffers.keys() - own.keys())
    if unknown:
        raise StateError(f"{type(module).__name__} has no parameter or buffer {', '.join(unknown)}")
    pairs = [(own[n], v if isinstance(v, Tensor) else wrap(v)) for n, v in parameters_and_buffers.items()]
    with standing_in(pairs):
        return module(*(args if isinstance(args, tuple) else (args,)), **(kwargs or {}))


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The parameters and the buffers of several models of one architecture, each stacked along a new first axis.

        parameters, buffers = stack_module_state(models)
        outputs = vmap(lambda p, b: functional_call(models[0], {**p, **b}, x))(parameters, buffers)

    Returns:
        The parameters, as leaves that require grad where the models' do, and the buffers, both by path.

    Raises:
        StateError: there are no models, or they have not the same paths, shapes and dtypes.
    """
    if not models:
        raise StateError("stack_module_state needs at least one model")
    parameters = [dict(m.named_parameters()) for m in models]
    buffers = [dict(m.named_buffers()) for m in models]
    problems = []
    for i, (p, b) in enumerate(zip(parameters, buffers, strict=True)):
        mine, first = {**p, **b}, {**parameters[0], **buffers[0]}
        problems += [f"model {i} differs from model 0 in {name}" for name in sorted(mine.keys() ^ first.keys())]
        problems += [
            f"{name} has {t.shape} {t.dtype} in model {i}, {first[name].shape} {first[name].dtype} in model 0"
            for name, t in mine.items()
            if name in first and (t.shape, t.dtype) != (first[name].shape, first[name].dtype)
        ]
    if problems:
        raise StateError("these models can't be stacked:\n  " + "\n  ".join(problems))
    stacked = {}
    for name, p in parameters[0].items():
        stacked[name] = ops.stack([q[name].detach() for q in parameters])
        if p.requires_grad:
            stacked[name].requires_grad_()
    return stacked, {name: ops.stack([q[name].detach() for q in buffers]) for name in buffers[0]}
