"""Arrays of examples: what `vmap` runs a function on.

A `Batched` holds an array with an axis more, the first one, that the function does not see. It is one more array
library that provides the standard; `rules.batch_namespace` has its functions. A `vmap` that runs, or has run and left
arrays in a graph, has a number, its depth, which is higher than those of the ones it is in. Every depth has classes of
its own, and with them backends, so that an operation on arrays of several depths goes to the deepest.
"""

from __future__ import annotations

import math
import threading
from functools import cache, partial
from itertools import count
from typing import Any
from weakref import WeakValueDictionary

from .. import dtypes
from ..backend import Backend, Capabilities, backend_of, register_backend
from ..errors import GradientError
from ..operators import give_operators
from ..tensor import from_host, wrap


class Level:
    """A `vmap`: its depth, which no other has while this is alive."""

    __slots__ = ("__weakref__", "depth")

    def __init__(self, above: int) -> None:
        """Take the lowest free depth above `above`."""
        with _lock:
            self.depth = next(d for d in count(above + 1) if d not in _levels)
            _levels[self.depth] = self


_levels: WeakValueDictionary[int, Level] = WeakValueDictionary()
_lock = threading.Lock()


class Batched:
    """As many arrays of one shape as there are examples.

    Attributes:
        value: an array of lower depth, or an engine's; its first axis counts the examples.
        origin: the one array that all examples share, if they do.
        level: keeps the depth from being given to another `vmap` while this array is alive.
    """

    __slots__ = ("level", "origin", "value")
    __array_ufunc__ = None
    __array_priority__ = 1000
    depth: int  # of the class
    depths: tuple[int, ...]  # this one and those of the values, deepest first
    backend: Backend

    def __init__(self, level: Level, value: Any, origin: Any = None) -> None:
        self.level, self.value, self.origin = level, value, origin

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape[1:])

    @property
    def ndim(self) -> int:
        return len(self.value.shape) - 1

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def dtype(self) -> dtypes.DType:
        return dtypes.dtype(self.value.dtype)

    @property
    def device(self) -> Any:
        """The Device that `value` is on."""
        return wrap(self.value).device

    def __repr__(self) -> str:
        return f"Batched({self.value!r})"

    def __getitem__(self, key: Any) -> Any:
        return self.backend.namespace.index(self, key=key)

    def __setitem__(self, key: Any, values: Any) -> None:
        self.value = self.backend.namespace.index_set(self, values, key=key).value

    def _no_number(self, *_: Any) -> Any:
        raise GradientError(
            "under vmap an array has a value for each example, so a Python number or a condition can't be made of it; "
            "use polymod.where(condition, a, b), or leave the decision out of the mapped function"
        )

    __bool__ = __int__ = __float__ = __complex__ = __index__ = __len__ = _no_number


def _operate(name: str, *operands: Any) -> Any:
    """An operator on what may be arrays of several depths: the deepest one's function."""
    levels = [a for a in operands if isinstance(a, Batched)]
    deepest = max(levels, key=lambda a: a.backend.precedence)
    return getattr(deepest.backend.namespace, name)(*operands)


give_operators(Batched, lambda name: partial(_operate, name))


@cache
def depth_class(depth: int) -> type[Batched]:
    """The class of all arrays of examples at a depth."""
    return type(f"Depth{depth}", (Batched,), {"__slots__": (), "depth": depth})


@cache
def _class(depth: int, inner: Any) -> type[Batched]:
    """The class for values of class `inner` (None: an engine's): a class says which depths an array has examples of."""
    from ..rules.batch_namespace import BatchNamespace, kernels  # they stand on the primitives

    depths = (depth, *(inner.depths if inner else ()))
    members = {"__slots__": (), "depths": depths}
    kind: type[Batched] = type("Batched" + "_".join(map(str, depths)), (depth_class(depth),), members)
    backend = Backend(
        name="vmap" + ".".join(map(str, depths)),
        xp=BatchNamespace(),
        array_types=(kind,),
        devices=list,
        from_numpy=lambda x, device: from_host(x, device).array,
        to_numpy=_to_numpy,
        synchronize=lambda: None,
        index_add=lambda x, key, values: kind.backend.namespace.scatter_add(x, values, key=key),
        kernels=kernels(depth_class(depth)),
        capabilities=Capabilities(host_access=False),
        device_of=lambda x: x.device,
        to_device=lambda x, device: x,
        precedence=depth,
    )
    kind.backend = register_backend(backend)
    return kind


def batched(level: Level, value: Any, origin: Any = None) -> Batched:
    """`value` (n, ...), an array of lower depth, as n examples."""
    inner: Any = type(value) if isinstance(value, Batched) else None
    return _class(level.depth, inner)(level, value, origin)


def namespace_of(*arrays: Any) -> Any:
    """The namespace that computes with arrays of several depths: the deepest one's."""
    return max(map(backend_of, arrays), key=lambda b: b.precedence).namespace


def is_above(x: Any, level: Level) -> bool:
    """Whether `x` has examples at a greater depth than `level`, which then lie around those at `level`."""
    return isinstance(x, Batched) and x.depth > level.depth


def shared(x: Any, level: Level, n: int) -> Any:
    """`x` as what each of n examples at `level` has."""
    if is_above(x, level):
        origin = None if x.origin is None else shared(x.origin, level, n)
        return batched(x.level, shared(x.value, level, n), origin)
    return batched(level, namespace_of(x).broadcast_to(x, (n, *x.shape)), x)


def beside(xs: Any, like: Any) -> Any:
    """`xs`, what a node kept of its inputs or of its results, with arrays shared by the examples that `like` has.

    Operators then never see an engine's array beside one of examples: not every engine leaves such a pair to the other
    operand.
    """
    if isinstance(xs, list | tuple):
        return type(xs)(beside(x, like) for x in xs)
    if not hasattr(xs, "device"):
        return xs
    missing = []
    while isinstance(like, Batched):
        if like.depth not in getattr(xs, "depths", ()):
            missing.append(like)
        like = like.value
    for b in reversed(missing):
        xs = shared(xs, b.level, b.value.shape[0])
    return xs


def summed(x: Any, level: Level, n: int) -> Any:
    """The sum of the n examples of `x` at `level`: the transpose of `shared`."""
    if is_above(x, level):
        return batched(x.level, summed(x.value, level, n))
    if isinstance(x, Batched) and x.depth == level.depth:
        return namespace_of(x.value).sum(x.value, axis=0)
    return x * n


def entered(x: Any, level: Level) -> Any:
    """`x` (n, ...) as n examples at `level`."""
    if is_above(x, level):
        return batched(x.level, entered(_swapped(x.value), level))
    return batched(level, x)


def left(x: Any, level: Level, n: int) -> Any:
    """The n examples of `x` at `level` as an array (n, ...); what has none there is repeated."""
    if isinstance(x, Batched) and x.depth == level.depth:
        return x.value
    if is_above(x, level) and level.depth in x.depths:
        return batched(x.level, _swapped(left(x.value, level, n)))
    return namespace_of(x).broadcast_to(x, (n, *x.shape))


def _swapped(x: Any) -> Any:
    """`x` with its first two axes exchanged."""
    return namespace_of(x).permute_dims(x, (1, 0, *range(2, len(x.shape))))


def _to_numpy(x: Batched) -> Any:
    raise GradientError(
        "under vmap an array has values for each example and can't be read as a whole inside the mapped function; "
        "return it instead"
    )
