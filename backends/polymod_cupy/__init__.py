"""CuPy, on CUDA GPUs."""

from __future__ import annotations

from polymod.backend import Backend, Capabilities

from .gpu import (
    device_name,
    devices,
    from_numpy,
    synchronize,
    to_device,
)  # first: it finds out if there is a GPU

# isort: split
import array_api_compat.cupy as xp
import cupy

from .indexing import index_add
from .neural import kernels as neural_kernels
from .special import kernels as special_kernels

backend = Backend(
    name="cupy",
    xp=xp,
    array_types=(cupy.ndarray,),
    devices=devices,
    from_numpy=from_numpy,
    to_numpy=cupy.asnumpy,
    synchronize=synchronize,
    index_add=index_add,
    kernels={**neural_kernels, **special_kernels},
    capabilities=Capabilities(host_access=False),
    device_name=device_name,
    device_of=lambda x: x.device,
    to_device=to_device,
    version=cupy.__version__,
)
