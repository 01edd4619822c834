"""Optimizer: parameters in groups, their state, and a step that happens as a whole or not at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ClassVar

from .. import dtypes
from ..autograd.tape import enable_grad, mark_overwritten
from ..backend import Backend, backend_of
from ..errors import CaptureError, GradientError
from ..ops import ops
from ..replay import at_replay, is_capturing
from ..tensor import Tensor, wrap
from . import clipping as clipping  # defines what the gradients' norm is computed by
from . import state as saved
from .groups import checked_group, describe, name_of, number


class Optimizer:
    """Base class of the optimizers.

    A subclass either names an `operation` (see `step`), or defines `step` itself, over `self.param_groups`
    and `self.state`, under `with polymod.no_grad()`.

    Args:
        params: an iterable of Tensors, or of (name, Tensor), or of dicts that hold such an iterable under
            "params" and options that differ from the defaults. Parameters whose shape is not known yet are
            welcome.
        defaults: the options by name.

    Attributes:
        param_groups: a dict per group: its "params" and its options, which may be changed between steps.
        state: what the optimizer keeps of each parameter, by parameter; it follows the parameter to other
            devices and dtypes at the next step.

    Raises:
        TypeError: `params` holds something else.
        ValueError: it is empty, or holds a parameter twice, or an option is out of its range.
    """

    operation: ClassVar[str] = ""
    counts_steps: ClassVar[bool] = False  # whether the operation takes `steps`, and the state has "step"
    takes_live: ClassVar[bool] = False  # whether the operation takes `live`, see `step`

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        self.defaults = dict(defaults)
        self.state: dict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._made: dict[Tensor, tuple] = {}  # what the last step gave: the new array, and those of the state
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise TypeError(
                "an optimizer takes an iterable of parameters, such as model.parameters(), received " + name_of(params)
            )
        given = list(params)
        if not given:
            raise ValueError("the optimizer received no parameters; does the model have any?")
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(group)

    # ----------------------------------------------------------------------------------- what a subclass says

    def options(self, group: dict[str, Any]) -> dict[str, Any]:
        """The keywords of the operation for `group`, checked.

        Raises:
            ValueError: an option of the group is out of its range.
        """
        return {}

    def state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        """The arrays that the operation keeps of each parameter of `group`, of that parameter's shape."""
        return ()

    def initial(self, name: str, backend: Backend, array: Any) -> Any:
        """What the operation gets for state `name` at the first step of a parameter with this array."""
        return backend.namespace.zeros_like(array)

    def needs(self, name: str) -> bool:
        """Whether state `name` must be there once a parameter has made a step."""
        return True

    # ------------------------------------------------------------------------------------------------ in use

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters: a dict with "params" and the options that differ from the defaults.

        Raises:
            TypeError, ValueError: as at construction; nothing is added.
        """
        group = checked_group(param_group, self.defaults, self.param_groups)
        self.options(group)
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or fill them with zeros if not `set_to_none`."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad = None if set_to_none else ops.zeros_like(p.grad.detach())

    def step(self, closure: Callable[[], Any] | None = None, *, max_norm: float | None = None) -> Any:
        """Change every parameter that has a gradient.

        The operation named by `operation` computes it, `(parameters, gradients, *state, steps=, **options)`
        with a list per argument, for each group and engine; it gives, for each parameter, the new one and its
        new state. Where there is a `max_norm`, it also gets `scale=`, a 0-d array to multiply the gradients by. While
        a step is being captured it also gets `live=`, a function that gives its options, and `steps`, at a launch.

        Args:
            closure: computes the loss and its gradients anew; its result is returned.
            max_norm: use the gradients as `nn.utils.clip_grad_norm_` of all this optimizer's parameters would leave
                them. `grad` itself is not changed, and need not be read and written once more.

        Raises:
            GradientError: a gradient does not fit its parameter; nothing has been changed.
            ValueError: an option is out of its range; nothing has been changed.
        """
        if not self.operation:
            raise NotImplementedError(f"{type(self).__name__} names no operation and has no step of its own")
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        batches = self._batches()
        if max_norm is not None and batches:
            limit(batches, number({"max_norm": max_norm}, "max_norm", least=0.0))
        if is_capturing():
            self._follow(batches)
        results = [batch.run(self.operation) for batch in batches]
        written: list[Any] = []
        for batch, updates in zip(batches, results, strict=True):
            for p, state, number_, update in zip(batch.tensors, batch.states, batch.steps, updates, strict=True):
                if update[0] is p.array:
                    written.append(p.node)
                p.array = update[0]
                self._made[p] = update
                if not state:
                    state = self.state[p]
                if self.counts_steps:
                    state["step"] = number_
                for name, array in zip(batch.names, update[1:], strict=False):
                    held = state.get(name)
                    if held is None:
                        state[name] = wrap(array)
                    else:
                        held.array = array
        if written:
            mark_overwritten(written)
            at_replay(lambda: lambda: mark_overwritten(written))
        return loss

    def _follow(self, batches: list[_Batch]) -> None:
        """Let a step that is being captured have the options, and count the steps, of each launch."""
        if not self.takes_live:
            if self.counts_steps:
                raise CaptureError(
                    f"{type(self).__name__} can't be captured: its operation {self.operation!r} takes no `live`, so "
                    "each launch would be of the same step; call the step uncaptured"
                )
            return
        for batch in batches:
            batch.options["live"] = partial(self._live, batch)
            at_replay(partial(self._next, batch))

    def _live(self, batch: _Batch) -> dict[str, Any]:
        options = self.options(batch.group)
        return {**options, "steps": batch.steps} if self.counts_steps else options

    def _next(self, batch: _Batch) -> Callable[[], None]:
        if self.counts_steps:
            batch.steps[:] = [self.state[p].get("step", 0) + 1 for p in batch.tensors]

        def count() -> None:
            for p, n in zip(batch.tensors, batch.steps, strict=True):
                self.state[p]["step"] = n

        return count if self.counts_steps else lambda: None

    def recorded_options(self, group: dict[str, Any]) -> Any:
        """What of `group` a captured step can't follow: where it is another, the step is recorded anew."""
        if self.takes_live and type(self).step is Optimizer.step:
            return self.state_names(group)
        return repr([(k, v) for k, v in group.items() if k != "params"])

    def _batches(self) -> list[_Batch]:
        """What there is to do, all of it checked, so that kernels that write in place do not fail halfway."""
        batches: list[_Batch] = []
        problems: list[str] = []
        states, all_made = self.state, self._made
        for group in self.param_groups:
            options, names = self.options(group), self.state_names(group)
            by_engine: dict[Backend, _Batch] = {}
            for p in group["params"]:
                grad = p.grad
                if grad is None:
                    continue
                array, state, made = p.array, states.get(p) or {}, all_made.get(p)
                backend = backend_of(array)
                if not alike(backend, grad.array, array):
                    problems.append(f"{describe(self.param_groups, p)} is {_place(p)}, its gradient {_place(grad)}")
                    continue
                batch = by_engine.get(backend)
                if batch is None:
                    batch = by_engine[backend] = _Batch(backend, names, options, group)
                    batches.append(batch)
                if made is not None and made[0] is not array:  # it has been moved or replaced since
                    made = None
                if made is None and backend.capabilities.mutable:
                    # Others may share the array: a snapshot, the user's own variable, a second parameter.
                    array = backend.namespace.asarray(array, copy=True)
                row = [array, grad.array]
                for i, name in enumerate(names, 1):
                    held = state.get(name)
                    if held is None:
                        row.append(self.initial(name, backend, array))
                    elif (made is not None and held.array is made[i]) or alike(backend, held.array, array):
                        row.append(held.array)
                    elif held.shape == p.shape:
                        row.append(saved.placed(held, p))
                    else:
                        problems.append(f"{describe(self.param_groups, p)} is {_place(p)}, its {name} {_place(held)}")
                batch.rows.append(row)
                batch.tensors.append(p)
                batch.states.append(state)
                batch.steps.append(state.get("step", 0) + 1)
                if self.counts_steps:
                    batch.options["steps"] = batch.steps
        if problems:
            raise GradientError("the step was not taken, and nothing has changed:\n  " + "\n  ".join(problems))
        return batches

    # ------------------------------------------------------------------------------------------- saved state

    def state_dict(self) -> dict[str, Any]:
        """The state by the parameter's number, counted through all groups, and the groups with such numbers.

        The layout is torch's. The Tensors share their arrays with the optimizer, whose next step may write
        over them: keep `copy.deepcopy` of it for a snapshot.
        """
        return saved.state_dict(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over options and state from what `state_dict` gave, here, on another engine, or in torch.

        Arrays are copied, cast to the parameter's dtype and put on its device.

        Raises:
            StateError: it does not fit this optimizer; the error lists everything, and nothing has changed.
        """
        saved.load_state_dict(self, state_dict)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_made": {}}

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"  group {i}: {len(group['params'])} parameters")
            lines += [f"    {k}: {v}" for k, v in sorted(group.items()) if k not in ("params", "param_names")]
        return "\n".join([*lines, ")"])


class _Batch:
    """Parameters of one group on one engine; a row has a parameter's array, its gradient's, its state's."""

    def __init__(
        self, backend: Backend, names: tuple[str, ...], options: dict[str, Any], group: dict[str, Any]
    ) -> None:
        self.backend, self.names, self.options, self.group = backend, names, dict(options), group
        self.tensors: list[Tensor] = []
        self.rows: list[list[Any]] = []
        self.states: list[dict[str, Any]] = []
        self.steps: list[int] = []

    def run(self, operation: str) -> Any:
        """The operation's result: for each parameter the new array and those of its state."""
        columns = map(list, zip(*self.rows, strict=True))
        return getattr(self.backend.namespace, operation)(*columns, **self.options)


def limit(batches: list[_Batch], max_norm: float) -> None:
    """Let the operations scale the gradients so that the norm of all together is at most `max_norm`."""
    by_place: dict[tuple[Backend, str], list[list[Any]]] = {}
    for batch in batches:
        name, device_of = batch.backend.device_name, batch.backend.device_of  # engines' devices need not be hashable
        for row in batch.rows:
            by_place.setdefault((batch.backend, name(device_of(row[1]))), []).append(row)
    clipped = [
        backend.namespace.clip_factor([row[1] for row in rows], max_norm=max_norm)
        for (backend, _), rows in by_place.items()
    ]
    if len(clipped) == 1:
        for batch in batches:
            batch.options["scale"] = clipped[0][1]
        return
    home = wrap(clipped[0][0]).device
    norms = [ops.astype(wrap(norm).to_device(home), dtypes.float64) for norm, _ in clipped]
    factor = ops.clip(max_norm / (ops.sqrt(ops.sum(ops.square(ops.stack(norms)))) + 1e-6), None, 1.0)
    for rows in by_place.values():
        for row in rows:
            grad = wrap(row[1])
            row[1] = (grad * ops.astype(factor.to_device(grad.device), grad.dtype)).array


def alike(backend: Backend, x: Any, array: Any) -> bool:
    """Whether `x` has the engine, shape, dtype and device of `array`, which is `backend`'s."""
    return (
        (type(x) is type(array) or backend_of(x) is backend)
        and x.shape == array.shape
        and x.dtype == array.dtype
        and backend.device_of(x) == backend.device_of(array)
    )


def _place(x: Tensor) -> str:
    return f"{x.shape} {x.dtype} on {x.device}"
