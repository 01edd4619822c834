"""The workloads on polymod."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import polymod as pm
from polymod import nn, optim
from polymod.nn import functional as F

from .harness import Run
from .imports import importing
from .workloads import MODELS, TREE, Problem, Workload, cotangent


def build(workload: Workload, problem: Problem, backend: str, captured: bool = False) -> Run | None:
    """The contestant for `workload` with its arrays on `backend`, an engine or a device.

    `captured`: its training step is captured once and replayed; None for other workloads.
    """
    if captured and (workload.kind != "train" or workload.model in READS_VALUES):
        return None
    with pm.use_backend(backend) as device:
        run = KINDS.get(workload.kind)
        if run is None:
            return importing(workload, "import polymod", f"polymod.zeros(1, device={backend!r})")
        contestant = train(workload, problem, captured=True) if captured else run(workload, problem)
        contestant.synchronize = device.backend.synchronize
        count = device.backend.peak_memory
        if count is not None:
            contestant.peak_memory = partial(count, device.native)
        contestant.on_host = device.backend.capabilities.host_access
        return contestant


def product(workload: Workload, problem: Problem) -> Run:
    x, y = (pm.tensor(problem.inputs[name]) for name in "xy")
    return Run(lambda: x @ y, lambda: {"product": pm.to_numpy(x @ y)})


READS_VALUES = ("chimera",)  # models whose Python code looks at values, which no recording can follow


def train(workload: Workload, problem: Problem, captured: bool = False) -> Run:
    model = MODELS[workload.model](**workload.arguments)
    x, y = pm.tensor(problem.inputs["x"]), problem.inputs.get("y")
    y = None if y is None else pm.tensor(y)
    model.eval()
    with pm.no_grad():
        model(x)  # parameters of unknown size get theirs
    model.train(workload.kind != "inference")
    model.load_state_dict(problem.weights, strict=False)
    optimizer = None
    if workload.optimizer is not None:
        name, options = workload.optimizer
        optimizer = getattr(optim, name)(model.parameters(), **options)

    def loss_of(output: Any, y: Any) -> Any:
        if workload.loss == "sum":
            return output.sum()
        return F.cross_entropy(output, y) if workload.loss == "cross_entropy" else F.mse_loss(output, y)

    def train_on(x: Any, y: Any = None) -> Any:
        model.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        if optimizer is not None:
            optimizer.step()
        return loss

    given = [x] if y is None else [x, y]
    step = partial(pm.capture(train_on, model, optimizer) if captured else train_on, *given)

    def infer() -> Any:
        with pm.no_grad():
            return model(x)

    def held() -> int:
        state = [] if optimizer is None else optimizer.state.values()
        arrays = [x, y, *model.parameters(), *model.buffers(), *(v for s in state for v in s.values())]
        return sum(size_of(a) for a in arrays)

    if workload.kind != "train":
        call = infer if workload.kind == "inference" else lambda: model(x)
        return Run(call, lambda: {"output": pm.to_numpy(call().detach())}, held=held)

    def outputs() -> dict[str, Any]:
        loss = pm.to_numpy(step())
        gradients = {f"gradient of {n}": pm.to_numpy(p.grad) for n, p in model.named_parameters()}
        return {"loss": loss, "loss after a step": pm.to_numpy(step()), **gradients}

    return Run(step, outputs, held=held)


def size_of(x: Any) -> int:
    """The bytes of a Tensor; 0 of what is none."""
    return x.size * x.dtype.itemsize if isinstance(x, pm.Tensor) else 0


def layer(workload: Workload, problem: Problem) -> Run:
    model = getattr(nn, workload.model)(**workload.arguments)
    model.load_state_dict(problem.weights)
    x = pm.tensor(problem.inputs["x"], requires_grad=True)

    def call() -> Any:
        y = model(x)
        return y[0] if isinstance(y, tuple) else y

    def forward() -> Any:
        with pm.no_grad():
            return call()

    g = pm.tensor(cotangent(forward().shape))

    def both() -> Any:
        model.zero_grad()
        x.grad = None
        y = call()
        y.backward(g)
        return x.grad

    def outputs() -> dict[str, Any]:
        found = {"output": pm.to_numpy(forward())}
        if workload.kind == "layer":
            found["gradient of the input"] = pm.to_numpy(both())
            found |= {f"gradient of {n}": pm.to_numpy(p.grad) for n, p in model.named_parameters()}
        return found

    return Run(both if workload.kind == "layer" else forward, outputs)


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


KINDS = {
    "train": train,
    "recorded": train,
    "inference": train,
    "product": product,
    "forward": layer,
    "layer": layer,
    "tree": tree,
    "operation": operation,
}
