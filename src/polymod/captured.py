"""One recording of a step: the graph, the arrays it reads and writes, and what the host redoes at each launch."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from .backend import Backend, Device
from .errors import CaptureError, PolymodError
from .held import Given, Held, StateGrew, mapped
from .random import Generator, default_generator, offsets
from .replay import Callback, current
from .tensor import Tensor, wrap


class Recording:
    """A step recorded for inputs of one form.

    `graph` is what the engine's `Backend.capture` gave; see there.
    """

    def __init__(self, graph: Any, given: Given, arrays: list[Any], device: Device) -> None:
        self.graph, self.given, self.device = graph, given, device
        self.callbacks: list[Callback] = []
        self.inputs = [wrap(graph.input(array)) for array in arrays]
        self._places = [tensor.array for tensor in self.inputs]
        self._draws: dict[Generator, _Draws] = {}
        self._outputs: Any = None

    # ----------------------------------------------------------------------------------------------- recording

    def record(self, step: Callable[..., Any], args: Any, kwargs: Any) -> None:
        """Record `step`. Nothing runs on the device, but Python's part of it does.

        Raises:
            CaptureError: the step does what can't be recorded; everything is as it was.
            StateGrew: an optimizer made state; everything is as it was.
        """
        self.held = held = Held(self.given, self.device, self.graph)
        self._of(default_generator)
        tokens = current.set(self), offsets.set(self.offset)
        try:
            with self.graph.record():
                result = step(*args, **kwargs)
                held.check_grown()
                self._outputs = mapped(result, lambda x: _Output(x.array) if isinstance(x, Tensor) else x)
                held.settle(self.graph)
            for generator, draws in self._draws.items():
                draws.finish(generator)
            held.forget()
        except BaseException as error:
            held.restore()
            for generator, draws in self._draws.items():
                generator.set_state(draws.start)
            if isinstance(error, PolymodError | StateGrew) or not self.graph.refuses(error):
                raise
            raise CaptureError(_explained(error, self.device.backend)) from error
        finally:
            current.reset(tokens[0])
            offsets.reset(tokens[1])

    def offset(self, generator: Generator, device: Device) -> Any:
        """What a kernel adds to its draw's number, an array of one uint64 that each launch sets; see `draws`."""
        draws = self._of(generator)
        if generator.initial_seed() != draws.start[0]:  # seeded inside the step: the same numbers each time
            return None
        if draws.offset is None:
            draws.offset = self.graph.value(np.dtype(np.uint64), lambda: np.uint64(draws.ahead))
        return draws.offset

    def _of(self, generator: Generator) -> _Draws:
        if generator not in self._draws:
            self._draws[generator] = _Draws(generator.get_state())
        return self._draws[generator]

    # -------------------------------------------------------------------------------------------------- running

    def fits(self) -> bool:
        """Whether what was recorded is still what the step would do."""
        return self.held.fits() and all(g.initial_seed() == d.start[0] for g, d in self._draws.items())

    def run(self, arrays: list[Any], first: bool = False) -> Any:
        """Launch it for these inputs, which its own are overwritten with; `first` directly after recording."""
        after: list[Callable[[], None]] = []
        if not first:
            for place, array in zip(self._places, arrays, strict=True):
                self.graph.write(place, array)
            self.held.bring_back(self.graph)
            for generator, draws in self._draws.items():
                after.append(draws.prepare(generator))
            for callback in self.callbacks:
                finish = callback()
                if finish is not None:
                    after.append(finish)
        self.graph.launch()
        for finish in after:
            finish()
        self.held.finish()
        return mapped(self._outputs, lambda x: wrap(self.graph.copy(x.array)) if type(x) is _Output else x)


class _Draws:
    """The draws that a recorded step takes of one generator."""

    def __init__(self, start: tuple[int, int]) -> None:
        self.start = start
        self.count = 0  # of one run
        self.ahead = 0  # how far the generator was beyond `start` before the launch at hand
        self.offset: Any = None

    def finish(self, generator: Generator) -> None:
        seed, draw = generator.get_state()
        if seed != self.start[0]:
            raise CaptureError(
                "the step leaves a random generator with another seed than it found; seed it outside of the step, or "
                "use generator.fork(seed) in it"
            )
        self.count = draw - self.start[1]

    def prepare(self, generator: Generator) -> Callable[[], None]:
        seed, draw = generator.get_state()
        self.ahead = (draw - self.start[1]) % 2**64
        return lambda: generator.set_state((seed, (draw + self.count) % 2**64))


class _Output:
    """An array that the step returns, in its containers."""

    def __init__(self, array: Any) -> None:
        self.array = array


def _explained(error: BaseException, backend: Backend) -> str:
    """What was refused and where: an engine's text names no operation."""
    engine = (kind.__module__.partition(".")[0] for kind in backend.array_types)
    libraries = ("polymod", "array_api_compat", "contextlib", *engine)
    frames = [(f.f_globals.get("__name__", ""), f.f_code.co_name, n) for f, n in traceback.walk_tb(error.__traceback__)]
    ours = [".".join(f[:2]) for f in frames if f[0].startswith("polymod")]
    theirs = [f for f in frames if not f[0].startswith(libraries)]
    where = f" in {ours[-1]}" if ours else ""
    if theirs:
        module, name, line = theirs[-1]
        where += f", at line {line} of {module} ({name})"
    notes = "; ".join(note for note in getattr(error, "__notes__", ()) if note.startswith("in polymod."))
    return (
        f"the step can't be captured: {error}{where}{f' ({notes})' if notes else ''}. A captured step must not read "
        "values on the host, bring some from there, or synchronize; take that out of the step, or call the step "
        "uncaptured. Model, optimizer and random generators are as before the call"
    )
