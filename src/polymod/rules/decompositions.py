"""Decompositions of matrices: Cholesky, QR, eigenvalues, singular values; of stacks of matrices throughout.

Eigenvectors and singular vectors are determined up to a sign or, where complex, a phase. Their derivatives hold for
every function that does not depend on it. Where two eigenvalues or singular values are equal (to rounding), single
vectors have no derivative; the rules leave such a pair out. That is right for functions of the values alone, and of
the spaces that belong to distinct values (a projection onto the vectors of all equal values, say); the derivative of
a function that tells equal values' vectors apart, and of V f(w) V^H at equal values, does not come out of it. What
is left out for singular values that are zero is likewise what depends on the choice of their vectors.

Hermitian input is taken as (x + x^H) / 2, in the value as in the derivative, on every engine.
"""

from ..autograd.families import General, Joint
from ..backend import define
from ..errors import BackendError
from .determinants import rounding
from .linalg import adjoint
from .manipulation import real_if


def hermitian(xp, x):
    """The Hermitian part (x + x^H) / 2."""
    return 0.5 * x + 0.5 * adjoint(xp, x)


def lower(xp, x):
    """The lower triangle of x with half of the diagonal."""
    return 0.5 * (xp.tril(x, k=0) + xp.tril(x, k=-1))


def upper(xp, x):
    """The upper triangle of x with half of the diagonal."""
    return 0.5 * (xp.triu(x, k=0) + xp.triu(x, k=1))


def columns(xp, x, scale):
    """x with column j times scale[j]."""
    return x * xp.expand_dims(scale, axis=-2)


def diagonal_matrix(xp, x):
    n = x.shape[-1]
    return xp.diagonal_back(x, shape=(n, n))


def given(xp, g, y):
    """The cotangents of all results `y`; zeros for those that nothing depends on."""
    return [xp.zeros_like(v) if g.get(i) is None else g[i] for i, v in enumerate(y)]


def reciprocal_differences(xp, w):
    """1 / (w_j - w_i) at i, j, and 0 where the two are equal to rounding, as on the diagonal."""
    n = w.shape[-1]
    difference = xp.expand_dims(w, axis=-2) - xp.expand_dims(w, axis=-1)
    if n == 0:
        return difference
    largest = xp.expand_dims(xp.max(xp.abs(w), axis=-1, keepdims=True), axis=-1)
    equal = xp.abs(difference) <= n * rounding(w) * largest
    return xp.where(equal, 0, 1 / xp.where(equal, 1, difference))


def reciprocal(xp, s, size):
    """1 / s of singular values s, descending, of a matrix whose longer side is `size`; 0 for those that are zero."""
    if s.shape[-1] == 0:
        return s
    zero = s <= size * rounding(s) * s[..., :1]
    return xp.where(zero, 0, 1 / xp.where(zero, 1, s))


# ---------------------------------------------------------------------------------------------------- triangular


@define
def cholesky(xp, x):
    """The lower triangular L of x = L L^H."""
    return xp.linalg.cholesky(hermitian(xp, x))


def cholesky_cotangent(xp, g, y):
    """Murray 2016, "Differentiation of the Cholesky decomposition", eq. 10: dL = L F(L^-1 dX L^-H), where F takes the
    lower triangle with half of the diagonal."""
    yh = adjoint(xp, y)
    c = hermitian(xp, lower(xp, xp.matmul(yh, xp.tril(g, k=0))))
    return adjoint(xp, xp.solve(yh, adjoint(xp, xp.solve(yh, c))))


cholesky = General(lambda xp, g, y, _x: cholesky_cotangent(xp, g, y))


@define
def qr(xp, x, *, mode):
    """`linalg.qr` of the standard."""
    return tuple(xp.linalg.qr(x, mode=mode))


