"""Recurrent layers: for each kind one operation, which runs one layer in one direction over whole sequences.

Sequences are packed: `x` (rows, I) has the rows of the first time step, then those of the second, and so on. `sizes`
says how many rows each step has, which never grows: sequences are sorted by length, the longest first, and row b of
every step is of sequence b. `reverse` goes from the last step to the first.

Backpropagation through time goes the other way. It finds the cotangents of all gates before their activation, as one
matrix (rows, gates * H), and from it those of the weights by one matrix product for all steps (P. Werbos, Proc. IEEE
78 (1990) 1550-1560).
"""

from itertools import accumulate
from operator import add
from typing import Any

from ..autograd.families import Joint
from ..backend import define

Pieces = list[Any]  # arrays that are to be joined

# ---------------------------------------------------------------------------------------------- in common


class Recurrent(Joint):
    """A Joint whose rule is told whether the cotangent of x is wanted, which for the first layer it rarely is."""

    def pull(self, xp, g, wanted, output, inputs, attrs):
        return self.rules[0](xp, g, output, *inputs, to_input=bool(wanted[0]), **attrs)  # type: ignore[misc]


def steps(sizes, reverse):
    """The rows of each time step, in the order in which the steps are taken."""
    rows = [slice(stop - n, stop) for n, stop in zip(sizes, accumulate(sizes), strict=True)]
    return rows[::-1] if reverse else rows


def height(rows):
    return rows.stop - rows.start


def at(xp, x, *key):
    return xp.index(x, key=(*key, ...))


def initial(xp, state, width, like, sizes):
    """The state before the first step; zeros if it is None."""
    if state is not None:
        return state
    return xp.zeros((sizes[0], width), dtype=like.dtype, device=getattr(like, "device", None))


def carried(xp, state, start, n):
    """The state for a step of n sequences: without those that have ended, with those that begin there."""
    known = state.shape[0]
    if known >= n:
        return state if known == n else at(xp, state, slice(0, n))
    return xp.concat([state, at(xp, start, slice(known, n))], axis=0)


def carried_back(xp, g, n, begun):
    """The transpose of `carried`: `g` for n sequences, the cotangents of those that began here put before `begun`."""
    known = g.shape[0]
    if known > n:
        begun.insert(0, at(xp, g, slice(n, known)))
        return at(xp, g, slice(0, n))
    if known == n:
        return g
    return xp.concat([g, xp.zeros((n - known, g.shape[1]), dtype=g.dtype, device=getattr(g, "device", None))], axis=0)


def in_time(xp, pieces, reverse):
    """What was found for each step, in the order in which the steps were taken, as one array in the order of time."""
    return xp.concat(pieces[::-1] if reverse else pieces, axis=0)


def before(xp, states, start, sizes, reverse):
    """For every row the state that its step began with."""
    n = sizes[0]
    if sizes[-1] == n:
        rows = n * len(sizes)
        pieces = [at(xp, states, slice(n, rows)), start] if reverse else [start, at(xp, states, slice(0, rows - n))]
        return xp.concat(pieces, axis=0)
    found, state = Pieces(), start
    for rows in steps(sizes, reverse):
        found.append(carried(xp, state, start, height(rows)))
        state = at(xp, states, rows)
    return in_time(xp, found, reverse)


def affine(xp, x, weight, bias=None):
    y = xp.matmul(x, xp.matrix_transpose(weight))
    return y if bias is None else y + bias


def gates_at(xp, gates, rows):
    """The four gates (n, H) of one step in `gates` (4 * rows, H), which has them one below the other, step by step."""
    n, start = height(rows), 4 * rows.start
    return [at(xp, gates, slice(start + k * n, start + (k + 1) * n)) for k in range(4)]


def gates_of(xp, x, count):
    """The columns of each gate: (n, count * H) -> count arrays (n, H)."""
    width = x.shape[1] // count
    return [xp.index(x, key=(slice(None), slice(k * width, (k + 1) * width))) for k in range(count)]


def weights_back(xp, g, x, w_ih, g_hidden, states, *, to_input):
    """The cotangents of x (None unless `to_input`), w_ih, w_hh, b_ih and b_hh.

    `g` (rows, gates * H) is the cotangent of x @ w_ih.T + b_ih, `g_hidden` that of states @ w_hh.T + b_hh.
    """
    g_bias = xp.sum(g, axis=0)
    return (
        xp.matmul(g, w_ih) if to_input else None,
        xp.matmul(xp.matrix_transpose(g), x),
        xp.matmul(xp.matrix_transpose(g_hidden), states),
        g_bias,
        g_bias if g_hidden is g else xp.sum(g_hidden, axis=0),
    )


# --------------------------------------------------------------------------------------------------- Elman


