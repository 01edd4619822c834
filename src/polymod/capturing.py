"""Capturing a step: recorded once on an engine that can do so, a CUDA graph for example, and launched as a whole then.

    def step(images, labels):
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    step = pm.capture(step, model, optimizer)

A recorded step repeats what the device did, with the values that its inputs and its state have then. What Python did
is not repeated, so that the host has to redo what of it counts: that is what `at_replay` is for.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import dtypes
from .autograd.tape import recording
from .backend import Device, current_device, find_owner
from .captured import Recording
from .errors import CaptureError
from .held import Given, StateGrew, mapped
from .replay import at_replay, current, is_capturing
from .tensor import Tensor, from_host, wrap

__all__ = ["Captured", "at_replay", "capture", "is_capturing"]

_WARM = None  # in the place of a recording: has run once


def capture(step: Callable[..., Any], *state: Any, graphs: int = 4) -> Captured:
    """Make `step` a function that engines with capture record and then launch as a whole.

    The first call with inputs of some shapes and dtypes runs `step` as it is, which compiles kernels and makes the
    optimizer's state; the second is recorded, and it and those after it launch what was recorded. An engine without
    capture always runs `step` as it is, so that a program is the same everywhere.

    Args:
        step: a function of Tensors, numbers and containers of these: forward pass, `backward`, clipping,
            `optimizer.step`, in any order. It returns Tensors, or containers of them, or nothing.
        state: what `step` changes: modules, optimizers, Tensors, or containers of these. Modules and optimizers that
            are variables of `step` itself are found without being named.
        graphs: recordings kept, the latest used: one for each combination of the inputs' shapes and dtypes, of numbers
            among the arguments, of `training` modes, and of options that no recording can follow. Each has memory of
            its own.

    Returns:
        A callable with the arguments of `step`. NumPy arrays among them become Tensors beside the state. What it
        returns is detached, and a copy.

    Python code in `step` runs only when a call is recorded. What it may not do then raises `CaptureError` and leaves
    everything as it was: read values on the host (`float(loss)`, `if` on a Tensor, `print`), make Tensors of host
    values or of host random numbers, add to gradients from before the call (begin with `zero_grad()`), synchronize.
    What it may: random numbers drawn on the device, whose generators go on as usual, and options of `Adam`, `AdamW`
    and `SGD`, which may be changed between calls. After a call, gradients and the state's arrays are in the recording's
    memory: the next call writes over them.
    """
    if not callable(step):
        raise TypeError(f"capture takes a function and the state it changes, not {type(step).__name__} first")
    return Captured(step, state, graphs)


class Captured:
    """A step that `capture` made.

    Attributes:
        step: the function itself.
        recordings: how many recordings there are at the moment.
    """

    def __init__(self, step: Callable[..., Any], state: tuple[Any, ...], graphs: int) -> None:
        self.step, self.graphs = step, max(1, graphs)
        self._given = Given(step, state)
        self._known: OrderedDict[Any, Recording | None] = OrderedDict()
        functools.update_wrapper(self, step, updated=())

    @property
    def recordings(self) -> int:
        return sum(r is not None for r in self._known.values())

    def reset(self) -> None:
        """Forget all recordings and give their memory back."""
        self._known.clear()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        device = self._device(args, kwargs)
        backend = device.backend
        if backend.capture is None or current.get() is not None:
            args, kwargs = _with_tensors((args, kwargs), device)
            return _detached(self.step(*args, **kwargs))
        arrays: list[Any] = []
        form = _form((args, kwargs), arrays)
        key = (form, str(device), recording.get(), dtypes.default_float(), self._given.modes())
        known = self._known.get(key)
        if known is not None and known.fits():
            self._known.move_to_end(key)
            return known.run(arrays)
        args, kwargs = _with_tensors((args, kwargs), device)
        graph = backend.capture(device.native)
        if key in self._known:
            self._known[key] = _WARM
            made = Recording(graph, self._given, arrays, device)
            try:
                inputs = iter(made.inputs)
                made.record(self.step, *mapped((args, kwargs), lambda x: next(inputs) if isinstance(x, Tensor) else x))
                self._known[key] = made
                self._known.move_to_end(key)
                self._drop_oldest()
                return made.run(arrays, first=True)
            except StateGrew:  # this call, too, only makes state
                pass
        with graph.rehearse():
            result = self.step(*args, **kwargs)
        self._given.find()  # modules may have made parameters, the optimizer its state
        self._known[key] = _WARM
        return _detached(result)

    def _drop_oldest(self) -> None:
        kept = [k for k, r in self._known.items() if r is not None]
        for k in kept[: -self.graphs]:
            self._known[k] = _WARM
        while len(self._known) > 16 * self.graphs:
            self._known.popitem(last=False)

    def _device(self, args: Any, kwargs: Any) -> Device:
        tensor = self._given.first_tensor()
        if tensor is None:
            tensor = next((x for x in _leaves((args, kwargs)) if isinstance(x, Tensor)), None)
        return current_device() if tensor is None else tensor.device


# ------------------------------------------------------------------------------------------------------- arguments


class _Array(NamedTuple):
    """What tells the recordings of inputs apart."""

    shape: tuple[int, ...]
    dtype: str
    device: str


def _leaves(x: Any) -> list[Any]:
    found: list[Any] = []
    mapped(x, found.append)
    return found


def _is_array(x: Any) -> bool:
    return isinstance(x, Tensor | np.ndarray) or (hasattr(x, "__array_namespace__") and find_owner(type(x)) is not None)


def _with_tensors(x: Any, device: Device) -> Any:
    def convert(leaf: Any) -> Any:
        if isinstance(leaf, np.ndarray):
            return from_host(leaf, device)
        return wrap(leaf) if not isinstance(leaf, Tensor) and _is_array(leaf) else leaf

    return mapped(x, convert)


def _detached(x: Any) -> Any:
    return mapped(x, lambda leaf: leaf.detach() if isinstance(leaf, Tensor) else leaf)


def _form(x: Any, arrays: list[Any]) -> Any:
    """What a recording of these arguments is good for; their arrays, the engine's or the host's, go to `arrays`.

    Raises:
        CaptureError: an argument can't be told from another one.
    """
    if isinstance(x, dict):
        return "dict", tuple((k, _form(v, arrays)) for k, v in x.items())
    if isinstance(x, list | tuple):
        return type(x), tuple(_form(v, arrays) for v in x)
    if _is_array(x):
        if isinstance(x, Tensor) and x.requires_grad:
            raise CaptureError(
                "a captured step takes inputs that carry no gradient, received one that requires grad; name it as "
                "state of capture(step, *state), or detach it"
            )
        arrays.append(x.array if isinstance(x, Tensor) else x)
        here = "" if isinstance(x, np.ndarray) else str((x if isinstance(x, Tensor) else wrap(x)).device)
        return _Array(tuple(x.shape), str(x.dtype), here)
    try:
        hash(x)
    except TypeError:
        raise CaptureError(
            f"a captured step takes Tensors, numbers, strings and containers of these, received {type(x).__name__}"
        ) from None
    return type(x), x