def qr_cotangent(xp, g, q, r):
    """Walter and Lehmann 2018, "Algorithmic differentiation of linear algebra functions"; Roberts and Roberts 2020,
    "QR and LQ decomposition matrix backpropagation algorithms", for wide and tall matrices of full rank.

    dQ = (I - Q Q^H) C + Q (Q^H C - T) and dR = T R, with C = dX R^-1 and T the upper triangle of Q^H C + C^H Q with
    half of the diagonal, which keeps the diagonal of R real as LAPACK does. What mode="complete" adds to Q turns with
    the other columns, no more; that is right for functions that do not depend on which basis it is.
    """
    at_q, at_r = given(xp, g, (q, r))
    n = r.shape[-1]
    if q.shape[-1] > n:
        rest = q[..., n:]
        at_rest = at_q[..., n:]
        q, at_q, r, at_r = q[..., :n], at_q[..., :n], r[..., :n, :], at_r[..., :n, :]
        at_q = at_q - xp.matmul(rest, xp.matmul(adjoint(xp, at_rest), q))
    m = q.shape[-1]
    at_more = None
    if n > m:  # X = [Y Z]: Y = Q R decides, Z only gets the coordinates Q^H Z
        more, at_more = r[..., m:], at_r[..., m:]
        r, at_r = r[..., :m], at_r[..., :m]
        at_q = at_q + xp.matmul(q, xp.matmul(more, adjoint(xp, at_more)))
        at_more = xp.matmul(q, at_more)
    t = upper(xp, xp.matmul(at_r, adjoint(xp, r)) - xp.matmul(adjoint(xp, q), at_q))
    c = at_q + xp.matmul(q, t + adjoint(xp, t))
    c = adjoint(xp, xp.solve(r, adjoint(xp, c)))
    return c if at_more is None else xp.concat([c, at_more], axis=-1)


qr = Joint(lambda xp, g, y, _x, mode: [qr_cotangent(xp, g, *y)])

# ---------------------------------------------------------------------------------------------------- eigenvalues


@define
def eigh(xp, x):
    """Eigenvalues in ascending order and orthonormal eigenvectors of Hermitian matrices."""
    return tuple(xp.linalg.eigh(hermitian(xp, x)))


def eigh_cotangent(xp, g, w, v):
    """Giles 2008, 3.1; Boeddeker et al. 2017, "On the computation of complex-valued gradients with application to
    statistically optimum beamforming", 4.60: dw = diag(V^H dX V), dV = V (E * (V^H dX V)), E_ij = 1 / (w_j - w_i)."""
    at_w, at_v = g.get(0), g.get(1)
    if at_v is None:
        return xp.matmul(columns(xp, v, at_w), adjoint(xp, v))
    c = reciprocal_differences(xp, w) * xp.matmul(adjoint(xp, v), at_v)
    if at_w is not None:
        c = c + diagonal_matrix(xp, at_w)
    return hermitian(xp, xp.matmul(v, xp.matmul(c, adjoint(xp, v))))


eigh = Joint(lambda xp, g, y, _x: [eigh_cotangent(xp, g, *y)])


@define
def eigvalsh(xp, x):
    """The eigenvalues of Hermitian matrices in ascending order."""
    return xp.linalg.eigvalsh(hermitian(xp, x))


eigvalsh = General(lambda xp, g, _y, x: eigh_cotangent(xp, {0: g}, *xp.eigh(x)))


@define
def eig(xp, x):
    """Eigenvalues and eigenvectors of length one, complex, of any square matrices."""
    found = getattr(xp.linalg, "eig", None)
    if found is None:
        raise BackendError(
            f"backend {xp.backend.name} has no eig for general matrices; eigh serves Hermitian ones, and "
            "x.to('numpy') moves the matrices to an engine that has it"
        )
    # engines that follow NumPy give real ones where all happen to be real
    return tuple(y if xp.isdtype(y.dtype, "complex floating") else y + 0j for y in found(x))


def eig_cotangent(xp, g, w, v, dtype):
    """Boeddeker et al. 2017, 4.77: with P = V^-1 dX V, dw = diag(P), dV = V (E * P) less what would change the
    length of the eigenvectors, E_ij = 1 / (w_j - w_i)."""
    at_w, at_v = g.get(0), g.get(1)
    vh = adjoint(xp, v)
    c = None if at_w is None else diagonal_matrix(xp, at_w)
    if at_v is not None:
        m = xp.matmul(vh, at_v)
        m = m - columns(xp, xp.matmul(vh, v), xp.real(xp.diagonal(m)))
        at_p = xp.conj(reciprocal_differences(xp, w)) * m
        c = at_p if c is None else c + at_p
    return real_if(xp, xp.solve(vh, xp.matmul(c, vh)), dtype)


