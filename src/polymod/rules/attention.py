"""Attention: weighted means of values, and the layouts of its heads.

A. Vaswani et al., "Attention is all you need", arXiv:1706.03762. That the weights of a long sequence need not be kept,
neither for the result nor for its derivative: M. Rabe and C. Staats, "Self-attention does not need O(n^2) memory",
arXiv:2112.05682.
"""

from math import prod
from typing import Any

import numpy as np

from ..autograd.families import Joint
from ..autograd.operands import fit, unbroadcast
from ..backend import backend_of, define
from ..errors import CaptureError
from ..tensor import Tensor, raw, wrap


@define
def attention(xp, query, key, value, mask=None, keep=None, *, scale, keep_scale=1.0):
    """softmax(scale query key^T) value, and the softmax itself.

    query (..., L, E), key (..., S, E), value (..., S, V) -> (..., L, V) and weights (..., L, S). `mask` broadcasts
    against the weights: where a boolean one is False nothing is attended, a floating one is added to the scores.
    `keep` and `keep_scale` are those of `dropout`, for the weights. Rows that attend to nothing have weights 0.
    """
    scores = xp.matmul(query * scale, xp.matrix_transpose(key))
    if mask is None:
        weights = xp.softmax(scores, axis=-1)
    else:
        added = not xp.isdtype(mask.dtype, "bool")
        weights = xp.masked_softmax(scores + mask if added else xp.where(mask, scores, -xp.inf), axis=-1)
    if keep is None:
        return xp.matmul(weights, value), weights
    dropped = xp.dropout(weights, keep, scale=keep_scale)
    return xp.matmul(dropped, value), weights


def attention_back(xp, g, y, query, key, value, mask=None, keep=None, *, scale, keep_scale=1.0):
    weights, used = y[1], y[1]
    g_weights, g_value = g.get(1), None
    if 0 in g:
        g_used = xp.matmul(g[0], xp.matrix_transpose(value))
        if keep is not None:
            used = xp.dropout(weights, keep, scale=keep_scale)
            g_used = xp.dropout(g_used, keep, scale=keep_scale)
        g_value = unbroadcast(xp, xp.matmul(xp.matrix_transpose(used), g[0]), value.shape)
        g_weights = g_used if g_weights is None else g_used + g_weights
    g_scores = xp.softmax_back(g_weights, weights, axis=-1)
    g_query = unbroadcast(xp, xp.matmul(g_scores, key) * scale, query.shape)
    g_key = unbroadcast(xp, xp.matmul(xp.matrix_transpose(g_scores), query * scale), key.shape)
    floating = mask is not None and not xp.isdtype(mask.dtype, "bool")
    return g_query, g_key, g_value, fit(xp, g_scores, mask) if floating else None, None


attention = Joint(attention_back)

# ----------------------------------------------------------------------------- the same for sequences of any length

BLOCK = 2**19  # weights that are there at a time: few enough to stay in the processor's cache
ROWS = 128  # of them at least, for the sake of the matrix products


@define
def long_attention(xp, query, key, value, mask=None, *, scale, causal=False, dropout=None):
    """The result of `attention` without the weights, of which only a block exists at any time; and, from which a weight
    can be had again as exp(score - sum), log(sum(exp(scores))) (..., L). It is 0 where nothing is attended.

    Args:
        causal: query i attends to the keys 0 to i only.
        dropout: None, or the probability and the seed of dropping weights; for a kernel, while a step is captured, an
            array of the seed.
    """
    batch, (query, key, value, mask) = lined_up(xp, query, key, value, mask)
    found, sums = [], []
    for i, (_, rows, columns) in enumerate(blocks(batch, query.shape[-2], key.shape[-2], causal)):
        scores = scores_of(xp, query, key, mask, rows, columns, scale, causal)
        top = xp.max(scores, axis=-1, keepdims=True)
        e = xp.exp(scores - xp.where(top == -xp.inf, 0, top))
        total = xp.sum(e, axis=-1, keepdims=True)
        total = xp.where(total == 0, 1, total)
        sums.append(xp.reshape(xp.where(top == -xp.inf, 0, top) + xp.log(total), (-1,)))
        y = xp.matmul(dropped(xp, e, i, dropout), cut(xp, value, columns)) / total
        found.append(xp.reshape(y, (-1, value.shape[-1])))
    shape = (*batch, query.shape[-2])
    return xp.reshape(xp.concat(found, axis=0), (*shape, value.shape[-1])), xp.reshape(xp.concat(sums, axis=0), shape)


