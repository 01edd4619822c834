"""Looking up rows of a table."""

from ..autograd.families import Linear
from ..backend import define
from .indexing import indices_of


@define
def embedding(xp, weight, indices, *, padding_idx=None, by_frequency=False):
    """The rows `indices` of `weight`; row `padding_idx` gets no gradient, and with `by_frequency` the gradient of each
    row is divided by how often it is named."""
    rows = xp.take(weight, xp.reshape(indices, (-1,)), axis=0)
    return xp.reshape(rows, (*indices.shape, weight.shape[1]))


@define
def embedding_back(xp, g, *, indices, padding_idx, by_frequency, shape):
    """The cotangent of the table, which has `shape`."""
    if padding_idx is not None:
        g = xp.where(xp.expand_dims(xp.not_equal(indices, padding_idx), axis=-1), g, 0)
    if by_frequency:
        ones = xp.ones(indices.shape, dtype=g.dtype, device=g.device)
        named = xp.index_add(xp.zeros(shape[:1], dtype=g.dtype, device=g.device), indices, ones)
        g = g / xp.expand_dims(xp.index(named, key=indices), axis=-1)
    return xp.index_back(g, key=indices, shape=shape)


embedding = Linear(
    lambda xp, g, _weight, indices, padding_idx=None, by_frequency=False: xp.embedding_back(
        g, indices=indices_of(indices), padding_idx=padding_idx, by_frequency=by_frequency, shape=_weight.shape
    )
)