@define
def rnn(xp, x, w_ih, w_hh, b_ih=None, b_hh=None, h=None, *, nonlinearity, sizes, reverse):
    """h <- tanh(x w_ih.T + b_ih + h w_hh.T + b_hh), or relu; gives h of every row (J. Elman, 1990)."""
    activation = xp.tanh if nonlinearity == "tanh" else xp.relu
    entering = affine(xp, x, w_ih, b_ih if b_hh is None else b_ih + b_hh)
    h = start = initial(xp, h, w_hh.shape[1], x, sizes)
    ys = Pieces()
    for rows in steps(sizes, reverse):
        h = carried(xp, h, start, height(rows))
        h = activation(at(xp, entering, rows) + affine(xp, h, w_hh))
        ys.append(h)
    return in_time(xp, ys, reverse)


@define
def rnn_back(xp, g, y, x, w_ih, w_hh, h, *, to_input, nonlinearity, sizes, reverse):
    """The cotangents of all inputs of `rnn`."""
    order = steps(sizes, reverse)[::-1]
    dh = xp.zeros_like(at(xp, y, order[0]))
    begun, found = Pieces(), Pieces()
    for rows in order:
        dh = at(xp, g, rows) + carried_back(xp, dh, height(rows), begun)
        now = at(xp, y, rows)
        d = dh * (1 - now * now) if nonlinearity == "tanh" else xp.where(now > 0, dh, 0)
        dh = xp.matmul(d, w_hh)
        found.append(d)
    d = in_time(xp, found, not reverse)
    states = before(xp, y, initial(xp, h, w_hh.shape[1], x, sizes), sizes, reverse)
    return *weights_back(xp, d, x, w_ih, d, states, to_input=to_input), xp.concat([dh, *begun], axis=0)


rnn = Recurrent(
    lambda xp, g, y, x, w_ih, w_hh, _b_ih=None, _b_hh=None, h=None, **how: xp.rnn_back(g, y, x, w_ih, w_hh, h, **how)
)

# ---------------------------------------------------------------------------------------------------- LSTM


