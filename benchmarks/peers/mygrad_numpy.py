"""mygrad, on NumPy. It has no erf, so no Transformer block with GELU; no running statistics in batch norm."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import mygrad as mg
import numpy as np
from mygrad.nnet.activations import relu
from mygrad.nnet.layers import batchnorm, conv_nd, max_pool
from mygrad.nnet.losses import softmax_crossentropy

from ..harness import Run
from ..imports import importing
from ..workloads import Problem, Workload
from . import functional

NAME, PACKAGE = "mygrad", "mygrad"


def halved(x: Any) -> Any:
    while mg.sum(mg.abs(x)) > 1:
        x = x / 2
    return x


ops = SimpleNamespace(
    relu=relu,
    halved=halved,
    cross_entropy=softmax_crossentropy,
    conv=lambda x, w: conv_nd(x, w, stride=1, padding=1),
    batch_norm=lambda x, w, b: batchnorm(x, gamma=w, beta=b, eps=1e-5),
    max_pool=lambda x: max_pool(x, (2, 2), 2),
)


def build(workload: Workload, problem: Problem) -> Run | None:
    if workload.kind == "import":
        return importing(workload, "import mygrad", "mygrad.zeros(1)")
    if workload.kind == "operation":
        host = np.arange(8, dtype=np.float32)
        x, y = mg.tensor(host), mg.tensor(host, constant=True)
        return Run(lambda: x + y, lambda: {"sum": (x + y).data})
    if workload.kind != "train" or workload.model == "block":
        return None
    model = functional.model_of(workload)
    x, y = problem.inputs["x"], problem.inputs.get("y")
    p = {k: mg.tensor(v) for k, v in problem.parameters.items()}
    s = functional.start(workload.optimizer, problem.parameters)

    def step() -> Any:
        nonlocal p, s
        loss = functional.loss(ops, workload.loss, model(ops, {**p, **problem.constants}, x), y)
        loss.backward()
        g = {k: v.grad for k, v in p.items()}
        if workload.optimizer is not None:
            new, s = functional.update(workload.optimizer, {k: v.data for k, v in p.items()}, g, s)
            p = {k: mg.tensor(v, copy=False) for k, v in new.items()}
        return loss, g

    def outputs() -> dict[str, Any]:
        loss, g = step()
        after, _ = step()
        found = {f"gradient of {k}": v for k, v in g.items()}
        return {"loss": loss.data, "loss after a step": after.data, **found}

    return Run(step, outputs)
