"""Derivatives of functions: gradients, and products with the Jacobian from either side.

All take functions of Tensors, engine arrays, Python floats, nested lists, tuples and dicts of these, and modules
(differentiated with respect to their parameters that require grad, as a dict by path). They nest at will, in any
order, and also inside functions that are differentiated by `backward`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import GradientError
from ..ops import ops
from ..tensor import Tensor
from .backward import grad as gradients
from .forward import push
from .record import Recorded, differentiable
from .trees import leaves, map_leaves

Positions = int | tuple[int, ...]


def value_and_grad(f: Callable[..., Any], argnums: Positions = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return a function that gives `f(*args, **kwargs)` and its gradient.

    Args:
        f: a function of arrays with a real result of one element.
        argnums: the position of the argument to differentiate, or a tuple of them. Each is a Tensor, an engine's
            array, a Python float, a module, or lists, tuples and dicts of arrays and floats, nested at will.
        has_aux: `f` returns a pair of the result and of anything else, which is passed on beside the value.

    The gradient has the structure of that argument (a tuple for several): Tensors for Tensors and floats, engine
    arrays for engine arrays, a dict by path for a module; integer arrays and what is no array are passed on unchanged
    and have gradient None. An argument that `f` does not use has gradient zero. Nested calls differentiate
    independently of each other.

    Raises:
        GradientError: the result of `f` is no Tensor of one real element, or nothing in the arguments can be
            differentiated.
    """

    def differentiated(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        call = Recorded(f, args, kwargs, _listed(argnums))
        value, aux = _with_aux(call.value) if has_aux else (call.value, None)
        if not isinstance(value, Tensor) or value.size != 1 or value.dtype.kind == "c":
            got = f"shape {value.shape}, {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
            raise GradientError(f"grad needs a function with a Tensor of one real element as result, received {got}")
        found: Any = [None] * len(call.leaves)
        if value.node is not None:
            found = gradients(value, call.leaves, create_graph=call.records(), allow_unused=True)
        result = call.like_chosen(found, call.follows)
        gradient = result[0] if isinstance(argnums, int) else result
        return call.shown((value, aux) if has_aux else value), gradient

    return differentiated


def grad(f: Callable[..., Any], argnums: Positions = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return a function that gives the gradient of `f` (and what else it returned, if `has_aux`); see
    `value_and_grad`.

    `grad(grad(f))` is the second derivative (of a function of one element).
    """
    both = value_and_grad(f, argnums, has_aux)

    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, g = both(*args, **kwargs)
        return (g, value[1]) if has_aux else g

    return gradient


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """Run `f(*primals)`; return its result and the function that multiplies cotangents with its Jacobian.

    That function takes a cotangent for the result, in the result's structure, and returns the cotangents of the
    primals: one, or a tuple for several. It may be called any number of times. For complex numbers it is the
    transpose with respect to the real inner product Re(sum(conj(a) * b)).

    Args:
        has_aux: `f` returns a pair of the result and of anything else, which comes third.

    Raises:
        GradientError: nothing in the primals can be differentiated, or a cotangent does not fit the result.
    """
    call = Recorded(f, primals, {}, range(len(primals)))
    value, aux = _with_aux(call.value) if has_aux else (call.value, None)

    def pull(cotangent: Any) -> Any:
        pairs = list(_paired(value, cotangent))
        found: Any = [None] * len(call.leaves)
        tracked = [(y, g) for y, g in pairs if y.node is not None]
        records = call.records(*(g for _, g in pairs))
        if tracked:
            ys, gs = zip(*tracked, strict=True)
            found = gradients(ys, call.leaves, gs, create_graph=records, retain_graph=True, allow_unused=True)
        result = call.like_chosen(found, call.follows or any(g.node is not None for _, g in pairs))
        return result[0] if len(primals) == 1 else result

    return (call.shown(value), pull, call.shown(aux)) if has_aux else (call.shown(value), pull)


def jvp(f: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """Return `f(*primals)` and its derivative along `tangents`, by forward mode.

    Args:
        primals: a tuple (or list) of the arguments.
        tangents: a tuple of the same structure: what each argument changes by.
        has_aux: `f` returns a pair of the result and of anything else, which comes third.

    The derivative has the result's structure, with zeros where the result does not depend on the primals.

    Raises:
        GradientError: nothing in the primals can be differentiated, or the tangents do not fit the primals.
    """
    if not isinstance(primals, tuple | list) or not isinstance(tangents, tuple | list):
        raise GradientError("jvp takes a tuple of arguments and a tuple of their tangents, as in jvp(f, (x,), (v,))")
    value, pushed, *aux = linearize(f, *primals, has_aux=has_aux)
    return (value, pushed(*tangents), *aux)


def linearize(f: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """Run `f(*primals)`; return its result and its linear approximation there, a function of tangents.

    `linearize(f, x)[1](v)` is `jvp(f, (x,), (v,))[1]`, without running `f` again for the next `v`.
    """
    call = Recorded(f, primals, {}, range(len(primals)))
    value, aux = _with_aux(call.value) if has_aux else (call.value, None)

    def pushed(*tangents: Any) -> Any:
        ts = [t for _, t in _paired(tuple(call.chosen), tuple(tangents))]
        by_node = {x.node: _tangent_of(x, t) for x, t in zip(call.leaves, ts, strict=True)}
        flows = call.follows or any(t.node is not None for t in ts)
        outputs = [y for y in leaves(value) if isinstance(y, Tensor) and y.dtype.kind in "fc"]
        found = iter(push(outputs, by_node, create_graph=call.records(*ts)))

        def tangent(y: Any) -> Any:
            if not isinstance(y, Tensor):
                return None
            t = next(found) if y.dtype.kind in "fc" else None
            return ops.zeros_like(y.detach()) if t is None else t if flows else t.detach()

        return map_leaves(tangent, value)

    return (call.shown(value), pushed, call.shown(aux)) if has_aux else (call.shown(value), pushed)


def _paired(x: Any, other: Any) -> list[tuple[Any, Tensor]]:
    """The differentiable leaves of `x`, each with what `other` has there as a Tensor."""
    pairs: list[tuple[Any, Tensor]] = []

    def pair(a: Any, b: Any) -> None:
        if differentiable(a):
            dtype, device = (a.dtype, a.device) if isinstance(a, Tensor) else (None, None)
            pairs.append((a, b if isinstance(b, Tensor) else ops.asarray(b, dtype=dtype, device=device)))

    map_leaves(pair, x, other)
    return pairs


def _tangent_of(x: Tensor, t: Tensor) -> Tensor:
    if t.shape != x.shape:
        raise GradientError(f"a tangent must have its primal's shape {x.shape}, received {t.shape}")
    return t if t.dtype is x.dtype else ops.astype(t, x.dtype)


def _with_aux(value: Any) -> tuple[Any, Any]:
    if not isinstance(value, tuple) or len(value) != 2:
        raise GradientError(
            f"with has_aux the function must return a pair (result, anything), received {type(value).__name__}"
        )
    return value


def _listed(argnums: Positions) -> tuple[int, ...]:
    return (argnums,) if isinstance(argnums, int) else tuple(argnums)
