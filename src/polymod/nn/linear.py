"""Dense layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import ShapeError
from ..ops import ops
from ..tensor import Tensor, raw
from . import functional as F
from . import init
from .checks import size
from .module import Module
from .parameter import Parameter, UninitializedParameter, is_lazy

__all__ = ["Bilinear", "Dense", "Identity", "LazyLinear", "Linear"]


class Identity(Module):
    """Gives its input back. Arguments are accepted and not used."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input


class Linear(Module):
    """input @ weight.T + bias

    Args:
        in_features: the width of the input; None finds it at the first call.
        out_features: the width of the output.
        bias: whether there is a bias.
        device, dtype: of the parameters.

    Shapes: input (..., in_features), output (..., out_features), weight (out_features, in_features), bias
    (out_features,). Both parameters are drawn uniformly from +-1 / sqrt(in_features).

    Raises:
        ShapeError: (when called) the input's last axis is not in_features.
    """

    in_features: int | None
    bias: Parameter | None

    def __init__(
        self, in_features: int | None, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features = None if in_features is None else size(in_features, "in_features")
        self.out_features = size(out_features, "out_features")
        self.weight: Parameter
        if self.in_features is None:
            self.weight = UninitializedParameter(device=device, dtype=dtype)
        else:
            self.weight = Parameter(ops.empty((self.out_features, self.in_features), dtype=dtype, device=device))
        self.bias = Parameter(ops.zeros((self.out_features,), dtype=dtype, device=device)) if bias else None
        if self.in_features is not None:
            self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values anew."""
        if not is_lazy(self.weight):
            init.fan_in_uniform_(self.weight, self.weight.shape[1])
            if self.bias is not None:
                init.fan_in_uniform_(self.bias, self.weight.shape[1])

    def forward(self, input: Any) -> Tensor:
        if self.in_features is None:
            self._find_in_features(tuple(raw(input).shape))
        return F.linear(input, self.weight, self.bias)

    def _find_in_features(self, shape: tuple[int, ...]) -> None:
        if is_lazy(self.weight):
            if not shape:
                raise ShapeError(f"{type(self).__name__} expects an input of shape (..., in_features), received ()")
            self.weight.materialize((self.out_features, shape[-1]))
            self.reset_parameters()
        self.in_features = self.weight.shape[1]  # it may have been loaded

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class LazyLinear(Linear):
    """A `Linear` that takes in_features from its first input, and is a `Linear` from then on."""

    def __init__(self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__(None, out_features, bias, device, dtype)

    def _find_in_features(self, shape: tuple[int, ...]) -> None:
        super()._find_in_features(shape)
        self.__class__ = Linear  # type: ignore[assignment]


class Bilinear(Module):
    """output[k] = input1 @ weight[k] @ input2 + bias[k]

    Args:
        in1_features, in2_features: the widths of the inputs.
        out_features: the width of the output.
        bias: whether there is a bias.
        device, dtype: of the parameters.

    Shapes: inputs (..., in1_features) and (..., in2_features), output (..., out_features), weight (out_features,
    in1_features, in2_features), bias (out_features,). Both parameters are drawn uniformly from
    +-1 / sqrt(in1_features).

    Raises:
        ShapeError: (when called) the inputs' last axes are not these, or their other axes differ.
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in1_features = size(in1_features, "in1_features", 1)
        self.in2_features = size(in2_features, "in2_features")
        self.out_features = size(out_features, "out_features")
        shape = (self.out_features, self.in1_features, self.in2_features)
        self.weight = Parameter(ops.zeros(shape, dtype=dtype, device=device))
        self.bias = Parameter(ops.zeros((self.out_features,), dtype=dtype, device=device)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values anew."""
        for parameter in (self.weight, self.bias):
            if parameter is not None:
                init.fan_in_uniform_(parameter, self.in1_features)

    def forward(self, input1: Any, input2: Any) -> Tensor:
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


def _softmax(x: Any) -> Tensor:
    return F.softmax(x, -1)


_names = "relu gelu tanh sigmoid elu hardsigmoid hardswish leaky_relu mish relu6 selu silu softplus softsign".split()
_activations: dict[str, Callable[[Any], Any]] = {name: getattr(F, name) for name in _names} | {"softmax": _softmax}


class Dense(Linear):
    """A Linear with an activation after it, which finds the width of its input at the first call.

    Args:
        units: the width of the output.
        activation: the name of a function of `functional` that needs no other argument, such as "relu", "gelu",
            "silu", "tanh", "sigmoid" or "softmax" (over the last axis); any callable; or None.
        bias: whether there is a bias.
        in_features: the width of the input, if it is to be fixed.
        device, dtype: of the parameters.

    Raises:
        ValueError: there is no activation of that name.
        TypeError: `activation` is neither a name nor callable, or a class where an instance is meant.
    """

    def __init__(
        self,
        units: int,
        activation: str | Callable[[Any], Any] | None = None,
        bias: bool = True,
        in_features: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if isinstance(activation, str) and activation not in _activations:
            raise ValueError(
                f"unknown activation {activation!r}; expected one of {', '.join(_activations)}, or a callable"
            )
        if isinstance(activation, type):
            raise TypeError(f"activation is the class {activation.__name__}; give an instance, {activation.__name__}()")
        if activation is not None and not isinstance(activation, str) and not callable(activation):
            raise TypeError(f"activation must be a name, a callable or None, received {activation!r}")
        super().__init__(in_features, size(units, "units"), bias, device, dtype)
        self.activation = activation

    def forward(self, input: Any) -> Any:
        y = super().forward(input)
        activation = self.activation
        if activation is None:
            return y
        return (_activations[activation] if isinstance(activation, str) else activation)(y)

    def extra_repr(self) -> str:
        shown = (
            ""
            if self.activation is None or isinstance(self.activation, Module)
            else f", activation={_name(self.activation)}"
        )
        return f"{self.out_features}{shown}, in_features={self.in_features}, bias={self.bias is not None}"


def _name(activation: Any) -> str:
    return repr(activation) if isinstance(activation, str) else getattr(activation, "__name__", repr(activation))
