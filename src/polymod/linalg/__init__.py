"""Linear algebra: the `linalg` extension of the Python array API standard, with derivatives.

Every function takes stacks of matrices or vectors in the last axes, Tensors or arrays of any engine, and gives
Tensors. Whole numbers become the default float dtype where the result is floating; two inputs are brought to their
common dtype. Derivatives of complex functions follow the convention of the whole library: the gradient of a real L is
the G for which dL = Re(sum(conj(G) * dX)).
"""

from ..functions.statistical import matmul, matrix_transpose, tensordot, vecdot
from .decompositions import cholesky, eig, eigh, eigvals, eigvalsh, qr, svd, svdvals
from .equations import det, inv, matrix_rank, pinv, slogdet, solve
from .norms import matrix_norm, vector_norm
from .products import cross, diagonal, matrix_power, outer, trace

__all__ = [
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]
