"""The most memory that a computation takes on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy


class Peak(cupy.cuda.MemoryHook):
    """Counts what is taken from and given back to CuPy's pools on one GPU, in blocks as the pool rounds them."""

    name = "polymod peak"

    def __init__(self, device_id: int) -> None:
        self.device_id = device_id
        self.taken = self.most = 0

    def malloc_postprocess(self, device_id: int, size: int, mem_size: int, mem_ptr: int, pmem_id: int) -> None:
        if device_id == self.device_id and mem_ptr:  # 0: there was not enough
            self.taken += mem_size
            self.most = max(self.most, self.taken)

    def free_postprocess(self, device_id: int, mem_size: int, mem_ptr: int, pmem_id: int) -> None:
        if device_id == self.device_id:
            self.taken -= mem_size


def peak_memory(device: cupy.cuda.Device, function: Callable[[], Any]) -> int:
    """Call `function`; the most bytes that arrays took on `device` meanwhile, beyond those before.

    What a library allocates by itself (cuBLAS's workspace, modules' code) and what the pool keeps in reserve are not
    counted; nor is what other threads do.
    """
    with Peak(device.id) as count:
        function()
    return int(count.most)
