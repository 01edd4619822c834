"""Recording what is launched as a CUDA graph, for `polymod.capture`.

A graph reads and writes the addresses of its recording: it owns a memory pool, and everything that it has allocated
stays there as long as the graph does. Host values go to it by a small kernel in front of each launch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import cupy
import numpy as np

from .launch import kernel, launch

CHUNK, MOST = 480, 64  # words that one launch of `put` sets, and how many launches there may be
_NEEDS_CAPTURE: ContextVar[bool] = ContextVar("polymod_cupy capture", default=False)
_recorder: ContextVar[Recorder | None] = ContextVar("polymod_cupy recorder", default=None)
_WORDS = np.dtype([("at", np.uint64, (CHUNK,)), ("count", np.int32)], align=True)


def capturable() -> bool:
    """Whether operations must be done by what CUDA can record: own kernels, and no cuBLAS by way of CuPy."""
    return _NEEDS_CAPTURE.get()


def recorder() -> Recorder | None:
    """What records at the moment."""
    return _recorder.get()


class Recorder:
    """See `polymod.backend.Recorder`."""

    def __init__(self, device: cupy.cuda.Device) -> None:
        self.device = device
        self.pool = cupy.cuda.MemoryPool()
        self.graph: Any = None
        self._values: list[tuple[int, Callable[[], Any]]] = []
        self._words = 0
        with device:
            self._memory = cupy.zeros(CHUNK * MOST, np.uint64)

    @contextmanager
    def rehearse(self) -> Iterator[None]:
        token = _NEEDS_CAPTURE.set(True)
        try:
            with self.device:
                yield
        finally:
            _NEEDS_CAPTURE.reset(token)

    @contextmanager
    def record(self) -> Iterator[None]:
        tokens = _NEEDS_CAPTURE.set(True), _recorder.set(self)
        try:
            with (
                self.device,
                cupy.cuda.Stream(non_blocking=True) as stream,
                cupy.cuda.using_allocator(self.pool.malloc),
            ):
                stream.begin_capture()
                try:
                    yield
                except BaseException:
                    with suppress(Exception):  # CUDA may have ended it
                        stream.end_capture()
                    raise
                self.graph = stream.end_capture()
        finally:
            _NEEDS_CAPTURE.reset(tokens[0])
            _recorder.reset(tokens[1])

    def refuses(self, error: BaseException) -> bool:
        text = str(error)
        return isinstance(error, RuntimeError | NotImplementedError) and "captur" in text.lower()

    def value(self, dtype: np.dtype, function: Callable[[], Any]) -> cupy.ndarray:
        words = -(-dtype.itemsize // 8)
        start, self._words = self._words, self._words + words
        if self._words > self._memory.size:
            raise RuntimeError(f"a captured step takes at most {self._memory.size} words from the host at each launch")
        self._values.append((start, function))
        return self._memory[start : start + words]

    def launch(self) -> None:
        words = np.zeros(self._words, np.uint64)
        as_bytes = words.view(np.uint8)
        for start, function in self._values:
            given = np.frombuffer(np.asarray(function()).tobytes(), np.uint8)
            as_bytes[8 * start : 8 * start + given.size] = given
        with self.device:
            for start in range(0, self._words, CHUNK):
                some = words[start : start + CHUNK]
                table = np.zeros((), _WORDS)
                table["at"][: some.size], table["count"] = some, some.size
                launch(kernel("graph", "put"), 1, 128, table, self._memory[start:])
            self.graph.launch()

    def input(self, array: Any) -> cupy.ndarray:
        with self.device:
            return cupy.array(array)

    def write(self, target: cupy.ndarray, source: Any) -> None:
        with self.device:
            target[...] = cupy.asarray(source)  # from the host by way of pinned memory: nothing waits

    def own(self, array: cupy.ndarray) -> cupy.ndarray:
        return array if array.base is None else self.copy(array)

    def copy(self, array: cupy.ndarray) -> cupy.ndarray:
        with self.device:
            return array.copy()
