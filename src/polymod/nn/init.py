"""Initial values: functions that fill a Tensor in place, under torch.nn.init's names.

Random ones draw from `polymod.random`, so one seed gives the same values on every engine.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import random
from ..backend import load_backend, portable
from ..ops import ops
from ..tensor import Tensor, from_host

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
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
    """Ones on the diagonal of a matrix, zeros elsewhere. ValueError where `tensor` is no matrix."""
    return _fill(tensor, np.eye(*_matrix(tensor, "eye_")))


def _matrix(tensor: Tensor, name: str) -> tuple[int, int]:
    if tensor.ndim != 2:
        raise ValueError(f"{name} needs a matrix, received shape {tensor.shape}")
    return tensor.shape[0], tensor.shape[1]


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """The weight of a convolution that gives back its input, as far as there are channels for it.

    Args:
        tensor: (out, in, *kernel) with one to three axes of kernel.
        groups: each block of out / groups channels gets the first `in` of them.

    Raises:
        ValueError: another number of axes, or `groups` does not divide `out`.
    """
    if tensor.ndim not in (3, 4, 5):
        raise ValueError(f"dirac_ needs the weight of a convolution, of 3 to 5 axes, received shape {tensor.shape}")
    out, into, *kernel = tensor.shape
    if groups < 1 or out % groups:
        raise ValueError(f"dirac_: groups must divide the {out} output channels, received {groups}")
    values = np.zeros((groups, out // groups, into, *kernel))
    channels = np.arange(min(out // groups, into))
    centre: Any = (slice(None), channels, channels, *(n // 2 for n in kernel))
    values[centre] = 1
    return _fill(tensor, values.reshape(tensor.shape))


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
    """Values drawn from the normal distribution cut off outside [a, b].

    They are the normal quantiles of probabilities drawn uniformly between those of `a` and `b`.

    Raises:
        ValueError: `a` is not below `b`, or `std` is not positive.
    """
    if not a < b:
        raise ValueError(f"trunc_normal_ needs a < b, received a={a}, b={b}")
    if not std > 0:
        raise ValueError(f"trunc_normal_ needs std > 0, received {std}")
    low, high = (a - mean) / std, (b - mean) / std
    upper = low > 0  # the lower tail has digits that the upper one lacks
    if upper:
        low, high = -high, -low
    bounds = [math.erfc(-z * math.sqrt(0.5)) / 2 for z in (low, high)]
    p = (generator or random.default_generator).uniform(tensor.shape, np.float64, *bounds)
    z = portable["ndtri"](load_backend("numpy").namespace, p) * (-std if upper else std)
    return _fill(tensor, np.clip(z + mean, a, b))


def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: random.Generator | None = None) -> Tensor:
    """A random matrix with orthonormal rows or, where it has more rows than columns, columns; times `gain`.

    Saxe et al., arXiv:1312.6120; uniformly distributed, by F. Mezzadri, arXiv:math-ph/0609050.

    Args:
        tensor: two or more axes; those after the first count as one.

    Raises:
        ValueError: `tensor` has fewer than two axes.
    """
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_ needs two or more axes, received shape {tensor.shape}")
    rows = tensor.shape[0]
    columns = math.prod(tensor.shape[1:])
    draw = (generator or random.default_generator).normal
    q, r = np.linalg.qr(draw((max(rows, columns), min(rows, columns)), np.float64))
    q *= np.where(np.diagonal(r) < 0, -gain, gain)
    return _fill(tensor, (q.T if rows < columns else q).reshape(tensor.shape))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: random.Generator | None = None) -> Tensor:
    """Normal values of standard deviation `std`, but in each column a fraction `sparsity` of the rows, drawn at
    random and rounded up, is 0. J. Martens, "Deep learning via Hessian-free optimization", ICML 2010.

    Raises:
        ValueError: `tensor` is no matrix, or `sparsity` is not in [0, 1].
    """
    rows, columns = _matrix(tensor, "sparse_")
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse_: sparsity must be in [0, 1], received {sparsity}")
    generator = generator or random.default_generator
    values = generator.normal((rows, columns), np.float64, 0.0, std)
    order = np.argsort(generator.uniform((rows, columns), np.float64), axis=0)
    np.put_along_axis(values, order[: math.ceil(sparsity * rows)], 0, axis=0)
    return _fill(tensor, values)


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
