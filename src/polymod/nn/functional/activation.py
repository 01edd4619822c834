"""Activations as torch.nn.functional has them.

`inplace` is accepted and changes nothing: the result is always a new Tensor. A function whose name ends in an
underscore gives its input the new values and returns it, as the operators `+=` and the like do.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

from ... import dtypes, random
from ...errors import ShapeError
from ...ops import ops
from ...rules import primitives
from ...tensor import Tensor, raw, wrap

__all__ = [
    "celu",
    "celu_",
    "elu",
    "elu_",
    "gelu",
    "glu",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "leaky_relu",
    "leaky_relu_",
    "log_softmax",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
]

_relu, _leaky_relu, _prelu, _threshold = (primitives[n] for n in ("relu", "leaky_relu", "prelu", "threshold"))
_hardtanh, _hardsigmoid, _hardswish = (primitives[n] for n in ("hardtanh", "hardsigmoid", "hardswish"))
_hardshrink, _softshrink = primitives["hardshrink"], primitives["softshrink"]
_elu, _silu, _glu, _mish, _softplus = (primitives[n] for n in ("elu", "silu", "glu", "mish", "softplus"))
_sigmoid, _log_expit, _tanh, _gelu = (primitives[n] for n in ("sigmoid", "log_expit", "tanh", "gelu"))
_softmax, _log_softmax = primitives["softmax"], primitives["log_softmax"]

# the fixed point of means 0 and variances 1; Klambauer et al., arXiv:1706.02515
SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def _floating(x: Any) -> Tensor:
    """`x` as a Tensor of a floating dtype: its own, or the default for whole numbers and booleans."""
    x = x if isinstance(x, Tensor) else wrap(x)
    return x if x.dtype.kind in "fc" else ops.astype(x, dtypes.default_float())


def _put(input: Tensor, function: Callable[..., Tensor], *args: Any) -> Tensor:
    """`input` with the values of function(input, *args); GradientError for a leaf that requires grad."""
    name = f"{function.__name__.strip('_')}_"
    if not isinstance(input, Tensor):
        raise TypeError(f"{name} changes a Tensor, received {type(input).__name__}")
    result = function(input._latest(), *args)
    if result.dtype != input.dtype:
        raise TypeError(f"{name} of {input.dtype} gives {result.dtype}, which the input can't hold")
    return input._rebind(result, name)


# --------------------------------------------------------------------------------------- of straight pieces


def relu(input: Any, inplace: bool = False) -> Tensor:
    """max(input, 0), elementwise; its derivative at 0 is 0."""
    return _relu(input)


def relu_(input: Tensor) -> Tensor:
    """`relu` that gives `input` its values."""
    return _put(input, relu)


def relu6(input: Any, inplace: bool = False) -> Tensor:
    """min(max(input, 0), 6), elementwise."""
    return hardtanh(input, 0.0, 6.0)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """input where it is above 0, negative_slope * input elsewhere."""
    return _leaky_relu(_floating(input), negative_slope=negative_slope)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """`leaky_relu` that gives `input` its values."""
    return _put(input, leaky_relu, negative_slope)


def prelu(input: Any, weight: Any) -> Tensor:
    """input where it is above 0, weight * input elsewhere; He et al., arXiv:1502.01852.

    Args:
        input: (N, C, *), or any shape with a weight of one element.
        weight: (C,), (1,) or ().

    Raises:
        ShapeError: the shapes are not these.
    """
    shape, given = tuple(raw(input).shape), tuple(raw(weight).shape)
    count = math.prod(given)
    if len(given) > 1 or (count != 1 and count != (shape[1] if len(shape) > 1 else 1)):
        raise ShapeError(
            f"prelu of an input of shape {shape}: a weight (1,) or (channels,) is expected, received {given}"
        )
    if given:
        weight = ops.reshape(weight, (count, *(1,) * (len(shape) - 2)) if len(shape) > 1 else (1,) * len(shape))
    return _prelu(_floating(input), weight)


def rrelu(
    input: Any,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    inplace: bool = False,
    generator: random.Generator | None = None,
) -> Tensor:
    """`leaky_relu`, in training with a slope drawn from [lower, upper) for each element, else with their mean.

    Xu et al., arXiv:1505.00853.

    Raises:
        ValueError: `lower` is above `upper`.
    """
    check_bounds("rrelu", "lower", lower, "upper", upper)
    x = _floating(input)
    if not training:
        return _leaky_relu(x, negative_slope=(lower + upper) / 2)
    return _prelu(x, random.uniform(lower, upper, x.shape, dtype=x.dtype, generator=generator, device=x.device))


def rrelu_(
    input: Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    generator: random.Generator | None = None,
) -> Tensor:
    """`rrelu` that gives `input` its values."""
    return _put(input, rrelu, lower, upper, training, False, generator)


def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """input where it is above `threshold`, `value` elsewhere."""
    threshold, value = _in_kind(input, threshold, value)
    return _threshold(input, threshold=threshold, value=value)


_above = threshold  # by a name that the next function's argument does not hide


def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """`threshold` that gives `input` its values."""
    return _put(input, _above, threshold, value)


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """input within [min_val, max_val], else the nearer of the two; the derivative at both is 0.

    Raises:
        ValueError: `min_val` is above `max_val`.
    """
    check_bounds("hardtanh", "min_val", min_val, "max_val", max_val)
    low, high = _in_kind(input, min_val, max_val)
    return _hardtanh(input, low=low, high=high)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """`hardtanh` that gives `input` its values."""
    return _put(input, hardtanh, min_val, max_val)


def hardsigmoid(input: Any, inplace: bool = False) -> Tensor:
    """input / 6 + 1/2 within [-3, 3], 0 below and 1 above; the derivative at both ends is 0."""
    return _hardsigmoid(_floating(input))


def hardswish(input: Any, inplace: bool = False) -> Tensor:
    """input * hardsigmoid(input); Howard et al., arXiv:1905.02244."""
    return _hardswish(_floating(input))


def hardshrink(input: Any, lambd: float = 0.5) -> Tensor:
    """0 where |input| is at most `lambd`, input elsewhere."""
    return _hardshrink(_floating(input), width=lambd)


def softshrink(input: Any, lambd: float = 0.5) -> Tensor:
    """0 where |input| is at most `lambd`, elsewhere input moved towards 0 by `lambd`.

    Raises:
        ValueError: `lambd` is negative.
    """
    check_width(lambd)
    return _softshrink(_floating(input), width=lambd)


def _in_kind(x: Any, *numbers: float) -> tuple[float, ...]:
    """The numbers, whole ones for an `x` of whole numbers, whose dtype the result then has."""
    return tuple(map(int, numbers)) if dtypes.dtype(raw(x).dtype).kind in "iu" else numbers


def check_bounds(function: str, low_name: str, low: float, high_name: str, high: float) -> None:
    """Raises ValueError where the bounds are in the wrong order."""
    if low > high:
        raise ValueError(f"{function}: {low_name} must not be above {high_name}, received {low} and {high}")


def check_width(lambd: float) -> float:
    """Raises ValueError where this is no width for `softshrink`."""
    if lambd < 0:
        raise ValueError(f"softshrink: lambd must not be negative, received {lambd}")
    return lambd


# -------------------------------------------------------------------------------------------------- smooth


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """input where it is above 0, alpha * (exp(input) - 1) elsewhere; Clevert et al., arXiv:1511.07289."""
    return _elu(input, alpha=alpha, scale=1.0, rate=1.0)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`elu` that gives `input` its values."""
    return _put(input, elu, alpha)


