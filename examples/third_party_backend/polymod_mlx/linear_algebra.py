"""Products, and `linalg` and `fft`.

MLX has linear algebra on the CPU only, for real matrices only and without some of the standard's cases, so all of
`linalg` runs in NumPy, which reads MLX's memory without a copy. The results are in the dtype of the matrices.
"""

from types import SimpleNamespace

import mlx.core as mx
import numpy as np

from .host import on_host
from .standard import standard_fft, standard_linalg


def matmul(a: mx.array, b: mx.array) -> mx.array:
    """Whole numbers are multiplied on the host: MLX's matmul is for floating and complex numbers."""
    if mx.issubdtype(a.dtype, mx.inexact) or mx.issubdtype(b.dtype, mx.inexact):
        return mx.matmul(a, b)
    return on_host(np.matmul)(a, b)


def vecdot(a: mx.array, b: mx.array, *, axis: int = -1) -> mx.array:
    return mx.sum(mx.conj(a) * b, axis=axis).astype(mx.result_type(a, b))


def diagonal(x: mx.array, *, offset: int = 0) -> mx.array:
    return mx.diagonal(x, offset, -2, -1)


def eig(x: mx.array) -> tuple[mx.array, mx.array]:
    """Complex also where all eigenvalues are real: NumPy's dtype depends on the values."""
    values, vectors = on_host(np.linalg.eig)(x)
    return values.astype(mx.complex64), vectors.astype(mx.complex64)


direct = "cholesky det eigh eigvalsh inv pinv qr slogdet solve svd svdvals"
linalg = SimpleNamespace(
    **{name: on_host(getattr(np.linalg, name)) for name in direct.split()},
    **standard_linalg,
    diagonal=diagonal,
    eig=eig,
    matmul=matmul,
    matrix_transpose=mx.matrix_transpose,
    tensordot=mx.tensordot,
    vecdot=vecdot,
)
fft = SimpleNamespace(
    **{name: getattr(mx.fft, name) for name in ("fft", "ifft", "fftn", "ifftn", "rfft", "irfft")}, **standard_fft
)