@define
def long_attention_back(xp, g, shift, sums, query, key, value, mask=None, *, scale, causal, dropout):
    """The cotangents of query, key and value in `long_attention`, with all its leading axes.

    Args:
        g: the cotangent of the result y.
        shift: what is taken off each row of the weights' cotangents: sum(g y) - the cotangent of the sums.
        sums: the second result.
    """
    batch, (query, key, value, mask) = lined_up(xp, query, key, value, mask)
    shift, sums = xp.expand_dims(shift, axis=-1), xp.expand_dims(sums, axis=-1)
    found: tuple[list, ...] = ([], [], [])
    for i, (first, rows, columns) in enumerate(blocks(batch, query.shape[-2], key.shape[-2], causal)):
        q, k, v, g_rows = cut(xp, query, rows), cut(xp, key, columns), cut(xp, value, columns), cut(xp, g, rows)
        weights = xp.exp(scores_of(xp, query, key, mask, rows, columns, scale, causal) - cut(xp, sums, rows))
        g_weights = dropped(xp, xp.matmul(g_rows, xp.matrix_transpose(v)), i, dropout)
        g_scores = weights * (g_weights - cut(xp, shift, rows))
        found[0].append(xp.reshape(xp.matmul(g_scores, k) * scale, (-1, query.shape[-1])))
        g_key = xp.matmul(xp.matrix_transpose(g_scores), q * scale)
        g_value = xp.matmul(xp.matrix_transpose(dropped(xp, weights, i, dropout)), g_rows)
        for total, piece in zip(found[1:], (g_key, g_value), strict=True):
            missing = key.shape[-2] - piece.shape[-2]
            if missing:
                piece = xp.zero_pad(piece, widths=((0, 0),) * (piece.ndim - 2) + ((0, missing), (0, 0)))
            piece = xp.reshape(piece, (-1, piece.shape[-1]))
            if first:
                total.append(piece)
            else:
                total[-1] = total[-1] + piece
    return tuple(
        xp.reshape(xp.concat(pieces, axis=0), (*batch, *x.shape[-2:]))
        for pieces, x in zip(found, (query, key, value), strict=True)
    )


def lined_up(xp, *arrays):
    """The leading axes of query, key and value, broadcast, and these and the mask with as many axes."""
    batch = leading(*arrays[:3])
    rank = len(batch) + 2
    return batch, [
        x if x is None or x.ndim == rank else xp.reshape(x, (*(1,) * (rank - x.ndim), *x.shape)) for x in arrays
    ]


def leading(*arrays):
    """The axes before the last two, broadcast."""
    return np.broadcast_shapes(*(tuple(x.shape[:-2]) for x in arrays))


