"""The columns of a convolution, all windows of an array side by side, and their transpose.

`size` (of the window), `stride` and `dilation` are tuples with an entry per spatial axis, `padding` has pairs
(before, after).
"""

from __future__ import annotations

from math import prod

from ..autograd.families import Linear
from ..backend import define
from .windows import framed, output_size, window_keys

BOTH = (slice(None), slice(None))  # the whole batch, all channels


@define
def im2col(xp, x, *, size, stride, padding, dilation):
    """The elements in each window: (N, C, *S) -> (N, C * prod(size), windows)."""
    outputs = output_size(x.shape[2:], size, stride, padding, dilation)
    n, c = x.shape[:2]
    x = framed(xp, x, padding)
    seen = xp.stack([x[(*BOTH, *key)] for key in window_keys(size, stride, dilation, outputs)], axis=2)
    return xp.reshape(seen, (n, c * prod(size), prod(outputs)))


@define
def col2im(xp, columns, *, shape, size, stride, padding, dilation):
    """The transpose of `im2col` over an array of spatial `shape`: each element is added where it was seen."""
    outputs = output_size(shape, size, stride, padding, dilation)
    n, c = columns.shape[0], columns.shape[1] // prod(size)
    columns = xp.reshape(columns, (n, c, prod(size), *outputs))
    frame = tuple(before + s + after for s, (before, after) in zip(shape, padding, strict=True))
    total = xp.zeros((n, c, *frame), dtype=columns.dtype, device=columns.device)
    for k, key in enumerate(window_keys(size, stride, dilation, outputs)):
        here = (*BOTH, *key)
        total = xp.index_set(total, xp.index(total, key=here) + columns[:, :, k, ...], key=here)
    return total[(*BOTH, *(slice(before, before + s) for s, (before, _) in zip(shape, padding, strict=True)))]


im2col = Linear(lambda xp, g, _x, **how: xp.col2im(g, shape=_x.shape[2:], **how))
col2im = Linear(lambda xp, g, _columns, shape, **how: xp.im2col(g, **how))
