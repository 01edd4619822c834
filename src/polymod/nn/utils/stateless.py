"""Calling a module with other parameters, under torch.nn.utils.stateless' name; see `polymod.func.functional_call`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..module import Module

__all__ = ["functional_call"]


def functional_call(
    module: Module, parameters_and_buffers: Mapping[str, Any], args: Any = None, kwargs: Mapping[str, Any] | None = None
) -> Any:
    """`polymod.func.functional_call`: call `module` with other values for its parameters and buffers.

    Args:
        parameters_and_buffers: Tensors or engine arrays by path.
        args: a tuple of positional arguments, or the only one.
        kwargs: keyword arguments.
    """
    from ...func import functional_call as call  # it stands on nn

    return call(module, parameters_and_buffers, () if args is None else args, kwargs)
