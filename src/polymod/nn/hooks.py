"""Functions that a module calls around its forward and its backward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..autograd.primitive import Cotangents
from ..handle import Handle
from ..ops import ops
from ..tensor import Tensor, raw, wrap

if TYPE_CHECKING:
    from .module import Module


class Hooks:
    """The hooks of one module, each kind in the order in which they run."""

    def __init__(self) -> None:
        self.forward_pre: list[tuple[Callable, bool]] = []
        self.forward: list[tuple[Callable, bool]] = []
        self.backward_pre: list[tuple[Callable, bool]] = []
        self.backward: list[tuple[Callable, bool]] = []

    def add(self, kind: str, hook: Callable, prepend: bool, with_kwargs: bool = False) -> Handle:
        """Register `hook` under `kind`, the name of one of the lists."""
        if not callable(hook):
            raise TypeError(f"a hook must be callable, received {type(hook).__name__}")
        hooks, entry = getattr(self, kind), (hook, with_kwargs)
        hooks.insert(0 if prepend else len(hooks), entry)
        return Handle(hooks, entry)


def call(module: Module, hooks: Hooks, args: tuple, kwargs: dict) -> Any:
    """`module.forward` with its hooks around it."""
    for hook, with_kwargs in list(hooks.forward_pre):
        replaced = hook(module, args, kwargs) if with_kwargs else hook(module, args)
        if replaced is None:
            continue
        if with_kwargs:
            args, kwargs = replaced
        else:
            args = replaced if isinstance(replaced, tuple) else (replaced,)
    watch = _BackwardWatch(module, hooks) if hooks.backward or hooks.backward_pre else None
    if watch:
        args = watch.inputs(args)
    result = module.forward(*args, **kwargs)
    for hook, with_kwargs in list(hooks.forward):
        replaced = hook(module, args, kwargs, result) if with_kwargs else hook(module, args, result)
        result = result if replaced is None else replaced
    return watch.outputs(result) if watch else result


class _BackwardWatch:
    """Lets one call's inputs and outputs pass through gates that see their cotangents."""

    def __init__(self, module: Module, hooks: Hooks) -> None:
        self.module, self.hooks = module, hooks
        self.grad_output: tuple[Any, ...] = ()
        self.nothing: tuple[Any, ...] | None = None  # the grad_input of a call without tracked inputs

    def inputs(self, args: tuple) -> tuple:
        if not any(isinstance(a, Tensor) and a.requires_grad for a in args):
            self.nothing = (None,) * len(args)
            return args
        return self._gate(args, self._after)

    def outputs(self, result: Any) -> Any:
        many = isinstance(result, tuple | list)
        gated = self._gate(tuple(result) if many else (result,), self._before)
        if not many:
            return gated[0]
        return type(result)(*gated) if hasattr(result, "_fields") else type(result)(gated)

    def _gate(self, values: tuple, hook: Callable) -> tuple:
        positions = [i for i, v in enumerate(values) if isinstance(v, Tensor)]
        if not any(values[i].requires_grad for i in positions):
            return values
        passed = ops.gate(*(values[i] for i in positions))
        node = passed[0].node
        if node is None:  # not recording
            return values
        node.parents[0].hooks = [lambda g: hook(g, positions, len(values))]
        gated = list(values)
        for i, tensor in zip(positions, passed, strict=True):
            gated[i] = tensor if values[i].requires_grad else values[i]
        return tuple(gated)

    def _before(self, g: Cotangents, positions: list[int], count: int) -> Cotangents | None:
        self.grad_output = _as_tuple(g, positions, count)
        for hook, _ in list(self.hooks.backward_pre):
            replaced = hook(self.module, self.grad_output)
            if replaced is not None:
                self.grad_output = replaced if isinstance(replaced, tuple) else (replaced,)
                g = _as_cotangents(self.grad_output, positions, g)
        if self.nothing is not None:
            for hook, _ in list(self.hooks.backward):
                hook(self.module, self.nothing, self.grad_output)
        return g

    def _after(self, g: Cotangents, positions: list[int], count: int) -> Cotangents | None:
        for hook, _ in list(self.hooks.backward):
            replaced = hook(self.module, _as_tuple(g, positions, count), self.grad_output)
            if replaced is not None:
                g = _as_cotangents(replaced if isinstance(replaced, tuple) else (replaced,), positions, g)
        return g


def _as_tuple(g: Cotangents, positions: list[int], count: int) -> tuple:
    """The cotangents as a hook sees them: a Tensor per value, None for those without."""
    values: list[Any] = [None] * count
    for i, c in g.items():
        values[positions[i]] = c if isinstance(c, Tensor) else wrap(c)
    return tuple(values)


def _as_cotangents(values: tuple, positions: list[int], like: Cotangents) -> Cotangents:
    recorded = any(isinstance(c, Tensor) for c in like.values())
    return Cotangents(
        {i: values[p] if recorded else raw(values[p]) for i, p in enumerate(positions) if values[p] is not None}
    )
