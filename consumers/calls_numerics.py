"""scipy.integrate, interpolate, optimize, differentiate, linalg, cluster, spatial, constants."""

from __future__ import annotations

import numpy as np
from array_api_compat import array_namespace, device
from scipy import cluster, constants, differentiate, integrate, interpolate, linalg, optimize
from scipy.optimize import elementwise
from scipy.spatial.transform import RigidTransform, Rotation

from .table import Chapter, between, normal, rising

calls = Chapter("scipy")
_y, _t = normal(3, 9), rising(0, 4, 9)


def add_integrate() -> None:
    """Integrals of samples and of functions."""
    calls("integrate.trapezoid", lambda y, x: integrate.trapezoid(y, x), _y, _t)
    calls("integrate.trapezoid(dx)", lambda y: integrate.trapezoid(y, dx=0.3, axis=0), _y)
    calls("integrate.simpson", lambda y, x: integrate.simpson(y, x=x), _y, _t)
    calls("integrate.simpson(even)", lambda y, x: integrate.simpson(y, x=x), normal(8), rising(0, 4, 8))
    calls("integrate.simpson(dx)", lambda y: integrate.simpson(y, dx=0.3), _y)
    calls("integrate.cumulative_trapezoid", lambda y, x: integrate.cumulative_trapezoid(y, x), _y, _t)
    calls("integrate.cumulative_trapezoid(initial)", lambda y: integrate.cumulative_trapezoid(y, initial=0), _y)
    calls("integrate.cumulative_simpson", lambda y, x: integrate.cumulative_simpson(y, x=x), _y, _t)
    calls("integrate.cumulative_simpson(dx)", lambda y: integrate.cumulative_simpson(y, dx=0.3, initial=0), _y)
    calls("integrate.romb", lambda y: integrate.romb(y, dx=0.3), normal(2, 9))
    calls(
        "integrate.cubature",
        lambda a, b: integrate.cubature(_bump, a, b).estimate,
        np.asarray([0.1, -0.3]),
        np.asarray([1.2, 0.9]),
    )
    calls(
        "integrate.cubature(args)",
        lambda a, b, c: integrate.cubature(_scaled_bump, a, b, args=(c,), rule="gauss-kronrod").estimate,
        np.asarray([0.1]),
        np.asarray([1.2]),
        np.asarray([0.7, 1.9]),
    )
    calls("integrate.tanhsinh", lambda a, b: integrate.tanhsinh(_cubic, a, b).integral, normal(3), normal(3) + 4)


def _bump(x):
    return 1 / (1 + (x * x).sum(axis=-1))


def _scaled_bump(x, c):
    return 1 / (1 + x * x * c)


def _cubic(x):
    return x**3 - 2 * x


def add_interpolate() -> None:
    """Splines of data, at points."""
    at = between(0.3, 3.5, 5)
    t, y = rising(0, 4, 8), normal(8)
    calls("interpolate.CubicSpline(x)", lambda x: interpolate.CubicSpline(_like(x, t), _like(x, y))(x), at)
    calls("interpolate.CubicSpline(y)", lambda y: interpolate.CubicSpline(_like(y, t), y)(_like(y, at)), y)
    calls("interpolate.PchipInterpolator", lambda y: interpolate.PchipInterpolator(_like(y, t), y)(_like(y, at)), y)
    calls("interpolate.BSpline", lambda c: interpolate.BSpline(_like(c, np.arange(12.0)), c, 3)(_like(c, at + 3)), y)
    calls(
        "interpolate.RBFInterpolator",
        lambda p, d, x: interpolate.RBFInterpolator(p, d)(x),
        normal(9, 2),
        normal(9),
        normal(4, 2),
        tolerance=1e-6,
    )
    calls(
        "interpolate.RBFInterpolator(gaussian)",
        lambda p, d, x: interpolate.RBFInterpolator(p, d, kernel="gaussian", epsilon=1.3, smoothing=0.1)(x),
        normal(9, 2),
        normal(9, 2),
        normal(4, 2),
        tolerance=1e-6,
    )
    calls(
        "interpolate.RBFInterpolator(multiquadric)",
        lambda d, p, x: interpolate.RBFInterpolator(p, d, kernel="multiquadric", epsilon=1.3, degree=1)(x),
        normal(9),
        normal(9, 2),
        normal(4, 2),
        tolerance=1e-6,
    )


