"""Apple's MLX as a backend of polymod: `pm.use_backend("mlx")`.

Importing this changes classes of MLX's a little: see `classes`.
"""

import mlx.core as mx

from polymod.backend import Backend, Capabilities

from .classes import adapt
from .host import current_device, from_numpy, to_numpy
from .indexing import index, index_add, index_set
from .kernels import evaluated
from .namespace import xp

adapt()

backend = Backend(
    name="mlx",
    xp=xp,
    array_types=(mx.array,),
    devices=lambda: [current_device()],
    from_numpy=from_numpy,
    to_numpy=to_numpy,
    synchronize=mx.synchronize,
    index_add=index_add,
    kernels={
        "index": index,
        "index_set": index_set,
        **{name: evaluated(name, lambda: backend.namespace) for name in ("sgd_steps", "adam_steps")},
    },
    capabilities=Capabilities(mutable=True, host_access=True, float64=False, complex=True),
    device_of=lambda x: current_device(),
    to_device=lambda x, device: x,
    version=mx.__version__,
)
