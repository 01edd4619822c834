"""Special functions under polymod's names, compiled once per shape: JAX's own, and polymod's definitions where those
of JAX have fewer digits or other values on the edges."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy import special

from polymod.backend import portable

own = ("xlogy", "entr", "i0", "i0e", "i1", "i1e")
defined = (
    *("erfc", "erfcx", "erfinv", "ndtr", "log_ndtr", "ndtri", "xlog1py"),
    *("gammaln", "gamma", "digamma", "zeta", "riemann", "betaln"),
    *("gamma_term", "gammainc", "gammaincc", "beta_term", "betainc", "stdtr"),
)


def _portably(name: str, *arrays: Any) -> Any:
    from . import backend  # it is made after its kernels

    return portable[name](backend.namespace, *arrays)


def _kernel(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    function = jax.jit(function)

    def call(*arrays: Any) -> Any:
        dtype = jnp.result_type(*arrays)
        return function(*(jnp.asarray(a, dtype) for a in arrays))

    call.__name__ = name
    return call


kernels: dict[str, Callable[..., Any]] = {
    **{name: _kernel(name, getattr(special, name)) for name in own},
    **{name: _kernel(name, partial(_portably, name)) for name in defined},
}