def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """input where it is above 0, alpha * (exp(input / alpha) - 1) elsewhere; J. T. Barron, arXiv:1704.07483.

    Raises:
        ValueError: `alpha` is 0.
    """
    return _elu(input, alpha=check_alpha(alpha), scale=1.0, rate=1 / alpha)


def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`celu` that gives `input` its values."""
    return _put(input, celu, alpha)


def check_alpha(alpha: float) -> float:
    """Raises ValueError where this is no alpha for `celu`."""
    if alpha == 0:
        raise ValueError("celu: alpha must not be 0")
    return alpha


def selu(input: Any, inplace: bool = False) -> Tensor:
    """The `elu` that brings means to 0 and variances to 1, layer by layer; Klambauer et al., arXiv:1706.02515."""
    return _elu(input, alpha=SELU_ALPHA, scale=SELU_SCALE, rate=1.0)


def selu_(input: Tensor) -> Tensor:
    """`selu` that gives `input` its values."""
    return _put(input, selu)


def sigmoid(input: Any) -> Tensor:
    """1 / (1 + exp(-input)), elementwise."""
    return _sigmoid(input)


def logsigmoid(input: Any) -> Tensor:
    """log(sigmoid(input)), elementwise, also where sigmoid underflows."""
    return _log_expit(input)


def tanh(input: Any) -> Tensor:
    """The hyperbolic tangent, elementwise."""
    return _tanh(_floating(input))


def tanhshrink(input: Any) -> Tensor:
    """input - tanh(input), elementwise."""
    input = _floating(input)
    return input - _tanh(input)


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * input)) / beta, and input itself where beta * input is above `threshold`."""
    return _softplus(input, beta=beta, threshold=threshold)


def softsign(input: Any) -> Tensor:
    """input / (1 + |input|), elementwise."""
    input = _floating(input)
    return input / (1 + ops.abs(input))


