"""What a program made the device and the host do, counted by CuPy-on-CPU.

A training step on a GPU should launch kernels and nothing else: a copy between host and device, a synchronization, a
`cudaMalloc` cost more than most kernels. Here each is counted, can be traced to its line, and can be forbidden::

    with cupy._cpu.counted() as n:
        step()
    assert n["stream_synchronizations"] == 0
    print(n)                                # what is not 0

    with cupy._cpu.counted(where=True) as n:
        step()
    print(n.where)                          # {("device_to_host_async", "train.py:31"): 2, ...}

    with cupy._cpu.forbidden("transfers", "synchronizations"):
        step()                              # RuntimeError from the line that does it

CUPY_CPU_FORBID=transfers,synchronizations forbids from the import of CuPy on.

What is counted: the calls that reach the CUDA runtime, so an allocation that CuPy's pool serves is none, and what a
stream captures is `captured_nodes` until a graph runs it (`graph_nodes`). `implicit_synchronizations` are those of a
synchronous copy from or to the host, a copy to host memory that is not pinned, `cudaFree`, `cudaFreeHost`, and cuBLAS
functions that return a number to the host. The counts are the process's, of all its threads.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator

from cupy_backends._cpu import library

GROUPS = {
    "transfers": ("host_to_device", "host_to_device_async", "device_to_host", "device_to_host_async"),
    "synchronizations": (
        "device_synchronizations",
        "stream_synchronizations",
        "event_synchronizations",
        "implicit_synchronizations",
    ),
    "allocations": ("device_mallocs", "pinned_mallocs"),
}

library.cpucuda_counter_name.restype = ctypes.c_char_p
library.cpucuda_count.restype = ctypes.c_uint64
NAMES = tuple(library.cpucuda_counter_name(i).decode() for i in range(library.cpucuda_counters()))
_HOOK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int)
library.cpucuda_set_hook.argtypes = [_HOOK]

_packages = os.path.dirname(os.path.dirname(__file__))
_OWN = tuple(os.path.join(_packages, name) + os.sep for name in ("cupy", "cupyx", "cupy_backends"))
_lock = threading.Lock()
_forbidden: Counter[str] = Counter()  # how often each event is forbidden now
_traces: list[Trace] = []


class Counts(dict[str, int]):
    """Counters by name; shown without those that are 0.

    where: with `where=True`, how often which event came from which line: {(event, "file:line"): times}.
    """

    where: Counter[tuple[str, str]]

    def __repr__(self) -> str:
        return repr({name: n for name, n in self.items() if n})

    def total(self, group: str) -> int:
        """The sum over a group: "transfers", "synchronizations" or "allocations"."""
        return sum(self[name] for name in GROUPS[group])


class Trace(Counter[tuple[str, str]]):
    """Counts events by the line of the program that caused them."""


def counts() -> Counts:
    """All counters since the start or the last `reset_counts`."""
    return Counts((name, library.cpucuda_count(i)) for i, name in enumerate(NAMES))


def reset_counts() -> None:
    """Sets all counters to 0."""
    library.cpucuda_reset_counts()


@contextlib.contextmanager
def counted(where: bool = False) -> Iterator[Counts]:
    """What the block does; the counts are there when it has ended. `where` finds the lines, and is slow."""
    found = Counts.fromkeys(NAMES, 0)
    found.where = trace = Trace()
    before = counts()
    if where:
        _traces.append(trace)
        _set_hook()
    try:
        yield found
    finally:
        if where:
            _traces[:] = [t for t in _traces if t is not trace]
            _set_hook()
        found.update((name, n - before[name]) for name, n in counts().items())


@contextlib.contextmanager
def forbidden(*what: str) -> Iterator[None]:
    """Makes events raise RuntimeError where they happen: groups ("transfers", "synchronizations", "allocations") or
    single counters. What destructors do (`cudaFree`), and launches, can't be forbidden."""
    names = _events(what)
    with _lock:
        _forbidden.update(names)
    _set_hook()
    try:
        yield
    finally:
        with _lock:
            _forbidden.subtract(names)
        _set_hook()


def _events(what: tuple[str, ...]) -> list[str]:
    askable = [name for group in GROUPS.values() for name in group]
    names = [name for item in what for name in GROUPS.get(item, (item,))]
    for name in names:
        if name not in askable:
            raise ValueError(f"{name!r} can't be forbidden; there are {', '.join(GROUPS)}, and {', '.join(askable)}")
    return names


def _line() -> str:
    """The innermost line outside CuPy."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OWN):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


@_HOOK
def _hook(event: bytes, function: bytes, before: int) -> int:
    name = event.decode()
    if before:
        return int(_forbidden[name] > 0)
    for trace in _traces:
        trace[name, _line()] += 1
    return 0


def _set_hook() -> None:
    wanted = bool(_traces) or any(n > 0 for n in _forbidden.values())
    library.cpucuda_set_hook(_hook if wanted else _HOOK())


_given = [item.strip() for item in os.environ.get("CUPY_CPU_FORBID", "").split(",") if item.strip()]
if _given:
    _forbidden.update(_events(tuple(_given)))
    _set_hook()
