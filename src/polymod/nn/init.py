"""Initial values: functions that fill a Tensor in place, under torch.nn.init's names.

Random ones draw from `polymod.random`, so one seed gives the same values on every engine.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import random
from ..ops import ops
from ..tensor import Tensor, from_host

__all__ = [
    "calculate_gain",
    "constant_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]


def _fill(tensor: Tensor, values: np.ndarray) -> Tensor:
    """Give `tensor` these values, on its device; whatever was recorded on it is untouched."""
    tensor.array = from_host(values.astype(tensor.dtype.dtype, copy=False), tensor.device).array
    return tensor


def constant_(tensor: Tensor, val: float) -> Tensor:
    """`val` everywhere."""
    tensor.array = ops.full_like(tensor.detach(), val).array
    return tensor


def zeros_(tensor: Tensor) -> Tensor:
    """Zeros."""
    return constant_(tensor, 0)


def ones_(tensor: Tensor) -> Tensor:
    """Ones."""
    return constant_(tensor, 1)


def eye_(tensor: Tensor) -> Tensor:
    """Ones on the diagonal of a matrix, zeros elsewhere."""
    if tensor.ndim != 2:
        raise ValueError(f"eye_ needs a matrix, received shape {tensor.shape}")
    rows, columns = tensor.shape
    return _fill(tensor, np.eye(rows, columns))


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: random.Generator | None = None) -> Tensor:
    """Values drawn uniformly from [a, b)."""
    draw = (generator or random.default_generator).uniform
    return _fill(tensor, draw(tensor.shape, tensor.dtype, a, b))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: random.Generator | None = None) -> Tensor:
    """Values drawn from the normal distribution."""
    draw = (generator or random.default_generator).normal
    return _fill(tensor, draw(tensor.shape, tensor.dtype, mean, std))


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: random.Generator | None = None,
) -> Tensor:
    """Values drawn from the normal distribution cut off outside [a, b], by drawing again what falls outside."""
    if not a < b:
        raise ValueError(f"trunc_normal_ needs a < b, received a={a}, b={b}")
    generator = generator or random.default_generator
    values = generator.normal(tensor.shape, tensor.dtype, mean, std)
    for _ in range(1000):
        outside = (values < a) | (values > b)
        if not outside.any():
            return _fill(tensor, values)
        values[outside] = generator.normal((int(outside.sum()),), tensor.dtype, mean, std)
    raise ValueError(f"[{a}, {b}] is too far out in the tail of normal({mean}, {std}) to be drawn from")


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which a layer's initial values grow to make up for the nonlinearity after it.

    He et al. 2015 (relu, leaky_relu); Glorot and Bengio 2010 (linear, tanh); Klambauer et al. 2017 (selu).
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    gains = {"tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75, "linear": 1.0, "sigmoid": 1.0}
    gains |= {f"conv{kind}{n}d": 1.0 for kind in ("", "_transpose") for n in (1, 2, 3)}
    if nonlinearity not in gains:
        raise ValueError(f"unknown nonlinearity {nonlinearity!r}; expected one of leaky_relu, {', '.join(gains)}")
    return gains[nonlinearity]


def fans(tensor: Tensor) -> tuple[int, int]:
    """How many inputs reach an output, and outputs an input, of a weight (out, in, *kernel)."""
    if tensor.ndim < 2:
        raise ValueError(f"fan in and fan out need a weight of two or more axes, received shape {tensor.shape}")
    receptive = math.prod(tensor.shape[2:])
    return tensor.shape[1] * receptive, tensor.shape[0] * receptive


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: random.Generator | None = None) -> Tensor:
    """Uniform in +-gain * sqrt(6 / (fan_in + fan_out)); Glorot and Bengio 2010."""
    bound = gain * math.sqrt(6 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: random.Generator | None = None) -> Tensor:
    """Normal with standard deviation gain * sqrt(2 / (fan_in + fan_out)); Glorot and Bengio 2010."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(fans(tensor))), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode must be 'fan_in' or 'fan_out', received {mode!r}")
    fan = fans(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan) if fan else 0.0


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: random.Generator | None = None,
) -> Tensor:
    """Uniform with standard deviation gain / sqrt(fan); He et al. 2015. `a` is leaky_relu's negative slope."""
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: random.Generator | None = None,
) -> Tensor:
    """Normal with standard deviation gain / sqrt(fan); He et al. 2015. `a` is leaky_relu's negative slope."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def fan_in_uniform_(tensor: Tensor, fan_in: Any) -> Tensor:
    """Uniform in +-1 / sqrt(fan_in): what torch's layers give their biases (and, in effect, their weights)."""
    bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
    return uniform_(tensor, -bound, bound)
