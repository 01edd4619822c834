"""`vmap`: a function of one example as a function of many, without a Python loop over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from ..backend import find_owner
from ..errors import GradientError
from ..ops import ops
from ..tensor import Tensor
from .batched import Level
from .record import standing_in
from .tape import mapped
from .trees import is_module, map_leaves


def vmap(
    f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0, chunk_size: int | None = None
) -> Callable[..., Any]:
    """Return a function that applies `f` to every example along an axis of its arguments.

    Inside `f` arrays have no axis for the examples: `vmap(matmul)` multiplies pairs of matrices. It nests with
    itself and with all derivatives in any order: `vmap(grad(f))` gives the gradient of every example.

    Args:
        f: a function of Tensors, engine arrays, nested lists, tuples and dicts of them, and modules.
        in_axes: which axis counts the examples: an integer for all arguments, or a tuple with an entry for each; None
            for what all examples share. An entry may be a container like its argument. A module's entry holds for its
            parameters and buffers, which then are those of as many models (see `polymod.func.stack_module_state`).
        out_axes: where the results have that axis: an integer, or a container like the result. None for a result that
            does not depend on the examples.
        chunk_size: at most so many examples at once, to save memory.

    What depends on the values, `if x > 0` or `float(x)`, can't be decided for all examples at once and raises; use
    `where`. Random numbers drawn inside `f` are the same for every example. What has no rule for many examples runs
    for one after the other.

    Raises:
        GradientError: the arguments have no axis of examples, or of different lengths.
    """

    def mapping(*args: Any, **kwargs: Any) -> Any:
        axes = tuple(in_axes) if isinstance(in_axes, tuple | list) else (in_axes,) * len(args)
        if len(axes) != len(args):
            raise GradientError(f"in_axes {in_axes} has {len(axes)} entries for {len(args)} arguments")
        axes = tuple(_axes_like(x, a) for x, a in zip(args, axes, strict=True))
        n = _count(args, axes)
        if chunk_size is None or n <= chunk_size:
            return _run(f, args, kwargs, axes, out_axes, n)
        if any(is_module(x) and a is not None for x, a in zip(args, axes, strict=True)):
            raise GradientError("chunk_size can't cut the parameters of a module; pass its stacked state instead")
        parts = []
        for start in range(0, n, chunk_size):
            piece = slice(start, min(start + chunk_size, n))
            parts.append(_run(f, _cut(args, axes, piece), kwargs, axes, out_axes, piece.stop - piece.start))
        return _joined(parts, out_axes)

    return mapping


def _run(
    f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], axes: Sequence[Any], out_axes: Any, n: int
) -> Any:
    active = mapped.get()
    level = Level(max((outer.depth for outer, _ in active), default=0))
    replaced: list[tuple[Tensor, Tensor]] = []

    def enter(x: Any, axis: int | None) -> Any:
        if axis is None or not _is_array(x):
            return x
        return ops.enter_examples(ops.moveaxis(ops.asarray(x), axis, 0), level=level, n=n)

    entered = []
    for x, axis in zip(args, axes, strict=True):
        if is_module(x):
            if axis is not None:
                replaced += [(t, enter(t, axis)) for t in (*x.parameters(), *x.buffers())]
            entered.append(x)
        else:
            entered.append(map_leaves(enter, x, axis))
    with ExitStack() as stack:
        token = mapped.set((*active, (level, n)))
        stack.callback(mapped.reset, token)
        stack.enter_context(standing_in(replaced))
        result = f(*entered, **kwargs)

    def leave(y: Any, axis: int | None) -> Any:
        if not _is_array(y):
            return y
        y = ops.asarray(y)
        has = level.depth in getattr(y.array, "depths", ())
        if axis is None:
            if has:
                raise GradientError("out_axes is None for a result that has a value for each example; give it an axis")
            return y
        y = ops.leave_examples(y, level=level, n=n)
        return ops.moveaxis(y, 0, axis) if axis % y.ndim else y

    return map_leaves(leave, result, _axes_like(result, out_axes))


def _is_array(x: Any) -> bool:
    return isinstance(x, Tensor) or find_owner(type(x)) is not None


def _axes_like(x: Any, axes: Any) -> Any:
    """`axes` with an entry for every leaf of `x`."""
    if is_module(x):
        return axes
    if isinstance(x, Mapping | list | tuple) and not isinstance(axes, Mapping | list | tuple):
        return map_leaves(lambda _: axes, x)
    if isinstance(x, Mapping) and isinstance(axes, Mapping):
        return {k: _axes_like(v, axes[k]) for k, v in x.items()}
    if isinstance(x, list | tuple):
        if not isinstance(axes, list | tuple) or len(axes) != len(x):
            raise GradientError(f"the axes {axes} have not the structure of the {type(x).__name__} of {len(x)}")
        made = [_axes_like(v, a) for v, a in zip(x, axes, strict=True)]
        return type(x)(*made) if hasattr(x, "_fields") else type(x)(made)
    return axes


def _count(args: Sequence[Any], axes: Sequence[Any]) -> int:
    """The number of examples, which all mapped arrays must agree on."""
    sizes: dict[str, int] = {}
    for i, (x, a) in enumerate(zip(args, axes, strict=True)):
        for where, array, axis in _mapped_leaves(f"argument {i}", x, a):
            if not -len(array.shape) <= axis < len(array.shape):
                raise GradientError(f"{where} of shape {tuple(array.shape)} has no axis {axis} for the examples")
            sizes[where] = array.shape[axis]
    if not sizes:
        raise GradientError("vmap needs an argument with an axis of examples; every entry of in_axes is None")
    if len(set(sizes.values())) > 1:
        raise GradientError(
            "the arguments have different numbers of examples: " + ", ".join(f"{w} has {n}" for w, n in sizes.items())
        )
    return next(iter(sizes.values()))


def _mapped_leaves(where: str, x: Any, axes: Any) -> Iterator[tuple[str, Any, int]]:
    if is_module(x):
        if axes is not None:
            for name, t in (*x.named_parameters(), *x.named_buffers()):
                yield f"{where}.{name}", t, axes
    elif isinstance(x, Mapping):
        for k, v in x.items():
            yield from _mapped_leaves(f"{where}[{k!r}]", v, axes[k])
    elif isinstance(x, list | tuple):
        for i, (v, a) in enumerate(zip(x, axes, strict=True)):
            yield from _mapped_leaves(f"{where}[{i}]", v, a)
    elif axes is not None and _is_array(x):
        yield where, x, axes


def _cut(args: Sequence[Any], axes: Sequence[Any], piece: slice) -> tuple[Any, ...]:
    def cut(x: Any, axis: int | None) -> Any:
        if axis is None or not _is_array(x):
            return x
        return ops.asarray(x)[(slice(None),) * (axis % len(x.shape)) + (piece,)]

    return tuple(x if is_module(x) else map_leaves(cut, x, a) for x, a in zip(args, axes, strict=True))


def _joined(parts: Sequence[Any], out_axes: Any) -> Any:
    def join(axis: int | None, *pieces: Any) -> Any:
        return pieces[0] if axis is None or not _is_array(pieces[0]) else ops.concat(list(pieces), axis=axis)

    return map_leaves(lambda *ys: join(ys[-1], *ys[:-1]), *parts, _axes_like(parts[0], out_axes))
