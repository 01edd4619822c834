"""scipy.special: elementwise functions, which dispatch to `xp.special`, and the reductions."""

from __future__ import annotations

from scipy import special

from .table import Chapter, between, normal

calls = Chapter("scipy.special")

# name: the interval of each argument; None: integers that carry no gradient
_intervals = {
    "betainc": ((0.5, 3), (0.5, 3), (0.1, 0.9)),
    "betaincc": ((0.5, 3), (0.5, 3), (0.1, 0.9)),
    "betaln": ((0.5, 3), (0.5, 3)),
    "binom": ((4, 7), (1, 3)),
    "boxcox": ((0.5, 3), (0.5, 2)),
    "boxcox1p": ((0.5, 3), (0.5, 2)),
    "cbrt": ((0.5, 3),),
    "chdtr": ((1, 4), (0.5, 3)),
    "chdtrc": ((1, 4), (0.5, 3)),
    "cosm1": ((0.2, 1),),
    "digamma": ((0.5, 4),),
    "ellipk": ((0.1, 0.9),),
    "ellipkm1": ((0.1, 0.9),),
    "entr": ((0.1, 2),),
    "erf": ((-2, 2),),
    "erfc": ((-2, 2),),
    "erfcx": ((-1, 2),),
    "erfinv": ((-0.9, 0.9),),
    "exp1": ((0.3, 3),),
    "exp10": ((-1, 1),),
    "exp2": ((-2, 2),),
    "expi": ((0.3, 3),),
    "expit": ((-3, 3),),
    "exprel": ((0.2, 2),),
    "gamma": ((0.5, 4),),
    "gammainc": ((0.5, 3), (0.3, 3)),
    "gammaincc": ((0.5, 3), (0.3, 3)),
    "gammaln": ((0.5, 4),),
    "huber": ((0.9, 1.1), (-3, 0.8)),
    "i0": ((-2, 2),),
    "i0e": ((0.2, 2),),
    "i1": ((-2, 2),),
    "i1e": ((0.2, 2),),
    "inv_boxcox": ((0.5, 2), (0.5, 2)),
    "j0": ((0.5, 4),),
    "j1": ((0.5, 4),),
    "k0": ((0.5, 4),),
    "k1": ((0.5, 4),),
    "kl_div": ((0.2, 2), (0.2, 2)),
    "log_ndtr": ((-8, 2),),
    "loggamma": ((0.5, 4),),
    "logit": ((0.1, 0.9),),
    "ndtr": ((-3, 3),),
    "ndtri": ((0.05, 0.95),),
    "poch": ((1, 3), (1, 3)),
    "pseudo_huber": ((0.5, 2), (-3, 3)),
    "psi": ((0.5, 4),),
    "rel_entr": ((0.2, 2), (0.2, 2)),
    "rgamma": ((0.5, 4),),
    "sinc": ((0.2, 2),),
    "spence": ((0.3, 3),),
    "xlog1py": ((0.2, 2), (0.2, 2)),
    "xlogy": ((0.2, 2), (0.2, 2)),
    "y0": ((0.5, 4),),
    "zetac": ((1.5, 4),),
}
for _name, _ends in _intervals.items():
    calls(_name, getattr(special, _name), *(between(a, b, 6) for a, b in _ends))

_p = between(0.1, 0.9, 2, 5)
calls("zeta(x, q)", special.zeta, between(2, 4, 5), between(0.5, 3, 5))
calls("stdtr(2.5, t)", lambda t: special.stdtr(t * 0 + 2.5, t), between(-2, 2, 5))
calls("gammaincc(2, x)", lambda x: special.gammaincc(x * 0 + 2.0, x), between(0.3, 4, 5))
calls("betainc(2, 3, x)", lambda x: special.betainc(x * 0 + 2.0, x * 0 + 3.0, x), between(0.1, 0.9, 5))
calls("chdtr(3, x)", lambda x: special.chdtr(x * 0 + 3.0, x), between(0.3, 4, 5))
calls("polygamma(2, x)", lambda x: special.polygamma(2, x), between(0.5, 3, 5))
calls("multigammaln(a, 3)", lambda a: special.multigammaln(a, 3), between(2, 5, 5))
calls("xlogy(0, y)", lambda y: special.xlogy(y * 0, y), between(0.5, 2, 4))
calls("logsumexp", lambda x: special.logsumexp(x, axis=1), normal(3, 4))
calls("logsumexp(keepdims)", lambda x: special.logsumexp(x, axis=0, keepdims=True), normal(3, 4))
calls("logsumexp(b)", lambda x, b: special.logsumexp(x, b=b, axis=1), normal(3, 4), between(0.2, 2, 3, 4))
calls("logsumexp(b, return_sign)", lambda x, b: special.logsumexp(x, b=b, return_sign=True), normal(6), normal(6))
calls("softmax", lambda x: special.softmax(x, axis=1), normal(3, 4))
calls("softmax(all)", special.softmax, normal(3, 4))
calls("log_softmax", lambda x: special.log_softmax(x, axis=-1), normal(3, 4))
calls("log_softmax(axis=0)", lambda x: special.log_softmax(x, axis=0), normal(3, 4))
calls("entr().sum", lambda p: special.entr(p) + special.rel_entr(p, p * p), _p)
