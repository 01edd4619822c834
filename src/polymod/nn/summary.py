"""A model's output shapes and a table of its modules, found without data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..autograd.tape import no_grad
from ..tensor import Tensor
from . import members
from .parameter import is_lazy
from .shapes import shape_tensor

if TYPE_CHECKING:
    from .module import Module


def output_shape(module: Module, input_shapes: tuple) -> Any:
    with _evaluating(module):
        return _shapes(module(*_inputs(input_shapes)))


def summary(module: Module, input_shapes: tuple) -> Summary:
    shapes: dict[int, Any] = {}
    if input_shapes:
        handles = [
            m.register_forward_hook(lambda m, args, output: shapes.setdefault(id(m), _shapes(output)) and None)
            for m in module.modules()
        ]
        try:
            output_shape(module, input_shapes)
        finally:
            for handle in handles:
                handle.remove()
    rows = [
        Row(
            path,
            type(m).__name__,
            shapes.get(id(m)),
            sum(0 if is_lazy(p) else p.size for _, p in own[0]),
            any(is_lazy(p) for _, p in own[0]),
        )
        for path, m, own in members.walk(module)
    ]
    learned = [t for _, t, is_learned, _ in members.tensors(module) if is_learned and not is_lazy(t)]
    total = sum(t.size for t in learned)
    trainable = sum(t.size for t in learned if t.requires_grad)
    return Summary(rows, total, trainable, sum(t.size * t.dtype.itemsize for t in learned))


class Row:
    """A line of the table: one module. `parameters` counts the module's own, not its children's."""

    def __init__(self, path: str, kind: str, shape: Any, parameters: int, lazy: bool) -> None:
        self.path, self.kind, self.shape, self.parameters, self.lazy = path, kind, shape, parameters, lazy


class Summary:
    """The table that `Module.summary` returns; `str` of it is the text.

    Attributes:
        rows: a `Row` per module, in the order of `named_modules()`.
        parameters: the number of elements of all parameters, shared ones once.
        trainable: those of them that require grad.
        bytes: their memory.
    """

    def __init__(self, rows: list[Row], parameters: int, trainable: int, size: int) -> None:
        self.rows, self.parameters, self.trainable, self.bytes = rows, parameters, trainable, size

    def __str__(self) -> str:
        head = ("path", "type", "output shape", "parameters")
        lines = [
            (
                r.path or "(model)",
                r.kind,
                "" if r.shape is None else str(r.shape),
                "not yet known" if r.lazy else f"{r.parameters:,}" if r.parameters else "",
            )
            for r in self.rows
        ]
        widths = [max(len(line[i]) for line in (head, *lines)) for i in range(4)]
        text = [
            "  ".join(
                cell.rjust(w) if i == 3 else cell.ljust(w) for i, (cell, w) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in (head, *lines)
        ]
        rule = "-" * max(map(len, text))
        frozen = self.parameters - self.trainable
        total = f"{self.parameters:,} parameters ({_size(self.bytes)})" + (
            f", {frozen:,} of them frozen" if frozen else ""
        )
        return "\n".join([text[0], rule, *text[1:], rule, total])

    __repr__ = __str__


def _size(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def _inputs(input_shapes: tuple) -> list[Any]:
    return [_input(s) for s in input_shapes]


def _input(given: Any) -> Any:
    if isinstance(given, Tensor):
        return shape_tensor(given.shape, given.dtype)
    if isinstance(given, int):
        given = (given,)
    if isinstance(given, tuple | list) and all(isinstance(n, int) for n in given):
        return shape_tensor(given)
    if isinstance(given, tuple | list) and len(given) == 2 and isinstance(given[0], tuple | list):
        return shape_tensor(given[0], given[1])
    raise TypeError(f"an input shape is a tuple of integers, or (shape, dtype); received {given!r}")


def _shapes(output: Any) -> Any:
    if isinstance(output, Tensor):
        return output.shape
    if isinstance(output, dict):
        return {k: _shapes(v) for k, v in output.items()}
    if isinstance(output, tuple | list):
        parts = [_shapes(v) for v in output]
        return type(output)(*parts) if hasattr(output, "_fields") else type(output)(parts)
    return output


@contextmanager
def _evaluating(module: Module) -> Iterator[None]:
    """Evaluation mode and nothing recorded; modes, values and Tensor attributes as before afterwards."""
    modes = [(m, m.training) for m in module.modules()]
    arrays = [(t, t.array) for _, t, _, _ in members.tensors(module) if not is_lazy(t)]
    attributes = [(m.__dict__, dict(m.__dict__)) for m, _ in modes]
    try:
        module.eval()
        with no_grad():
            yield
    finally:
        for m, mode in modes:
            m.__dict__["training"] = mode
        for tensor, array in arrays:
            tensor.array = array
        for now, before in attributes:
            for name, value in list(now.items()):
                held = before.get(name)
                if value is held or not (type(value) is Tensor or isinstance(held, Tensor)):
                    continue
                if name in before:
                    now[name] = held
                else:
                    del now[name]  # a note of this run
