"""`detect_anomaly`: where the first NaN came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ..backend import backend_of
from ..errors import GradientError
from ..tensor import Tensor, wrap
from .families import Elementwise
from .primitive import Cotangents, Primitive
from .tape import Node
from .trees import leaves

where_made: ContextVar[dict[int, str] | None] = ContextVar("polymod anomaly", default=None)
"""While anomalies are looked for: what recorded the node of each order."""

describe_place: list[Callable[[], str]] = []
"""Says in which module the program is; modules, which stand above this, put it here."""


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Within the block, raise at the first operation that makes a NaN, forward or backward.

    The error names the operation, the shapes of its inputs, and the module it ran in by its path. Every result is
    looked at, which takes time (on a GPU much of it), and infinite values that turn into NaN later are named as inputs.

    Raises:
        GradientError: an operation made a NaN of inputs without one, or its derivative did.
    """
    token = where_made.set({})
    _install()
    try:
        yield
    finally:
        _uninstall()
        where_made.reset(token)


_calls = {kind: kind.__call__ for kind in (Primitive, Elementwise)}  # the classes that say how they are called
_installed = 0


def _install() -> None:
    global _installed
    _installed += 1
    for kind, call in _calls.items():
        kind.__call__ = _checked(call)  # type: ignore[method-assign]
    _renew_operators()


def _uninstall() -> None:
    global _installed
    _installed -= 1
    if not _installed:
        for kind, call in _calls.items():
            kind.__call__ = call  # type: ignore[method-assign]
        _renew_operators()


def _renew_operators() -> None:
    from ..rules import give_tensors_their_operators  # they stand on primitives

    give_tensors_their_operators()


def _checked(call: Callable[..., Any]) -> Callable[..., Any]:
    def checked_call(self: Primitive, *args: Any, **attrs: Any) -> Any:
        result = call(self, *args, **attrs)
        _check_result(self, args, result)
        return result

    return checked_call


def _check_result(self: Primitive, args: Any, result: Any) -> None:
    made = where_made.get()
    if made is None:
        return
    place = describe_place[0]() if describe_place else ""
    for y in leaves(result):
        if isinstance(y, Tensor):
            if type(y.node) is Node:
                node = y.node.parents[0] if y.node.primitive.name == "part" else y.node
                made[node.order] = place
            if has_nan(y) and not any(has_nan(x) for x in args):
                raise GradientError(f"polymod.{self.name} made NaN of {_described(args)}")


def check_pulled(node: Node, g: Any, pulled: Any) -> None:
    """Raise if the derivative rule of `node` made NaN of the cotangent `g`."""
    made = where_made.get()
    if made is None or any(has_nan(c) for c in (g.values() if isinstance(g, Cotangents) else (g,))):
        return
    for i, c in enumerate(pulled):
        if c is not None and not isinstance(c, Cotangents) and has_nan(c):
            inputs = ", ".join(f"{tuple(x.shape)} {x.dtype}" for x in node.inputs if hasattr(x, "shape"))
            raise GradientError(
                f"the derivative of polymod.{node.primitive.name}{made.get(node.order, '')} with respect to its input "
                f"{i} is NaN where the gradient that came in is not; its rule read {inputs or 'no inputs'}"
            )


def has_nan(x: Any) -> bool:
    """Whether a Tensor or an engine's array has a NaN element."""
    array = x.array if isinstance(x, Tensor) else x
    if not hasattr(array, "dtype") or not hasattr(array, "shape"):
        return isinstance(x, float) and x != x
    t = wrap(array)
    if t.dtype.kind not in "fc":
        return False
    while hasattr(array, "depths"):
        array = array.value
    backend = backend_of(array)
    if not backend.is_engine:
        return False
    return bool(backend.xp.any(backend.xp.isnan(array)))


def _described(args: Any) -> str:
    def one(x: Any) -> str:
        if not hasattr(x, "shape"):
            return repr(x)
        t = x if isinstance(x, Tensor) else wrap(x)
        return f"{t.shape} {t.dtype}"

    return ", ".join(map(one, args))
