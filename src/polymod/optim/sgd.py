"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from ..backend import Backend, define
from ..errors import CaptureError
from .groups import number
from .optimizer import Optimizer


@define
def sgd_step(
    xp: Any,
    parameter: Any,
    gradient: Any,
    momentum_buffer: Any = None,
    *,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
) -> tuple[Any, Any]:
    """One step for one parameter: the new parameter and the new momentum buffer (None without momentum).

    A kernel may write the results over `parameter` and `momentum_buffer`, never over `gradient`.
    """
    d = -gradient if maximize else gradient
    if weight_decay:
        d = d + weight_decay * parameter
    if momentum:
        if momentum_buffer is None:  # a copy, for a kernel may write over the buffer later
            momentum_buffer = xp.asarray(d, copy=True)
        else:
            momentum_buffer = momentum * momentum_buffer + (1 - dampening) * d
        d = d + momentum * momentum_buffer if nesterov else momentum_buffer
    return parameter - lr * d, momentum_buffer


@define
def sgd_steps(
    xp: Any,
    parameters: list[Any],
    gradients: list[Any],
    momentum_buffers: list[Any] | None = None,
    *,
    scale: Any = None,
    live: Any = None,
    **options: Any,
) -> list[tuple[Any, Any]]:
    """`sgd_step` for each parameter; one call, so that an engine can do them all together.

    `scale` is None or a 0-d array that all gradients are multiplied by first. `live` is for engines with capture.
    """
    if live is not None:
        raise CaptureError(f"these parameters, the first of {parameters[0].dtype}, can't be stepped in a captured step")
    if scale is not None:
        gradients = xp.scale_all(gradients, scale)
    buffers = momentum_buffers or [None] * len(parameters)
    return [xp.sgd_step(*arrays, **options) for arrays in zip(parameters, gradients, buffers, strict=True)]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum, Nesterov's if asked for, and weight decay.

    With g the gradient (negated for `maximize`) plus weight_decay * parameter, the first step sets buffer = g,
    later ones buffer = momentum * buffer + (1 - dampening) * g, and

        parameter -= lr * (g + momentum * buffer if nesterov else buffer)

    which is torch's form of Sutskever et al., "On the importance of initialization and momentum in deep
    learning".

    Args:
        params: the parameters, or dicts of options with their "params" (see `Optimizer`).
        lr: the learning rate, at least 0.
        momentum: at least 0; without it no state is kept.
        dampening: see above.
        weight_decay: at least 0.
        nesterov: needs a momentum and no dampening.
        maximize: ascend instead.

    Raises:
        ValueError: an option is out of its range.
    """

    takes_live = True
    operation = "sgd_steps"

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        super().__init__(params, {**options, "nesterov": nesterov, "maximize": maximize})

    def options(self, group: dict[str, Any]) -> dict[str, Any]:
        options = {
            "lr": number(group, "lr", least=0.0),
            "momentum": number(group, "momentum", least=0.0),
            "dampening": number(group, "dampening"),
            "weight_decay": number(group, "weight_decay", least=0.0),
            "nesterov": bool(group["nesterov"]),
            "maximize": bool(group["maximize"]),
        }
        if options["nesterov"] and (options["momentum"] <= 0 or options["dampening"] != 0):
            raise ValueError("nesterov=True needs a momentum above 0 and a dampening of 0")
        return options

    def state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] else ()

    def initial(self, name: str, backend: Backend, array: Any) -> Any:
        return None  # the first step makes the buffer from the gradient

    def needs(self, name: str) -> bool:
        return False
