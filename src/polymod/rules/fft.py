"""Discrete Fourier transforms of whole axes; the public functions in `polymod.fft` cut and pad before.

All are linear. The matrix of the inverse transform is the conjugate transpose of the forward one's, but for a factor;
so the rule of each is the opposite transform, with the `norm` that gives it the factor of the original.
"""

from ..autograd.families import Linear
from ..backend import define

opposite_norm = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


@define
def dft(xp, x, *, axis, norm, inverse=False):
    """The transform of complex x over the axes in the tuple `axis`."""
    if len(axis) == 1:
        one = xp.fft.ifft if inverse else xp.fft.fft
        return one(x, axis=axis[0], norm=norm)
    several = xp.fft.ifftn if inverse else xp.fft.fftn
    return several(x, axes=axis, norm=norm)


@define
def rdft(xp, x, *, axis, norm):
    """The first n // 2 + 1 of the n frequencies of real x along one axis; the others are their conjugates."""
    return xp.fft.rfft(x, axis=axis, norm=norm)


@define
def irdft(xp, x, *, axis, n, norm):
    """The real array whose first n // 2 + 1 of n frequencies along one axis are x, which has just these."""
    return xp.fft.irfft(x, n=n, axis=axis, norm=norm)


def weighted(xp, x, axis, n, weight):
    """x, half a spectrum of n frequencies, with those times `weight` that stand for a conjugate pair."""
    k = xp.arange(x.shape[axis], device=x.device)
    k = xp.reshape(k, tuple(-1 if i == axis else 1 for i in range(x.ndim)))
    return xp.where((k > 0) & (2 * k != n), weight * x, x)


dft = Linear(
    lambda xp, g, _x, axis, norm, inverse=False: xp.dft(g, axis=axis, norm=opposite_norm[norm], inverse=not inverse)
)
rdft = Linear(
    lambda xp, g, _x, axis, norm: xp.irdft(
        weighted(xp, g, axis, _x.shape[axis], 0.5), axis=axis, n=_x.shape[axis], norm=opposite_norm[norm]
    )
)
irdft = Linear(
    lambda xp, g, _x, axis, n, norm: weighted(xp, xp.rdft(g, axis=axis, norm=opposite_norm[norm]), axis, n, 2.0)
)
