"""PyTorch's tensors as plain arrays, on the CPU, CUDA or Apple's GPU. torch's own autograd takes no part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_compat.torch as xp
import numpy as np
import torch

from polymod.backend import Backend

from .indexing import index, index_add, index_set, take_along_axis
from .kernels import kernels
from .neural import kernels as neural_kernels
from .special import kernels as special_kernels


def devices() -> list[torch.device]:
    found = [torch.device("cpu")]
    found += [torch.device("cuda", n) for n in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append(torch.device("mps", 0))
    return sorted(found, key=lambda device: device != torch.get_default_device())


def from_numpy(x: np.ndarray, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.array(x, order="C")).to(device)


def to_numpy(x: torch.Tensor) -> np.ndarray:
    if x.dtype is torch.bfloat16:
        raise TypeError("NumPy has no bfloat16; convert the array to float32 first")
    return np.array(x.detach().cpu().resolve_conj().resolve_neg().numpy())


def synchronize() -> None:
    if torch.cuda.is_initialized():
        for n in range(torch.cuda.device_count()):
            torch.cuda.synchronize(n)
    if torch.backends.mps.is_available():
        torch.mps.synchronize()


def peak_memory(device: torch.device, function: Callable[[], Any]) -> int | None:
    """Call `function`; the most bytes that tensors took on a CUDA device meanwhile, beyond those before."""
    if device.type != "cuda":
        function()
        return None
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    function()
    return torch.cuda.max_memory_allocated(device) - before


backend = Backend(
    name="torch",
    xp=xp,
    array_types=(torch.Tensor,),
    devices=devices,
    from_numpy=from_numpy,
    to_numpy=to_numpy,
    synchronize=synchronize,
    index_add=index_add,
    kernels={
        **kernels,
        **neural_kernels,
        **special_kernels,
        "index": index,
        "index_set": index_set,
        "take_along_axis": take_along_axis,
    },
    device_of=lambda x: x.device,
    to_device=lambda x, device: x.detach().to(device),
    version=torch.__version__,
    peak_memory=peak_memory,
)
