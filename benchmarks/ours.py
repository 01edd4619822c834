"""The workloads on polymod."""

from __future__ import annotations

from typing import Any

import numpy as np

import polymod as pm
from polymod import nn, optim
from polymod.nn import functional as F

from .harness import Run
from .imports import importing
from .workloads import MODELS, TREE, Problem, Workload


def build(workload: Workload, problem: Problem, backend: str) -> Run:
    """The contestant for `workload` with its arrays on `backend`."""
    with pm.use_backend(backend) as device:
        run = {"train": train, "tree": tree, "operation": operation}.get(workload.kind)
        if run is None:
            return importing(workload, "import polymod", f"polymod.zeros(1, device={backend!r})")
        contestant = run(workload, problem)
        contestant.synchronize = device.backend.synchronize
        return contestant


def train(workload: Workload, problem: Problem) -> Run:
    model = MODELS[workload.model](**workload.arguments)
    x, y = pm.tensor(problem.inputs["x"]), problem.inputs.get("y")
    y = None if y is None else pm.tensor(y)
    model(x)
    model.load_state_dict(problem.weights, strict=False)
    optimizer = None
    if workload.optimizer is not None:
        name, options = workload.optimizer
        optimizer = getattr(optim, name)(model.parameters(), **options)

    def loss_of(output: Any) -> Any:
        if workload.loss == "sum":
            return output.sum()
        return F.cross_entropy(output, y) if workload.loss == "cross_entropy" else F.mse_loss(output, y)

    def step() -> Any:
        model.zero_grad()
        loss = loss_of(model(x))
        loss.backward()
        if optimizer is not None:
            optimizer.step()
        return loss

    def outputs() -> dict[str, Any]:
        loss = pm.to_numpy(step())
        gradients = {f"gradient of {n}": pm.to_numpy(p.grad) for n, p in model.named_parameters()}
        return {"loss": loss, "loss after a step": pm.to_numpy(step()), **gradients}

    return Run(step, outputs)


def tree_of_modules() -> nn.Module:
    width = TREE["width"]
    return nn.Sequential(
        *(
            nn.Sequential(*(nn.Sequential(nn.Linear(width, width), nn.ReLU()) for _ in range(TREE["pairs"])))
            for _ in range(TREE["blocks"])
        )
    )


def tree(workload: Workload, problem: Problem) -> Run:
    model = tree_of_modules()

    def outputs() -> dict[str, Any]:
        return {"modules": len(list(model.modules())), **{k: v.shape for k, v in model.state_dict().items()}}

    steps = {
        "build": tree_of_modules,
        "parameters": lambda: list(model.parameters()),
        "state_dict": lambda: model.state_dict(),
    }
    return Run(steps[workload.model], outputs)


def operation(workload: Workload, problem: Problem) -> Run:
    host = np.arange(8, dtype=np.float32)
    x, y = pm.tensor(host, requires_grad=True), pm.tensor(host)
    return Run(lambda: x + y, lambda: {"sum": pm.to_numpy(x + y)})
