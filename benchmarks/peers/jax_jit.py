"""JAX, the whole step compiled by jax.jit. Batch norm's running statistics are not kept."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..harness import Run
from ..imports import importing
from ..workloads import Problem, Workload
from . import functional

NAME, PACKAGE = "jax", "jax"


def layer_norm(x: Any, weight: Any, bias: Any) -> Any:
    centered = x - x.mean(axis=-1, keepdims=True)
    return centered * lax.rsqrt((centered * centered).mean(axis=-1, keepdims=True) + 1e-5) * weight + bias


def batch_norm(x: Any, weight: Any, bias: Any) -> Any:
    centered = x - x.mean(axis=(0, 2, 3), keepdims=True)
    scale = lax.rsqrt((centered * centered).mean(axis=(0, 2, 3), keepdims=True) + 1e-5)
    return centered * scale * weight[:, None, None] + bias[:, None, None]


def conv(x: Any, weight: Any) -> Any:
    names = ("NCHW", "OIHW", "NCHW")
    return lax.conv_general_dilated(x, weight, (1, 1), ((1, 1), (1, 1)), dimension_numbers=names)


def max_pool(x: Any) -> Any:
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")


def halved(x: Any) -> Any:
    """Halve until the sum of absolute values is at most 1: a loop on data, which here has no reverse derivative,
    so it only counts."""
    size = lax.stop_gradient(jnp.abs(x).sum())
    _, factor = lax.while_loop(lambda s: s[0] > 1, lambda s: (s[0] / 2, s[1] / 2), (size, jnp.ones_like(size)))
    return x * factor


def cross_entropy(output: Any, y: Any) -> Any:
    logs = jax.nn.log_softmax(output, axis=1)
    return -jnp.take_along_axis(logs, y[:, None], axis=1).mean()


ops = SimpleNamespace(
    relu=jax.nn.relu,
    softmax=jax.nn.softmax,
    gelu=partial(jax.nn.gelu, approximate=False),
    layer_norm=layer_norm,
    batch_norm=batch_norm,
    conv=conv,
    max_pool=max_pool,
    halved=halved,
    cross_entropy=cross_entropy,
)


def build(workload: Workload, problem: Problem) -> Run | None:
    if workload.kind == "import":
        return importing(workload, "import jax, jax.numpy", "jax.numpy.zeros(1)")
    if workload.kind != "train":
        return None
    model = functional.model_of(workload)
    constants = {k: jnp.asarray(v) for k, v in problem.constants.items()}
    x, y = (jnp.asarray(problem.inputs[k]) if k in problem.inputs else None for k in "xy")
    p: Any = {k: jnp.asarray(v) for k, v in problem.parameters.items()}
    s: Any = functional.start(workload.optimizer, p)

    def loss_of(p: Any, x: Any, y: Any) -> Any:
        return functional.loss(ops, workload.loss, model(ops, {**p, **constants}, x), y)

    gradients = jax.jit(jax.value_and_grad(loss_of))

    @jax.jit
    def train(p: Any, s: Any, x: Any, y: Any) -> Any:
        loss, g = jax.value_and_grad(loss_of)(p, x, y)
        return loss, *functional.update(workload.optimizer, p, g, s)  # type: ignore[arg-type]

    last: Any = None

    def step() -> Any:
        nonlocal p, s, last
        if workload.optimizer is None:
            last = gradients(p, x, y)
        else:
            last, p, s = train(p, s, x, y)
        return last

    def outputs() -> dict[str, Any]:
        loss, g = gradients(p, x, y)
        if workload.optimizer is None:
            after = loss
        else:
            # compiled apart from `train`, whose first call is to show the time that takes
            q = jax.jit(lambda p, s, g: functional.update(workload.optimizer, p, g, s))(p, s, g)[0]
            after = gradients(q, x, y)[0]
        found = {f"gradient of {k}": np.asarray(v) for k, v in g.items()}
        if workload.optimizer is None:
            jax.clear_caches()
        return {"loss": np.asarray(loss), "loss after a step": np.asarray(after), **found}

    def held() -> int:
        return sum(a.nbytes for a in jax.tree.leaves((p, s, x, y, constants)) if isinstance(a, jax.Array))

    on_host = jax.devices()[0].platform == "cpu"
    return Run(step, outputs, lambda: jax.block_until_ready((last, p)), held=held, on_host=on_host)
