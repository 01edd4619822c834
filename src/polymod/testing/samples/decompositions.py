"""Inverses, determinants, decompositions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polymod as pm

from .sample import Draw, Sample, library, method

draw = Draw("decompositions")
normal, complex_numbers = draw.normal, draw.complex_numbers
regular, complex_regular = draw.regular, draw.complex_regular
singular, complex_singular = draw.singular, draw.complex_singular


def torch_linalg(name: str, **attrs: Any) -> Callable[..., Any]:
    return lambda *args: getattr(library(args[0]).linalg, name)(*args, **attrs)


def of_hermitian(name: str) -> Callable[..., Any]:
    return lambda x: torch_linalg(name)((x + x.mH) / 2)


def torch_eigh(x: Any) -> Any:
    w, v = of_hermitian("eigh")(x)
    return w, v.abs() ** 2


def torch_svd(x: Any) -> Any:
    u, s, vh = torch_linalg("svd", full_matrices=False)(x)
    return u @ vh, s, u.abs() ** 2


# what does not depend on the signs or phases of eigenvectors and singular vectors


def plain_eigh(x: Any) -> Any:
    w, v = pm.ops.eigh(x)
    return w, pm.abs(v) ** 2


def plain_svd(x: Any) -> Any:
    u, s, vh = pm.ops.svd(x, full_matrices=False)
    return u @ vh, s, pm.abs(u) ** 2


def plain_full_svd(x: Any) -> Any:
    u, s, vh = pm.ops.svd(x, full_matrices=True)
    k, dtype = s.shape[-1], u.dtype
    first, rest, v_first, v_rest = u[..., :k], u[..., k:], vh[..., :k, :], vh[..., k:, :]
    first = first * pm.expand_dims(pm.astype(s, dtype), axis=-2)
    return first @ v_first, rest @ pm.conj(pm.matrix_transpose(rest)), pm.matrix_transpose(pm.conj(v_rest)) @ v_rest


def plain_eig(x: Any) -> Any:
    w, v = pm.ops.eig(x)
    return w, pm.abs(v) ** 2


def torch_eig(x: Any) -> Any:
    w, v = torch_linalg("eig")(x)
    return w, v.abs() ** 2


def complete_qr(x: Any) -> Any:
    q, r = pm.ops.qr(x, mode="complete")
    n = r.shape[-1]
    rest = q[..., n:]
    return q[..., :n], r, rest @ pm.conj(pm.matrix_transpose(rest))


table: dict[str, list[Sample]] = {
    "diagonal": [
        Sample((normal(3, 4),), torch=method("diagonal")),
        Sample((normal(2, 4, 3),), {"offset": -1}, torch=method("diagonal", -1, -2, -1)),
        Sample((normal(2, 3, 4),), {"offset": 2}, torch=method("diagonal", 2, -2, -1)),
    ],
    "diagonal_back": [
        Sample((normal(3),), {"shape": (3, 4)}),
        Sample((normal(2, 3),), {"offset": -1, "shape": (4, 3)}),
    ],
    "inv": [Sample((regular(*s),), torch=torch_linalg("inv")) for s in ((3, 3), (2, 1, 1))],
    "solve": [
        Sample((regular(*a), normal(*b)), torch=torch_linalg("solve"))
        for a, b in (((3, 3), (3, 2)), ((2, 3, 3), (2, 3, 1)), ((3, 3), (2, 3, 2)), ((2, 1, 2, 2), (3, 2, 2)))
    ],
    "pinv": [Sample((regular(*s),), {"rtol": 1e-12}, torch=torch_linalg("pinv")) for s in ((2, 3, 3), (4, 2), (2, 3))],
    "det": [Sample((regular(*s),), torch=torch_linalg("det")) for s in ((3, 3), (2, 4, 4), (1, 1))]
    + [Sample((singular(*s, rank=r),)) for s, r in (((3, 3), 2), ((4, 4), 2), ((2, 4, 4), 3))],
    "slogdet": [Sample((regular(*s),), torch=torch_linalg("slogdet")) for s in ((3, 3), (2, 2, 2))],
    "cholesky": [Sample((regular(*s),), torch=of_hermitian("cholesky")) for s in ((3, 3), (2, 2, 2), (1, 1))],
    "qr": [
        *(
            Sample((regular(*s),), {"mode": "reduced"}, torch=torch_linalg("qr"))
            for s in ((3, 3), (4, 2), (2, 4), (2, 3, 2))
        ),
        Sample((regular(2, 4),), {"mode": "complete"}, torch=torch_linalg("qr")),
        Sample((regular(4, 2),), call=complete_qr),
    ],
    "eigh": [Sample((regular(*s),), call=plain_eigh, torch=torch_eigh) for s in ((3, 3), (2, 2, 2))],
    "eigvalsh": [Sample((regular(*s),), torch=of_hermitian("eigvalsh")) for s in ((3, 3), (2, 2, 2))],
    "eig": [Sample((regular(*s),), call=plain_eig, torch=torch_eig) for s in ((3, 3), (2, 2, 2))],
    "svd": [
        *(Sample((regular(*s),), call=plain_svd, torch=torch_svd) for s in ((3, 3), (4, 2), (2, 3), (2, 3, 2))),
        *(Sample((regular(*s),), call=plain_full_svd) for s in ((4, 2), (2, 4))),
    ],
    "svdvals": [Sample((regular(*s),), torch=torch_linalg("svdvals")) for s in ((3, 3), (2, 3, 2))],
}

complex_table: dict[str, list[Sample]] = {
    "diagonal": [
        Sample((complex_numbers(3, 4),), torch=method("diagonal")),
        Sample((complex_numbers(2, 4, 3),), {"offset": -1}, torch=method("diagonal", -1, -2, -1)),
        Sample((complex_numbers(2, 3, 4),), {"offset": 2}, torch=method("diagonal", 2, -2, -1)),
    ],
    "diagonal_back": [
        Sample((complex_numbers(3),), {"shape": (3, 4)}),
        Sample((complex_numbers(2, 3),), {"offset": -1, "shape": (4, 3)}),
    ],
    "inv": [Sample((complex_regular(*s),), torch=torch_linalg("inv")) for s in ((3, 3), (2, 1, 1))],
    "solve": [
        Sample((complex_regular(*a), complex_numbers(*b)), torch=torch_linalg("solve"))
        for a, b in (((3, 3), (3, 2)), ((2, 3, 3), (2, 3, 1)), ((3, 3), (2, 3, 2)), ((2, 1, 2, 2), (3, 2, 2)))
    ],
    "pinv": [
        Sample((complex_regular(*s),), {"rtol": 1e-12}, torch=torch_linalg("pinv")) for s in ((2, 3, 3), (4, 2), (2, 3))
    ],
    "det": [Sample((complex_regular(*s),), torch=torch_linalg("det")) for s in ((3, 3), (2, 4, 4), (1, 1))]
    + [Sample((complex_singular(*s, rank=r),)) for s, r in (((3, 3), 2), ((4, 4), 2), ((2, 4, 4), 3))],
    "slogdet": [Sample((complex_regular(*s),), torch=torch_linalg("slogdet")) for s in ((3, 3), (2, 2, 2))],
    "cholesky": [Sample((complex_regular(*s),), torch=of_hermitian("cholesky")) for s in ((3, 3), (2, 2, 2), (1, 1))],
    "qr": [
        *(
            Sample((complex_regular(*s),), {"mode": "reduced"}, torch=torch_linalg("qr"))
            for s in ((3, 3), (4, 2), (2, 4), (2, 3, 2))
        ),
        Sample((complex_regular(2, 4),), {"mode": "complete"}, torch=torch_linalg("qr")),
        Sample((complex_regular(4, 2),), call=complete_qr),
    ],
    "eigh": [Sample((complex_regular(*s),), call=plain_eigh, torch=torch_eigh) for s in ((3, 3), (2, 2, 2))],
    "eigvalsh": [Sample((complex_regular(*s),), torch=of_hermitian("eigvalsh")) for s in ((3, 3), (2, 2, 2))],
    "eig": [Sample((complex_regular(*s),), call=plain_eig, torch=torch_eig) for s in ((3, 3), (2, 2, 2))],
    "svd": [
        *(Sample((complex_regular(*s),), call=plain_svd, torch=torch_svd) for s in ((3, 3), (4, 2), (2, 3), (2, 3, 2))),
        *(Sample((complex_regular(*s),), call=plain_full_svd) for s in ((4, 2), (2, 4))),
    ],
    "svdvals": [Sample((complex_regular(*s),), torch=torch_linalg("svdvals")) for s in ((3, 3), (2, 3, 2))],
}
