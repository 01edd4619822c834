"""Recurrent cells: one step of one layer."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..ops import ops
from ..rules import primitives
from ..tensor import Tensor, wrap
from . import init
from .checks import size
from .module import Module
from .parameter import Parameter, UninitializedParameter, is_lazy
from .recurrent import check_nonlinearity

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]

_rnn, _lstm, _gru = primitives["rnn"], primitives["lstm"], primitives["gru"]


class RNNCellBase(Module):
    """What the cells have in common.

    Args:
        input_size: the width of the input; None finds it at the first call.
        hidden_size: the width of the state.
        bias: whether there are biases.
        num_chunks: the number of gates.
        device, dtype: of the parameters.

    Parameters: `weight_ih` (gates * hidden_size, input_size), `weight_hh` (gates * hidden_size, hidden_size), `bias_ih`
    and `bias_hh` (gates * hidden_size,), all drawn uniformly from +-1 / sqrt(hidden_size).
    """

    input_size: int | None

    def __init__(
        self,
        input_size: int | None,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = None if input_size is None else size(input_size, "input_size")
        self.hidden_size, self.bias = size(hidden_size, "hidden_size"), bias
        rows = size(num_chunks, "num_chunks", 1) * self.hidden_size

        def parameter(*shape: int) -> Parameter:
            return Parameter(ops.empty(shape, dtype=dtype, device=device))

        lazy = self.input_size is None
        self.weight_ih: Parameter = (
            UninitializedParameter(device=device, dtype=dtype) if lazy else parameter(rows, input_size)  # type: ignore[arg-type]
        )
        self.weight_hh = parameter(rows, self.hidden_size)
        self.bias_ih = parameter(rows) if bias else None
        self.bias_hh = parameter(rows) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values anew."""
        for parameter in self.parameters():
            if not is_lazy(parameter):
                init.fan_in_uniform_(parameter, self.hidden_size)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        text += "" if self.bias is True else f", bias={self.bias}"
        nonlinearity = getattr(self, "nonlinearity", "tanh")
        return text if nonlinearity == "tanh" else f"{text}, nonlinearity={nonlinearity}"

    def _prepared(self, input: Any, *states: Any) -> tuple[list[Any], dict[str, Any], bool]:
        """The input (N, input_size), the weights and the states (N, hidden_size) or None, as one step of a layer takes
        them; its attributes; and whether the input had no axis N.

        Raises:
            ShapeError: the shapes are not these.
        """
        name, x = type(self).__name__, _tensor(input)
        if x.ndim not in (1, 2):
            raise ShapeError(f"{name} expects an input with 1 or 2 axes, received shape {x.shape}")
        if self.input_size is None:
            if is_lazy(self.weight_ih):
                self.weight_ih.materialize((self.weight_hh.shape[0], x.shape[-1]))
                init.fan_in_uniform_(self.weight_ih, self.hidden_size)
            self.input_size = self.weight_ih.shape[1]  # it may have been loaded
        wrong = []
        if x.shape[-1] != self.input_size:
            wrong.append(f"an input of width input_size={self.input_size} is expected, received {x.shape}")
        expected = (*x.shape[:-1], self.hidden_size)
        given = [s if s is None else _tensor(s) for s in states]
        for s in given:
            if s is not None and s.shape != expected:
                wrong.append(f"a state {expected} is expected with this input, received {s.shape}")
        if wrong:
            raise ShapeError(f"{name}: " + "; ".join(wrong))
        single = x.ndim == 1
        rows = ops.expand_dims(x, axis=0) if single else x
        starts = [ops.expand_dims(s, axis=0) if single and s is not None else s for s in given]
        operands = [rows, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh, *starts]
        return operands, {"sizes": (rows.shape[0],), "reverse": False}, single


class RNNCell(RNNCellBase):
    """A step of `RNN`: tanh(x W_ih.T + b_ih + h W_hh.T + b_hh), or relu.

    Args:
        input_size, hidden_size, bias, device, dtype: see `RNNCellBase`.
        nonlinearity: "tanh" or "relu".

    Raises:
        ValueError: `nonlinearity` is neither.
    """

    def __init__(
        self,
        input_size: int | None,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        check_nonlinearity(nonlinearity)
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Any = None) -> Tensor:
        """The next state, for an input (N, input_size) and a state (N, hidden_size), zeros by default; both may be
        without N."""
        operands, how, single = self._prepared(input, hx)
        h = _rnn(*operands, nonlinearity=self.nonlinearity, **how)
        return h[0] if single else h


class LSTMCell(RNNCellBase):
    """A step of `LSTM`. Arguments: see `RNNCellBase`."""

    def __init__(
        self, input_size: int | None, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Any, hx: Any = None) -> tuple[Tensor, Tensor]:
        """The next states (h, c), for an input (N, input_size) and a pair of states (N, hidden_size), zeros by default;
        all may be without N.

        Raises:
            TypeError: `hx` is no pair.
        """
        if hx is not None and not (isinstance(hx, list | tuple) and len(hx) == 2):
            raise TypeError(f"LSTMCell expects a pair of states (h, c), received a {type(hx).__name__}")
        (x, w_ih, w_hh, b_ih, b_hh, h, c), how, single = self._prepared(input, *(hx or (None, None)))
        h, c, _ = _lstm(x, w_ih, w_hh, b_ih, b_hh, None, h, c, **how)
        return (h[0], c[0]) if single else (h, c)


class GRUCell(RNNCellBase):
    """A step of `GRU`. Arguments: see `RNNCellBase`."""

    def __init__(
        self, input_size: int | None, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Any, hx: Any = None) -> Tensor:
        """The next state, for an input (N, input_size) and a state (N, hidden_size), zeros by default; both may be
        without N."""
        operands, how, single = self._prepared(input, hx)
        h, _ = _gru(*operands, **how)
        return h[0] if single else h


def _tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else wrap(x)
