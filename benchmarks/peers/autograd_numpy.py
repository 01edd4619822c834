"""autograd, on NumPy. It has no convolution of its own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import autograd.numpy as anp
from autograd import value_and_grad

from ..harness import Run
from ..imports import importing
from ..workloads import Problem, Workload
from . import functional

NAME, PACKAGE = "autograd", "autograd"


def softmax(x: Any) -> Any:
    e = anp.exp(x - anp.max(x, axis=-1, keepdims=True))
    return e / anp.sum(e, axis=-1, keepdims=True)


def gelu(x: Any) -> Any:
    from autograd.scipy.special import erf

    return 0.5 * x * (1 + erf(x * 0.5**0.5))


def layer_norm(x: Any, weight: Any, bias: Any) -> Any:
    centered = x - anp.mean(x, axis=-1, keepdims=True)
    return centered / anp.sqrt(anp.mean(centered * centered, axis=-1, keepdims=True) + 1e-5) * weight + bias


def halved(x: Any) -> Any:
    while anp.sum(anp.abs(x)) > 1:
        x = x / 2
    return x


def cross_entropy(output: Any, y: Any) -> Any:
    z = output - anp.max(output, axis=1, keepdims=True)
    logs = z - anp.log(anp.sum(anp.exp(z), axis=1, keepdims=True))
    return -anp.mean(logs[anp.arange(len(y)), y])


ops = SimpleNamespace(
    relu=lambda x: anp.maximum(x, 0.0),
    softmax=softmax,
    gelu=gelu,
    layer_norm=layer_norm,
    halved=halved,
    cross_entropy=cross_entropy,
)


def build(workload: Workload, problem: Problem) -> Run | None:
    if workload.kind == "import":
        return importing(workload, "import autograd, autograd.numpy", "autograd.numpy.zeros(1)")
    if workload.kind != "train" or workload.model == "cnn":
        return None
    model = functional.model_of(workload)
    x, y = problem.inputs["x"], problem.inputs.get("y")
    p = problem.parameters
    s = functional.start(workload.optimizer, p)
    both = value_and_grad(lambda p: functional.loss(ops, workload.loss, model(ops, {**p, **problem.constants}, x), y))

    def step() -> Any:
        nonlocal p, s
        loss, g = both(p)
        if workload.optimizer is not None:
            p, s = functional.update(workload.optimizer, p, g, s)
        return loss, g

    def outputs() -> dict[str, Any]:
        loss, g = step()
        return {
            "loss": loss,
            "loss after a step": step()[0],
            **{f"gradient of {k}": v for k, v in g.items()},
        }

    return Run(step, outputs)
