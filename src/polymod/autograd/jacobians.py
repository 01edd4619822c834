"""Jacobians, Hessians, and products with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import GradientError
from ..ops import ops
from ..tensor import Tensor
from .functional import Positions, grad, jvp, linearize, vjp
from .record import differentiable
from .trees import leaves, map_leaves
from .vmap import vmap


def jacobian(
    f: Callable[..., Any], argnums: Positions = 0, mode: str = "reverse", chunk_size: int | None = None
) -> Callable[..., Any]:
    """Return a function that gives the Jacobian of `f`.

    Args:
        f: a function of arrays, and of nested containers of them.
        argnums: the position of the argument to differentiate, or a tuple of them.
        mode: "reverse" takes a backward pass for each element of the result, "forward" a forward pass for each
            element of the argument; all of them at once, by `vmap`.
        chunk_size: at most so many of them at once, to save memory.

    For a result of shape (*out) and an argument of shape (*in) the Jacobian has shape (*out, *in). For containers it
    has the result's structure, with the argument's structure in each place.

    Raises:
        GradientError: the mode is unknown, or the argument or the result has complex elements, for which the
            derivative is no array of their shape; use `vjp` or `jvp`.
    """
    if mode not in ("reverse", "forward"):
        raise GradientError(f"mode must be 'reverse' or 'forward', received {mode!r}")
    by = _by_rows if mode == "reverse" else _by_columns

    def jacobian_of(*args: Any, **kwargs: Any) -> Any:
        chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        if not all(-len(args) <= i < len(args) for i in chosen):
            raise GradientError(f"argnums {argnums} counts positional arguments, of which this call has {len(args)}")

        def of_chosen(*values: Any) -> Any:
            arguments = list(args)
            for i, v in zip(chosen, values, strict=True):
                arguments[i] = v
            return f(*arguments, **kwargs)

        return by(of_chosen, [args[i] for i in chosen], isinstance(argnums, int), chunk_size)

    return jacobian_of


def _by_rows(f: Callable[..., Any], primals: list[Any], single: bool, chunk_size: int | None) -> Any:
    value, pull = vjp(f, *primals)
    ys = _real_leaves(value, "result")

    def rows(y: Tensor) -> Any:
        """The rows of the Jacobian for one leaf of the result."""

        def pulled(g: Any) -> Any:
            cotangent = map_leaves(lambda z: g if z is y else ops.zeros_like(z) if isinstance(z, Tensor) else z, value)
            found = pull(cotangent)
            return found if single or len(primals) > 1 else (found,)

        basis = ops.reshape(ops.eye(y.size, dtype=y.dtype, device=y.device), (y.size, *y.shape))
        found = vmap(pulled, chunk_size=chunk_size)(basis)
        return map_leaves(lambda r: _unflattened(r, y.shape, 0), found)

    made = {id(y): rows(y) for y in ys}
    return map_leaves(lambda y: made.get(id(y)), value)


def _by_columns(f: Callable[..., Any], primals: list[Any], single: bool, chunk_size: int | None) -> Any:
    value, push = linearize(f, *primals)
    _real_leaves(value, "result")
    xs = [x for x in leaves(tuple(primals)) if differentiable(x)]
    found: dict[int, Any] = {}
    for at, x in enumerate(xs):
        x = x if isinstance(x, Tensor) else ops.asarray(x)
        if x.dtype.kind == "c":
            raise GradientError("the argument has complex elements; use jvp")

        def pushed(v: Any, at: int = at) -> Any:
            counter = iter(range(len(xs)))

            def tangent(p: Any) -> Any:
                if not differentiable(p):
                    return p
                return v if next(counter) == at else ops.zeros_like(p) if hasattr(p, "shape") else 0.0

            return push(*map_leaves(tangent, tuple(primals)))

        basis = ops.reshape(ops.eye(x.size, dtype=x.dtype, device=x.device), (x.size, *x.shape))
        found[at] = vmap(pushed, out_axes=-1, chunk_size=chunk_size)(basis), x.shape

    def columns(i: int, y: Any) -> Any:
        counter = iter(range(len(xs)))

        def column(p: Any) -> Any:
            if not differentiable(p):
                return None
            tangents, shape = found[next(counter)]
            return _unflattened(list(leaves(tangents))[i], shape, -1)

        result = tuple(map_leaves(column, p) for p in primals)
        return result[0] if single else result

    numbers = iter(range(len(list(leaves(value)))))
    return map_leaves(lambda y: columns(next(numbers), y), value)


def _real_leaves(value: Any, what: str) -> list[Tensor]:
    ys = [y for y in leaves(value) if isinstance(y, Tensor) and y.dtype.kind in "fc"]
    if not ys:
        raise GradientError(f"jacobian needs a function with a floating Tensor as {what}")
    if any(y.dtype.kind == "c" for y in ys):
        raise GradientError(f"the {what} has complex elements; use vjp or jvp")
    return ys


def _unflattened(x: Any, shape: tuple[int, ...], axis: int) -> Any:
    """`x` with its first or last axis as axes of `shape`."""
    if x is None:
        return None
    return ops.reshape(x, (*shape, *x.shape[1:]) if axis == 0 else (*x.shape[:-1], *shape))


def hessian(f: Callable[..., Any], argnums: Positions = 0, chunk_size: int | None = None) -> Callable[..., Any]:
    """Return a function that gives the matrix of second derivatives of `f`, which has one real element as result.

    For an argument of shape (*in) it has shape (*in, *in): the forward Jacobian of the gradient. For containers, and
    for several `argnums`, it is nested: the structure of the argument, twice.
    """
    return jacobian(grad(f, argnums), argnums, mode="forward", chunk_size=chunk_size)


def hvp(f: Callable[..., Any], primals: Any, tangents: Any) -> Any:
    """The Hessian of `f` at `primals` times `tangents`, without the Hessian: the derivative of the gradient.

    Args:
        f: a function with a Tensor of one real element as result.
        primals: a tuple of its arguments.
        tangents: a tuple of the same structure.

    Returns:
        What has the structure of the arguments: of the argument itself where there is one, else a tuple.
    """
    which: Positions = 0 if len(primals) == 1 else tuple(range(len(primals)))
    return jvp(grad(f, which), primals, tangents)[1]