def silu(input: Any, inplace: bool = False) -> Tensor:
    """input * sigmoid(input), also called swish; D. Hendrycks and K. Gimpel, arXiv:1606.08415."""
    return _silu(input)


def mish(input: Any, inplace: bool = False) -> Tensor:
    """input * tanh(softplus(input)); D. Misra, arXiv:1908.08681."""
    return _mish(input)


def gelu(input: Any, approximate: str = "none") -> Tensor:
    """input times the probability that a standard normal variable is below it, elementwise.

    Args:
        approximate: "none", or "tanh" for 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x**3)));
            D. Hendrycks and K. Gimpel, arXiv:1606.08415.

    Raises:
        ValueError: `approximate` is neither.
    """
    if approximate == "none":
        return _gelu(input)
    return _gelu(input, approximate=check_approximate(approximate))


def check_approximate(approximate: str) -> str:
    """Raises ValueError where this is not a form of `gelu`."""
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate must be 'none' or 'tanh', received {approximate!r}")
    return approximate


def glu(input: Any, dim: int = -1) -> Tensor:
    """a * sigmoid(b), where a and b are the halves of `input` along `dim`; Dauphin et al., arXiv:1612.08083.

    Raises:
        ShapeError: that axis is missing or of odd length.
    """
    shape = tuple(raw(input).shape)
    if not -len(shape) <= dim < len(shape) or shape[dim] % 2:
        raise ShapeError(f"glu expects an axis {dim} of even length, received shape {shape}")
    return _glu(_floating(input), axis=dim)


# -------------------------------------------------------------------------------- normalised exponentials


def softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """exp(input) / sum(exp(input)) along `dim`, without overflow.

    Args:
        dim: the axis whose elements sum to one. None, which is deprecated, means axis 0 of arrays with 0, 1 or 3
            axes and axis 1 of others, as in torch, with a warning.
        dtype: cast the input to it first.

    Raises:
        IndexError: there is no axis `dim`.
    """
    return _along(_softmax, "softmax", input, dim, _stacklevel, dtype)


def softmin(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """`softmax` of -input. Arguments and errors as of `softmax`."""
    return _along(_softmax, "softmin", ops.negative(input), dim, _stacklevel, dtype)


def log_softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """log(softmax(input)) along `dim`, computed without the loss of digits that the two in turn would have.

    Arguments and errors as of `softmax`.
    """
    return _along(_log_softmax, "log_softmax", input, dim, _stacklevel, dtype)


def _along(primitive: Any, name: str, x: Any, dim: int | None, stacklevel: int, dtype: Any) -> Tensor:
    if dtype is not None:
        x = ops.astype(x, dtype, copy=False)
    ndim = raw(x).ndim
    if dim is None:
        dim = 0 if ndim in (0, 1, 3) else 1
        warnings.warn(f"{name} without dim is deprecated; dim={dim} is taken, name it", stacklevel=stacklevel)
    if ndim == 0 and dim in (0, -1):  # a number is a vector of one element
        return ops.reshape(primitive(ops.reshape(x, (1,)), axis=0), ())
    if not -ndim <= dim < ndim:
        raise IndexError(f"{name} along axis {dim} of an array of shape {tuple(raw(x).shape)}, which has {ndim} axes")
    return primitive(x, axis=dim) if raw(x).shape[dim] else ops.exp(x)


def gumbel_softmax(
    logits: Any,
    tau: float = 1.0,
    hard: bool = False,
    eps: float = 1e-10,
    dim: int = -1,
    generator: random.Generator | None = None,
) -> Tensor:
    """A draw from the categorical distribution of `logits` along `dim`, softened so that it has a derivative.

    It is softmax((logits + n) / tau), n being drawn from the Gumbel distribution; Jang et al., arXiv:1611.01144, and
    Maddison et al., arXiv:1611.00712.

    Args:
        tau: the temperature; the smaller, the nearer to one-hot.
        hard: return exactly one-hot vectors, with the derivative of the soft ones.
        eps: not used, as in torch.
        generator: where the random numbers come from, by default `polymod.random`'s default generator.
    """
    logits = _floating(logits)
    u = random.uniform(0.0, 1.0, logits.shape, dtype=logits.dtype, generator=generator, device=logits.device)
    waiting = ops.clip(-ops.log1p(-u), ops.finfo(logits.dtype).smallest_normal, None)  # u may be 0
    soft = softmax((logits - ops.log(waiting)) / tau, dim)
    if not hard:
        return soft
    best = ops.argmax(soft.detach(), axis=dim, keepdims=True)
    along = [1] * logits.ndim
    along[dim] = logits.shape[dim]
    positions = ops.reshape(ops.arange(along[dim], device=logits.device), tuple(along))
    one_hot = ops.astype(ops.equal(positions, best), soft.dtype)
    return one_hot + (soft - soft.detach())
