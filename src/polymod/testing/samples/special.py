"""Special functions."""

from __future__ import annotations

import numpy as np

from polymod.rules import primitives

from .sample import Draw, Sample, functional, one, special

draw = Draw("special")
normal, within, distinct = draw.normal, draw.within, draw.distinct


table: dict[str, list[Sample]] = {
    "erf": one(normal(2, 3), "erf"),
    **{name: one(normal(2, 3), special(name)) for name in ("erfc", "erfcx", "ndtr", "log_ndtr", "i0", "i1")},
    **{name: one(distinct(2, 3), special(name)) for name in ("i0e", "i1e")},
    "erfinv": one(within(-0.6, 0.6, 2, 3), "erfinv"),
    "ndtri": one(within(0.25, 0.75, 2, 3), special("ndtri")),
    "logit": one(within(0.25, 0.75, 2, 3), "logit"),
    "log_expit": one(normal(2, 3), functional("logsigmoid")),
    "xlogy": [Sample((normal(2, 1, 3), within(0.5, 2, 4, 1)), torch="xlogy")],
    "xlog1py": [Sample((normal(2, 1, 3), within(-0.5, 2, 4, 1)), torch=special("xlog1py"))],
    "entr": one(within(0.2, 2, 2, 3), special("entr")),
    "rel_entr": [Sample((within(0.2, 2, 2, 1, 3), within(0.2, 2, 4, 1)))],
    "kl_div": [Sample((within(0.2, 2, 2, 1, 3), within(0.2, 2, 4, 1)))],
    "gammaln": one(np.asarray([0.3, 1.2, 2.1, 4.5, 12.0, -0.4, -3.3]), "lgamma"),
    "digamma": one(np.asarray([0.5, 1.2, 2.1, 4.5, 12.0, -0.4, -3.3]), "digamma"),
    "gamma": one(np.asarray([0.5, 1.2, 2.1, 4.5, -0.4, -1.6])),
    "gamma_sign": one(np.asarray([0.5, 1.2, -0.4, -1.6])),
    "polygamma": [Sample((np.asarray([0.0, 1.0, 2.0, 3.0]), np.asarray([0.7, 1.5, 2.5, 11.0])), constant=(0,))],
    "zeta": [Sample((np.asarray([1.5, 2.0, 3.0]), within(0.6, 3, 2, 1)))],
    "riemann": one(np.asarray([2.0, 3.0, 0.4, -0.7, -3.5])),
    "betaln": [Sample((within(0.5, 3, 2, 1), within(0.5, 15, 3)))],
    "gamma_term": [Sample((within(0.5, 4, 2, 1), within(0.5, 4, 3)))],
    "gammainc": [
        Sample((np.asarray([[0.4], [1.5], [9.0]]), np.asarray([0.5, 2.0, 8.0]))),
        Sample((np.asarray([1.5, 30.0]), np.asarray([2.0, 25.0]))),
    ],
    "gammaincc": [
        Sample((np.asarray([[0.4], [1.5], [9.0]]), np.asarray([0.5, 2.0, 8.0]))),
        Sample((np.asarray([1.5, 30.0]), np.asarray([2.0, 25.0]))),
    ],
    "beta_term": [
        Sample(
            (within(0.5, 4, 2, 1), within(0.5, 4, 3), within(0.2, 0.8, 3)),
            call=lambda a, b, x: primitives["beta_term"](a, b, x, 1 - x),
        )
    ],
    "betainc": [Sample((np.asarray([[0.6], [1.5], [8.0]]), np.asarray([0.7, 2.0, 6.0]), np.asarray([0.15, 0.4, 0.8])))],
    "stdtr": [Sample((np.asarray([[1.5], [7.0], [40.0]]), np.asarray([-2.0, -0.3, 0.6, 1.5])))],
}

complex_table: dict[str, list[Sample]] = {}
