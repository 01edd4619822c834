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

from .basic import kernels as basic_kernels
from .complex import kernels as complex_kernels
from .convolution import kernels as convolution_kernels
from .indexing import index_add
from .indexing import kernels as indexing_kernels
from .linalg import kernels as linalg_kernels
from .linear import kernels as linear_kernels
from .losses import kernels as losses_kernels
from .neural import kernels as neural_kernels
from .optim import kernels as optim_kernels
from .peak import peak_memory
from .random import kernels as random_kernels
from .softmax import kernels as softmax_kernels
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
    kernels={
        **basic_kernels,
        **complex_kernels,
        **linalg_kernels, **convolution_kernels, **linear_kernels,
        **neural_kernels,
        **optim_kernels,
        **special_kernels,
        **softmax_kernels,
        **losses_kernels,
        **indexing_kernels,
        **random_kernels,
    },
    capabilities=Capabilities(host_access=False),
    device_name=device_name,
    device_of=lambda x: x.device,
    to_device=to_device,
    version=cupy.__version__,
    peak_memory=peak_memory,
)
