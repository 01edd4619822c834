"""A process per engine that tries calls one by one."""

from __future__ import annotations

import multiprocessing
import warnings
from typing import Any

TIMEOUT = 60.0  # seconds for one call; a compiling engine needs many


def work(pipe: Any, name: str) -> None:
    """Answer calls by name until the other side closes."""
    from .calls import table
    from .engines import engine, try_call
    from .reference import refer

    lib = None if name == "reference" else engine(name)
    while True:
        try:
            call, reference = pipe.recv()
        except EOFError:
            return
        if lib is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    pipe.send(refer(table[call]))
                except Exception as error:
                    pipe.send(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
        else:
            pipe.send(try_call(lib, table[call], reference))


class Worker:
    """A process that tries calls on one engine; a crash or a hang costs that call alone."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self.process: Any = None

    def __call__(self, call: str, reference: Any = None) -> Any:
        """The answer for `call`, or why there is none."""
        if self.process is None:
            context = multiprocessing.get_context("spawn")
            self.pipe, other = context.Pipe()
            self.process = context.Process(target=work, args=(other, self.engine), daemon=True)
            self.process.start()
            other.close()
            limit = TIMEOUT + 60  # it starts
        else:
            limit = TIMEOUT
        try:
            self.pipe.send((call, reference))
            if self.pipe.poll(limit):
                return self.pipe.recv()
            why = f"no answer after {limit:.0f} s"
        except (EOFError, OSError):
            why = "the process died"
        self.close()
        return "refused", why

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process = None