eig = Joint(lambda xp, g, y, _x: [eig_cotangent(xp, g, y[0], y[1], _x.dtype)])

# ------------------------------------------------------------------------------------------------- singular values


@define
def svd(xp, x, *, full_matrices):
    """`linalg.svd` of the standard: U, the singular values in descending order, V^H."""
    return tuple(xp.linalg.svd(x, full_matrices=full_matrices))


def svd_cotangent(xp, g, u, s, vh):
    """Townsend 2016, "Differentiating the singular value decomposition"; Wan and Zhang 2019, "Automatic differentiation
    for complex valued SVD". With P = U^H dX V and E_ij = 1 / (s_j^2 - s_i^2), dS = Re diag(P),
    dU = U (E * (P S + S P^H)) + (I - U U^H) dX V S^-1 and dV = V (E * (S P + P^H S)) + (I - V V^H) dX^H U S^-1.

    What full_matrices adds to U and V turns with the other vectors, no more; that is right for functions that do not
    depend on which basis it is.
    """
    at_s = g.get(1)
    k, (m, n) = s.shape[-1], (u.shape[-2], vh.shape[-1])
    v = adjoint(xp, vh)
    at_u, u = first_columns(xp, g.get(0), u, k)
    at_v, v = first_columns(xp, None if g.get(2) is None else adjoint(xp, g[2]), v, k)
    p = None if at_s is None else diagonal_matrix(xp, at_s)
    if p is not None and at_u is None and at_v is None:
        return xp.matmul(columns(xp, u, at_s), adjoint(xp, v))
    e = reciprocal_differences(xp, s)
    e = xp.where(e == 0, 0, e / xp.where(e == 0, 1, xp.expand_dims(s, axis=-2) + xp.expand_dims(s, axis=-1)))
    one_over_s = reciprocal(xp, s, max(m, n))
    c = None
    if at_u is not None:
        uh_at_u = xp.matmul(adjoint(xp, u), at_u)
        turn = e * uh_at_u
        from_u = columns(xp, turn + adjoint(xp, turn), s)
        if xp.isdtype(u.dtype, "complex floating"):  # a phase common to u_i and v_i is free: u_i turns, v_i stays
            phase = xp.diagonal(uh_at_u)
            from_u = from_u + diagonal_matrix(xp, 0.5 * one_over_s * (phase - xp.conj(phase)))
        p = from_u if p is None else p + from_u
        if m > k:
            c = xp.matmul(columns(xp, at_u - xp.matmul(u, uh_at_u), one_over_s), adjoint(xp, v))
    if at_v is not None:
        vh_at_v = xp.matmul(adjoint(xp, v), at_v)
        turn = e * vh_at_v
        from_v = xp.expand_dims(s, axis=-1) * (turn + adjoint(xp, turn))
        p = from_v if p is None else p + from_v
        if n > k:
            d = xp.matmul(u, adjoint(xp, columns(xp, at_v - xp.matmul(v, vh_at_v), one_over_s)))
            c = d if c is None else c + d
    inner = xp.matmul(u, xp.matmul(p, adjoint(xp, v)))
    return inner if c is None else inner + c


def first_columns(xp, g, q, k):
    """The first k columns of unitary q and their cotangent, with what the cotangent of the others means for them."""
    if q.shape[-1] == k:
        return g, q
    first, rest = q[..., :k], q[..., k:]
    if g is None:
        return None, first
    return g[..., :k] - xp.matmul(rest, xp.matmul(adjoint(xp, g[..., k:]), first)), first


svd = Joint(lambda xp, g, y, _x, full_matrices: [svd_cotangent(xp, g, *y)])


@define
def svdvals(xp, x):
    """The singular values in descending order."""
    return xp.linalg.svdvals(x)


def svdvals_cotangent(xp, g, x):
    """dS = Re diag(U^H dX V); a singular value that is 0, where it has a kink as abs has, gets 0."""
    u, s, vh = xp.svd(x, full_matrices=False)
    return xp.matmul(columns(xp, u, xp.where(s == 0, 0, g)), vh)


svdvals = General(lambda xp, g, _y, x: svdvals_cotangent(xp, g, x))
