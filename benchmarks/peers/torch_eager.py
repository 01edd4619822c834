"""PyTorch, eager, on the CPU or, as the peer "torch:cuda", on a GPU; float32 without TF32, as CuPy computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..harness import Run
from ..imports import importing
from ..workloads import TREE, Problem, Workload, cotangent

NAME, PACKAGE = "torch", "torch"


class MLP(nn.Module):
    def __init__(self, inputs: int, hidden: int = 256, out: int = 10) -> None:
        super().__init__()
        self.hidden = nn.Linear(inputs, hidden)
        self.out = nn.Linear(hidden, out)

    def forward(self, x: Any) -> Any:
        return self.out(F.relu(self.hidden(x)))


class NestMLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
        self.linear = nn.Linear(32, 16)

    def forward(self, x: Any) -> Any:
        return self.linear(self.net(x))


class FixedHiddenMLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("rand_weight", torch.rand(20, 20))
        self.linear = nn.Linear(20, 20)

    def forward(self, x: Any) -> Any:
        x = self.linear(x)
        x = F.relu(x @ self.rand_weight + 1)
        x = self.linear(x)
        while abs(x).sum() > 1:
            x = x / 2
        return x.sum()


class CNN(nn.Module):
    def __init__(self, image: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *self.convolution(1, 16),
            nn.MaxPool2d(2),
            *self.convolution(16, 32),
            *self.convolution(32, 32),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )
        self.hidden = nn.Linear(32 * (image // 4) ** 2, 64)
        self.out = nn.Linear(64, 10)

    @staticmethod
    def convolution(a: int, b: int) -> tuple[nn.Module, ...]:
        return nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()

    def forward(self, x: Any) -> Any:
        return self.out(F.relu(self.hidden(self.features(x))))


def model_for(workload: Workload, problem: Problem) -> nn.Module:
    if workload.model == "chimera":
        return nn.Sequential(NestMLP(), nn.Linear(16, 20), FixedHiddenMLP())
    if workload.model == "mlp":
        return MLP(problem.inputs["x"].shape[-1], **workload.arguments)
    if workload.model == "narrow":
        width = workload.arguments["width"]
        return nn.Sequential(*(m for _ in range(96) for m in (nn.Linear(width, width), nn.ReLU())))
    if workload.model == "cnn":
        return CNN(problem.inputs["x"].shape[-1])
    size = workload.arguments["d_model"]
    return nn.TransformerEncoderLayer(
        size, workload.arguments["nhead"], 4 * size, 0.0, "gelu", batch_first=True, norm_first=True
    )


def check_place(place: str) -> None:
    """Raise ValueError where torch has no such device."""
    try:
        torch.empty(1, device=place)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"torch has no device {place!r} here: {str(error).splitlines()[0]}") from error


def has_gpu() -> bool:
    return torch.cuda.is_available()


def build(workload: Workload, problem: Problem, place: str = "cpu") -> Run | None:
    kinds = {
        "train": train,
        "recorded": train,
        "inference": train,
        "product": product,
        "forward": layer,
        "layer": layer,
        "tree": tree,
        "operation": operation,
    }
    if workload.kind not in kinds:
        return importing(workload, "import torch", f"torch.zeros(1, device={place!r})")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    with torch.device(place):
        run = kinds[workload.kind](workload, problem)
    if place.startswith("cuda"):
        run.synchronize = lambda: torch.cuda.synchronize(place)
        run.peak_memory = lambda function: peak_memory(place, function)
        run.on_host = False
    return run


def peak_memory(place: str, function: Callable[[], Any]) -> int:
    torch.cuda.reset_peak_memory_stats(place)
    before = torch.cuda.memory_allocated(place)
    function()
    return torch.cuda.max_memory_allocated(place) - before


def host(x: torch.Tensor) -> np.ndarray:
    return x.detach().cpu().numpy().copy()


def product(workload: Workload, problem: Problem) -> Run:
    x, y = (torch.tensor(problem.inputs[name]) for name in "xy")
    return Run(lambda: x @ y, lambda: {"product": host(x @ y)})


def train(workload: Workload, problem: Problem) -> Run:
    model = model_for(workload, problem)
    state = {k: torch.tensor(v) for k, v in problem.weights.items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    odd = [k for k in missing if "running" not in k and "num_batches" not in k] + unexpected
    if odd:
        raise ValueError(f"torch's model has other weights: {', '.join(odd[:5])}")
    x, y = (torch.tensor(problem.inputs[k]) if k in problem.inputs else None for k in "xy")
    optimizer = None
    if workload.optimizer is not None:
        name, options = workload.optimizer
        optimizer = getattr(torch.optim, name)(model.parameters(), **options)

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

    def infer() -> Any:
        with torch.no_grad():
            return model(x)

    def held() -> int:
        state = [] if optimizer is None else optimizer.state.values()
        arrays = [x, y, *model.parameters(), *model.buffers(), *(v for s in state for v in s.values())]
        return sum(a.nbytes for a in arrays if isinstance(a, torch.Tensor))

    model.train(workload.kind != "inference")
    if workload.kind != "train":
        call = infer if workload.kind == "inference" else lambda: model(x)
        return Run(call, lambda: {"output": host(call())}, held=held)

    def outputs() -> dict[str, Any]:
        loss = host(step())
        gradients = {f"gradient of {n}": host(p.grad) for n, p in model.named_parameters()}
        return {"loss": loss, "loss after a step": host(step()), **gradients}

    return Run(step, outputs, held=held)


def layer(workload: Workload, problem: Problem) -> Run:
    model = getattr(nn, workload.model)(**workload.arguments)
    model.load_state_dict({k: torch.tensor(v) for k, v in problem.weights.items()})
    x = torch.tensor(problem.inputs["x"], requires_grad=True)

    def call() -> Any:
        y = model(x)
        return y[0] if isinstance(y, tuple) else y

    def forward() -> Any:
        with torch.no_grad():
            return call()

    g = torch.tensor(cotangent(tuple(forward().shape)))

    def both() -> Any:
        model.zero_grad()
        x.grad = None
        y = call()
        y.backward(g)
        return x.grad

    def outputs() -> dict[str, Any]:
        found = {"output": host(forward())}
        if workload.kind == "layer":
            found["gradient of the input"] = host(both())
            found |= {f"gradient of {n}": host(p.grad) for n, p in model.named_parameters()}
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
        shapes = {k: tuple(v.shape) for k, v in model.state_dict().items()}
        return {"modules": len(list(model.modules())), **shapes}

    steps = {
        "build": tree_of_modules,
        "parameters": lambda: list(model.parameters()),
        "state_dict": lambda: model.state_dict(),
    }
    return Run(steps[workload.model], outputs)


def operation(workload: Workload, problem: Problem) -> Run:
    numbers = np.arange(8, dtype=np.float32)
    x, y = torch.tensor(numbers, requires_grad=True), torch.tensor(numbers)
    return Run(lambda: x + y, lambda: {"sum": host(x + y)})
