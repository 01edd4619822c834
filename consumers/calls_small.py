"""array-api-extra, einops, opt_einsum."""

from __future__ import annotations

import array_api_extra as xpx
import einops
import einops.array_api
import numpy as np
import opt_einsum
from array_api_compat import array_namespace, device

from .table import Chapter, between, normal, rising

extra, ein, contractions = Chapter("xpx"), Chapter("einops"), Chapter("opt_einsum")


def add_extra() -> None:
    """array-api-extra."""
    x, m = normal(6), normal(3, 4)
    holes = np.where(np.arange(12).reshape(3, 4) % 5 == 1, np.nan, m)
    extra("cov", xpx.cov, m)
    extra("cov(vector)", xpx.cov, x)
    extra("kron", xpx.kron, normal(2, 3), normal(3, 2))
    extra("create_diagonal", xpx.create_diagonal, x)
    extra("create_diagonal(offset)", lambda x: xpx.create_diagonal(x, offset=-1), m)
    extra("expand_dims", lambda x: xpx.expand_dims(x, axis=(0, 2)), m)
    extra("atleast_nd", lambda x: xpx.atleast_nd(x, ndim=3), m)
    extra("pad", lambda x: xpx.pad(x, 2), m)
    extra("pad(value, width)", lambda x: xpx.pad(x, ((1, 0), (2, 1)), constant_values=0.5), m)
    extra("sinc", xpx.sinc, x)
    extra("nan_to_num", lambda x: xpx.nan_to_num(x), m)
    extra("nan_to_num (holes)", lambda x: xpx.nan_to_num(x + _constant(x, holes - m), fill_value=1.0), m)
    for name in ("nanmax", "nanmin", "nansum", "nanmean"):
        function = getattr(xpx, name)
        extra(name, lambda x, f=function: f(x + _constant(x, holes - m), axis=0), m)
    extra("apply_where", lambda x: xpx.apply_where(x > 0, x, _log, fill_value=0.5), x)
    extra("apply_where(two)", lambda x, y: xpx.apply_where(x > y, (x, y), _ratio, _product), x, normal(6))
    extra("partition", lambda x: xpx.partition(x, 3)[3], x)
    extra("isclose", lambda x: array_namespace(x).where(xpx.isclose(x, x + 0.1), x, -x), x)
    extra("one_hot", lambda x: xpx.one_hot(_positions(x), 4, dtype=x.dtype) * x[:, None], x[:3])
    extra("searchsorted", lambda a, x: a[xpx.searchsorted(a, x)], rising(0, 1, 6), between(0.1, 0.5, 3))
    extra("union1d", xpx.union1d, x, normal(3))
    extra("at.set", lambda x, y: xpx.at(x, slice(1, 3)).set(y), x, normal(2))
    extra("at.add", lambda x, y: xpx.at(x)[2:].add(y), x, normal(4))
    extra("at.multiply", lambda x, y: xpx.at(x)[::2].multiply(y), x, normal(3))
    extra("at.divide", lambda x, y: xpx.at(x)[1:].divide(y), x, normal(5))
    extra("at.subtract", lambda x, y: xpx.at(x, 0).subtract(y), m, normal(4))
    extra("at.power", lambda x: xpx.at(x)[1:].power(3.0), x)
    extra("at.min", lambda x: xpx.at(x)[1:].min(0.3), x)
    extra("at.max", lambda x: xpx.at(x)[:3].max(0.1), x)
    extra("at[mask].set", lambda x: xpx.at(x)[x > 0].set(0.0), m)
    extra("at.set(copy=True)", lambda x: x + xpx.at(x, 1).set(0.0, copy=True), x)
    extra("angle", xpx.angle, x + 1j * x[::-1])
    extra("deg2rad", xpx.deg2rad, x)
    extra("rad2deg", xpx.rad2deg, x)
    extra("triu_indices", lambda x: x[xpx.triu_indices(3, xp=array_namespace(x))], normal(3, 3))
    extra("diag_indices", lambda x: x[xpx.diag_indices(3, xp=array_namespace(x))], normal(3, 3))
    extra("broadcast_shapes", lambda x: x + array_namespace(x).zeros(xpx.broadcast_shapes((6,), (2, 1))), x)


def _constant(x, values):
    return array_namespace(x).asarray(values, dtype=x.dtype, device=device(x))


def _positions(x):
    return array_namespace(x).asarray([0, 3, 1], device=device(x))


def _log(x):
    return array_namespace(x).log(x)


def _ratio(x, y):
    return x / y


def _product(x, y):
    return x * y


def add_einops() -> None:
    """einops: its main API, and einops.array_api."""
    x, y = normal(2, 3, 4), normal(6, 4)
    for module, prefix in ((einops, ""), (einops.array_api, "array_api.")):
        ein(f"{prefix}rearrange", lambda x, e=module: e.rearrange(x, "a b c -> c (b a)"), x)
        ein(f"{prefix}rearrange(split)", lambda y, e=module: e.rearrange(y, "(a b) c -> b a c", b=3), y)
        ein(f"{prefix}repeat", lambda y, e=module: e.repeat(y, "a b -> a n b", n=3), y)
        ein(f"{prefix}pack", lambda x, y, e=module: e.pack([x, y], "* c")[0], x, y)
        ein(f"{prefix}unpack", lambda y, e=module: e.unpack(y, [(2,), (2, 2)], "* c"), y)
        for kind in ("sum", "mean", "max", "min", "prod"):
            ein(f"{prefix}reduce({kind})", lambda x, e=module, k=kind: e.reduce(x, "a (b d) c -> b c", k, d=3), x)
    ein("rearrange(list)", lambda x, y: einops.rearrange([x, y], "n a b -> a (n b)"), y, normal(6, 4))
    ein("rearrange(ellipsis)", lambda x: einops.rearrange(x, "... c -> c ..."), x)
    ein("einsum", lambda a, b: einops.einsum(a, b, "i j k, l k -> i l j"), x, y)
    ein("asnumpy", lambda x: x * float(einops.asnumpy(_detached(x))[0, 0] > 9), y)


def _detached(x):
    return x.detach() if hasattr(x, "detach") else np.zeros((1, 1))


def add_contractions() -> None:
    """opt_einsum."""
    a, b, c = normal(3, 4), normal(4, 5), normal(5, 2)
    contract = opt_einsum.contract
    contractions("contract(chain)", lambda a, b, c: contract("ij,jk,kl->il", a, b, c), a, b, c)
    contractions("contract(trace)", lambda a, b: contract("ij,ji->", a, b), a, normal(4, 3))
    contractions("contract(batch)", lambda x, y: contract("bij,bjk->bik", x, y), normal(2, 3, 4), normal(2, 4, 2))
    contractions("contract(outer)", lambda x, y: contract("i,j->ij", x, y), normal(3), normal(4))
    contractions("contract(diagonal)", lambda x: contract("ii->i", x), normal(3, 3))
    contractions("contract(ellipsis)", lambda x, y: contract("...i,...i->...", x, y), normal(2, 3, 4), normal(4))
    contractions("contract(hadamard)", lambda x, y: contract("ij,ij,j->i", x, y, x[0, :]), a, normal(3, 4))
    contractions(
        "contract_expression", lambda x, y: opt_einsum.contract_expression("ij,jk->ik", (3, 4), (4, 5))(x, y), a, b
    )


add_extra()
add_einops()
add_contractions()
