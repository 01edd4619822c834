"""Activations as modules; what each computes is in `functional.activation`, under the name in lower case.

`inplace` is accepted and shown, and changes nothing: the result is always a new Tensor.
"""

from __future__ import annotations

import warnings
from typing import Any

from ..errors import ShapeError
from ..ops import ops
from ..tensor import Tensor, raw
from . import functional as F
from . import init
from .checks import number, size
from .functional.activation import check_alpha, check_approximate, check_bounds, check_width
from .module import Module
from .parameter import Parameter

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


def _shown(inplace: bool, *before: str) -> str:
    return ", ".join([*before, "inplace=True"] if inplace else before)


def _axis(dim: Any) -> int:
    if not isinstance(dim, int) or isinstance(dim, bool):
        raise TypeError(f"dim must be an integer, received {dim!r}")
    return dim


class _WithInplace(Module):
    """An activation whose only argument is `inplace`."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        return _shown(self.inplace)


# --------------------------------------------------------------------------------------- of straight pieces


class ReLU(_WithInplace):
    """max(input, 0), elementwise."""

    def forward(self, input: Any) -> Tensor:
        return F.relu(input)


class LeakyReLU(Module):
    """input where it is above 0, negative_slope * input elsewhere."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope, self.inplace = number(negative_slope, "negative_slope"), inplace

    def forward(self, input: Any) -> Tensor:
        return F.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        return _shown(self.inplace, f"negative_slope={self.negative_slope}")


class PReLU(Module):
    """`LeakyReLU` with slopes that are learned; He et al., arXiv:1502.01852.

    Args:
        num_parameters: the number of channels, each with its own slope, or 1 for one slope in all.
        init: the slopes' initial value.
        device, dtype: of the parameter.

    Shapes: input (N, num_parameters, *), or any with one slope; weight (num_parameters,).

    Raises:
        ShapeError: (when called) the input has another number of channels.
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters, self.init = size(num_parameters, "num_parameters"), number(init, "init")
        self.weight = Parameter(ops.zeros((self.num_parameters,), dtype=dtype, device=device))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set every slope to its initial value."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Any) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class RReLU(Module):
    """`LeakyReLU` with a slope drawn from [lower, upper) for each element, outside training with their mean.

    Xu et al., arXiv:1505.00853.
    """

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower, self.upper, self.inplace = number(lower, "lower"), number(upper, "upper"), inplace
        check_bounds("RReLU", "lower", lower, "upper", upper)

    def forward(self, input: Any) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training)

    def extra_repr(self) -> str:
        return _shown(self.inplace, f"lower={self.lower}, upper={self.upper}")


class Threshold(Module):
    """input where it is above `threshold`, `value` elsewhere."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold, self.value, self.inplace = number(threshold, "threshold"), number(value, "value"), inplace

    def forward(self, input: Any) -> Tensor:
        return F.threshold(input, self.threshold, self.value)

    def extra_repr(self) -> str:
        return _shown(self.inplace, f"threshold={self.threshold}, value={self.value}")


