"""Adam and AdamW."""

from __future__ import annotations

from typing import Any

from ..backend import define
from ..dtypes import dtype
from ..errors import CaptureError
from .groups import number
from .optimizer import Optimizer


@define
def adam_step(
    xp: Any,
    parameter: Any,
    gradient: Any,
    exp_avg: Any,
    exp_avg_sq: Any,
    max_exp_avg_sq: Any = None,
    *,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    maximize: bool = False,
) -> tuple[Any, Any, Any, Any]:
    """One step for one parameter: the new parameter, exp_avg, exp_avg_sq and max_exp_avg_sq.

    Args:
        step: the number of this step, from 1.
        max_exp_avg_sq: None without amsgrad.
        decoupled: the weight decay of AdamW.

    A kernel may write the results over its inputs, but never over `gradient`. The real and the imaginary
    parts of complex arrays are parameters of their own, as in torch.
    """
    options = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "weight_decay": weight_decay}
    if dtype(parameter.dtype).kind == "c":
        arrays = (parameter, gradient, exp_avg, exp_avg_sq, max_exp_avg_sq)
        halves = [
            adam_step(
                xp,
                *(None if a is None else part(a) for a in arrays),
                **options,
                step=step,
                decoupled=decoupled,
                maximize=maximize,
            )
            for part in (xp.real, xp.imag)
        ]
        d = parameter.dtype
        pairs = zip(*halves, strict=True)
        results = (None if a is None else xp.astype(a, d) + xp.astype(b, d) * 1j for a, b in pairs)
        return tuple(results)  # type: ignore[return-value]
    g = -gradient if maximize else gradient
    if weight_decay and decoupled:
        parameter = (1 - lr * weight_decay) * parameter
    elif weight_decay:
        g = g + weight_decay * parameter
    exp_avg = exp_avg + (1 - beta1) * (g - exp_avg)
    exp_avg_sq = beta2 * exp_avg_sq + (1 - beta2) * (g * g)
    largest = exp_avg_sq
    if max_exp_avg_sq is not None:
        largest = max_exp_avg_sq = xp.maximum(max_exp_avg_sq, exp_avg_sq)
    size, root = corrections(step, lr, beta1, beta2)
    parameter = parameter - size * (exp_avg / (xp.sqrt(largest) / root + eps))
    return parameter, exp_avg, exp_avg_sq, max_exp_avg_sq


def corrections(step: int, lr: float, beta1: float, beta2: float) -> tuple[float, float]:
    """lr / (1 - beta1^step) and sqrt(1 - beta2^step), which make up for averages that start at zero."""
    return lr / (1 - beta1**step), (1 - beta2**step) ** 0.5


@define
def adam_steps(
    xp: Any,
    parameters: list[Any],
    gradients: list[Any],
    exp_avgs: list[Any],
    exp_avg_sqs: list[Any],
    max_exp_avg_sqs: list[Any] | None = None,
    *,
    steps: list[int],
    scale: Any = None,
    live: Any = None,
    **options: Any,
) -> list[tuple[Any, ...]]:
    """`adam_step` for each parameter; one call, so that an engine can do them all together.

    `scale` is None or a 0-d array that all gradients are multiplied by first. `live` is for engines with capture.
    """
    if live is not None:
        raise CaptureError(f"these parameters, the first of {parameters[0].dtype}, can't be stepped in a captured step")
    if scale is not None:
        gradients = xp.scale_all(gradients, scale)
    lists = [parameters, gradients, exp_avgs, exp_avg_sqs, *([max_exp_avg_sqs] if max_exp_avg_sqs else [])]
    return [
        xp.adam_step(*arrays, step=step, **options)
        for step, arrays in zip(steps, zip(*lists, strict=True), strict=True)
    ]


class Adam(Optimizer):
    """Adam (D. Kingma and J. Ba, arXiv:1412.6980), in torch's form; `weight_decay` is added to the gradient.

    With g the gradient (negated for `maximize`), at step t

        m = betas[0] m + (1 - betas[0]) g
        v = betas[1] v + (1 - betas[1]) g^2
        parameter -= lr / (1 - betas[0]^t) * m / (sqrt(v / (1 - betas[1]^t)) + eps)

    Args:
        params: the parameters, or dicts of options with their "params" (see `Optimizer`).
        lr: the learning rate, at least 0.
        betas: both at least 0 and below 1.
        eps: at least 0.
        weight_decay: at least 0.
        amsgrad: use the largest v so far (S. Reddi et al., "On the convergence of Adam and beyond").
        maximize: ascend instead.

    Raises:
        ValueError: an option is out of its range.
    """

    takes_live = True
    operation = "adam_steps"
    counts_steps = True
    decoupled = False

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**options, "amsgrad": amsgrad, "maximize": maximize})

    def options(self, group: dict[str, Any]) -> dict[str, Any]:
        betas = group["betas"]
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise ValueError(f"betas must be two numbers, received {betas!r}")
        named = {"betas[0]": betas[0], "betas[1]": betas[1]}
        return {
            "lr": number(group, "lr", least=0.0),
            "beta1": number(named, "betas[0]", least=0.0, below=1.0),
            "beta2": number(named, "betas[1]", least=0.0, below=1.0),
            "eps": number(group, "eps", least=0.0),
            "weight_decay": number(group, "weight_decay", least=0.0),
            "decoupled": self.decoupled,
            "maximize": bool(group["maximize"]),
        }

    def state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")[: 3 if group["amsgrad"] else 2]


class AdamW(Adam):
    """Adam with decoupled weight decay: parameter *= 1 - lr * weight_decay before each step, and nothing is
    added to the gradient (I. Loshchilov and F. Hutter, arXiv:1711.05101).

    Arguments as `Adam`, with weight_decay = 0.01 by default.
    """

    decoupled = True

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
