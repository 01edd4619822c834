"""Recurrent layers over whole sequences."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, ClassVar

import numpy as np

from ..errors import ShapeError
from ..ops import ops
from ..rules import primitives
from ..tensor import Tensor, wrap
from . import functional as F
from . import init
from .checks import number, size
from .functional.dropout import check_probability
from .module import Module
from .parameter import Parameter, UninitializedParameter, is_lazy
from .utils.rnn import PackedSequence

__all__ = ["GRU", "LSTM", "RNN", "RNNBase"]

_rnn: Any = primitives["rnn"]
_lstm: Any = primitives["lstm"]
_gru: Any = primitives["gru"]


class RNNBase(Module):
    """What the recurrent layers have in common.

    Args:
        mode: "RNN_TANH", "RNN_RELU", "LSTM" or "GRU".
        input_size: the width of the input; None finds it at the first call.
        hidden_size: the width of the states.
        num_layers: how many layers, each of which takes the output of the one before.
        bias: whether there are biases.
        batch_first: (N, T, width) in and out instead of (T, N, width). States are (layers, N, width) in any case.
        dropout: the probability of dropping an element of a layer's output in training, but for the last layer's.
        bidirectional: run each layer a second time from the end to the beginning, with weights of its own; the second
            half of the output's columns comes from there.
        proj_size: of an LSTM: the width to which each output h is projected, 0 for none.
        device, dtype: of the parameters.

    Parameters, for each layer k and with `_reverse` at the end for the second direction: `weight_ih_lk` (G, input
    width), `weight_hh_lk` (G, output width), `bias_ih_lk` and `bias_hh_lk` (G,), `weight_hr_lk` (proj_size,
    hidden_size), where G is hidden_size times the number of gates. All are drawn uniformly from
    +-1 / sqrt(hidden_size).

    Raises:
        TypeError: a size is no whole number, `bias` or `batch_first` no boolean, `dropout` no number.
        ValueError: a size is not positive, proj_size not below hidden_size, or dropout no probability.
    """

    gates: ClassVar[dict[str, int]] = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}
    input_size: int | None
    weight_ih_l0: Parameter

    def __init__(
        self,
        mode: str,
        input_size: int | None,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if mode not in self.gates:
            raise ValueError(f"mode must be one of {', '.join(self.gates)}, received {mode!r}")
        for name, flag in (("bias", bias), ("batch_first", batch_first)):
            if not isinstance(flag, bool):
                raise TypeError(f"{name} must be True or False, received {flag!r}")
        check_probability(number(dropout, "dropout"))
        self.mode = mode
        self.input_size = None if input_size is None else size(input_size, "input_size", 1)
        self.hidden_size, self.num_layers = size(hidden_size, "hidden_size", 1), size(num_layers, "num_layers", 1)
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, size(proj_size, "proj_size")
        if self.proj_size >= self.hidden_size:
            raise ValueError(f"proj_size must be below hidden_size {hidden_size}, received {proj_size}")
        if dropout and num_layers == 1:
            warnings.warn(f"dropout={dropout} acts between layers and so not at all with num_layers=1", stacklevel=3)
        for run in self._runs():
            for name, shape in self._shapes(*run):
                if None in shape:
                    parameter: Parameter = UninitializedParameter(device=device, dtype=dtype)
                else:
                    parameter = Parameter(ops.empty(shape, dtype=dtype, device=device))
                setattr(self, name, parameter)
        self.reset_parameters()

    def _runs(self) -> list[tuple[str, int | None]]:
        """For each layer and direction, the end of its parameters' names and the width of its input."""
        directions = ("", "_reverse") if self.bidirectional else ("",)
        width = self._widths[0] * len(directions)
        return [
            (f"_l{k}{direction}", width if k else self.input_size)
            for k in range(self.num_layers)
            for direction in directions
        ]

    def _shapes(self, suffix: str, width: int | None) -> list[tuple[str, tuple[Any, ...]]]:
        """The names and shapes of the parameters of one layer in one direction."""
        rows = self.gates[self.mode] * self.hidden_size
        shapes: list[tuple[str, tuple[Any, ...]]] = [
            (f"weight_ih{suffix}", (rows, width)),
            (f"weight_hh{suffix}", (rows, self._widths[0])),
        ]
        if self.bias:
            shapes += [(f"bias_ih{suffix}", (rows,)), (f"bias_hh{suffix}", (rows,))]
        if self.proj_size:
            shapes.append((f"weight_hr{suffix}", (self.proj_size, self.hidden_size)))
        return shapes

    @property
    def _widths(self) -> tuple[int, ...]:
        """The width of each state, that of the output first."""
        out = self.proj_size or self.hidden_size
        return (out, self.hidden_size) if self.mode == "LSTM" else (out,)

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters, a list for each layer and direction."""
        return [[getattr(self, name) for name, _ in self._shapes(*run)] for run in self._runs()]

    def reset_parameters(self) -> None:
        """Draw the initial values anew."""
        for parameter in self.parameters():
            if not is_lazy(parameter):
                init.fan_in_uniform_(parameter, self.hidden_size)

    def flatten_parameters(self) -> None:
        """Does nothing; in torch it arranges the parameters as cuDNN wants them."""

    def extra_repr(self) -> str:
        usual = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0}
        usual |= {"bidirectional": False}
        shown = (f", {name}={getattr(self, name)}" for name, value in usual.items() if getattr(self, name) != value)
        return f"{self.input_size}, {self.hidden_size}" + "".join(shown)

    # ------------------------------------------------------------------------------------------------- a call

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """Run over sequences.

        Args:
            input: (T, N, input_size); (N, T, input_size) if batch_first; (T, input_size) for a single sequence; or a
                PackedSequence, for sequences of several lengths.
            hx: the initial state (num_layers * directions, N, hidden_size), without N for a single sequence; of an
                LSTM a pair of them, h (proj_size wide if there is one) and c. Zeros by default.

        Returns:
            The output of the last layer for each step, in the form of the input and directions * hidden_size (or
            proj_size) wide; and the final state of each layer and direction, in the form of `hx`.

        Raises:
            ShapeError: the shapes are not these, or there is no step.
            ValueError: the input's dtype is not the parameters'.
            TypeError: `hx` is no pair of states although this is an LSTM, or is one although it is not.
        """
        packed = input if isinstance(input, PackedSequence) else None
        x = _tensor(input if packed is None else packed.data)
        self._check(x, packed)
        single = packed is None and x.ndim == 2
        if packed is not None:
            sizes = tuple(packed.batch_sizes.tolist())
        else:
            if single:
                x = ops.expand_dims(x, axis=1)
            elif self.batch_first:
                x = ops.permute_dims(x, (1, 0, 2))
            steps, batch, width = x.shape
            sizes = (batch,) * steps
            x = ops.reshape(x, (steps * batch, width))
        states = self._states(hx, sizes[0], single)
        if packed is not None and packed.sorted_indices is not None:
            states = [None if s is None else ops.take(s, packed.sorted_indices, axis=1) for s in states]
        y: Any
        y, finals = self._layers(x, states, sizes)
        if packed is not None:
            y = PackedSequence(y, *packed[1:])
            if packed.unsorted_indices is not None:
                finals = [ops.take(s, packed.unsorted_indices, axis=1) for s in finals]
        elif single:
            finals = [ops.squeeze(s, axis=1) for s in finals]
        else:
            y = ops.reshape(y, (steps, batch, y.shape[1]))
            y = ops.permute_dims(y, (1, 0, 2)) if self.batch_first else y
        return y, tuple(finals) if self.mode == "LSTM" else finals[0]

    def _layers(
        self, x: Tensor, states: Sequence[Tensor | None], sizes: tuple[int, ...]
    ) -> tuple[Tensor, list[Tensor]]:
        """All layers on packed rows (rows, width): the last one's output, and the final states."""
        finals: list[list[Tensor]] = [[] for _ in states]
        outputs: list[Tensor] = []
        directions = 2 if self.bidirectional else 1
        last = _Last(sizes)
        for k, (suffix, _) in enumerate(self._runs()):
            if k and k % directions == 0:
                x = _side_by_side(outputs)
                outputs = []
                if self.dropout:
                    x = F.dropout(x, self.dropout, self.training)
            start = [None if s is None else s[k] for s in states]
            reverse = k % directions == 1
            found = self._run(x, suffix, start, sizes=sizes, reverse=reverse)
            outputs.append(found[0])
            for final, state in zip(finals, found, strict=True):
                final.append(last(state, reverse))
        return _side_by_side(outputs), [
            ops.stack(f, axis=0) if len(f) > 1 else ops.expand_dims(f[0], axis=0) for f in finals
        ]

    def _run(self, x: Tensor, suffix: str, start: Sequence[Tensor | None], **how: Any) -> tuple[Tensor, ...]:
        """One layer in one direction: the states (rows, width) after every step."""
        weights: list[Any] = [getattr(self, name + suffix) for name in ("weight_ih", "weight_hh")]
        weights += [getattr(self, name + suffix) if self.bias else None for name in ("bias_ih", "bias_hh")]
        if self.mode == "LSTM":
            projection = getattr(self, "weight_hr" + suffix) if self.proj_size else None
            y, cells, _ = _lstm(x, *weights, projection, *start, **how)
            return y, cells
        if self.mode == "GRU":
            y, _ = _gru(x, *weights, *start, **how)
            return (y,)
        return (_rnn(x, *weights, *start, nonlinearity=self.mode[4:].lower(), **how),)

    # ------------------------------------------------------------------------------------------------- checks

    def _check(self, x: Tensor, packed: PackedSequence | None) -> None:
        """Find the width of the first input, and raise what is wrong with this one."""
        name = type(self).__name__
        axes = (2,) if packed is not None else (2, 3)
        if x.ndim not in axes:
            raise ShapeError(f"{name} expects an input with {' or '.join(map(str, axes))} axes, received {x.shape}")
        if self.input_size is None:
            self._find_input_size(x.shape[-1])
        if x.shape[-1] != self.input_size:
            raise ShapeError(f"{name} expects an input of width input_size={self.input_size}, received {x.shape}")
        dtype = self.weight_ih_l0.dtype
        if x.dtype != dtype:
            raise ValueError(
                f"{name}: the input's dtype {x.dtype.name} is not the parameters' {dtype.name}; convert one of them, "
                f"input.to({dtype.name!r}) or model.to({x.dtype.name!r})"
            )
        steps = x.shape[1 if x.ndim == 3 and self.batch_first else 0] if packed is None else len(packed.batch_sizes)
        if steps == 0:
            raise ShapeError(f"{name} expects sequences of one step or more, received {x.shape}")
        if packed is not None:
            sizes = packed.batch_sizes
            if sizes.sum() != x.shape[0] or sizes[-1] < 1 or (sizes[1:] > sizes[:-1]).any():
                raise ShapeError(
                    f"{name} expects a PackedSequence whose batch_sizes are positive, do not grow, and sum to its "
                    f"{x.shape[0]} rows, received {sizes.tolist()}"
                )

    def _find_input_size(self, width: int) -> None:
        for suffix in ("_l0", "_l0_reverse")[: 1 + self.bidirectional]:
            weight = getattr(self, f"weight_ih{suffix}")
            if is_lazy(weight):
                weight.materialize((self.gates[self.mode] * self.hidden_size, size(width, "the input's width", 1)))
                init.fan_in_uniform_(weight, self.hidden_size)
            self.input_size = weight.shape[1]  # it may have been loaded

    def _states(self, hx: Any, batch: int, single: bool) -> list[Tensor | None]:
        """The initial states as (num_layers * directions, N, width) each; None for zeros."""
        names = ("h", "c")[: len(self._widths)]
        if hx is None:
            return [None for _ in names]
        pair = isinstance(hx, list | tuple)
        if pair != (self.mode == "LSTM") or (pair and len(hx) != 2):
            expected = "a pair of states (h, c)" if self.mode == "LSTM" else "one Tensor as its state"
            raise TypeError(f"{type(self).__name__} expects {expected}, received {_described(hx)}")
        states = [_tensor(s) for s in (hx if pair else (hx,))]
        runs = self.num_layers * (2 if self.bidirectional else 1)
        wrong = []
        for name, state, width in zip(names, states, self._widths, strict=True):
            shape = (runs, width) if single else (runs, batch, width)
            if state.shape != shape:
                wrong.append(f"state {name} {shape} is expected with this input, received {state.shape}")
        if wrong:
            raise ShapeError(f"{type(self).__name__}: " + "; ".join(wrong))
        return [ops.expand_dims(s, axis=1) for s in states] if single else list(states)


