"""Recurrent layers: a step is a matrix product and a few elementwise passes, all in place.

What a step works on is contiguous, gate by gate, so that NumPy takes the shortest way through its elementwise functions
and BLAS multiplies by each gate's weights apart, which is faster than by one wide matrix. The sigmoid is
(1 + tanh(x / 2)) / 2, with the inner halves already in the weights, so that one tanh serves all gates. What
backpropagation multiplies cotangents by is found for a block of steps at once, which stays in the processor's cache
until these steps are taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import numpy as np

from .memory import working_memory
from .neural import textbook

Array = np.ndarray
Sizes = tuple[int, ...]

BLOCK_BYTES = 2**20
SMALL = 1e6  # multiplications; products of so many at most OpenBLAS does on matrices as they lie in memory

# i, f, g, o = tanh(HALF * x) * HALF + SHIFT of an LSTM; r, z and n of a GRU are its first three
HALF = {char: np.array([0.5, 0.5, 1, 0.5], char).reshape(4, 1, 1) for char in "fd"}
SHIFT = {char: np.array([0.5, 0.5, 0, 0.5], char).reshape(4, 1, 1) for char in "fd"}
ONE_HALF = {char: np.array(0.5, char) for char in "fd"}


def handled(sizes: Sizes, *arrays: Array | None) -> bool:
    """Whether there are several steps, and all arrays are of one dtype that BLAS knows and not empty.

    For one step it does not pay to arrange the weights.
    """
    given = [a for a in arrays if a is not None]
    dtype = given[0].dtype
    return len(sizes) > 1 and dtype.char in "fd" and all(a.dtype == dtype and a.size for a in given)


# --------------------------------------------------------------------------------------------------- steps


def runs(sizes: Sizes, reverse: bool, row_bytes: int = 0) -> Iterator[tuple[slice, int]]:
    """The rows of steps of equal size n that follow one another, and n; of BLOCK_BYTES or less if `row_bytes` is
    given. In the order in which the steps are taken."""
    spans, stop = [], 0
    for n, group in groupby(sizes):
        count = len(list(group))
        spans.append((stop, n, count))
        stop += n * count
    for start, n, count in spans[::-1] if reverse else spans:
        most = max(1, BLOCK_BYTES // (row_bytes * n)) if row_bytes else count
        for k in range(0, count, most):
            steps = min(most, count - k)
            first = start + n * (count - k - steps if reverse else k)
            yield slice(first, first + n * steps), n


def by_step(x: Any, rows: slice, n: int, reverse: bool) -> Any:
    """Those rows (rows, width) of `x` as steps (steps, n, width), the last first if `reverse`; None is one per step."""
    if x is None:
        return [None] * ((rows.stop - rows.start) // n)
    views = x[rows].reshape(-1, n, x.shape[1])
    return views[::-1] if reverse else views


def gates_by_step(gates: Array, rows: slice, n: int, reverse: bool) -> Array:
    """Those rows of (4 * rows, width), which has the four gates of each step one below the other, as (steps, 4, n,
    width), the last first if `reverse`."""
    views = gates[4 * rows.start : 4 * rows.stop].reshape((rows.stop - rows.start) // n, 4, n, gates.shape[1])
    return views[::-1] if reverse else views


def initial(state: Array | None, width: int, x: Array, sizes: Sizes) -> Array:
    return np.zeros((sizes[0], width), x.dtype) if state is None else state


def full(values: Array, shape: tuple[int, ...]) -> Array:
    """`values` written out in `shape`, since what broadcasts takes a slower way through elementwise functions."""
    result = np.empty(shape, values.dtype)
    result[...] = values
    return result


def carried(state: Array, start: Array, n: int) -> Array:
    """The state for a step of n sequences: without those that have ended, with those that begin there."""
    known = len(state)
    return state[:n] if known > n else state if known == n else np.concatenate([state, start[known:n]])


def before(states: Array, start: Array, sizes: Sizes, reverse: bool) -> Array:
    """For every row the state that its step began with, in working memory."""
    result, state = working_memory("recurrent_before", states.shape, states.dtype), start
    for rows, n in runs(sizes, reverse):
        state = carried(state, start, n)
        first, rest = slice(rows.start, rows.start + n), slice(rows.start + n, rows.stop)
        if reverse:
            first, rest = slice(rows.stop - n, rows.stop), slice(rows.start, rows.stop - n)
        result[first] = state
        if rest.stop > rest.start:
            result[rest] = states[rest.start + n : rest.stop + n] if reverse else states[rest.start - n : rest.stop - n]
        state = states[rows][:n] if reverse else states[rows.stop - n : rows.stop]
    return result


# ----------------------------------------------------------------------------------------- matrix products


def with_bias(x: Array, w_ih: Array, bias: Array | None, count: int, scale: Any) -> tuple[Array, Array]:
    """Factors of (x @ w_ih.T + bias) * scale by gate: (rows, K) and (count, K, H). The bias is one more weight, of an
    input that is 1."""
    rows, width = x.shape
    weights = np.empty((count, width + (bias is not None), len(w_ih) // count), x.dtype)
    np.multiply(w_ih.reshape(count, -1, width).swapaxes(1, 2), scale, out=weights[:, :width])
    if bias is None:
        return x, weights
    np.multiply(bias.reshape(count, 1, -1), scale, out=weights[:, width:])
    wide = np.empty((rows, width + 1), x.dtype)
    wide[:, :width], wide[:, width:] = x, 1
    return wide, weights


def entering(x: Array, w_ih: Array, bias: Array | None, scale: Array, sizes: Sizes) -> Array:
    """(x @ w_ih.T + bias) * scale as (4 * rows, H) for `gates_by_step`; with three gates, the fourth stays empty."""
    count, width = len(scale), len(w_ih) // len(scale)
    x, weights = with_bias(x, w_ih, bias, count, scale)
    gates = np.empty((4 * len(x), width), x.dtype)
    for rows, n in runs(sizes, False):
        steps, found = x[rows], gates_by_step(gates, rows, n, False)[:, :count]
        if n > 1 and n * weights[0].size <= SMALL:
            np.matmul(steps.reshape(-1, 1, n, x.shape[1]), weights, out=found)
        else:
            by_gate = working_memory("recurrent_gates", (count, len(steps), width), x.dtype)
            np.matmul(steps, weights, out=by_gate)
            found[...] = by_gate.reshape(count, -1, n, width).swapaxes(0, 1)
    return gates


def pieces(n: int, depth: int, width: int) -> int:
    """Into how many pieces the columns of a product (n, depth) @ (depth, width) are cut, so that each is small."""
    count = 1
    while n * depth * (width // count) > SMALL and width // count % 64 == 0:
        count *= 2
    return count if n * depth * (width // count) <= SMALL else 1


class ToGates:
    """h @ w_hh.T for states h (n, K), by gate: `call(h)` fills `result` (count, n, H)."""

    def __init__(self, w_hh: Array, count: int, most: int, scale: Any = 1) -> None:
        height, depth = len(w_hh) // count, w_hh.shape[1]
        self.height, self.count, self.parts = height, count, pieces(most, depth, height)
        if most == 1:  # all gates' columns side by side are one vector, as they lie in `result`
            self.weights = np.multiply(
                w_hh.T.reshape(depth, count, height), np.reshape(scale, (-1, 1)), order="C"
            ).reshape(depth, -1)
        else:
            blocks = w_hh.reshape(count, self.parts, -1, depth).swapaxes(2, 3)
            self.weights = np.multiply(blocks, np.reshape(scale, (-1, 1, 1, 1)), order="C")

    def room(self, n: int) -> Array:
        self.result = working_memory("recurrent_step", (self.count, n, self.height), self.weights.dtype)
        if self.weights.ndim == 2:
            self.out = self.result.reshape(1, -1)
        else:
            self.out = self.result.reshape(self.count, n, self.parts, -1).swapaxes(1, 2)
        return self.result

    def __call__(self, h: Array) -> Array:
        np.matmul(h, self.weights, out=self.out)
        return self.result


class FromGates:
    """The transpose: `call(g, out)` puts into `out` (n, K) the sum of g @ w_hh over the gates of g (count, n, H)."""

    def __init__(self, w_hh: Array, count: int, most: int) -> None:
        height, self.width = len(w_hh) // count, w_hh.shape[1]
        self.count, self.parts = count, pieces(most, height, self.width)
        self.weights = w_hh
        if most != 1:
            self.weights = np.ascontiguousarray(w_hh.reshape(count, height, self.parts, -1).swapaxes(1, 2))

    def room(self, n: int) -> None:
        self.result = working_memory("recurrent_step", (self.count, n, self.width), self.weights.dtype)
        self.out = self.result.reshape(self.count, n, self.parts, -1).swapaxes(1, 2)

    def __call__(self, g: Array, out: Array) -> None:
        if self.weights.ndim == 2:
            np.matmul(g.reshape(1, -1), self.weights, out=out)
        else:
            np.matmul(g[:, None], self.weights, out=self.out)
            np.add.reduce(self.result, axis=0, out=out)


def put_side_by_side(gates: Array, rows: slice, reverse: bool, out: Array) -> None:
    """Gates (steps, 4, n, H), the last step first if `reverse`, put into those rows of `out` (rows, 4 * H)."""
    steps, count, n, width = gates.shape
    target = out[rows].reshape(steps, n, count, width)
    (target[::-1] if reverse else target)[...] = gates.swapaxes(1, 2)


def column_sums(g: Array) -> Array:
    """The sum over all rows, which BLAS finds faster than `sum`."""
    return np.matmul(np.ones(len(g), g.dtype), g)


# --------------------------------------------------------------------------------------------------- Elman


def rnn(
    x: Array, w_ih: Array, w_hh: Array, b_ih: Any = None, b_hh: Any = None, h: Any = None,
    *, nonlinearity: str, sizes: Sizes, reverse: bool,
) -> Array:  # fmt: skip
    if not handled(sizes, x, w_ih, w_hh, b_ih, b_hh, h):
        how = {"nonlinearity": nonlinearity, "sizes": sizes, "reverse": reverse}
        return textbook("rnn", x, w_ih, w_hh, b_ih, b_hh, h, **how)
    y = np.empty((len(x), len(w_hh)), x.dtype)
    np.matmul(*with_bias(x, w_ih, None if b_ih is None else b_ih + b_hh, 1, 1), out=y[None])
    h = start = initial(h, len(w_hh), x, sizes)
    to_gates = ToGates(w_hh, 1, sizes[0])
    for rows, n in runs(sizes, reverse):
        h, work = carried(h, start, n), to_gates.room(n)[0]
        for now in by_step(y, rows, n, reverse):
            to_gates(h)
            np.add(now, work, out=now)
            h = np.tanh(now, out=now) if nonlinearity == "tanh" else np.maximum(now, 0, out=now)
    return y


def rnn_back(
    g: Array, y: Array, x: Array, w_ih: Array, w_hh: Array, h: Any,
    *, to_input: bool, nonlinearity: str, sizes: Sizes, reverse: bool,
) -> tuple[Any, ...]:  # fmt: skip
    if not handled(sizes, g, y, x, w_ih, w_hh, h):
        how = {"nonlinearity": nonlinearity, "sizes": sizes, "reverse": reverse}
        return textbook("rnn_back", g, y, x, w_ih, w_hh, h, to_input=to_input, **how)
    width = y.shape[1]
    d = working_memory("recurrent_gates", y.shape, y.dtype)
    dh = np.zeros((sizes[0], width), y.dtype)  # rows of sequences that have ended, or not begun, stay as they are
    from_gates = FromGates(w_hh, 1, sizes[0])
    for rows, n in runs(sizes, not reverse, 4 * width * y.itemsize):
        slope = d[rows]
        if nonlinearity == "tanh":
            np.multiply(y[rows], y[rows], out=slope)
            np.subtract(1, slope, out=slope)
        else:
            np.greater(y[rows], 0, out=slope)
        from_gates.room(n)
        h_now = dh[:n]
        for now, g_now in zip(*(by_step(a, rows, n, not reverse) for a in (d, g)), strict=True):
            np.add(h_now, g_now, out=h_now)
            np.multiply(now, h_now, out=now)
            from_gates(now[None], h_now)
    states = before(y, initial(h, width, x, sizes), sizes, reverse)
    dx, db = np.matmul(d, w_ih) if to_input else None, column_sums(d)
    return dx, np.matmul(d.T, x), np.matmul(d.T, states), db, db, dh


# ---------------------------------------------------------------------------------------------------- LSTM


def lstm(
    x: Array, w_ih: Array, w_hh: Array, b_ih: Any = None, b_hh: Any = None, w_hr: Any = None,
    h: Any = None, c: Any = None, *, sizes: Sizes, reverse: bool,
) -> tuple[Array, Array, Array]:  # fmt: skip
    if not handled(sizes, x, w_ih, w_hh, b_ih, b_hh, w_hr, h, c):
        return textbook("lstm", x, w_ih, w_hh, b_ih, b_hh, w_hr, h, c, sizes=sizes, reverse=reverse)
    rows, width, dtype = len(x), len(w_hh) // 4, x.dtype
    half, shift = HALF[dtype.char], SHIFT[dtype.char]
    gates = entering(x, w_ih, None if b_ih is None else b_ih + b_hh, half, sizes)
    cells, y = np.empty((rows, width), dtype), np.empty((rows, w_hh.shape[1]), dtype)
    h = h_start = initial(h, w_hh.shape[1], x, sizes)
    c = c_start = initial(c, width, x, sizes)
    to_gates = ToGates(w_hh, 4, sizes[0], half)
    add, multiply, tanh = np.add, np.multiply, np.tanh
    for part, n in runs(sizes, reverse):
        h, c = carried(h, h_start, n), carried(c, c_start, n)
        work, t = to_gates.room(n), np.empty((n, width), dtype)
        halves, shifts = full(half, work.shape), full(shift, work.shape)
        states = (by_step(a, part, n, reverse) for a in (cells, y))
        for now, c_now, h_now in zip(gates_by_step(gates, part, n, reverse), *states, strict=True):
            to_gates(h)
            add(now, work, out=now)
            tanh(now, out=now)
            multiply(now, halves, out=now)
            add(now, shifts, out=now)
            i, f, g, o = now
            c = multiply(f, c, out=c_now)
            add(c, multiply(i, g, out=t), out=c)
            tanh(c, out=t)
            if w_hr is None:
                h = multiply(o, t, out=h_now)
            else:
                h = np.matmul(multiply(o, t, out=t), w_hr.T, out=h_now)
    return y, cells, gates


def lstm_back(
    g_y: Any, g_cells: Any, g_gates: Any, y: Array, cells: Array, gates: Array, x: Array,
    w_ih: Array, w_hh: Array, w_hr: Any, h: Any, c: Any,
    *, to_input: bool, sizes: Sizes, reverse: bool,
) -> tuple[Any, ...]:  # fmt: skip
    arrays = (g_y, g_cells, g_gates, y, cells, gates, x, w_ih, w_hh, w_hr, h, c)
    if g_gates is not None or not handled(sizes, *arrays):
        return textbook("lstm_back", *arrays, to_input=to_input, sizes=sizes, reverse=reverse)
    width, dtype = cells.shape[1], cells.dtype
    d = working_memory("recurrent_rows", (len(y), 4 * width), dtype)
    c_before = before(cells, initial(c, width, x, sizes), sizes, reverse)
    # rows of sequences that have ended, or not begun, stay as they are
    dh, dc = np.zeros((sizes[0], y.shape[1]), dtype), np.zeros((sizes[0], width), dtype)
    hidden, outputs = (None, None) if w_hr is None else (np.empty_like(cells), np.empty_like(y))
    from_gates, back = FromGates(w_hh, 4, sizes[0]), not reverse
    add, multiply, subtract = np.add, np.multiply, np.subtract
    for part, n in runs(sizes, back, 15 * width * dtype.itemsize):
        # cotangents are slopes times dc, or, of o, times dh; and dc gains t times dh
        every = gates_by_step(gates, part, n, back)
        slopes = working_memory("recurrent_gates", every.shape, dtype)
        t = working_memory("recurrent_cells", (len(every), n, width), dtype)
        (i, f, g, o), (di, df, dg, do) = every.swapaxes(0, 1), slopes.swapaxes(0, 1)
        np.tanh(by_step(cells, part, n, back), out=t)
        if hidden is not None:
            multiply(o, t, out=by_step(hidden, part, n, back))
        subtract(1, every, out=slopes)
        slopes *= every
        multiply(g, g, out=dg)
        subtract(1, dg, out=dg)
        di *= g
        df *= by_step(c_before, part, n, back)
        dg *= i
        do *= t
        multiply(t, t, out=t)
        subtract(1, t, out=t)
        t *= o
        h_now, c_now = dh[:n], dc[:n]
        from_gates.room(n)
        given = (by_step(a, part, n, back) for a in (g_y, g_cells, outputs))
        for now, inside, f_now, g_h, g_c, dy in zip(slopes, t, f, *given, strict=True):
            if g_h is not None:
                add(h_now, g_h, out=h_now)
            g_out = h_now
            if dy is not None:
                dy[...] = h_now
                g_out = np.matmul(h_now, w_hr)
            if g_c is not None:
                add(c_now, g_c, out=c_now)
            add(c_now, multiply(inside, g_out, out=inside), out=c_now)
            di, df, dg, do = now
            multiply(di, c_now, out=di)
            multiply(df, c_now, out=df)
            multiply(dg, c_now, out=dg)
            multiply(do, g_out, out=do)
            multiply(c_now, f_now, out=c_now)
            from_gates(now, h_now)
        put_side_by_side(slopes, part, back, d)
    states = before(y, initial(h, y.shape[1], x, sizes), sizes, reverse)
    dx, db = np.matmul(d, w_ih) if to_input else None, column_sums(d)
    dw_hr = None if hidden is None else np.matmul(outputs.T, hidden)
    return dx, np.matmul(d.T, x), np.matmul(d.T, states), db, db, dw_hr, dh, dc


# ----------------------------------------------------------------------------------------------------- GRU


def gru(
    x: Array, w_ih: Array, w_hh: Array, b_ih: Any = None, b_hh: Any = None, h: Any = None,
    *, sizes: Sizes, reverse: bool,
) -> tuple[Array, Array]:  # fmt: skip
    if not handled(sizes, x, w_ih, w_hh, b_ih, b_hh, h):
        return textbook("gru", x, w_ih, w_hh, b_ih, b_hh, h, sizes=sizes, reverse=reverse)
    width, dtype = w_hh.shape[1], x.dtype
    half, one_half = HALF[dtype.char][:3], ONE_HALF[dtype.char]
    bias, b_n = None, np.zeros(width, dtype)
    if b_ih is not None:
        bias, b_n = b_ih + b_hh, b_hh[2 * width :]
        bias[2 * width :] = b_ih[2 * width :]
    gates = entering(x, w_ih, bias, half, sizes)
    y = np.empty((len(x), width), dtype)
    h = start = initial(h, width, x, sizes)
    to_gates = ToGates(w_hh, 3, sizes[0], half)
    add, multiply, tanh = np.add, np.multiply, np.tanh
    for part, n in runs(sizes, reverse):
        h, work = carried(h, start, n), to_gates.room(n)
        work_rz, t, work_m = work[:2], work[0], work[2]
        biases = full(b_n, (n, width))
        for now, h_now in zip(gates_by_step(gates, part, n, reverse), by_step(y, part, n, reverse), strict=True):
            rz = now[:2]
            r, z, new, m = now
            to_gates(h)
            add(rz, work_rz, out=rz)
            tanh(rz, out=rz)
            multiply(rz, one_half, out=rz)
            add(rz, one_half, out=rz)
            add(work_m, biases, out=m)
            add(new, multiply(r, m, out=t), out=new)
            tanh(new, out=new)
            np.subtract(h, new, out=t)
            multiply(t, z, out=t)
            h = add(new, t, out=h_now)
    return y, gates


def gru_back(
    g_y: Any, g_gates: Any, y: Array, gates: Array, x: Array, w_ih: Array, w_hh: Array, h: Any,
    *, to_input: bool, sizes: Sizes, reverse: bool,
) -> tuple[Any, ...]:  # fmt: skip
    arrays = (g_y, g_gates, y, gates, x, w_ih, w_hh, h)
    if g_y is None or g_gates is not None or not handled(sizes, *arrays):
        return textbook("gru_back", *arrays, to_input=to_input, sizes=sizes, reverse=reverse)
    width, dtype = y.shape[1], y.dtype
    d = working_memory("recurrent_rows", (len(y), 4 * width), dtype)  # of m, r, z and n
    states = before(y, initial(h, width, x, sizes), sizes, reverse)
    dh = np.zeros((sizes[0], width), dtype)  # rows of sequences that have ended, or not begun, stay as they are
    from_gates, back = FromGates(np.concatenate([w_hh[2 * width :], w_hh[: 2 * width]]), 3, sizes[0]), not reverse
    multiply, subtract = np.multiply, np.subtract
    for part, n in runs(sizes, back, 14 * width * dtype.itemsize):
        every = gates_by_step(gates, part, n, back)
        slopes = working_memory("recurrent_gates", every.shape, dtype)  # what dh is multiplied by
        (r, z, new, m), (dm, dr, dz, dn) = every.swapaxes(0, 1), slopes.swapaxes(0, 1)
        one_z = subtract(1, z)
        multiply(new, new, out=dn)
        subtract(1, dn, out=dn)
        dn *= one_z
        multiply(dn, r, out=dm)
        subtract(1, r, out=dr)
        dr *= dm
        dr *= m
        subtract(by_step(states, part, n, back), new, out=dz)
        dz *= z
        dz *= one_z
        h_now, straight = dh[:n], np.empty((n, width), dtype)
        from_gates.room(n)
        for now, z_now, g_now in zip(slopes, z, by_step(g_y, part, n, back), strict=True):
            np.add(h_now, g_now, out=h_now)
            multiply(h_now, z_now, out=straight)
            multiply(now, h_now, out=now)
            from_gates(now[:3], h_now)
            np.add(h_now, straight, out=h_now)
        put_side_by_side(slopes, part, back, d)
    entered, recurrent = d[:, width:], d[:, : 3 * width]
    dx, db = np.matmul(entered, w_ih) if to_input else None, column_sums(d)
    dw_hh, in_order = np.matmul(recurrent.T, states), (slice(width, 3 * width), slice(0, width))
    dw_hh, db_hh = (np.concatenate([v[part] for part in in_order]) for v in (dw_hh, db))
    return dx, np.matmul(entered.T, x), dw_hh, db[width:], db_hh, dh
