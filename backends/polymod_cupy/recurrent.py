"""Recurrent layers: a step is one matrix product and one kernel for everything else, and nothing is waited for.

The results of all steps are made beforehand, and each step writes its rows; so do the cotangents. What a step begins
with are views of the step before, but for sequences that begin later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy

from polymod.backend import load_backend
from polymod.rules import recurrent as rules

from . import linear
from .launch import TYPES, kernel, launch, or_null, served, textbook

Array = Any
Sizes = tuple[int, ...]


def run(name: str, types: tuple[str, ...], n: int, width: int, *arrays: Array | None, whole: bool = False) -> None:
    """Launch the kernel `name` for n sequences; one that takes rows as they lie is told their elements only."""
    sizes = (n * width,) if whole else (n, width)
    given = map(or_null, arrays)
    launch(kernel("recurrent", name, *types), -(-n * width // 256), 256, *given, *sizes)


def contiguous(*arrays: Array | None) -> list[Array]:
    return [a if a is None else cupy.ascontiguousarray(a) for a in arrays]


def entering(x: Array, w_ih: Array, *biases: Array | None) -> Array:
    """x @ w_ih.T and all biases."""
    y = linear.gemm(x, w_ih.T)
    given = [b for b in biases if b is not None]
    if given:
        linear.add_bias(y, given[0] if len(given) == 1 else given[0] + given[1])
    return y


def before(states: Array, start: Array, sizes: Sizes, reverse: bool) -> Array:
    return rules.before(load_backend("cupy").namespace, states, start, sizes, reverse)


def initial(state: Array | None, width: int, x: Array, sizes: Sizes) -> Array:
    return cupy.zeros((sizes[0], width), x.dtype) if state is None else state


def carried(state: Array, start: Array, n: int) -> Array:
    """The state for a step of n sequences: without those that have ended, with those that begin there."""
    known = state.shape[0]
    return state[:n] if known >= n else cupy.concatenate([state, start[known:n]])


def weights_back(d: Array, x: Array, w_ih: Array, d_recurrent: Array, states: Array, to_input: bool) -> tuple[Any, ...]:
    """The cotangents of x, w_ih, w_hh, b_ih and b_hh."""
    db = linear.column_sums(d)
    return (
        linear.gemm(d, w_ih) if to_input else None,
        linear.gemm(d.T, x),
        linear.gemm(d_recurrent.T, states),
        db,
        db if d_recurrent is d else linear.column_sums(d_recurrent),
    )


# --------------------------------------------------------------------------------------------------- Elman


def rnn(
    x: Array, w_ih: Array, w_hh: Array, b_ih: Any = None, b_hh: Any = None, h: Any = None,
    *, nonlinearity: str, sizes: Sizes, reverse: bool,
) -> Array:  # fmt: skip
    if not served(x, w_ih, w_hh, b_ih, b_hh, h):
        how = {"nonlinearity": nonlinearity, "sizes": sizes, "reverse": reverse}
        return textbook("rnn", x, w_ih, w_hh, b_ih, b_hh, h, **how)
    with x.device:
        width = w_hh.shape[1]
        types = TYPES[x.dtype.name], "true" if nonlinearity == "tanh" else "false"
        w_hh, h = contiguous(w_hh, initial(h, width, x, sizes))
        start, coming = h, entering(x, w_ih, b_ih, b_hh)
        y, work = cupy.empty((x.shape[0], width), x.dtype), cupy.empty((sizes[0], width), x.dtype)
        for rows in rules.steps(sizes, reverse):
            n = rules.height(rows)
            product = linear.gemm(carried(h, start, n), w_hh.T, out=work[:n])
            h = y[rows]
            run("rnn_step", types, n, width, coming[rows], product, h, whole=True)
        return y


def rnn_back(
    g: Array, y: Array, x: Array, w_ih: Array, w_hh: Array, h: Any,
    *, to_input: bool, nonlinearity: str, sizes: Sizes, reverse: bool,
) -> tuple[Any, ...]:  # fmt: skip
    if not served(g, y, x, w_ih, w_hh, h):
        how = {"nonlinearity": nonlinearity, "sizes": sizes, "reverse": reverse}
        return textbook("rnn_back", g, y, x, w_ih, w_hh, h, to_input=to_input, **how)
    with x.device:
        width = w_hh.shape[1]
        types = TYPES[x.dtype.name], "true" if nonlinearity == "tanh" else "false"
        g, y, w_hh = contiguous(g, y, w_hh)
        d = cupy.empty_like(y)
        dh = cupy.zeros((sizes[0], width), y.dtype)  # rows of sequences that have ended, or not begun, stay as they are
        for rows in rules.steps(sizes, not reverse):
            n = rules.height(rows)
            run("rnn_step_back", types, n, width, g[rows], dh, y[rows], d[rows], whole=True)
            linear.gemm(d[rows], w_hh, out=dh[:n])
        states = before(y, initial(h, width, x, sizes), sizes, reverse)
        return *weights_back(d, x, w_ih, d, states, to_input), dh


# ---------------------------------------------------------------------------------------------------- LSTM


def lstm(
    x: Array, w_ih: Array, w_hh: Array, b_ih: Any = None, b_hh: Any = None, w_hr: Any = None, h: Any = None,
    c: Any = None, *, sizes: Sizes, reverse: bool,
) -> tuple[Array, Array, Array]:  # fmt: skip
    if not served(x, w_ih, w_hh, b_ih, b_hh, w_hr, h, c):
        return textbook("lstm", x, w_ih, w_hh, b_ih, b_hh, w_hr, h, c, sizes=sizes, reverse=reverse)
    with x.device:
        count, outputs, width = x.shape[0], w_hh.shape[1], w_hh.shape[0] // 4
        types = (TYPES[x.dtype.name],)
        h, c = contiguous(initial(h, outputs, x, sizes), initial(c, width, x, sizes))
        w_hh, h_start, c_start = cupy.ascontiguousarray(w_hh), h, c
        coming, work = entering(x, w_ih, b_ih, b_hh), cupy.empty((sizes[0], 4 * width), x.dtype)
        y, cells, gates = (cupy.empty(s, x.dtype) for s in ((count, outputs), (count, width), (4 * count, width)))
        hidden = None if w_hr is None else cupy.empty((sizes[0], width), x.dtype)
        for rows in rules.steps(sizes, reverse):
            n = rules.height(rows)
            product = linear.gemm(carried(h, h_start, n), w_hh.T, out=work[:n])
            old, h, c = carried(c, c_start, n), y[rows], cells[rows]
            kept = gates[4 * rows.start : 4 * rows.stop]
            to = h if hidden is None else hidden[:n]
            run("lstm_step", types, n, width, coming[rows], product, old, kept, c, to)
            if hidden is not None:
                linear.gemm(to, w_hr.T, out=h)
        return y, cells, gates


def lstm_back(
    g_y: Any, g_cells: Any, g_gates: Any, y: Array, cells: Array, gates: Array, x: Array, w_ih: Array, w_hh: Array,
    w_hr: Any, h: Any, c: Any, *, to_input: bool, sizes: Sizes, reverse: bool,
) -> tuple[Any, ...]:  # fmt: skip
    arrays = (g_y, g_cells, g_gates, y, cells, gates, x, w_ih, w_hh, w_hr, h, c)
    if g_gates is not None or not served(*arrays):
        return textbook("lstm_back", *arrays, to_input=to_input, sizes=sizes, reverse=reverse)
    with x.device:
        count, outputs, width = x.shape[0], w_hh.shape[1], cells.shape[1]
        types = (TYPES[x.dtype.name],)
        g_y, g_cells, y, cells, gates, w_hh = contiguous(g_y, g_cells, y, cells, gates, w_hh)
        c_before = before(cells, initial(c, width, x, sizes), sizes, reverse)
        d = cupy.empty((count, 4 * width), x.dtype)
        dh, dc = (cupy.zeros((sizes[0], k), x.dtype) for k in (outputs, width))
        hidden, arrived = (None, None) if w_hr is None else (cupy.empty_like(cells), cupy.empty_like(y))
        for rows in rules.steps(sizes, not reverse):
            n = rules.height(rows)
            g_h, dh_now, to = None if g_y is None else g_y[rows], dh[:n], None
            if w_hr is not None:
                now, to = arrived[rows], hidden[rows]
                now[...] = dh_now
                if g_h is not None:
                    now += g_h
                g_h, dh_now = None, linear.gemm(now, w_hr)
            g_c = None if g_cells is None else g_cells[rows]
            kept = gates[4 * rows.start : 4 * rows.stop]
            run("lstm_step_back", types, n, width, g_h, g_c, dh_now, kept, cells[rows], c_before[rows], dc, d[rows], to)
            linear.gemm(d[rows], w_hh, out=dh[:n])
        states = before(y, initial(h, outputs, x, sizes), sizes, reverse)
        dw_hr = None if w_hr is None else linear.gemm(arrived.T, hidden)
        return *weights_back(d, x, w_ih, d, states, to_input), dw_hr, dh, dc


# ----------------------------------------------------------------------------------------------------- GRU


def gru(
    x: Array, w_ih: Array, w_hh: Array, b_ih: Any = None, b_hh: Any = None, h: Any = None,
    *, sizes: Sizes, reverse: bool,
) -> tuple[Array, Array]:  # fmt: skip
    if not served(x, w_ih, w_hh, b_ih, b_hh, h):
        return textbook("gru", x, w_ih, w_hh, b_ih, b_hh, h, sizes=sizes, reverse=reverse)
    with x.device:
        count, width = x.shape[0], w_hh.shape[1]
        types = (TYPES[x.dtype.name],)
        w_hh, b_hh, h = contiguous(w_hh, b_hh, initial(h, width, x, sizes))
        start, coming = h, entering(x, w_ih, b_ih)
        work = cupy.empty((sizes[0], 3 * width), x.dtype)
        y, gates = cupy.empty((count, width), x.dtype), cupy.empty((4 * count, width), x.dtype)
        for rows in rules.steps(sizes, reverse):
            n = rules.height(rows)
            old = carried(h, start, n)
            product = linear.gemm(old, w_hh.T, out=work[:n])
            h, kept = y[rows], gates[4 * rows.start : 4 * rows.stop]
            run("gru_step", types, n, width, coming[rows], product, b_hh, old, kept, h)
        return y, gates


def gru_back(
    g_y: Any, g_gates: Any, y: Array, gates: Array, x: Array, w_ih: Array, w_hh: Array, h: Any,
    *, to_input: bool, sizes: Sizes, reverse: bool,
) -> tuple[Any, ...]:  # fmt: skip
    arrays = (g_y, g_gates, y, gates, x, w_ih, w_hh, h)
    if g_gates is not None or not served(*arrays):
        return textbook("gru_back", *arrays, to_input=to_input, sizes=sizes, reverse=reverse)
    with x.device:
        count, width = x.shape[0], w_hh.shape[1]
        types = (TYPES[x.dtype.name],)
        g_y, y, gates, w_hh = contiguous(g_y, y, gates, w_hh)
        states = before(y, initial(h, width, x, sizes), sizes, reverse)
        d, d_recurrent = (cupy.empty((count, 3 * width), x.dtype) for _ in range(2))
        straight, product = (cupy.zeros((sizes[0], width), x.dtype) for _ in range(2))
        for rows in rules.steps(sizes, not reverse):
            n = rules.height(rows)
            g_now, kept = None if g_y is None else g_y[rows], gates[4 * rows.start : 4 * rows.stop]
            to = d[rows], d_recurrent[rows]
            run("gru_step_back", types, n, width, g_now, product, kept, states[rows], straight, *to)
            linear.gemm(d_recurrent[rows], w_hh, out=product[:n])
        return *weights_back(d, x, w_ih, d_recurrent, states, to_input), straight + product


kernels: dict[str, Callable[..., Any]] = {f.__name__: f for f in (rnn, rnn_back, lstm, lstm_back, gru, gru_back)}