class RNN(RNNBase):
    """h <- tanh(x W_ih.T + b_ih + h W_hh.T + b_hh), or relu; J. Elman, Cognitive Science 14 (1990) 179-211.

    Args:
        nonlinearity: "tanh" or "relu".

    Other arguments, shapes and errors: see `RNNBase` and `RNNBase.forward`.
    """

    def __init__(
        self,
        input_size: int | None,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        check_nonlinearity(nonlinearity)
        args = (num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype)
        super().__init__(f"RNN_{nonlinearity.upper()}", input_size, hidden_size, *args)
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory; S. Hochreiter and J. Schmidhuber, Neural Computation 9 (1997) 1735-1780.

    With the four parts i, f, g, o of x W_ih.T + b_ih + h W_hh.T + b_hh, which is the order of the weights' rows:

        c <- sigmoid(f) c + sigmoid(i) tanh(g),    h <- sigmoid(o) tanh(c),  times W_hr.T if there is a proj_size

    Arguments, shapes and errors: see `RNNBase` and `RNNBase.forward`.
    """

    def __init__(
        self,
        input_size: int | None,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        args = (num_layers, bias, batch_first, dropout, bidirectional, proj_size, device, dtype)
        super().__init__("LSTM", input_size, hidden_size, *args)


class GRU(RNNBase):
    """Gated recurrent units; K. Cho et al., arXiv:1406.1078.

    With the three parts r, z, n of a = x W_ih.T + b_ih and of b = h W_hh.T + b_hh, which is the order of their rows:

        h <- (1 - z) n + z h,  where  r, z = sigmoid(a + b)  and  n = tanh(a_n + r b_n)

    Arguments, shapes and errors: see `RNNBase` and `RNNBase.forward`.
    """

    def __init__(
        self,
        input_size: int | None,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        args = (num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype)
        super().__init__("GRU", input_size, hidden_size, *args)


class _Last:
    """The last state of each sequence, from those of all rows."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        self.steps, self.batch = len(sizes), sizes[0]
        self.rows: Any = slice(sum(sizes) - self.batch, None)
        if sizes[-1] != self.batch:
            lasts = [
                np.arange(m, n) + start for (n, m), start in zip(pairwise((*sizes, 0)), _starts(sizes), strict=True)
            ]
            self.rows = np.concatenate(lasts[::-1])

    def __call__(self, states: Tensor, reverse: bool) -> Tensor:
        if self.steps == 1:
            return states
        if reverse:
            return ops.index(states, key=(slice(0, self.batch), ...))
        if isinstance(self.rows, slice):
            return ops.index(states, key=(self.rows, ...))
        return ops.take(states, ops.asarray(self.rows, device=states.device), axis=0)


def _starts(sizes: tuple[int, ...]) -> list[int]:
    return [0, *accumulate(sizes[:-1])]


def _side_by_side(outputs: list[Tensor]) -> Tensor:
    return outputs[0] if len(outputs) == 1 else ops.concat(outputs, axis=1)


def check_nonlinearity(nonlinearity: Any) -> None:
    """Raises ValueError unless it is "tanh" or "relu"."""
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"nonlinearity must be 'tanh' or 'relu', received {nonlinearity!r}")


def _described(hx: Any) -> str:
    return f"a {type(hx).__name__} of {len(hx)}" if isinstance(hx, list | tuple) else f"a {type(hx).__name__}"


def _tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else wrap(x)