def _like(x, values):
    """A host array as an array of the kind of `x`."""
    return array_namespace(x).asarray(values, dtype=x.dtype, device=device(x))


def add_optimize() -> None:
    """Test functions, and roots of elementwise functions."""
    calls("optimize.rosen", optimize.rosen, normal(4, 3))
    calls("optimize.rosen_der", optimize.rosen_der, normal(5))
    calls("optimize.rosen_hess", optimize.rosen_hess, normal(4))
    calls("optimize.rosen_hess_prod", optimize.rosen_hess_prod, normal(5), normal(5))
    find = elementwise.find_root
    calls("optimize.find_root", lambda c: find(_cube_less, (c * 0, c * 0 + 3), args=(c,)).x, between(1, 4, 4))
    calls(
        "optimize.find_minimum",
        lambda c: elementwise.find_minimum(_bowl, (c - 2, c + 0.3, c + 2), args=(c,)).f_x,
        between(1, 4, 3),
        tolerance=1e-6,
    )
    calls(
        "optimize.bracket_root", lambda c: elementwise.bracket_root(_cube_less, c, args=(c,)).bracket, between(2, 4, 4)
    )


def _cube_less(x, c):
    return x * x * x - c


def _bowl(x, c):
    return (x - c) ** 2 + c * c


def add_differentiate() -> None:
    """SciPy's finite differences, themselves differentiated."""
    calls(
        "differentiate.derivative", lambda x: differentiate.derivative(_cubic, x).df, between(0.5, 2, 3), tolerance=1e-6
    )
    calls(
        "differentiate.jacobian", lambda x: differentiate.jacobian(_squares, x).df, between(0.5, 2, 3), tolerance=1e-6
    )
    calls("differentiate.hessian", lambda x: differentiate.hessian(_mixed, x).ddf, between(0.5, 2, 2), tolerance=1e-4)


def _squares(x):
    return x * x * x


def _mixed(x):
    return x[0] * x[0] * x[1] + x[1] ** 3


def add_linalg() -> None:
    """The pure-Python part of scipy.linalg."""
    calls("linalg.block_diag", lambda a, b: linalg.block_diag(a, b), normal(2, 3), normal(2, 2))
    calls("linalg.block_diag(batch)", lambda a, b: linalg.block_diag(a, b), normal(3, 2, 3), normal(1, 1, 2))
    calls("linalg.fiedler", linalg.fiedler, normal(4))
    calls("linalg.orthogonal_procrustes", linalg.orthogonal_procrustes, normal(5, 3), normal(5, 3))


def add_cluster() -> None:
    """scipy.cluster and units."""
    calls("cluster.vq.whiten", cluster.vq.whiten, normal(6, 3))
    calls("cluster.vq.vq", lambda x, c: cluster.vq.vq(x, c)[1], normal(6, 3), normal(2, 3))
    calls("cluster.hierarchy.linkage", lambda x: cluster.hierarchy.linkage(x), normal(6, 3))
    calls(
        "constants.convert_temperature", lambda x: constants.convert_temperature(x, "Celsius", "Fahrenheit"), normal(5)
    )
    calls("constants.lambda2nu", constants.lambda2nu, between(1e8, 3e8, 4))


