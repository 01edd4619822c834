"""Running a call on the arrays of polymod, torch and jax, and comparing with its reference."""

from __future__ import annotations

import traceback
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from .reference import Reference, floating
from .table import Call

RIGHT, VALUE, WRONG_GRADIENT, WRONG_VALUE, REFUSED = "right", "value", "wrong gradient", "wrong value", "refused"


class Engine(ABC):
    """How a library's arrays are made, differentiated and read."""

    @abstractmethod
    def array(self, x: np.ndarray) -> Any:
        """An array of the library."""

    @abstractmethod
    def owns(self, x: Any) -> bool:
        """Whether `x` is an array of the library."""

    @abstractmethod
    def host(self, x: Any) -> np.ndarray:
        """The values of an array of the library."""

    @abstractmethod
    def pull(self, f: Callable[..., list], inputs: list, weights: list[np.ndarray]) -> tuple[list, list]:
        """The results of `f(*inputs)` and the gradients of the inputs for the cotangents `weights`."""


class Polymod(Engine):
    """polymod's Tensors on one of its engines."""

    def __init__(self, backend: str = "numpy") -> None:
        import polymod

        self.pm = polymod
        polymod.set_backend(backend)

    def array(self, x: np.ndarray) -> Any:
        return self.pm.tensor(x)

    def owns(self, x: Any) -> bool:
        return isinstance(x, self.pm.Tensor)

    def host(self, x: Any) -> np.ndarray:
        return self.pm.to_numpy(x)

    def pull(self, f: Callable[..., list], inputs: list, weights: list[np.ndarray]) -> tuple[list, list]:
        value, back = self.pm.vjp(f, *inputs)
        found = back([self.array(w) for w in weights])
        return value, [found] if len(inputs) == 1 else list(found)


class Torch(Engine):
    """torch's tensors, float64."""

    def __init__(self) -> None:
        import torch

        torch.set_num_threads(1)
        self.torch = torch

    def array(self, x: np.ndarray) -> Any:
        return self.torch.tensor(x)

    def owns(self, x: Any) -> bool:
        return isinstance(x, self.torch.Tensor)

    def host(self, x: Any) -> np.ndarray:
        return x.detach().resolve_conj().resolve_neg().numpy()

    def pull(self, f: Callable[..., list], inputs: list, weights: list[np.ndarray]) -> tuple[list, list]:
        leaves = [x.clone().requires_grad_() for x in inputs]
        values = f(*(x.clone() for x in leaves))  # which may be written to
        pairs = [(y, self.array(w).to(y.dtype)) for y, w in zip(values, weights, strict=True) if y.requires_grad]
        if not pairs:
            return values, [None for _ in leaves]
        ys, ws = map(list, zip(*pairs, strict=True))
        found = self.torch.autograd.grad(ys, leaves, ws, allow_unused=True)
        return values, list(found)


class Jax(Engine):
    """jax's arrays, float64."""

    def __init__(self) -> None:
        import jax

        jax.config.update("jax_enable_x64", True)
        self.jax = jax

    def array(self, x: np.ndarray) -> Any:
        return self.jax.numpy.asarray(x)

    def owns(self, x: Any) -> bool:
        return isinstance(x, self.jax.Array)

    def host(self, x: Any) -> np.ndarray:
        return np.asarray(x)

    def pull(self, f: Callable[..., list], inputs: list, weights: list[np.ndarray]) -> tuple[list, list]:
        values, back = self.jax.vjp(f, *inputs)
        cotangents = [self.array(np.conj(w)).astype(y.dtype) for y, w in zip(values, weights, strict=True)]
        return values, [self.jax.numpy.conj(g) for g in back(cotangents)]


def engine(name: str) -> Engine:
    """The engine of a name: torch, jax, polymod, polymod:BACKEND."""
    kind, _, backend = name.partition(":")
    return {"torch": Torch, "jax": Jax}[kind]() if kind != "polymod" else Polymod(backend or "numpy")


def try_call(lib: Engine, call: Call, reference: Reference) -> tuple[str, str]:
    """What becomes of `call`: one of the outcomes above, and the reason."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcome, reason = _value(lib, call, reference)
        if outcome == RIGHT:
            outcome, reason = _gradient(lib, call, reference)
    return outcome, reason


def _value(lib: Engine, call: Call, reference: Reference) -> tuple[str, str]:
    try:
        found = [lib.host(y) if lib.owns(y) else y for y in floating(call.function(*map(lib.array, call.inputs)))]
    except Exception as error:
        return REFUSED, explained(error)
    problem = differ(found, reference.values, call.tolerance)
    return (WRONG_VALUE, problem) if problem else (RIGHT, "")


def _gradient(lib: Engine, call: Call, reference: Reference) -> tuple[str, str]:
    values: list[Any] = []

    strangers: dict[int, Any] = {}

    def f(*moving: Any) -> list:
        arrays = [lib.array(x) for x in call.inputs]
        for i, x in zip(call.wrt, moving, strict=True):
            arrays[i] = x
        results = list(floating(call.function(*arrays)))
        strangers.update((i, y) for i, y in enumerate(results) if not lib.owns(y))
        return [y if lib.owns(y) else lib.array(np.asarray(y)) for y in results]

    try:
        values, found = lib.pull(f, [lib.array(call.inputs[i]) for i in call.wrt], reference.weights)
        gradients = [
            np.zeros_like(r) if g is None else lib.host(g) for g, r in zip(found, reference.gradients, strict=True)
        ]
        values = [lib.host(y) for y in values]
    except Exception as error:
        return VALUE, explained(error)
    problem = differ(values, reference.values, call.tolerance)
    if problem:
        return WRONG_VALUE, "while recording: " + problem
    problem = differ(gradients, reference.gradients, 100 * call.tolerance)
    if problem and strangers:
        kinds = sorted({type(y).__name__ for y in strangers.values()})
        return VALUE, f"a result is a {', '.join(kinds)}, which carries no gradient"
    return (WRONG_GRADIENT, problem) if problem else (RIGHT, "")


def differ(found: list, expected: list, tolerance: float) -> str:
    """How two lists of arrays differ, or an empty text."""
    if len(found) != len(expected):
        return f"{len(found)} results, expected {len(expected)}"
    for x, y in zip(map(np.asarray, found), expected, strict=True):
        if x.shape != y.shape:
            return f"shape {x.shape}, expected {y.shape}"
        finite = np.isfinite(y)
        if not np.array_equal(np.isfinite(x), finite):
            return f"{np.sum(finite & ~np.isfinite(x))} elements are not finite"
        scale = np.max(np.abs(y[finite]), initial=1.0 if tolerance > 1e-6 else 1e-3)
        error = np.max(np.abs(x[finite] - y[finite]), initial=0.0) / scale
        if error > tolerance:
            return f"off by {error:.1e}"
    return ""


def explained(error: Exception) -> str:
    """An error in one line, with the last place outside the array library where it happened."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "consumers/" not in f.filename]
    outside = [
        f
        for f in frames
        if any(p in f.filename for p in ("scipy/", "sklearn/", "array_api_", "einops/", "opt_einsum/"))
    ]
    place = f" [{'/'.join(outside[-1].filename.split('/')[-2:])}:{outside[-1].lineno}]" if outside else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:160]}{place}"