class Hardtanh(Module):
    """input within [min_val, max_val], else the nearer of the two.

    Args:
        min_val, max_val: ValueError where the first is not below the second.
        inplace: changes nothing.
        min_value, max_value: old names of the first two.
    """

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        if min_value is not None or max_value is not None:
            warnings.warn("Hardtanh: min_value and max_value are now min_val and max_val", FutureWarning, stacklevel=2)
        self.min_val = number(min_val if min_value is None else min_value, "min_val")
        self.max_val = number(max_val if max_value is None else max_value, "max_val")
        self.inplace = inplace
        if self.min_val >= self.max_val:
            raise ValueError(f"min_val must be below max_val, received {self.min_val} and {self.max_val}")

    def forward(self, input: Any) -> Tensor:
        return F.hardtanh(input, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        return _shown(self.inplace, f"min_val={self.min_val}, max_val={self.max_val}")


class ReLU6(Hardtanh):
    """min(max(input, 0), 6), elementwise."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        return _shown(self.inplace)


class Hardsigmoid(_WithInplace):
    """input / 6 + 1/2 within [-3, 3], 0 below and 1 above."""

    def forward(self, input: Any) -> Tensor:
        return F.hardsigmoid(input)

    def extra_repr(self) -> str:
        return ""


class Hardswish(_WithInplace):
    """input * hardsigmoid(input), elementwise."""

    def forward(self, input: Any) -> Tensor:
        return F.hardswish(input)

    def extra_repr(self) -> str:
        return ""


class Hardshrink(Module):
    """0 where |input| is at most `lambd`, input elsewhere."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = number(lambd, "lambd")

    def forward(self, input: Any) -> Tensor:
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Softshrink(Module):
    """0 where |input| is at most `lambd`, elsewhere input moved towards 0 by it. ValueError where it is negative."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = check_width(number(lambd, "lambd"))

    def forward(self, input: Any) -> Tensor:
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


# -------------------------------------------------------------------------------------------------- smooth


class ELU(Module):
    """input where it is above 0, alpha * (exp(input) - 1) elsewhere."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = number(alpha, "alpha"), inplace

    def forward(self, input: Any) -> Tensor:
        return F.elu(input, self.alpha)

    def extra_repr(self) -> str:
        return _shown(self.inplace, f"alpha={self.alpha}")


class CELU(Module):
    """input where it is above 0, alpha * (exp(input / alpha) - 1) elsewhere. ValueError where alpha is 0."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = check_alpha(number(alpha, "alpha")), inplace

    def forward(self, input: Any) -> Tensor:
        return F.celu(input, self.alpha)

    def extra_repr(self) -> str:
        return _shown(self.inplace, f"alpha={self.alpha}")


class SELU(_WithInplace):
    """The `ELU` that brings means to 0 and variances to 1, layer by layer; see `functional.selu`."""

    def forward(self, input: Any) -> Tensor:
        return F.selu(input)


class Sigmoid(Module):
    """1 / (1 + exp(-input)), elementwise."""

    def forward(self, input: Any) -> Tensor:
        return F.sigmoid(input)


class LogSigmoid(Module):
    """log(sigmoid(input)), elementwise."""

    def forward(self, input: Any) -> Tensor:
        return F.logsigmoid(input)


class Tanh(Module):
    """The hyperbolic tangent, elementwise."""

    def forward(self, input: Any) -> Tensor:
        return F.tanh(input)


class Tanhshrink(Module):
    """input - tanh(input), elementwise."""

    def forward(self, input: Any) -> Tensor:
        return F.tanhshrink(input)


class Softplus(Module):
    """log(1 + exp(beta * input)) / beta, and input itself where beta * input is above `threshold`."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = number(beta, "beta"), number(threshold, "threshold")

    def forward(self, input: Any) -> Tensor:
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Softsign(Module):
    """input / (1 + |input|), elementwise."""

    def forward(self, input: Any) -> Tensor:
        return F.softsign(input)


class SiLU(_WithInplace):
    """input * sigmoid(input), elementwise; also called swish."""

    def forward(self, input: Any) -> Tensor:
        return F.silu(input)


class Mish(_WithInplace):
    """input * tanh(softplus(input)), elementwise."""

    def forward(self, input: Any) -> Tensor:
        return F.mish(input)


class GELU(Module):
    """The Gaussian error linear unit; see `functional.gelu`.

    Args:
        approximate: "none" or "tanh"; ValueError for another.
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = check_approximate(approximate)

    def forward(self, input: Any) -> Tensor:
        return F.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class GLU(Module):
    """a * sigmoid(b), where a and b are the halves of the input along `dim`.

    Raises:
        ShapeError: (when called) that axis is missing or of odd length.
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = _axis(dim)

    def forward(self, input: Any) -> Tensor:
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


# -------------------------------------------------------------------------------- normalised exponentials


class _AlongDim(Module):
    """A function along the axis `dim`; None, which is deprecated, as in `functional.softmax`."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = None if dim is None else _axis(dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_AlongDim):
    """exp(input) / sum(exp(input)) along `dim`; see `functional.softmax`."""

    def forward(self, input: Any) -> Tensor:
        return F.softmax(input, self.dim, _stacklevel=5)


class Softmin(_AlongDim):
    """The softmax of -input along `dim`."""

    def forward(self, input: Any) -> Tensor:
        return F.softmin(input, self.dim, _stacklevel=5)


class LogSoftmax(_AlongDim):
    """log(softmax(input)) along `dim`; see `functional.log_softmax`."""

    def forward(self, input: Any) -> Tensor:
        return F.log_softmax(input, self.dim, _stacklevel=5)


class Softmax2d(Module):
    """The softmax over the channels of images (N, C, H, W) or of one image (C, H, W).

    Raises:
        ShapeError: (when called) the input has neither three nor four axes.
    """

    def forward(self, input: Any) -> Tensor:
        if raw(input).ndim not in (3, 4):
            raise ShapeError(f"Softmax2d expects (N, C, H, W) or (C, H, W), received shape {tuple(raw(input).shape)}")
        return F.softmax(input, -3)