def add_spatial() -> None:
    """Rotations and rigid transformations."""
    q, v, r = normal(3, 4), normal(3, 3), between(-1, 1, 3, 3)
    calls("Rotation.from_quat.as_matrix", lambda q: Rotation.from_quat(q).as_matrix(), q)
    calls("Rotation.from_quat.as_quat", lambda q: Rotation.from_quat(q).as_quat(canonical=True), q)
    calls("Rotation.from_quat.as_rotvec", lambda q: Rotation.from_quat(q).as_rotvec(), q)
    calls("Rotation.from_quat.as_euler", lambda q: Rotation.from_quat(q).as_euler("xyz"), q)
    calls("Rotation.from_quat.as_mrp", lambda q: Rotation.from_quat(q).as_mrp(), q)
    calls("Rotation.from_quat(one).as_matrix", lambda q: Rotation.from_quat(q).as_matrix(), q[0])
    calls("Rotation.from_rotvec", lambda r: Rotation.from_rotvec(r).as_matrix(), r)
    calls("Rotation.from_mrp", lambda r: Rotation.from_mrp(r).as_matrix(), r)
    calls("Rotation.from_euler", lambda r: Rotation.from_euler("zyx", r).as_quat(), r)
    calls("Rotation.from_euler(XYZ)", lambda r: Rotation.from_euler("XYZ", r, degrees=True).as_matrix(), r * 50)
    calls(
        "Rotation.from_davenport",
        lambda a: Rotation.from_davenport([[0, 0, 1.0], [0, 1.0, 0]], "e", a).as_quat(),
        r[:, :2],
    )
    calls("Rotation.from_matrix", lambda m: Rotation.from_matrix(m).as_quat(), normal(3, 3) * 0.2 + np.eye(3))
    calls("Rotation.apply", lambda q, v: Rotation.from_quat(q).apply(v), q, v)
    calls("Rotation.apply(inverse)", lambda q, v: Rotation.from_quat(q).apply(v, inverse=True), q, v)
    calls("Rotation.mul", lambda p, q: (Rotation.from_quat(p) * Rotation.from_quat(q)).as_quat(), q, normal(3, 4))
    calls("Rotation.inv", lambda q: Rotation.from_quat(q).inv().as_matrix(), q)
    calls("Rotation.pow", lambda q: (Rotation.from_quat(q) ** 0.7).as_matrix(), q)
    calls("Rotation.magnitude", lambda q: Rotation.from_quat(q).magnitude(), q)
    calls("Rotation.approx", lambda q: Rotation.from_quat(q).mean().as_matrix(), q)
    calls("Rotation.reduce", lambda q: Rotation.from_quat(q).reduce().as_quat(), q)
    calls(
        "Rotation.align_vectors", lambda a, b: Rotation.align_vectors(a, b)[0].as_matrix(), normal(5, 3), normal(5, 3)
    )
    calls(
        "Rotation.concatenate",
        lambda a, b: Rotation.concatenate([Rotation.from_quat(a), Rotation.from_quat(b)]).as_matrix(),
        q,
        normal(2, 4),
    )
    calls("Rotation.getitem", lambda q: Rotation.from_quat(q)[1:].as_matrix(), q)
    calls("RigidTransform.apply", lambda v, x: RigidTransform.from_translation(v).apply(x), v, normal(3, 3))
    calls(
        "RigidTransform.from_exp_coords", lambda c: RigidTransform.from_exp_coords(c).as_matrix(), between(-1, 1, 2, 6)
    )
    calls(
        "RigidTransform.as_exp_coords",
        lambda c: RigidTransform.from_exp_coords(c).as_exp_coords(),
        between(-1, 1, 2, 6),
    )
    calls("RigidTransform.from_matrix", lambda m: _rigid(m).inv().as_matrix(), _transform())
    calls(
        "RigidTransform.as_dual_quat",
        lambda v, q: RigidTransform.from_components(v, Rotation.from_quat(q)).as_dual_quat(),
        v,
        q,
    )


def _transform():
    m = np.zeros((3, 4))
    m[:, :3] = Rotation.from_rotvec([0.3, -0.2, 0.5]).as_matrix() + 0.1 * normal(3, 3)  # no rotation, to be mended
    m[:, 3] = [1.0, 2.0, -0.5]
    return m


def _rigid(m):
    return RigidTransform.from_matrix(array_namespace(m).concat([m, _like(m, [[0.0, 0.0, 0.0, 1.0]])], axis=0))


add_integrate()
add_interpolate()
add_optimize()
add_differentiate()
add_linalg()
add_cluster()
add_spatial()
