"""CuPy, on CUDA GPUs."""

from __future__ import annotations

from polymod.backend import Backend, Capabilities

from .gpu import (
    count,
    device_name,
    devices,
    following,
    from_numpy,
    synchronize,
    to_device,
    to_numpy,
)  # first: it finds out if there is a GPU

# isort: split
import array_api_compat.cupy as xp
import cupy

from .attention import kernels as attention_kernels
from .basic import kernels as basic_kernels
from .batchnorm import kernels as batchnorm_kernels
from .complex import kernels as complex_kernels
from .convolution import kernels as convolution_kernels
from .fold import kernels as fold_kernels
from .gemm import kernels as gemm_kernels
from .graph import Recorder
from .indexing import index_add
from .indexing import kernels as indexing_kernels
from .linalg import kernels as linalg_kernels
from .linear import kernels as linear_kernels
from .losses import kernels as losses_kernels
from .neural import kernels as neural_kernels
from .normalization import kernels as normalization_kernels
from .optim import kernels as optim_kernels
from .peak import peak_memory
from .pooling import kernels as pooling_kernels
from .random import kernels as random_kernels
from .recurrent import kernels as recurrent_kernels
from .softmax import kernels as softmax_kernels
from .special import kernels as special_kernels

backend = Backend(
    name="cupy",
    xp=xp,
    array_types=(cupy.ndarray,),
    devices=devices,
    from_numpy=from_numpy,
    to_numpy=to_numpy,
    synchronize=synchronize,
    index_add=index_add,
    capture=Recorder,
    following=following if count > 1 else None,
    kernels={
        **basic_kernels,
        **complex_kernels,
        **linalg_kernels,
        **attention_kernels,
        **convolution_kernels,
        **linear_kernels,
        **recurrent_kernels,
        **neural_kernels,
        **gemm_kernels,
        **optim_kernels,
        **special_kernels,
        **softmax_kernels,
        **losses_kernels,
        **normalization_kernels,
        **batchnorm_kernels,
        **indexing_kernels,
        **random_kernels,
        **pooling_kernels,
        **fold_kernels,
    },
    capabilities=Capabilities(host_access=False),
    device_name=device_name,
    device_of=lambda x: x.device,
    to_device=to_device,
    version=cupy.__version__,
    peak_memory=peak_memory,
)
