"""cuBLASLt through nvmath-python, where it is installed: a layer's product and its bias as one kernel.

Written against nvmath-python 1.0.0 (classes, signatures and what it says of layouts) and not yet run on a GPU. The
environment's POLYMOD_CUPY_NVMATH=0 switches it off. In steps that are recorded as a graph it has no part: nvmath-python
records an event for its working memory at each call, which must not outlive a recording. Of its epilogues only BIAS
fits an operation of polymod: the activations are operations of their own, and so are the cotangents of weight and bias,
which BGRADA would find together.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from importlib.util import find_spec
from typing import Any

from .graph import capturable

PLANS = 256  # as many are kept: a network has a few for each layer

Array = Any
Key = tuple[Any, ...]

_plans: OrderedDict[Key, Any] = OrderedDict()  # None where cuBLASLt does not take the shape


def enabled() -> bool:
    return os.environ.get("POLYMOD_CUPY_NVMATH", "1") != "0" and find_spec("nvmath") is not None


ENABLED = enabled()


def linear(x: Array, weight: Array, bias: Array) -> Array | None:
    """x (rows, in) @ weight (out, in).T + bias, or None where cuBLASLt does not do it.

    cuBLASLt adds a bias to the rows of a result that is stored column by column; that is our result, transposed.
    """
    a, b = weight, x.T
    key = (x.device.id, x.dtype.char, a.shape, a.strides, b.shape, b.strides)
    known = key in _plans
    plan = _plans.get(key)
    if not known:
        plan = _plans[key] = planned(a, b, bias)
        if len(_plans) > PLANS:
            _, oldest = _plans.popitem(last=False)
            if oldest is not None:
                oldest.free()
    if plan is None:
        return None
    if known:
        _plans.move_to_end(key)
        plan.reset_operands(a=a, b=b, epilog_inputs={"bias": bias})
    y = plan.execute()
    plan.release_operands()  # a plan must not keep arrays alive
    return y.T


def planned(a: Array, b: Array, bias: Array) -> Any:
    from nvmath.linalg.advanced import Matmul, MatmulEpilog

    product = None
    try:
        product = Matmul(a, b)
        product.plan(epilog=MatmulEpilog.BIAS, epilog_inputs={"bias": bias})
    except Exception:  # a shape, layout or version that it does not support; cuBLAS then does it
        if product is not None:
            product.free()
        return None
    return product


def takes(x: Array, weight: Array, bias: Array) -> bool:
    """Whether cuBLASLt is there and the arrays are not empty, of one real dtype, and the bias has no gaps."""
    one = x.dtype == weight.dtype == bias.dtype
    fits = one and x.size and weight.size and bias.flags.c_contiguous and x.dtype.kind != "c"
    return bool(ENABLED and fits and not capturable())
