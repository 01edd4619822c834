"""Attention: weighted means of values, and the layouts of its heads.

A. Vaswani et al., "Attention is all you need", arXiv:1706.03762.
"""

from ..autograd.families import Joint
from ..autograd.operands import fit, unbroadcast
from ..backend import define


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
        scores = scores + mask if added else xp.where(mask, scores, -xp.inf)
        weights = xp.masked_softmax(scores, axis=-1)
    if keep is None:
        return xp.matmul(weights, value), weights
    dropped = xp.dropout(weights, keep, scale=keep_scale)
    return xp.matmul(dropped, value), weights


def attention_back(xp, g, y, query, key, value, mask=None, keep=None, *, scale, keep_scale=1.0):
    weights, used = y[1], y[1]
    g_weights = g.get(1)
    g_value = None
    if 0 in g:
        g_used = xp.matmul(g[0], xp.matrix_transpose(value))
        if keep is not None:
            used = xp.dropout(weights, keep, scale=keep_scale)
            g_used = xp.dropout(g_used, keep, scale=keep_scale)
        g_value = unbroadcast(xp, xp.matmul(xp.matrix_transpose(used), g[0]), value.shape)
        g_weights = g_used if g_weights is None else g_used + g_weights
    g_scores = xp.softmax_back(g_weights, weights, axis=-1)
    g_query = xp.matmul(g_scores, key) * scale
    g_key = xp.matmul(xp.matrix_transpose(g_scores), query) * scale
    g_query, g_key = unbroadcast(xp, g_query, query.shape), unbroadcast(xp, g_key, key.shape)
    if mask is None or xp.isdtype(mask.dtype, "bool"):
        return g_query, g_key, g_value, None, None
    return g_query, g_key, g_value, fit(xp, g_scores, mask), None


attention = Joint(attention_back)


@define
def split_heads(xp, x, *, groups, heads):
    """(N, L, groups * heads * D) -> as many arrays (N, heads, L, D) as there are groups."""
    n, length, width = x.shape
    x = xp.reshape(x, (n, length, groups, heads, width // (groups * heads)))
    return tuple(xp.permute_dims(xp.index(x, key=(slice(None), slice(None), i)), (0, 2, 1, 3)) for i in range(groups))


def join_heads(xp, g, _y, _x, *, groups, heads):
    """The transpose of `split_heads`."""
    present = next(iter(g.values()))
    zeros = None if len(g) == groups else xp.zeros_like(present)
    pieces = [xp.permute_dims(g.get(i, zeros), (0, 2, 1, 3)) for i in range(groups)]
    return (xp.reshape(xp.stack(pieces, axis=2), _x.shape),)


split_heads = Joint(join_heads)


@define
def merge_heads(xp, x):
    """(N, heads, L, D) -> (N, L, heads * D)"""
    n, heads, length, size = x.shape
    return xp.reshape(xp.permute_dims(x, (0, 2, 1, 3)), (n, length, heads * size))


merge_heads = Joint(lambda xp, g, _y, _x: xp.split_heads(g, groups=1, heads=_x.shape[1]))
