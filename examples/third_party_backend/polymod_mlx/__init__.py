"""Apple's MLX as a backend of polymod: `pm.use_backend("mlx")`.

Importing this changes two classes of MLX's: `mlx.core.array` gets a property `device`, the name of the current default
device, and a dtype compared with None is unequal (MLX raises TypeError).
"""

from collections.abc import Callable
from typing import Any

import mlx.core as mx
from polymod.backend import Backend, Capabilities

from .host import current_device, from_numpy, to_numpy
from .indexing import index, index_add, index_set
from .kernels import steps
from .namespace import xp


def equal_or_none(theirs: Callable[[Any, Any], bool], of_none: bool) -> Callable[[Any, Any], bool]:
    return lambda dtype, other: of_none if other is None else theirs(dtype, other)


mx.array.device = property(lambda x: current_device())
mx.Dtype.__eq__ = equal_or_none(mx.Dtype.__eq__, False)
mx.Dtype.__ne__ = equal_or_none(mx.Dtype.__ne__, True)

backend = Backend(
    name="mlx",
    xp=xp,
    array_types=(mx.array,),
    devices=lambda: [current_device()],
    from_numpy=from_numpy,
    to_numpy=to_numpy,
    synchronize=mx.synchronize,
    index_add=index_add,
    kernels={"index": index, "index_set": index_set, **steps},
    capabilities=Capabilities(mutable=True, host_access=True, float64=False, complex=True),
    device_of=lambda x: current_device(),
    to_device=lambda x, device: x,
    version=mx.__version__,
)
