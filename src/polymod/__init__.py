"""polymod: neural networks and derivatives on any array library that speaks the Python array API standard."""

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__
from .dtypes import (
    bfloat16,
    complex64,
    complex128,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    set_default_dtype,
    uint8,
    uint16,
    uint32,
    uint64,
)
from .dtypes import bool_ as bool
from .dtypes import default_float as get_default_dtype
from .autograd import enable_grad, is_grad_enabled, no_grad, set_grad_enabled, set_strict  # isort: skip
from . import autograd
from .autograd.functional import grad, jvp, linearize, value_and_grad, vjp
from .backend import (
    Backend,
    Capabilities,
    Device,
    backend_names,
    current_device,
    device,
    load_backend,
    register_backend,
    set_backend,
    use_backend,
)
from .errors import (
    BackendError,
    CaptureError,
    DataError,
    GradientError,
    MixedDevicesError,
    PolymodError,
    ShapeError,
    StateError,
)
from .functions.beyond import *
from .functions.creation import *
from .functions.data_types import *
from .functions.einsum import *
from .functions.elementwise import *
from .functions.indexing import *
from .functions.info import *
from .functions.manipulation import *
from .functions.searching import *
from .functions.sets import *
from .functions.sorting import *
from .functions.statistical import *
from .interop import watch as _watch
from .ops import ops
from .tensor import Tensor, to_numpy

if TYPE_CHECKING:
    from .autograd.anomaly import detect_anomaly
    from .autograd.check import check_grads
    from .autograd.checkpoint import checkpoint
    from .autograd.custom import custom_function, stop_gradient
    from .autograd.jacobians import hessian, hvp, jacobian
    from .autograd.vmap import vmap
    from . import data, fft, func, io, linalg, models, nn, optim, random, special
    from .capturing import capture
    from .io import load_file, save_file
    from .random import manual_seed, rand, randint, randn, randperm

pi, e, inf, nan, newaxis = ops.pi, ops.e, ops.inf, ops.nan, None
__array_api_version__ = "2025.12"

# Parts that not every program needs are imported when they are first used: submodules, and names and their homes.
_submodules = frozenset({"data", "fft", "func", "io", "linalg", "models", "nn", "optim", "random", "special"})
_homes = {
    "capture": "capturing",
    "check_grads": "autograd.check",
    "checkpoint": "autograd.checkpoint",
    "custom_function": "autograd.custom",
    "detect_anomaly": "autograd.anomaly",
    "hessian": "autograd.jacobians",
    "hvp": "autograd.jacobians",
    "jacobian": "autograd.jacobians",
    "stop_gradient": "autograd.custom",
    "vmap": "autograd.vmap",
    "load_file": "io",
    "save_file": "io",
    "manual_seed": "random",
    "rand": "random",
    "randint": "random",
    "randn": "random",
    "randperm": "random",
}


def __getattr__(name: str) -> Any:
    if name in _submodules:
        return importlib.import_module(f".{name}", __name__)
    if name in _homes:
        value = getattr(importlib.import_module(f".{_homes[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'polymod' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_submodules, *_homes} - {"importlib", "TYPE_CHECKING", "Any"})


_watch()  # for libraries that have to be told of Tensors
