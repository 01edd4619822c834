"""DataParallel, for the keys of checkpoints that were trained under it."""

from __future__ import annotations

from typing import Any

from .module import Module

__all__ = ["DataParallel"]


class DataParallel(Module):
    """A module under the name `module`, which prefixes the keys of its state dict, as torch's DataParallel does.

    A call is the module's own: arrays are computed with where they are, on one device.

    Args:
        module: what is called.
        device_ids, output_device, dim: accepted, and not used.
    """

    def __init__(self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0) -> None:
        super().__init__()
        if not isinstance(module, Module):
            raise TypeError(f"DataParallel expects a Module, received {type(module).__name__}")
        self.module = module

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)
