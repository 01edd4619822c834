"""linalg and fft."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polymod as pm
from polymod import fft, linalg

from .adapters import adapter, adapters, only
from .reductions import axis_of

for _name in ("inv", "det", "slogdet", "eigvals", "svdvals"):
    adapters[f"linalg.{_name}"] = getattr(linalg, _name)
for _name, _f in {
    "linalg.cholesky": lambda x, upper=False: linalg.cholesky(x, upper=upper),
    "linalg.cross": lambda a, b, dim=-1: linalg.cross(a, b, axis=dim),
    "cross": lambda a, b, dim=-1: linalg.cross(a, b, axis=dim),
    "linalg.eigvalsh": lambda x, UPLO="L": linalg.eigvalsh(x),
    "linalg.matrix_power": lambda x, n: linalg.matrix_power(x, n),
    "trace": linalg.trace,
    # singular and eigenvectors are determined up to a phase
    "linalg.eigh": lambda x, UPLO="L": (linalg.eigh(x)[0], pm.abs(linalg.eigh(x)[1])),
    "linalg.eig": lambda x: (linalg.eig(x)[0], pm.abs(linalg.eig(x)[1])),
    "linalg.qr": lambda x, mode="reduced": tuple(linalg.qr(x, mode=mode)),
}.items():
    adapters[_name] = _f


@adapter("linalg.diagonal", "diagonal", "diagonal_copy")
def diagonal(x: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    return linalg.diagonal(pm.moveaxis(x, (dim1, dim2), (-2, -1)), offset=offset)


adapters["linalg.diagonal"] = lambda x, offset=0, dim1=-2, dim2=-1: diagonal(x, offset, dim1, dim2)


@adapter("linalg.svd")
def svd(x: Any, full_matrices: bool = True) -> Any:
    only(not full_matrices or x.shape[-1] == x.shape[-2], "the vectors of the null space are any")
    u, s, vh = linalg.svd(x, full_matrices=full_matrices)
    k = s.shape[-1]
    return pm.abs(u[..., :k]), s, pm.abs(vh[..., :k, :])


@adapter("linalg.solve")
def solve(a: Any, b: Any, left: bool = True) -> Any:
    only(left, "from the right")
    vectors = b.ndim == 1 or (b.ndim == a.ndim - 1 and tuple(b.shape) == tuple(a.shape[:-1]))
    only(b.ndim == 1 or not vectors, "several vectors")
    return linalg.solve(a, b)


@adapter("linalg.pinv")
def pinv(x: Any, atol: Any = None, rtol: Any = None, hermitian: bool = False) -> Any:
    only(atol is None and not hermitian, "atol")
    return linalg.pinv(x, rtol=rtol)


@adapter("linalg.vector_norm")
def vector_norm(x: Any, ord: float = 2, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    only(dtype is None, "dtype")
    return linalg.vector_norm(x, ord=ord, axis=axis_of(dim), keepdims=keepdim)


@adapter("linalg.matrix_norm")
def matrix_norm(x: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, dtype: Any = None) -> Any:
    only(dtype is None, "dtype")
    only(tuple(a % x.ndim for a in dim) == (x.ndim - 2, x.ndim - 1), "other axes")
    return linalg.matrix_norm(x, ord=ord, keepdims=keepdim)


def transform(name: str) -> Callable[..., Any]:
    def call(x: Any, n: Any = None, dim: int = -1, norm: Any = None) -> Any:
        return getattr(fft, name)(x, n=n, axis=dim, norm=norm or "backward")

    return call


def transforms(name: str) -> Callable[..., Any]:
    def call(x: Any, s: Any = None, dim: Any = None, norm: Any = None) -> Any:
        axes = None if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
        if s is not None and axes is None:
            axes = tuple(range(-len(s), 0))
        return getattr(fft, name)(x, s=s, axes=axes, norm=norm or "backward")

    return call


for _name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"):
    adapters[f"fft.{_name}"] = transform(_name)
for _name in ("fftn", "ifftn", "rfftn", "irfftn"):
    adapters[f"fft.{_name}"] = transforms(_name)
adapters["fft.fftshift"] = lambda x, dim=None: fft.fftshift(x, axes=dim)
adapters["fft.ifftshift"] = lambda x, dim=None: fft.ifftshift(x, axes=dim)