def blocks(batch, queries, keys, causal, most=None):
    """How the weights (*batch, queries, keys) are cut into blocks of at most `most`, in the order of their rows.

    Yields whether a block is the first one with its keys, and index expressions of the queries and of the keys and
    values; these have one slice per axis but the last.
    """
    most = BLOCK if most is None else most
    for lead in cuts(batch, queries * keys, most):
        alone = prod(s.stop - s.start for s in lead) == 1
        step = max(ROWS, most // max(keys, 1)) if alone else max(queries, 1)
        for start in range(0, max(queries, 1), step):
            stop = min(start + step, queries)
            yield start == 0, (*lead, slice(start, stop)), (*lead, slice(0, min(stop, keys) if causal else keys))


def cuts(batch, size, most):
    """Index expressions that cut the axes `batch` into parts of at most `most` elements, if each entry has `size`."""
    if not batch:
        return [()]
    inner = prod(batch[1:]) * size
    if inner > most:
        rest = cuts(batch[1:], size, most)
        return [(slice(i, i + 1), *part) for i in range(batch[0]) for part in rest]
    step = most // max(inner, 1)
    whole = [slice(0, n) for n in batch[1:]]
    return [(slice(i, min(i + step, batch[0])), *whole) for i in range(0, batch[0], step)]


def cut(xp, x, key):
    """x[key], whole along axes of size 1, which serve all."""
    return xp.index(x, key=tuple(slice(None) if n == 1 else k for n, k in zip(x.shape, key)))  # noqa: B905


def scores_of(xp, query, key, mask, rows, columns, scale, causal):
    """A block of scale query key^T + mask, of all leading axes that the block has."""
    q, k = cut(xp, query, rows) * scale, cut(xp, key, columns)
    scores = xp.matmul(q, xp.matrix_transpose(k))
    shape = (*(s.stop - s.start for s in rows[:-1]), *scores.shape[-2:])
    if scores.shape != shape:
        scores = xp.broadcast_to(scores, shape)
    m = None if mask is None else cut(xp, mask, (*rows, columns[-1]))
    if causal:
        m = merged(xp, m, causal_mask(xp, rows[-1].start, rows[-1].stop, columns[-1].stop, query))
    if m is None:
        return scores
    return xp.where(m, scores, -xp.inf) if xp.isdtype(m.dtype, "bool") else scores + m


def dropped(xp, x, number, dropout):
    """Block `number` of the weights or of their cotangents after dropout."""
    if dropout is None:
        return x
    p, seed = dropout
    return xp.dropout(x, random_keep(x, seed, number, x.shape, p), scale=1 / (1 - p) if p < 1 else 1.0)


def causal_mask(xp: Any, first: int, last: int, keys: int, like: Any) -> Any:
    """For the queries `first` to `last` (exclusive), True where a key is not later: (last - first, keys)."""
    row = xp.reshape(xp.arange(first, last, device=like.device), (-1, 1))
    return row >= xp.arange(keys, device=like.device)


def merged(xp: Any, mask: Any, allowed: Any) -> Any:
    """`mask`, boolean, floating or None, and nothing where `allowed` is False."""
    if mask is None:
        return allowed
    return xp.where(allowed, mask, -xp.inf) if not xp.isdtype(mask.dtype, "bool") else xp.logical_and(mask, allowed)


def random_keep(like, seed, number, shape, p):
    """Truth values, False with probability `p`, beside `like`: draw `number` of `seed`."""
    if not isinstance(seed, int):
        raise CaptureError("dropout of these attention weights can't be captured; call the step uncaptured")
    array = raw(like)
    while hasattr(array, "depths"):  # examples draw the same
        array = array.value
    owner = backend_of(array)
    kept = owner.namespace.bernoulli_draw(seed, number, shape, 1 - p, device=owner.device_of(array))
    return wrap(kept) if isinstance(like, Tensor) else kept


class LongAttention(Joint):
    def rule(self, i):
        return super().rule(i) if i < 3 else None  # a mask that is learned goes by `attention`


def long_attention_rule(xp, g, y, query, key, value, mask=None, *, scale, causal=False, dropout=None):
    g_result = g.get(0)
    if g_result is None:
        g_result = xp.zeros_like(y[0])
    shift = xp.sum(g_result * y[0], axis=-1)
    if 1 in g:
        shift = shift - g[1]
    how = {"scale": scale, "causal": causal, "dropout": dropout}
    found = xp.long_attention_back(g_result, shift, y[1], query, key, value, mask, **how)
    return [unbroadcast(xp, c, x.shape) for c, x in zip(found, (query, key, value), strict=True)]


long_attention = LongAttention(long_attention_rule)

# ---------------------------------------------------------------------------------------------------------- layouts


@define
def split_heads(xp, x, *, groups, heads, batch_first=True):
    """(N, L, groups * heads * D), or (L, N, ...), -> as many arrays (N, heads, L, D) as there are groups."""
    a, b, width = x.shape
    x = xp.reshape(x, (a, b, groups, heads, width // (groups * heads)))
    axes = (0, 2, 1, 3) if batch_first else (1, 2, 0, 3)
    return tuple(xp.permute_dims(xp.index(x, key=(slice(None), slice(None), i)), axes) for i in range(groups))


def join_heads(xp, g, _y, _x, *, groups, heads, batch_first=True):
    """The transpose of `split_heads`."""
    present = next(iter(g.values()))
    zeros = None if len(g) == groups else xp.zeros_like(present)
    axes = (0, 2, 1, 3) if batch_first else (2, 0, 1, 3)
    pieces = [xp.permute_dims(g.get(i, zeros), axes) for i in range(groups)]
    return (xp.reshape(xp.stack(pieces, axis=2), _x.shape),)


split_heads = Joint(join_heads)


@define
def merge_heads(xp, x, *, batch_first=True):
    """(N, heads, L, D) -> (N, L, heads * D), or (L, N, ...)"""
    n, heads, length, size = x.shape
    if batch_first:
        return xp.reshape(xp.permute_dims(x, (0, 2, 1, 3)), (n, length, heads * size))
    return xp.reshape(xp.permute_dims(x, (2, 0, 1, 3)), (length, n, heads * size))


merge_heads = Joint(
    lambda xp, g, _y, _x, batch_first=True: xp.split_heads(g, groups=1, heads=_x.shape[1], batch_first=batch_first)
)
