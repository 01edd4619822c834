"""Calls of operations as derivative rules make them: what kernels are compared on.

The operations that rules call (`layer_norm_back`, `gelu_slope`, ...) have no samples of their own. All samples are
computed and differentiated on NumPy instead, by the portable definitions, and what these are called with is noted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

import polymod as pm
from polymod import optim  # noqa: F401 defines the steps of optimizers
from polymod.backend import Namespace, load_backend, portable
from polymod.rules import primitives

from .function import Function, here, like
from .samples import complex_table, draws, steps, table

Call = tuple[tuple[Any, ...], dict[str, Any]]
Calls = dict[str, dict[str, Call]]  # of each operation, by what tells them apart


def recorded(names: set[str]) -> dict[str, list[Call]]:
    """What the operations `names` are called with when all samples are computed and differentiated; of calls with the
    same shapes, dtypes and attributes the first."""
    calls: Calls = {name: {} for name in names}
    rng = np.random.default_rng(0)
    with pm.use_backend("numpy"), watched(calls):
        for name, samples in [*table.items(), *complex_table.items()]:
            for sample in samples:
                f = Function(name, sample)
                weights = like(rng, f.values(sample.inputs))
                f.pulled(sample.inputs, sample.tracked, weights)
                xs, ys = f.run(sample.inputs, sample.tracked)  # and as from a loss: rules may take another way
                real = [pm.real(y) if y.dtype.kind == "c" else y for y in ys]
                loss = sum(pm.sum(y * pm.tensor(w.real, device=y.device)) for y, w in zip(real, weights, strict=True))
                pm.autograd.grad(loss, [xs[i] for i in sample.tracked], allow_unused=True)
    found = {name: list(by_key.values()) for name, by_key in calls.items()}
    for name, own in [*steps.calls.items(), *draws.calls.items()]:
        if name in names:
            found[name] += own
    return found


@contextmanager
def watched(calls: Calls) -> Iterator[None]:
    """Within the block, operations on NumPy are portable definitions, and those named in `calls` are noted there."""
    backend = load_backend("numpy")
    namespace = backend.namespace
    plain = Namespace(replace(backend, kernels={}))
    found_before = dict(vars(namespace))
    runs = {p: p._runs for p in primitives.values()}
    for name in {*portable, *backend.kernels, *calls}:
        own = partial(portable[name], namespace) if name in portable else getattr(plain, name, None)
        if own is not None:
            setattr(namespace, name, noting(calls[name], own) if name in calls else own)
    for p in runs:
        p._runs = {}  # where primitives remember what they call
    try:
        yield
    finally:
        for p, before in runs.items():
            p._runs = before
        vars(namespace).clear()
        vars(namespace).update(found_before)


def noting(calls: dict[str, Call], function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **attrs: Any) -> Any:
        calls.setdefault(repr((described(args), described(attrs))), (copied(args), attrs))
        return function(*args, **attrs)

    return call


def native(attrs: dict[str, Any], device: pm.Device) -> dict[str, Any]:
    """Attributes of a call on NumPy as another device takes them: arrays, dtype and device are its own."""
    own = {k: here(v, device) for k, v in attrs.items()}
    if "device" in own:
        own["device"] = device.native
    if "dtype" in own:
        own["dtype"] = device.backend.dtype(own["dtype"])
    return own


def described(x: Any) -> Any:
    """What tells calls apart: shapes and dtypes of arrays, other values themselves."""
    if isinstance(x, np.ndarray | np.generic):
        return x.shape, x.dtype.name
    if isinstance(x, tuple | list):
        return [described(part) for part in x]
    return {k: described(v) for k, v in x.items()} if isinstance(x, dict) else x


def copied(x: Any) -> Any:
    if isinstance(x, tuple | list):
        return type(x)(map(copied, x))
    return np.array(x) if isinstance(x, np.ndarray | np.generic) else x
