"""Looking up rows of a table."""

from ..autograd.primitive import Linear
from ..backend import define


@define
def embedding(xp, weight, *, indices, padding_idx=None):
    """The rows `indices` of `weight`; row `padding_idx` gets no gradient."""
    return xp.index(weight, key=indices)


@define
def embedding_back(xp, g, *, indices, padding_idx, shape):
    """The cotangent of the table, which has `shape`."""
    if padding_idx is not None:
        g = xp.where(xp.expand_dims(indices != padding_idx, axis=-1), g, 0)
    return xp.index_back(g, key=indices, shape=shape)


embedding = Linear(
    lambda xp, g, _weight, indices, padding_idx=None: xp.embedding_back(
        g, indices=indices, padding_idx=padding_idx, shape=_weight.shape
    )
)