@define
def lstm(xp, x, w_ih, w_hh, b_ih=None, b_hh=None, w_hr=None, h=None, c=None, *, sizes, reverse):
    """Long short-term memory (S. Hochreiter and J. Schmidhuber, 1997; forget gates: F. Gers et al., 2000).

    With i, f, o = sigmoid and g = tanh of the four parts of x w_ih.T + b_ih + h w_hh.T + b_hh, in the order i, f, g, o:

        c <- f c + i g,    h <- o tanh(c),  projected by w_hr (P, H) if it is given (H. Sak et al., arXiv:1402.1128)

    Gives h (rows, P or H) and c (rows, H) of every row, and (4 * rows, H) i, f, g, o of the first step one below the
    other, then those of the second, and so on.
    """
    entering = affine(xp, x, w_ih, b_ih if b_hh is None else b_ih + b_hh)
    h = h_start = initial(xp, h, w_hh.shape[1], x, sizes)
    c = c_start = initial(xp, c, w_hh.shape[0] // 4, x, sizes)
    ys, cells, gates = Pieces(), Pieces(), Pieces()
    for rows in steps(sizes, reverse):
        h, c = carried(xp, h, h_start, height(rows)), carried(xp, c, c_start, height(rows))
        i, f, g, o = gates_of(xp, at(xp, entering, rows) + affine(xp, h, w_hh), 4)
        i, f, g, o = xp.sigmoid(i), xp.sigmoid(f), xp.tanh(g), xp.sigmoid(o)
        c = f * c + i * g
        h = o * xp.tanh(c)
        h = h if w_hr is None else affine(xp, h, w_hr)
        ys.append(h)
        cells.append(c)
        gates.append(xp.concat([i, f, g, o], axis=0))
    return in_time(xp, ys, reverse), in_time(xp, cells, reverse), in_time(xp, gates, reverse)


@define
def lstm_back(
    xp, g_y, g_cells, g_gates, y, cells, gates, x, w_ih, w_hh, w_hr, h, c, *, to_input, sizes, reverse
):  # fmt: skip
    """The cotangents of all inputs of `lstm` for those of its three results, any of which may be None."""
    order = steps(sizes, reverse)[::-1]
    c_before = before(xp, cells, initial(xp, c, cells.shape[1], x, sizes), sizes, reverse)
    dh, dc = xp.zeros_like(at(xp, y, order[0])), xp.zeros_like(at(xp, cells, order[0]))
    h_begun, c_begun, found, outputs, hidden = Pieces(), Pieces(), Pieces(), Pieces(), Pieces()
    for rows in order:
        dh, dc = carried_back(xp, dh, height(rows), h_begun), carried_back(xp, dc, height(rows), c_begun)
        dh = dh if g_y is None else dh + at(xp, g_y, rows)
        dc = dc if g_cells is None else dc + at(xp, g_cells, rows)
        i, f, g, o = gates_at(xp, gates, rows)
        t = xp.tanh(at(xp, cells, rows))
        if w_hr is not None:
            outputs.append(dh)
            hidden.append(o * t)
            dh = xp.matmul(dh, w_hr)
        dc = dc + dh * o * (1 - t * t)
        di, df, dg, do = dc * g, dc * at(xp, c_before, rows), dc * i, dh * t
        if g_gates is not None:
            di, df, dg, do = map(add, (di, df, dg, do), gates_at(xp, g_gates, rows))
        d = xp.concat([di * i * (1 - i), df * f * (1 - f), dg * (1 - g * g), do * o * (1 - o)], axis=1)
        dh, dc = xp.matmul(d, w_hh), dc * f
        found.append(d)
    d = in_time(xp, found, not reverse)
    dw_hr = None
    if w_hr is not None:
        dw_hr = xp.matmul(xp.matrix_transpose(in_time(xp, outputs, not reverse)), in_time(xp, hidden, not reverse))
    states = before(xp, y, initial(xp, h, y.shape[1], x, sizes), sizes, reverse)
    g_states = xp.concat([dh, *h_begun], axis=0), xp.concat([dc, *c_begun], axis=0)
    return *weights_back(xp, d, x, w_ih, d, states, to_input=to_input), dw_hr, *g_states


lstm = Recurrent(
    lambda xp, g, y, x, w_ih, w_hh, _b_ih=None, _b_hh=None, w_hr=None, h=None, c=None, **how: xp.lstm_back(
        g.get(0), g.get(1), g.get(2), *y, x, w_ih, w_hh, w_hr, h, c, **how
    )
)

# ----------------------------------------------------------------------------------------------------- GRU


@define
def gru(xp, x, w_ih, w_hh, b_ih=None, b_hh=None, h=None, *, sizes, reverse):
    """Gated recurrent units (K. Cho et al., arXiv:1406.1078), with the reset gate behind the product as in cuDNN.

    With the three parts of a = x w_ih.T + b_ih and of b = h w_hh.T + b_hh, in the order r, z, n:

        r, z = sigmoid(a + b),    m = b_n,    n = tanh(a_n + r m),    h <- (1 - z) n + z h

    Gives h (rows, H) of every row, and (4 * rows, H) r, z, n, m of the first step one below the other, then those of
    the second, and so on.
    """
    entering = affine(xp, x, w_ih, b_ih)
    h = start = initial(xp, h, w_hh.shape[1], x, sizes)
    ys, gates = Pieces(), Pieces()
    for rows in steps(sizes, reverse):
        h = carried(xp, h, start, height(rows))
        a = gates_of(xp, at(xp, entering, rows), 3)
        b = gates_of(xp, affine(xp, h, w_hh, b_hh), 3)
        r, z, m = xp.sigmoid(a[0] + b[0]), xp.sigmoid(a[1] + b[1]), b[2]
        n = xp.tanh(a[2] + r * m)
        h = (1 - z) * n + z * h
        ys.append(h)
        gates.append(xp.concat([r, z, n, m], axis=0))
    return in_time(xp, ys, reverse), in_time(xp, gates, reverse)


@define
def gru_back(xp, g_y, g_gates, y, gates, x, w_ih, w_hh, h, *, to_input, sizes, reverse):
    """The cotangents of all inputs of `gru` for those of its two results, either of which may be None."""
    order = steps(sizes, reverse)[::-1]
    states = before(xp, y, initial(xp, h, y.shape[1], x, sizes), sizes, reverse)
    dh = xp.zeros_like(at(xp, y, order[0]))
    begun, found, found_hidden = Pieces(), Pieces(), Pieces()
    for rows in order:
        dh = carried_back(xp, dh, height(rows), begun)
        dh = dh if g_y is None else dh + at(xp, g_y, rows)
        r, z, n, m = gates_at(xp, gates, rows)
        dz, dn = dh * (at(xp, states, rows) - n), dh * (1 - z)
        also = None if g_gates is None else gates_at(xp, g_gates, rows)
        if also is not None:
            dz, dn = dz + also[1], dn + also[2]
        dn = dn * (1 - n * n)
        dr, dm = dn * m, dn * r
        if also is not None:
            dr, dm = dr + also[0], dm + also[3]
        dr, dz = dr * r * (1 - r), dz * z * (1 - z)
        hidden = xp.concat([dr, dz, dm], axis=1)
        dh = dh * z + xp.matmul(hidden, w_hh)
        found.append(xp.concat([dr, dz, dn], axis=1))
        found_hidden.append(hidden)
    d, d_hidden = in_time(xp, found, not reverse), in_time(xp, found_hidden, not reverse)
    return *weights_back(xp, d, x, w_ih, d_hidden, states, to_input=to_input), xp.concat([dh, *begun], axis=0)


gru = Recurrent(
    lambda xp, g, y, x, w_ih, w_hh, _b_ih=None, _b_hh=None, h=None, **how: xp.gru_back(
        g.get(0), g.get(1), *y, x, w_ih, w_hh, h, **how
    )
)
