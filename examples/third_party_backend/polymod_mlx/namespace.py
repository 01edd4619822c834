"""`xp`: MLX as the array API standard wants it, in the names that polymod looks up."""

from types import SimpleNamespace

import mlx.core as mx

from . import creation
from .elementwise import elementwise
from .host import DTYPES
from .linear_algebra import fft, linalg, matmul, vecdot
from .reductions import reductions
from .shapes import shapes
from .standard import standard

xp = SimpleNamespace(
    **DTYPES,
    float64=None,
    complex128=None,
    **elementwise,
    **reductions,
    **shapes,
    **standard,
    zeros=creation.zeros,
    ones=creation.ones,
    empty=creation.zeros,  # MLX has no memory without values
    full=creation.full,
    arange=creation.arange,
    linspace=creation.linspace,
    eye=creation.eye,
    asarray=creation.asarray,
    zeros_like=creation.zeros_like,
    ones_like=creation.ones_like,
    empty_like=creation.zeros_like,
    full_like=creation.full_like,
    from_dlpack=mx.from_dlpack,
    isdtype=mx.isdtype,
    matmul=matmul,
    vecdot=vecdot,
    linalg=linalg,
    fft=fft,
)
