"""The inputs of an operation: whose arrays they are, what their cotangents must fit, and what is said when it fails."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..backend import Backend, backend_of, find_owner
from ..dtypes import dtype as dtype_of
from ..errors import MixedDevicesError, PolymodError
from ..ops import ops
from ..tensor import Tensor, wrap


def unwrapped(args: Sequence[Any]) -> tuple[list[Any], list[Any], int]:
    """The engine's arrays of any number of inputs, their nodes, and the bits of those that carry a gradient.

    NumPy's scalars count as Python numbers, so that they change no dtype on any engine.
    """
    arrays: list[Any] = []
    parents: list[Any] = []
    tracked = 0
    for i, arg in enumerate(args):
        node = None
        if isinstance(arg, Tensor):
            node = arg.node
            arg = arg.array
            if node is not None:
                tracked |= 1 << i
        elif isinstance(arg, np.generic):
            arg = arg.item()
        arrays.append(arg)
        parents.append(node)
    return arrays, parents, tracked


def shapes_of(inputs: Iterable[Any]) -> list[tuple[int, ...]]:
    """The shapes of those that are arrays."""
    return [tuple(x.shape) for x in inputs if hasattr(x, "shape")]


def unbroadcast(xp: Any, g: Any, shape: tuple[int, ...]) -> Any:
    """The transpose of broadcasting: sum `g` down to `shape`."""
    if g.shape == shape:
        return g
    extra = g.ndim - len(shape)
    stretched = tuple(i for i, n in enumerate(shape, extra) if n == 1 and g.shape[i] != 1)
    return xp.reshape(xp.sum(g, axis=(*range(extra), *stretched)), shape)


def widen(output: Any, arrays: list, parents: list) -> None:
    """Where an operation combined inputs of several dtypes, put a cast to the result's dtype on record for each that
    carries a gradient, so that its cotangent comes back in its own dtype."""
    dtype = (output[0] if type(output) is tuple else output).dtype
    for i, parent in enumerate(parents):
        if (
            parent is not None
            and arrays[i].dtype != dtype
            and dtype_of(arrays[i].dtype).kind in ("f", dtype_of(dtype).kind)
        ):
            cast = ops.astype(wrap(arrays[i], parent), dtype)
            arrays[i], parents[i] = cast.array, cast.node


def share(arrays: list, parents: list) -> None:
    """Where arrays have examples at several depths of `vmap`, put it on record for each that carries a gradient and
    has none at some of them that its value there is shared by all examples, so that their cotangents are summed."""
    for i, parent in enumerate(parents):
        if parent is not None:
            shared = with_examples_of(wrap(arrays[i], parent), arrays)
            arrays[i], parents[i] = shared.array, shared.node


def with_examples_of(x: Any, others: Iterable[Any]) -> Any:
    """`x`, shared by the examples that `others` (engine arrays or what is no array) have and it has not."""
    levels = {level.depth: (level, n) for other in others for level, n in examples_of(other)}
    if levels:
        own = {level.depth for level, _ in examples_of(x.array if isinstance(x, Tensor) else x)}
        for depth in sorted(levels.keys() - own):
            level, n = levels[depth]
            x = ops.share_examples(x, level=level, n=n)
    return x


def examples_of(array: Any) -> list[tuple[Any, int]]:
    """The `vmap`s in which an array has examples, with their numbers."""
    found = []
    while hasattr(array, "depths"):
        found.append((array.level, array.value.shape[0]))
        array = array.value
    return found


def fit(xp: Any, g: Any, x: Any) -> Any:
    """`g` with the shape and the dtype of the input `x` whose cotangent it is."""
    shape = getattr(x, "shape", None)
    if shape is None:  # a Python number
        return g
    if g.shape != shape:
        g = unbroadcast(xp, g, shape)
    if g.dtype != x.dtype:
        if dtype_of(g.dtype).kind == "c" and dtype_of(x.dtype).kind != "c":
            g = xp.real(g)
        g = xp.astype(g, x.dtype, copy=False)
    return g


def conj(xp: Any, x: Any) -> Any:
    """The complex conjugate; real arrays and numbers as they are."""
    dtype = getattr(x, "dtype", None)
    if dtype is None:
        return x.conjugate()
    return xp.conj(x) if dtype_of(dtype).kind == "c" else x


# -------------------------------------------------------------------------------------------- engines and errors

NUMBERS = (bool, int, float, complex, type(None))


def common_owner(name: str, kinds: Sequence[type], arrays: Sequence[Any]) -> Backend:
    """The one backend that the arrays among the inputs of operation `name` belong to.

    Raises:
        MixedDevicesError: they are of different engines.
        TypeError: an input is no array and no number, or there is no array at all.
    """
    owners: dict[str, Backend] = {}
    for kind in dict.fromkeys(kinds):
        if issubclass(kind, NUMBERS) and not issubclass(kind, np.generic):  # np.float64 is a float, too
            continue
        owner = find_owner(kind)
        if owner is None:
            received = f"{kind.__module__}.{kind.__qualname__}"
            raise TypeError(f"polymod.{name} takes Tensors, engine arrays and numbers; received {received}")
        owners[owner.name] = owner
    if not owners:
        raise TypeError(f"polymod.{name} needs at least one array; received {', '.join(k.__name__ for k in kinds)}")
    highest = max(owners.values(), key=lambda b: b.precedence)
    if len(owners) > 1 and highest.is_engine:
        raise mixed(name, arrays)
    return highest


def mixed(name: str, arrays: Sequence[Any]) -> MixedDevicesError:
    """The error for operands in different places, which says where each is and how to bring them together."""
    held = [(str(wrap(a).device), tuple(a.shape)) for a in arrays if hasattr(a, "shape")]
    places = " and ".join(f"{device} {shape}" for device, shape in held)
    return MixedDevicesError(
        f"polymod.{name} received arrays in different places: {places}. Nothing is copied between engines or devices "
        f"unasked; move one of them, e.g. x.to({held[0][0]!r}), or the model with model.to(...)"
    )


def explain(name: str, arrays: Sequence[Any], error: Exception) -> None:
    """Make an engine's error say which operation got what; raise a better one for arrays on different devices."""
    if isinstance(error, PolymodError):
        return
    held = [a for a in arrays if hasattr(a, "shape")]
    try:
        devices = {str(backend_of(a).device_of(a)) for a in held if backend_of(a).is_engine}
    except Exception:  # the error being explained is the one that matters
        devices = set()
    if len(devices) > 1:
        raise mixed(name, arrays) from error
    if not any(note.startswith("in polymod.") for note in getattr(error, "__notes__", ())):  # the innermost says it
        seen = ", ".join(f"{tuple(a.shape)} {a.dtype}" if hasattr(a, "shape") else repr(a) for a in arrays)
        error.add_note(f"in polymod.{name} with inputs {seen}")
