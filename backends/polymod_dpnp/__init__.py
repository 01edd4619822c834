"""dpnp, on SYCL devices: Intel's GPUs and CPUs, and others that a SYCL runtime serves.

SYCL compiles each function when a process first calls it, which takes longer than most calls; with the environment's
SYCL_CACHE_PERSISTENT=1 it keeps them for the next process.
"""

from __future__ import annotations

from polymod.backend import Backend, Capabilities

from .devices import (
    device_name,
    device_of,
    devices,
    from_numpy,
    synchronize,
    to_device,
)  # first: it finds out if there is a device

# isort: split
import dpnp

from .indexing import index, index_add, index_set
from .kernels import kernels
from .special import kernels as special_kernels

backend = Backend(
    name="dpnp",
    xp=dpnp,
    array_types=(dpnp.ndarray,),
    devices=devices,
    from_numpy=from_numpy,
    to_numpy=dpnp.asnumpy,
    synchronize=synchronize,
    index_add=index_add,
    kernels={**kernels, **special_kernels, "index": index, "index_set": index_set},
    capabilities=Capabilities(host_access=False, float64=any(d.sycl_device.has_aspect_fp64 for d in devices())),
    device_name=device_name,
    device_of=device_of,
    to_device=to_device,
    version=dpnp.__version__,
)
