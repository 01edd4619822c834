"""Convolution (cross-correlation, as in neural networks) over any number of spatial axes, and its two transposes.

    conv(x, w)[n, o, p] = sum over c, k of x[n, c, p * stride + k * dilation - before] * w[o, c, k]

It is bilinear, and so are the two transposes; each derivative of one of the three is another of them.
`stride`, `dilation` are tuples with an entry per axis, `padding` has pairs (before, after).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

from ..autograd.families import Bilinear
from ..autograd.operands import conj
from ..backend import define
from ..dtypes import dtype as dtype_of
from .windows import framed, output_size, spread, window_keys

COLUMN_BYTES = 64 * 2**20  # images are taken together as long as their columns need no more memory


def batches(x: Any, kernel: tuple[int, ...], outputs: tuple[int, ...]) -> Iterator[slice]:
    """Slices of the batch whose columns fit into COLUMN_BYTES, or have one image."""
    image = dtype_of(x.dtype).itemsize * x.shape[1] * prod(kernel) * prod(outputs)
    step = max(1, COLUMN_BYTES // max(image, 1))
    for start in range(0, max(x.shape[0], 1), step):
        yield slice(start, min(start + step, x.shape[0]))


def columns(xp, x, kernel, outputs, stride, padding, dilation, groups):
    """What the windows see: (N, C, *S) -> (groups, C / groups * prod(kernel), N * prod(outputs))."""
    n, c = x.shape[:2]
    x = framed(xp, xp.permute_dims(x, (1, 0, *range(2, x.ndim))), padding)
    both = (slice(None), slice(None))
    seen = xp.stack([x[(*both, *key)] for key in window_keys(kernel, stride, dilation, outputs)], axis=1)
    return xp.reshape(seen, (groups, c // groups * prod(kernel), n * prod(outputs)))


def by_group(xp, y, groups):
    """(N, C, *O) -> (groups, C / groups, N * prod(O)), the layout that multiplies with columns."""
    y = xp.permute_dims(y, (1, 0, *range(2, y.ndim)))
    return xp.reshape(y, (groups, y.shape[0] // groups, prod(y.shape[1:])))


@define
def conv(xp, x, weight, bias=None, *, stride, padding, dilation, groups):
    """x (N, C, *S), weight (O, C / groups, *K), bias (O,) -> (N, O, *outputs)"""
    n_out, kernel = weight.shape[0], weight.shape[2:]
    outputs = output_size(x.shape[2:], kernel, stride, padding, dilation)
    matrix = xp.reshape(weight, (groups, n_out // groups, prod(weight.shape[1:])))
    parts = []
    for part in batches(x, kernel, outputs):
        y = xp.matmul(matrix, columns(xp, x[part, ...], kernel, outputs, stride, padding, dilation, groups))
        y = xp.reshape(y, (n_out, part.stop - part.start, *outputs))
        parts.append(xp.permute_dims(y, (1, 0, *range(2, y.ndim))))
    y = parts[0] if len(parts) == 1 else xp.concat(parts, axis=0)
    return y if bias is None else y + xp.reshape(bias, (-1, *(1,) * len(kernel)))


@define
def conv_input_back(xp, g, weight, *, size, stride, padding, dilation, groups):
    """The transpose of `conv` in x of spatial `size`: g (N, O, *outputs) -> (N, C, *size).

    It is the convolution of the spread-out `g` with the flipped weight, input and output channels exchanged.
    """
    kernel = weight.shape[2:]
    n_out, n_in = weight.shape[0] // groups, weight.shape[1]
    g = spread(xp, g, size, kernel, stride, padding, dilation)
    spatial = tuple(range(2, weight.ndim))
    turned = xp.reshape(xp.flip(weight, axis=spatial), (groups, n_out, n_in, *kernel))
    turned = xp.permute_dims(turned, (0, 2, 1, *(a + 1 for a in spatial)))
    turned = xp.reshape(turned, (groups * n_in, n_out, *kernel))
    return xp.conv(g, turned, stride=(1,) * len(size), padding=((0, 0),) * len(size), dilation=dilation, groups=groups)


@define
def conv_weight_back(xp, x, g, *, size, stride, padding, dilation, groups):
    """The transpose of `conv` in a weight of spatial `size`: x, g (N, O, *outputs) -> (O, C / groups, *size)."""
    outputs = g.shape[2:]
    total = None
    for part in batches(x, size, outputs):
        seen = columns(xp, x[part, ...], size, outputs, stride, padding, dilation, groups)
        product = xp.matmul(by_group(xp, g[part, ...], groups), xp.matrix_transpose(seen))
        total = product if total is None else total + product
    return xp.reshape(total, (g.shape[1], x.shape[1] // groups, *size))


conv = Bilinear(
    lambda xp, g, _x, weight, *_bias, **how: xp.conv_input_back(g, conj(xp, weight), size=_x.shape[2:], **how),
    lambda xp, g, x, _weight, *_bias, **how: xp.conv_weight_back(conj(xp, x), g, size=_weight.shape[2:], **how),
    lambda xp, g, _x, _weight, _bias, **how: xp.sum(g, axis=(0, *range(2, g.ndim))),
)
conv_input_back = Bilinear(
    lambda xp, g, _g, weight, size, **how: xp.conv(g, conj(xp, weight), **how),
    lambda xp, g, g0, _weight, size, **how: xp.conv_weight_back(g, conj(xp, g0), size=_weight.shape[2:], **how),
)
conv_weight_back = Bilinear(
    lambda xp, g, _x, g0, size, **how: xp.conv_input_back(conj(xp, g0), g, size=_x.shape[2:], **how),
    lambda xp, g, x, _g, size, **how: xp.conv(conj(xp, x), g, **how),
)
