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
from .autograd import enable_grad, is_grad_enabled, no_grad, set_grad_enabled  # isort: skip
from . import autograd
from .autograd.functional import grad, value_and_grad
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
    DataError,
    GradientError,
    MixedDevicesError,
    PolymodError,
    ShapeError,
    StateError,
)
from .functions.creation import *
from .functions.elementwise import *
from .functions.indexing import *
from .functions.manipulation import *
from .functions.statistical import *
from .ops import ops
from .tensor import Tensor, to_numpy

if TYPE_CHECKING:
    from . import data, io, models, nn, optim, random
    from .io import load_file, save_file
    from .random import manual_seed, rand, randint, randn, randperm

pi, e, inf, nan, newaxis = ops.pi, ops.e, ops.inf, ops.nan, None

# Parts that not every program needs are imported when they are first used: submodules, and names and their homes.
_submodules = frozenset({"data", "io", "models", "nn", "optim", "random"})
_homes = {
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
